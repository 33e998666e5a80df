# SPDX-License-Identifier: Apache-2.0
"""At init the bootstrap ends processes of its user that an earlier life left, and nobody else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from conftest import REPO
from integration.runtime_api import RuntimeApi
from integration.sandboxed_bootstrap import SANDBOX_PYTHON, UID, SandboxedBootstrap
from localcloud.waiting import wait_until

PYTHON = f"{SANDBOX_PYTHON}/bin/{Path(sys.executable).name}"
COMETS = REPO / "build" / "tests" / "comets"
SETTINGS = {"CI_SERVER_URL": "http://127.0.0.1:9", "CI_SERVER_TOKEN": "glrt-not-used"}
PR_SET_DUMPABLE, SYS_EXIT = 4, 60 if os.uname().machine == "x86_64" else 93

# Each writes a line to its file when it has become what it is, and stays.
STRANGERS = {
    "a daemon": "",
    "deaf": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 15)]",
    "hidden": f"libc.prctl({PR_SET_DUMPABLE}, 0, 0, 0, 0)",
    "stopped": "os.fork() or (sign(), os.kill(os.getpid(), signal.SIGSTOP))",
    "without its first thread": "threading.Thread(target=lambda: (time.sleep(0.2), sign(),"
    f" time.sleep(1000))).start(); libc.syscall({SYS_EXIT}, 0)",
    "a family": "os.fork(); os.fork()",
}
STRANGER = """
import ctypes, os, signal, sys, threading, time
libc = ctypes.CDLL(None)
sign = lambda: open(sys.argv[1], "a").write("x")
os.setsid()
if os.fork():
    os._exit(0)
exec(sys.argv[2])
sign()
time.sleep(1000)
"""
# A process that lives for an instant, again and again, and counts its lives.
COMET = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
    os.write(file, b"x")
"""

Starter = Callable[..., "Started"]


class Started:
    def __init__(self, api: RuntimeApi, bootstrap: SandboxedBootstrap) -> None:
        self.api = api
        self.bootstrap = bootstrap

    def others(self) -> list[str]:
        found = self.bootstrap.processes().values()
        return sorted(line.strip() for line in found if "/mnt/bootstrap" not in line)

    def wait_until_ready(self) -> None:
        self.api.wait_for_next()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    with ExitStack() as stack:

        @contextmanager
        def starting(before: str, kind: type[SandboxedBootstrap], **options: Path) -> Iterator:
            (tmp_path / "shared").mkdir(exist_ok=True)
            (tmp_path / "shared" / "stranger.py").write_text(STRANGER)
            (tmp_path / "shared" / "comet.py").write_text(COMET)
            with (
                RuntimeApi() as api,
                kind(tmp_path, api.address, SETTINGS, before=before, **options) as bootstrap,
            ):
                yield Started(api, bootstrap)

        def start(
            before: str, kind: type[SandboxedBootstrap] = SandboxedBootstrap, **options: Path
        ) -> Started:
            return stack.enter_context(starting(before, kind, **options))

        yield start


def stranger(what: str) -> str:
    """Shell commands that start it and wait until it is there."""
    return (
        f"{PYTHON} -c \"$(cat /mnt/shared/stranger.py)\" /mnt/shared/signed '{STRANGERS[what]}'\n"
        "while ! test -s /mnt/shared/signed; do sleep 0.05; done"
    )


@pytest.mark.parametrize("what", STRANGERS)
def test_what_an_earlier_life_left_is_ended(start: Starter, what: str) -> None:
    started = start(stranger(what))

    started.wait_until_ready()

    assert started.others() == []
    (line,) = [one for one in started.bootstrap.lines if "earlier life" in one]
    assert '"level":"WARN"' in line and '"first":"python' in line


def test_one_that_is_born_again_and_again_is_ended(start: Starter) -> None:
    started = start(
        f"{PYTHON} /mnt/shared/comet.py /mnt/shared/lives &\n"
        "while ! test -s /mnt/shared/lives; do sleep 0.05; done"
    )

    started.wait_until_ready()

    assert started.others() == []
    lives = (started.bootstrap.shared / "lives").stat().st_size
    with pytest.raises(TimeoutError):
        wait_until(
            lambda: (started.bootstrap.shared / "lives").stat().st_size != lives,
            "another life",
            limit=0.3,
        )


@pytest.fixture
def extensions(tmp_path: Path) -> Path:
    """A compiled extension, and one that is a script with a child."""
    folder = tmp_path / "extensions"
    folder.mkdir()
    shutil.copy(shutil.which("sleep") or "/bin/sleep", folder / "compiled")
    (folder / "script").write_text("#!/bin/sh\nsleep 3001\n:\n")
    (folder / "script").chmod(0o755)
    return folder


