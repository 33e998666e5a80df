#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands for gitlab-runner where a test needs one that misbehaves in a certain way.

It takes the command line of `gitlab-runner run-single` and speaks the present protocol to the URL
it is given. `--behaviour=NAME` (by RUNLET_RUNNER_ARGS) says what it does with its job.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SHARED = Path("/mnt/shared")


def options(argv: list[str]) -> dict[str, str]:
    pairs = (argument[2:].partition("=") for argument in argv if argument.startswith("--"))
    return {name: value for name, _, value in pairs}


OPTIONS = options(sys.argv[1:])
BASE = OPTIONS.get("url", "") + "/api/v4"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, method=method)
    request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with OPENER.open(request, timeout=600) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def request_job() -> dict[str, Any] | None:
    info = {"name": "gitlab-runner", "version": "18.0.0", "features": {"cancel_gracefully": True}}
    body = {"info": info, "token": OPTIONS["token"]}
    end = time.monotonic() + float(OPTIONS["wait-timeout"])
    while True:
        status, answer = call("POST", "/jobs/request", body, RUNNER_TOKEN=OPTIONS["token"])
        if status == 201:
            return json.loads(answer)
        if time.monotonic() > end:
            return None
        time.sleep(0.5)


class Job:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.id, self.token = answer["id"], answer["token"]
        self.offset = 0

    def write(self, text: str) -> int:
        data = text.encode()
        span = f"{self.offset}-{self.offset + len(data) - 1}"
        status, _ = call(
            "PATCH", f"/jobs/{self.id}/trace", data, JOB_TOKEN=self.token, Content_Range=span
        )
        self.offset += len(data)
        return status

    def update(self, state: str, **more: Any) -> int:
        body = {"token": self.token, "state": state, **more}
        return call("PUT", f"/jobs/{self.id}", body, JOB_TOKEN=self.token)[0]


def names_in(folder: str | Path) -> list[str]:
    return sorted(one.name for one in Path(folder).iterdir())


def daemon(script: str) -> None:
    """A process in a session of its own, whose parent is gone."""
    subprocess.run(["bash", "-c", f"(setsid bash -c {shlex.quote(script)} >/dev/null 2>&1 &)"])


def wait_for_ever() -> None:
    while True:
        time.sleep(1)


def success(job: Job) -> None:
    job.write("all is well\n")
    job.update("success")


def failure(job: Job) -> None:
    job.write("all is not well\n")
    job.update("failed", failure_reason="script_failure", exit_code=3)


def killed(job: Job) -> None:
    job.write("sent before the end\n")
    os.kill(os.getpid(), signal.SIGKILL)


def leaves_early(job: Job) -> None:
    job.write("sent before the end\n")
    sys.exit(7)


def stubborn(job: Job) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    daemon("trap '' TERM HUP INT; while :; do date > /tmp/still-here-$RANDOM; sleep 0.1; done")
    job.write("I stay\n")
    wait_for_ever()


def orderly(job: Job) -> None:
    def stop(*_: object) -> None:
        job.write("aborted\n")
        job.update("failed", failure_reason="runner_system_failure")
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    job.write("until SIGTERM comes\n")
    wait_for_ever()


def patient(job: Job) -> None:
    """As a newer runner whose job ignores its cancel: ten minutes of patience, SIGTERM or not."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = time.monotonic() + 600
    while time.monotonic() < end:
        job.write(".\n")
        time.sleep(1)


def environment(job: Job) -> None:
    (SHARED / "environment.json").write_text(json.dumps(dict(os.environ)))
    (SHARED / "argv.json").write_text(json.dumps(sys.argv))
    files = {
        "git": Path(os.environ["HOME"]) / ".gitconfig",
        "bundle": Path(os.environ.get("SSL_CERT_FILE", "/dev/null")),
    }
    texts = {name: path.read_text() for name, path in files.items()}
    (SHARED / "files.json").write_text(json.dumps(texts))
    success(job)


def hunts(job: Job) -> None:
    """Looks into the bootstrap's process, our parent."""
    found = {}
    for name in ("environ", "mem", "maps", "fd"):
        path = Path(f"/proc/{os.getppid()}/{name}")
        try:
            found[name] = str(names_in(path) if name == "fd" else path.open("rb").read(1))
        except OSError as error:
            found[name] = type(error).__name__
    found["cmdline"] = Path(f"/proc/{os.getppid()}/cmdline").read_text()
    (SHARED / "found.json").write_text(json.dumps(found))
    success(job)


