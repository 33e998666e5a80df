# SPDX-License-Identifier: Apache-2.0
"""The demo: `terraform apply` of the quick start, a real pipeline, and nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from conftest import REPO
from localcloud.waiting import LIMIT, wait_until


def processes_about(folder: Path) -> list[str]:
    """The command lines of processes that name this folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_the_demo_runs_a_pipeline_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPO / "tests"),
        "TMPDIR": str(tmp_path),
        "PATH": f"{os.environ['PATH']}:{REPO / 'build' / 'tools'}",
    }

    demo = subprocess.run(
        [sys.executable, "-m", "localcloud", "demo"],
        cwd=REPO,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=840,
    )

    text = demo.stdout.decode()
    assert demo.returncode == 0, text
    # gitlab-runner's own words, its colours included; the demo itself has none but at a terminal.
    assert text.count("Running with gitlab-runner") >= 2, text
    assert "\x1b[32;1mJob succeeded" in text
    own = [line for line in text.splitlines() if re.match(r"\s*\d+\.\d+ s|==|--", line)]
    assert not [line for line in own if "\x1b" in line and "gitlab-runner" not in line]
    assert "Apply complete!" in text
    # A line for each resource, and the plan in its file.
    for resource in ("aws_secretsmanager_secret.runner_token[0]", "module.runner."):
        assert re.search(rf"^ +\d+\.\d\d s  created {re.escape(resource)}", text, re.M), text
    plan = re.search(r"The whole plan goes to (.+)", text)
    assert plan
    assert "will be created" in Path(plan[1]).read_text()
    assert "will be created" not in text
    for word in ("Timeline", "queued", "cold start", "first byte of trace", "done"):
        assert word in text
    assert re.search(r"Cost in Lambda at list price, \w+", text)
    assert re.search(r"\$0\.00\d+", text)
    assert "glrt-" not in text
    wait_until(lambda: not processes_about(tmp_path), "the end of all its processes")
    assert list(tmp_path.iterdir()) == []


# Stands for the aws CLI, which a test machine may not have: the calls that the guide names.
AWS = """#!{python}
import sys, boto3
service, operation, *rest = sys.argv[1:]
options, rest = {{}}, iter(rest)
for word in rest:
    if word.startswith("--"):
        options["".join(part.title() for part in word[2:].split("-"))] = next(rest)
answer = getattr(boto3.client(service), operation.replace("-", "_"))(**options)
if "Payload" in answer:
    print(answer["Payload"].read().decode())
"""


class Guide:
    """What `make localcloud` printed, to be done as a newcomer does it."""

    def __init__(self, text: str, folder: Path) -> None:
        self._text = text
        self._tools = folder / "tools"
        self._tools.mkdir()
        (self._tools / "aws").write_text(AWS.format(python=sys.executable))
        (self._tools / "aws").chmod(0o755)

    def block(self, title: str) -> str:
        """The commands below a line that begins with this."""
        found = re.search(rf"^{re.escape(title)}.*\n\n((?:    .*\n)+)", self._text, re.M)
        assert found, self._text
        return found[1]

    def do(self, title: str) -> str:
        script = f"set -e\n{self.block('In another terminal')}{self.block(title)}"
        done = subprocess.run(
            ["bash", "-c", script],
            env={
                **os.environ,
                "PATH": f"{self._tools}:{os.environ['PATH']}:{REPO / 'build' / 'tools'}",
                "TF_CLI_ARGS_apply": "-auto-approve",
                "GIT_CONFIG_GLOBAL": "/dev/null",
                "GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "n@runlet.test",
                "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "n@runlet.test",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout


def test_the_local_cloud_in_the_foreground(tmp_path: Path) -> None:
    """`make localcloud` says how to use it, listens on loopback alone, and ends when told."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    output = tmp_path / "output"
    with output.open("wb") as file:
        command = subprocess.Popen(
            [sys.executable, "-m", "localcloud", "up"],
            cwd=REPO,
            env={
                **os.environ,
                "PYTHONPATH": str(REPO / "tests"),
                "TMPDIR": str(folder),
                "PATH": f"{os.environ['PATH']}:{REPO / 'build' / 'tools'}",
            },
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "Ctrl-C" in output.read_text(), "how to use it")
        text = output.read_text()
        ports = {int(port) for port in re.findall(r"https?://[^:/\s]+:(\d+)", text)}
        assert len(ports) >= 2
        assert ports <= {port for address, port in listening() if address == "127.0.0.1"}

        guide = Guide(text, tmp_path)
        assert "Apply complete!" in guide.do("terraform")
        guide.do("git push")
        assert '"job_succeeded"' in guide.do("and for each job")
        assert "Job succeeded" in guide.do("The jobs and their traces")
    finally:
        command.terminate()
        command.wait(LIMIT)
    wait_until(lambda: not processes_about(folder), "the end of all its processes")
    assert list(folder.iterdir()) == []
    assert not ports & {port for _, port in listening()}


def listening() -> set[tuple[str, int]]:
    """Addresses (IPv4) and ports that something listens on."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        if state == "0A":
            address, port = local.split(":")
            octets = bytes.fromhex(address)[::-1]
            found.add((".".join(map(str, octets)), int(port, 16)))
    return found
