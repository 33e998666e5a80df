#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands for a present gitlab-runner (18, 19) before the bootstrap: the whole of its protocol.

Token headers, a system_id of its own, the two-phase commit (`state=running` first), checksums with
their 202 and 412 answers, exit codes, `canceling` with after_script, and ten minutes of patience
for a job that does not end. `--behaviour=NAME` (by RUNLET_RUNNER_ARGS) says how its job goes.
"""

from __future__ import annotations

import http.client
import json
import signal
import sys
import time
import urllib.parse
import zlib
from typing import Any, NoReturn

OPTIONS = dict(argument[2:].partition("=")[::2] for argument in sys.argv[1:] if "=" in argument)
ADDRESS = urllib.parse.urlsplit(OPTIONS["url"]).netloc
PATIENCE_SECONDS = 600


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def job_status(self) -> str:
        return self.headers.get("Job-Status", "")


def call(method: str, path: str, body: Any, **headers: str) -> Answer:
    connection = http.client.HTTPConnection(ADDRESS, timeout=600)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, "/api/v4" + path, data, {"Content-Type": "text/plain", **fields})
    return Answer(connection.getresponse())


class Job:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.path, self.token = f"/jobs/{answer['id']}", answer["token"]
        self.log, self.sent = b"", 0

    def write(self, text: str) -> Answer:
        self.log += text.encode()
        return self.send()

    def send(self) -> Answer:
        span = f"{self.sent}-{len(self.log) - 1}"
        path = f"{self.path}/trace?debug_trace=false"
        data = self.log[self.sent :]
        answer = call("PATCH", path, data, JOB_TOKEN=self.token, Content_Range=span)
        if answer.status == 202:
            self.sent = len(self.log)
        elif answer.status == 416:
            self.sent = int(answer.headers["Range"].split("-")[1])
        return answer

    def update(self, state: str, **more: Any) -> Answer:
        body = {"info": {}, "token": self.token, "state": state, **more}
        headers = {"JOB_TOKEN": self.token, "Content_Type": "application/json"}
        return call("PUT", self.path, body, **headers)

    def finish(self, state: str, **more: Any) -> NoReturn:
        wrong_first = OPTIONS.get("checksum") == "wrong"
        while True:
            checksum = "crc32:00000000" if wrong_first else f"crc32:{zlib.crc32(self.log):08x}"
            output = {"checksum": checksum, "bytesize": len(self.log)}
            answer = self.update(state, checksum=checksum, output=output, **more)
            if answer.status == 202:
                time.sleep(0.2)
            elif answer.status == 412:
                wrong_first = False
                self.sent = 0
                while self.sent < len(self.log):
                    self.send()
            else:
                sys.exit(0)


def fails(job: Job) -> NoReturn:
    job.write("one\n")
    job.write("two\n")
    job.finish("failed", failure_reason="script_failure", exit_code=3)


def succeeds(job: Job) -> NoReturn:
    job.write("one\n")
    job.finish("success")


def is_canceled(job: Job) -> NoReturn:
    """Hears of the cancel by an answer, runs after_script, and reports."""
    while job.write("working\n").job_status != "canceling":
        time.sleep(0.5)
    for number in range(3):
        assert job.write(f"after_script {number}\n").status == 202
        time.sleep(1)
    job.finish("failed", failure_reason="script_failure", exit_code=1)


def is_stopped(job: Job) -> NoReturn:
    """Aborts its job at SIGTERM and reports with a checksum of what it wrote."""

    def stop(*_: object) -> NoReturn:
        job.write("the job is aborted\n")
        job.finish("failed", failure_reason="runner_system_failure")

    signal.signal(signal.SIGTERM, stop)
    job.write("until SIGTERM comes\n")
    while True:
        time.sleep(1)


def is_patient(job: Job) -> NoReturn:
    """At SIGTERM it asks its job to end, and gives it ten minutes, as newer runners do."""
    asked: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(time.monotonic()))
    job.write("a job that ignores SIGTERM\n")
    while not asked or time.monotonic() < asked[0] + PATIENCE_SECONDS:
        time.sleep(0.5)
        job.write("still here\n")
    job.finish("failed", failure_reason="runner_system_failure")


def main() -> None:
    if OPTIONS.get("behaviour") is None:
        print("gitlab-runner 18.0.0 (scripted)")
        return
    features = {"cancel_gracefully": True, "two_phase_job_commit": True, "trace_checksum": True}
    info = {"name": "gitlab-runner", "version": "18.0.0", "features": features}
    token = OPTIONS["token"]
    body = {"info": info, "token": token, "system_id": "r_0123456789ab"}
    end = time.monotonic() + float(OPTIONS["wait-timeout"])
    headers = {"RUNNER_TOKEN": token, "Content_Type": "application/json"}
    while (answer := call("POST", "/jobs/request", body, **headers)).status != 201:
        if time.monotonic() > end:
            return
        body["last_update"] = answer.headers.get("X-GitLab-Last-Update", "")
        time.sleep(0.5)
    job = Job(json.loads(answer.body))
    assert job.update("running").status == 200
    globals()[OPTIONS["behaviour"]](job)


if __name__ == "__main__":
    main()
