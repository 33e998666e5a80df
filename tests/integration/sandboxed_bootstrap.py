# SPDX-License-Identifier: Apache-2.0
"""The bootstrap as a program, before a scripted Runtime API.

It empties /tmp, so it never runs on the machine's own: bubblewrap gives it a /tmp that is a folder
of the test, a user that is not root, and a PID namespace that ends with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from localcloud.waiting import LIMIT

REPO = Path(__file__).resolve().parents[2]
# Another build of it, such as the one with sanitizers, may be named.
PROGRAM = Path(os.environ.get("RUNLET_TEST_BOOTSTRAP", REPO / "build" / "bin" / "bootstrap"))
# Of this process of tests alone: a user's processes count against the limits of all its sandboxes.
UID = 100_000 + os.getpid()
# This Python, as the sandbox has it.
SANDBOX_PYTHON = "/mnt/python"


class SandboxedBootstrap:
    """A bootstrap that runs until the `with` block ends.

    `opt_bin` becomes /opt/bin: where the runner, real or scripted, is put. `shared` is visible in
    the sandbox under its own path.
    """

    def __init__(
        self,
        folder: Path,
        runtime_api: str,
        environment: dict[str, str],
        opt_bin: Path | None = None,
        program: Path = PROGRAM,
        stuck: Path | None = None,
        extensions: Path | None = None,
        before: str | None = None,
    ) -> None:
        """`stuck` becomes /tmp/stuck, a mount that nobody in the sandbox can remove, `extensions`
        becomes /opt/extensions, `before` is run by a shell of the sandbox's user in front of it."""
        self.stuck = stuck
        self.extensions = extensions
        self.before = before
        self.tmp = folder / "sandbox-tmp"
        self.tmp.mkdir(exist_ok=True)
        self.tmp.chmod(0o777)
        self.shared = folder / "shared"
        self.shared.mkdir(exist_ok=True)
        self.shared.chmod(0o777)
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "_HANDLER": "run",
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_LAMBDA_FUNCTION_NAME": "runner",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "ASIAEXAMPLEKEY000000",
            "AWS_SECRET_ACCESS_KEY": "secret-key-of-the-function",
            "AWS_SESSION_TOKEN": "session-token-of-the-function",
            "ASAN_OPTIONS": "detect_leaks=0",
            **environment,
        }
        self.opt_bin = opt_bin
        self.program = program
        self.lines: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        bwrap = shutil.which("bwrap")
        assert bwrap, "bubblewrap is missing: run make setup"
        command = [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        command += ["--bind", str(self.tmp), "/tmp", "--tmpfs", "/opt"]
        if self.stuck:
            command += ["--ro-bind", str(self.stuck), "/tmp/stuck"]
        if self.opt_bin:
            command += ["--ro-bind", str(self.opt_bin), "/opt/bin"]
        if self.extensions:
            command += ["--ro-bind", str(self.extensions), "/opt/extensions"]
        # A fixed place outside of /tmp for what tests and jobs tell each other.
        command += ["--tmpfs", "/mnt", "--bind", str(self.shared), "/mnt/shared"]
        command += ["--ro-bind", str(self.program), "/mnt/bootstrap"]
        # For scripts of jobs, as this tree may lie below /tmp.
        command += ["--ro-bind", sys.prefix, SANDBOX_PYTHON]
        command += ["--unshare-pid", "--unshare-ipc", "--die-with-parent", "--new-session"]
        command += ["--chdir", "/"]
        # A user namespace would map root to the sandbox's user, who could then see what is root's.
        if os.geteuid() == 0:
            command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"]
            command += ["/usr/bin/setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
            command += ["--no-new-privs"]
        else:
            command += ["--unshare-user", "--uid", str(UID), "--gid", str(UID), "--"]
        if self.before:
            command += ["/bin/sh", "-c", f'{self.before}\nexec "$@"', "before"]
        return [*command, "/mnt/bootstrap"]

    def __enter__(self) -> SandboxedBootstrap:
        self.process = subprocess.Popen(
            self.command(),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self) -> None:
        assert self.process and self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))
            if os.environ.get("SHOW_BOOTSTRAP_LOG"):
                print(self.lines[-1], file=sys.stderr)

    def __exit__(self, *exc: object) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def wait(self, limit: float = LIMIT) -> int:
        """Waits for its end and returns the exit status."""
        assert self.process
        return self.process.wait(limit)

    def processes(self) -> dict[int, str]:
        """Ids (the machine's) and command lines of what runs in the sandbox, without bwrap."""
        assert self.process
        found: dict[int, str] = {}
        todo = _children(self.process.pid)
        while todo:
            pid = todo.pop()
            todo += _children(pid)
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state != "Z" and not line.startswith(b"/usr/bin/bwrap") and b"/bwrap\0" not in line:
                found[pid] = line.replace(b"\0", b" ").decode(errors="replace")
        return found

    def bootstrap_pid(self) -> int:
        (pid,) = (pid for pid, line in self.processes().items() if "/mnt/bootstrap" in line)
        return pid


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(x) for task in tasks for x in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