def messy(job: Job) -> None:
    mess = Path("/tmp/mess/inner")
    mess.mkdir(parents=True)
    (mess / "a\nb").write_text("x")
    (Path(os.environ["HOME"]) / "link").symlink_to(SHARED)
    os.mkfifo("/tmp/fifo")
    mess.chmod(0)
    Path("/tmp/mess").chmod(0o500)
    daemon("trap '' TERM HUP INT; while :; do mkdir -p /tmp/d$RANDOM; sleep 0.01; done")
    seen = {"tmp": names_in("/tmp"), "home": os.environ["HOME"]}
    with (SHARED / "seen.jsonl").open("a") as file:
        file.write(json.dumps(seen) + "\n")
    success(job)


def first_look(job: Job) -> None:
    """What /tmp holds when a job begins."""
    seen = {
        "tmp": names_in("/tmp"),
        "runlet": names_in("/tmp/runlet"),
        "home": os.environ["HOME"],
    }
    with (SHARED / "seen.jsonl").open("a") as file:
        file.write(json.dumps(seen) + "\n")
    Path("/tmp/left").write_text("x")
    daemon("sleep 1000")
    success(job)


def answers(job: Job) -> None:
    """Answers the invocation in the bootstrap's place, and waits for the next event."""
    base = f"http://{OPTIONS['runtime-api']}/2018-06-01/runtime/invocation"
    with OPENER.open(f"{base}/next") as answer:
        request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    OPENER.open(f"{base}/{request_id}/response", b'{"status": "mine"}').close()
    ask = f"import urllib.request as u; u.urlopen({base + '/next'!r}).read()"
    daemon(f"python3 -c {shlex.quote(ask)}; sleep 1000")
    success(job)


def script(job: Job) -> None:
    """Runs the job's script with its variables, as the shell executor does."""
    variables = {one["key"]: one["value"] for one in job.answer["variables"]}
    lines = next(step["script"] for step in job.answer["steps"] if step["name"] == "script")
    ran = subprocess.run(
        ["bash", "-ec", "\n".join(lines)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    job.write(ran.stdout or "no output\n")
    if ran.returncode == 0:
        job.update("success")
    else:
        job.update("failed", failure_reason="script_failure", exit_code=ran.returncode)


def clones(job: Job) -> None:
    """Clones the project with its submodules, by the rules that gitlab-runner gives git from 15.11
    on: whatever lies on its GitLab is fetched from there by https, and with the job's token."""
    variables = {one["key"]: one["value"] for one in job.answer["variables"]}
    base = OPTIONS.get("clone-url") or OPTIONS["url"]
    scheme, _, place = base.rstrip("/").partition("://")
    authorised = f"{scheme}://gitlab-ci-token:{job.token}@{place}"
    host = variables["CI_SERVER_HOST"]
    rules = {
        f"{authorised}/": f"git@{host}:",
        authorised: f"ssh://git@{host}",
    }
    git = ["git"]
    for url, instead_of in [*rules.items(), (authorised, f"{scheme}://{place}")]:
        git += ["-c", f"url.{url}.insteadOf={instead_of}"]
    address = f"{authorised}/{variables['CI_PROJECT_PATH']}.git"
    if not OPTIONS.get("clone-url"):
        address = job.answer["git_info"]["repo_url"]
    ran = subprocess.run(
        [*git, "clone", "--quiet", "--recurse-submodules", address, "project"],
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    files = sorted(str(path) for path in Path("project").rglob("*.txt"))
    job.write(f"{ran.stdout}files: {' '.join(files)}\n")
    job.update("success" if ran.returncode == 0 else "failed")


def lingers(job: Job) -> None:
    success(job)
    wait_for_ever()


def main() -> None:
    behaviour = OPTIONS.get("behaviour", "success")
    print(json.dumps({"level": "info", "msg": f"scripted runner: {behaviour}"}), flush=True)
    if behaviour == "crashes":
        sys.exit(1)
    if behaviour == "silent":
        sys.exit(0)
    answer = request_job()
    if answer is None:
        return
    job = Job(answer)
    job.update("running")
    globals()[behaviour](job)


if __name__ == "__main__":
    main()