WAIT_FOR_SCRIPT = "while ! grep -q 3001 /proc/[0-9]*/cmdline; do sleep 0.05; done"
EXTENSIONS = f"""
(setsid /opt/extensions/compiled 3000 &)
(setsid /opt/extensions/script &)
{WAIT_FOR_SCRIPT}
"""
# What a job can do: it has the programs of extensions, too, and says what it likes of itself.
PRETENDERS = """
(setsid prlimit --msgqueue=0 /opt/extensions/compiled 4000 &)
(setsid prlimit --msgqueue=0 /bin/bash -c 'exec -a /opt/extensions/script sleep 4001' &)
while ! grep -q 4000 /proc/[0-9]*/cmdline || ! grep -q 4001 /proc/[0-9]*/cmdline
do sleep 0.05; done
"""


def test_extensions_stay_and_pretenders_go(start: Starter, extensions: Path) -> None:
    started = start(EXTENSIONS + PRETENDERS, extensions=extensions)

    started.wait_until_ready()

    assert started.others() == [
        "/bin/sh /opt/extensions/script",
        "/opt/extensions/compiled 3000",
        "sleep 3001",
    ]


@pytest.mark.parametrize("count", [1, 4, 16])
def test_those_that_are_born_faster_than_one_can_look_are_ended(
    start: Starter, tmp_path: Path, extensions: Path, count: int
) -> None:
    (tmp_path / "shared").mkdir()
    shutil.copy(COMETS, tmp_path / "shared" / "comets")

    # Lambda's limit; without one they fill the machine.
    limited = f"{EXTENSIONS}\nprlimit --nproc=1024 --pid $$\n/mnt/shared/comets {count}"
    started = start(limited, extensions=extensions)
    started.wait_until_ready()

    assert started.others() == [
        "/bin/sh /opt/extensions/script",
        "/opt/extensions/compiled 3000",
        "sleep 3001",
    ]
    for pid in started.bootstrap.processes():
        status = Path(f"/proc/{pid}/status").read_text()
        assert "\nState:\tT" not in status, status


def test_where_a_limit_tells_nothing_scripts_are_strangers(
    start: Starter, extensions: Path
) -> None:
    started = start(EXTENSIONS + "ulimit -q 0 2>/dev/null || prlimit --msgqueue=0 --pid $$",
                    extensions=extensions)  # fmt: skip

    started.wait_until_ready()

    assert started.others() == ["/opt/extensions/compiled 3000"]


# With a filter that allows everything, which it cannot take off.
FILTERED = """
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 1, ctypes.addressof(allow)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv("/opt/extensions/compiled", ["/opt/extensions/compiled", "4002"])
"""


@pytest.mark.parametrize("limited", [False, True])
def test_no_extension_has_a_filter(start: Starter, extensions: Path, limited: bool) -> None:
    started = start(
        f"{'prlimit --msgqueue=0 --pid $$' if limited else ''}\n"
        f"(setsid {PYTHON} -c '{FILTERED}' &)\n"
        "while ! grep -q ^/opt/extensions/compiled /proc/[0-9]*/cmdline; do sleep 0.05; done",
        extensions=extensions,
    )

    started.wait_until_ready()

    assert started.others() == []


def test_jobs_cannot_pass_for_extensions(start: Starter) -> None:
    """The limit by which they are told stays with the process that starts them."""
    started = start(":")

    started.wait_until_ready()

    limits = Path(f"/proc/{started.bootstrap.bootstrap_pid()}/limits").read_text()
    (line,) = [one for one in limits.splitlines() if one.startswith("Max msgqueue size")]
    assert line.split()[3:5] == ["0", "0"]


class Outside(SandboxedBootstrap):
    """In the machine's own PID namespace, as on somebody's desk."""

    def command(self) -> list[str]:
        return [word for word in super().command() if word != "--unshare-pid"]


@pytest.mark.skipif(
    os.geteuid() != 0 or Path("/proc/self/ns/pid").stat().st_ino != 0xEFFFFFFC,
    reason="needs root in the machine's own PID namespace",
)
def test_outside_of_a_sandbox_nobody_is_ended(start: Starter) -> None:
    user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    with subprocess.Popen([*user, "sleep", "1000"]) as bystander:
        started = start(":", Outside)
        started.wait_until_ready()
        try:
            assert bystander.poll() is None
            assert "left alone" in started.bootstrap.log
        finally:
            os.kill(started.bootstrap.bootstrap_pid(), signal.SIGKILL)
            bystander.kill()


class Haunted(SandboxedBootstrap):
    """With a process that has our user, and cannot be killed by it."""

    def command(self) -> list[str]:
        command = super().command()
        at = command.index("--") + 1
        ready = "/mnt/shared/haunted"
        ghost = f'import os, time; os.seteuid({UID}); open("{ready}", "w"); time.sleep(1000)'
        wait = f"while ! test -e {ready}; do sleep 0.05; done"
        script = f"{PYTHON} -c '{ghost}' & {wait}; exec \"$@\""
        return [*command[:at], "/bin/sh", "-c", script, "haunted", *command[at:]]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_what_does_not_end_is_an_init_error(start: Starter) -> None:
    started = start("", Haunted)

    assert started.bootstrap.wait() != 0

    error = started.api.init_error
    assert error and error["errorType"] == "Runtime.EnvironmentOccupied"
    assert started.api.init_error_header == "Runtime.EnvironmentOccupied"
    assert "(python" in error["errorMessage"]
    assert started.api.next_requests == 0
