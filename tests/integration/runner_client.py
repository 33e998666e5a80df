# SPDX-License-Identifier: Apache-2.0
"""A runner that does each step when a test says so, as an old one or as a present one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import requests

from conftest import BUILD
from localcloud.waiting import LIMIT, wait_until

# Another build of it, such as the one with sanitizers, may be named.
BROKER_HOST = Path(os.environ.get("RUNLET_TEST_BROKER", BUILD / "tests" / "broker-host"))
FEATURES = {"cancelable": True, "trace_checksum": True, "trace_size": True}


class BrokerHost:
    """The broker in a process of its own (broker-host.c), from `with` on."""

    def __init__(
        self,
        server_url: str,
        token_file: Path,
        *,
        wait_ms: int = 10_000,
        margin_ms: int = 600_000,
        ca_file: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.command = [str(BROKER_HOST), server_url, str(token_file), str(wait_ms), str(margin_ms)]
        self.command += [str(ca_file)] if ca_file else []
        self.environment = {**os.environ, **(environment or {})}
        self.lock = threading.Lock()
        self.log: list[str] = []

    def __enter__(self) -> BrokerHost:
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read_log, daemon=True).start()
        hello = self._read()
        self.url = f"http://127.0.0.1:{hello['port']}"
        self.port, self.placeholder = hello["port"], hello["placeholder"]
        return self

    def __exit__(self, *exc: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.exit_status = self.process.wait(LIMIT)
        assert self.exit_status == 0, "\n".join(self.log)

    def _read_log(self) -> None:
        assert self.process.stderr
        self.log.extend(self.process.stderr)

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the broker is gone: " + "\n".join(self.log)
        return json.loads(line)

    def order(self, text: str) -> dict[str, Any]:
        with self.lock:
            assert self.process.stdin
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
            return self._read()

    @property
    def status(self) -> dict[str, Any]:
        return self.order("status")

    def wait_for(self, limit: float = LIMIT, **wanted: Any) -> dict[str, Any]:
        """Waits until the status has these values."""

        def reached() -> dict[str, Any] | None:
            status = self.status
            return status if wanted.items() <= status.items() else None

        try:
            return wait_until(reached, f"a broker with {wanted}", limit)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it is {self.status}") from None

    def hold(self, line: str) -> None:
        self.order(f"hold {line}")

    def close_job(self, line: str = "", *, limit: float = 20, reason: str = "") -> dict[str, Any]:
        reason = reason or "runner_system_failure"
        return self.order(f"close {reason} {int(limit * 1000)} {line}")


class RunnerClient:
    """Speaks to `url` as gitlab-runner does: `old` as 12.7, else as 18 and 19."""

    def __init__(self, url: str, token: str, *, old: bool = False, **features: bool) -> None:
        self.url, self.token, self.old = url + "/api/v4", token, old
        self.features = FEATURES | features
        self.session = requests.Session()
        self.session.trust_env = False
        self.last_update = ""
        self.job: dict[str, Any] = {}
        self.written = b""
        """All that the job printed."""
        self.sent = 0
        """How much of it GitLab has, by what it answered."""

    def close(self) -> None:
        self.session.close()

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        more.setdefault("timeout", 120)
        more.setdefault("allow_redirects", False)
        return self.session.request(method, self.url + path, **more)

    def request_job(self, **more: Any) -> requests.Response:
        body: dict[str, Any] = {"info": {"name": "gitlab-runner"}, "token": self.token}
        headers = {}
        if self.last_update:
            body["last_update"] = self.last_update
        if not self.old:
            body |= {"system_id": "r_ofrunneritself"[:14]}
            body["info"]["features"] = self.features
            headers["RUNNER-TOKEN"] = self.token
        answer = self.call("POST", "/jobs/request", json=body, headers=headers, **more)
        self.last_update = answer.headers.get("X-GitLab-Last-Update", self.last_update)
        if answer.status_code == 201:
            self.job = answer.json()
        return answer

    def take_job(self) -> RunnerClient:
        assert self.request_job().status_code == 201
        if not self.old:
            assert self.update("running").status_code == 200
        return self

    @property
    def job_path(self) -> str:
        return f"/jobs/{self.job['id']}"

    def update(self, state: str, **more: Any) -> requests.Response:
        body = {"info": {}, "token": self.job["token"], "state": state, **more}
        headers = {} if self.old else {"JOB-TOKEN": self.job["token"]}
        return self.call("PUT", self.job_path, json=body, headers=headers)

    def patch(self, first: int, data: bytes, **headers: str) -> requests.Response:
        query = "" if self.old else "?debug_trace=false"
        return self.call(
            "PATCH",
            f"{self.job_path}/trace{query}",
            data=data,
            headers={
                "Content-Type": "text/plain",
                "Content-Range": f"{first}-{first + len(data) - 1}",
                "JOB-TOKEN": self.job["token"],
                **headers,
            },
        )

    def write(self, text: str | bytes) -> requests.Response:
        """Prints and sends it."""
        self.written += text.encode() if isinstance(text, str) else text
        return self.send_rest()

    def send_rest(self) -> requests.Response:
        answer = self.patch(self.sent, self.written[self.sent :])
        if answer.status_code == 202:
            self.sent = len(self.written)
        elif answer.status_code == 416:
            self.sent = int(answer.headers["Range"].split("-")[1])
        return answer

    def write_through(self, text: str) -> None:
        """Sends it as gitlab-runner does: what a cut connection lost is sent again."""
        self.written += text.encode()

        def taken() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                self.send_rest()
            return self.sent == len(self.written)

        wait_until(taken, f"{text!r} to be taken")

    def output(self) -> dict[str, Any]:
        checksum = f"crc32:{zlib.crc32(self.written):08x}"
        return {
            "checksum": checksum,
            "output": {"checksum": checksum, "bytesize": len(self.written)},
        }

    def finish(self, state: str, **more: Any) -> requests.Response:
        """The final update: again after 202, with the whole trace once more after 412."""
        while True:
            output = {} if self.old else self.output()
            answer = self.update(state, **output, **more)
            if answer.status_code == 202:
                time.sleep(0.05)
            elif answer.status_code == 412:
                self.sent = 0
                while self.sent < len(self.written):
                    self.send_rest()
            else:
                return answer
