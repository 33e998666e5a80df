# SPDX-License-Identifier: Apache-2.0
"""One execution environment: a sandbox, the Runtime Interface Emulator before it, and its clock."""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from localcloud.children import free_port, spawn, wait_for_port
from localcloud.functions.invocation import Invocation
from localcloud.functions.outcome import exit_text, fail, report_line
from localcloud.functions.pipes import Pipes
from localcloud.functions.process import ProcessTable
from localcloud.functions.settings import (
    EnvironmentSettings,
    KeptSandbox,
    UsedTmp,
    sandbox_config,
)
from localcloud.functions.tap import Delivery, Posted, RuntimeApiTap

INIT_LIMIT = 10.0
SHUTDOWN_WINDOW = 0.5  # what Lambda gives the runtime after SIGTERM, with an internal extension


class Environment:
    """A sandbox that lives from its cold start until it is dropped."""

    def __init__(
        self,
        settings: EnvironmentSettings,
        *,
        folder: Path,
        rie: Path,
        enter: Path,
        variables: Callable[[str, str], dict[str, str]],
        log: Callable[[str], None],
        used_tmp: UsedTmp | None = None,
        keeps_sandbox: bool = False,
        sandbox: KeptSandbox | None = None,
        seccomp: bool = True,
    ) -> None:
        """With `keeps_sandbox` the sandbox outlives a function that ends by itself, until it is
        taken or the environment is dropped; `sandbox` is such a one, to start in."""
        self.id = uuid.uuid4().hex
        self.settings = settings
        self.invocations = 0
        self.peak_memory = 0
        self.current: Invocation | None = None
        self.why_killed: str | None = None
        self.pid = 0
        self._folder = folder / self.id
        self._rie = rie
        self._enter = enter
        self._variables = variables
        self._log_line = log
        self._changed = threading.Condition()
        self._used_tmp = used_tmp
        self._kept: UsedTmp | None = None
        self._keeps_sandbox = keeps_sandbox
        self._sandbox = sandbox
        self._seccomp = seccomp
        self._started = False
        self._dropped = False
        self._life = 0
        self._ending = threading.Lock()
        self._new_life()

    # What tests look at

    @property
    def alive(self) -> bool:
        return not self._dropped and self._exit is None

    @property
    def root(self) -> Path:
        """The sandbox's root as the host sees it, while it is alive."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def tmp(self) -> Path:
        """The sandbox's /tmp as the host sees it, while it is alive."""
        return self.root / "tmp"

    @property
    def runtime_api(self) -> str:
        """Where its runtime finds the Runtime API, as `host:port`."""
        assert self._tap is not None, "it has not started yet"
        return f"127.0.0.1:{self._tap.port}"

    def processes(self) -> list[int]:
        """The pids (the host's) of all processes in the sandbox but its init."""
        return self._descendants(ProcessTable()) if self.pid and self.alive else []

    def measure(self, table: ProcessTable) -> int:
        """The resident memory of all its processes, in bytes; the highest is remembered."""
        resident = table.resident(self._descendants(table)) if self.pid else 0
        self.peak_memory = max(self.peak_memory, resident)
        return resident

    def _descendants(self, table: ProcessTable) -> list[int]:
        left = table.descendants(self._sandbox.holder) if self._sandbox is not None else []
        return table.descendants(self.pid) + left

    # Life

    def _new_life(self) -> None:
        self.pid = 0
        self.why_killed = None
        self._exit: str | None = None
        self._failure: str | None = None
        self._broken: str | None = None
        self._next_at: float | None = None
        self._result: Posted | None = None
        self._init_error: Posted | None = None
        self._init_at = self._delivered_at = time.monotonic()
        self._pidfd: int | None = None
        self._answered = False
        self._over = False
        self._pipes: Pipes | None = None
        self._tap: RuntimeApiTap | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._secrets: Path | None = None
        self._tether: int | None = None

    def _start(self) -> None:
        """Starts the emulator and the tap; the sandbox itself starts with the first event."""
        self._new_life()
        self._life += 1
        folder = self._folder / str(self._life)
        folder.mkdir(parents=True)
        self._pipes = Pipes(folder, self._event, self._log_line, self._sandbox_gone)
        runtime_port = free_port()
        self._tap = RuntimeApiTap(runtime_port, self._deliver, self._next_asked, self._posted)
        variables = self._variables(f"127.0.0.1:{self._tap.port}", self.id)
        self._secrets = folder / "environment"
        self._secrets.touch(mode=0o600)
        block = "".join(f"{name}={value}\0" for name, value in variables.items())
        self._secrets.write_bytes(block.encode())
        keep = None
        if self._keeps_sandbox and self._sandbox is None:
            keep = folder / "keep"
            os.mkfifo(keep)
            self._tether = os.open(keep, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        config_file = folder / "config"
        config_file.write_text(
            sandbox_config(
                self.settings,
                log=self._pipes.log,
                events=self._pipes.events,
                variables=self._secrets,
                used=self._used_tmp,
                keep=keep,
                kept=self._sandbox,
                seccomp=self._seccomp,
            )
        )
        self._start_emulator(folder / "emulator.log", config_file, runtime_port)

    def _start_emulator(self, log_file: Path, config_file: Path, runtime_port: int) -> None:
        self._invoke_port = free_port()
        with log_file.open("wb") as emulator_log:
            self._process = spawn(
                [
                    self._rie, "--log-level", "warn",
                    "--runtime-interface-emulator-address", f"127.0.0.1:{self._invoke_port}",
                    "--runtime-api-address", f"127.0.0.1:{runtime_port}",
                    self._enter, config_file, self.settings.handler,
                ],
                stdin=subprocess.DEVNULL,
                stdout=emulator_log,
                stderr=subprocess.STDOUT,
                cwd="/",
                # We keep the time limit ourselves: the emulator's must never act.
                env={
                    "AWS_LAMBDA_FUNCTION_NAME": self.settings.function_name,
                    "AWS_LAMBDA_FUNCTION_VERSION": self.settings.version,
                    "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.settings.timeout + 3600),
                },
            )  # fmt: skip
        process = self._process
        try:
            # It opens both in threads of their own: the first says nothing of the second.
            for port in (self._invoke_port, runtime_port):
                wait_for_port(port, lambda: process.poll() is None)
        except RuntimeError as error:
            raise RuntimeError(f"the emulator has ended: {log_file.read_text()}") from error

    def invoke(self, invocation: Invocation, client_context: str | None = None) -> None:
        """Runs one event to its end; fills the invocation. One at a time."""
        self.current = invocation
        self.invocations += 1
        invocation.environment_id = self.id
        invocation.memory_size = self.settings.memory_size
        invocation.cold_start = not self._started
        self._log_line(f"START RequestId: {invocation.request_id} Version: {self.settings.version}")
        try:
            if not self._started:
                self._started = True
                self._start()
            self._result = None
            self._send(invocation, client_context)
            if invocation.cold_start and not self._wait_for_init(INIT_LIMIT, invocation):
                self._log_line(
                    f"INIT_REPORT Init Duration: {INIT_LIMIT * 1000:.2f} ms"
                    "\tPhase: init\tStatus: timeout"
                )
                self._end_life("init")
                if (used := self.take_used_tmp()) is not None:
                    self._close_used_tmp()
                    self._used_tmp = used
                self._start()
                self._send(invocation, client_context)
                if not self._wait_for_init(self.settings.timeout, invocation):
                    self.kill("timeout")
            self._wait_for_end(invocation)
            if self._broken:
                raise RuntimeError(f"the sandbox cannot be entered: {self._broken}")
            self._finish(invocation)
        except BaseException:
            self._end_life("failed")
            raise
        finally:
            self.current = None

    def _send(self, invocation: Invocation, client_context: str | None) -> None:
        """Gives the event to the emulator; its answer is of no interest, the tap hears it all."""
        headers = {"X-Amzn-RequestId": invocation.request_id}
        if client_context:
            headers["X-Amz-Client-Context"] = client_context
        port = self._invoke_port

        def post() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request(
                    "POST",
                    "/2015-03-31/functions/function/invocations",
                    body=invocation.event,
                    headers=headers,
                )
                connection.getresponse().read()
            connection.close()
            with self._changed:
                self._answered = True
                self._changed.notify_all()

        self._answered = False
        threading.Thread(target=post, daemon=True).start()

    def _wait_for_init(self, limit: float, invocation: Invocation) -> bool:
        """Waits until init is over: the runtime and all extensions ask for events, so that the
        first one is delivered, or one of them failed."""
        with self._changed:
            good = self._changed.wait_for(
                lambda: (
                    invocation.delivered_at is not None
                    or self._init_error is not None
                    or self._exit is not None
                ),
                timeout=limit,
            )
            if invocation.delivered_at is not None:
                invocation.init_ms = (self._delivered_at - self._init_at) * 1000
        return good

    def _wait_for_end(self, invocation: Invocation) -> None:
        with self._changed:
            while not self._ended():
                left = None
                if invocation.deadline_at is not None:
                    left = invocation.deadline_at - time.time()
                    if left <= 0:
                        break
                self._changed.wait(timeout=left if left is not None else 1.0)
            else:
                return
        self.kill("timeout")

    def _ended(self) -> bool:
        if self._exit is not None or self._init_error is not None:
            return True
        if self._result is None:
            return False
        return self._answered and self._next_at is not None

    def _finish(self, invocation: Invocation) -> None:
        now = time.time()
        self.measure(ProcessTable())
        started = invocation.delivered_at or now
        duration = (now - started) * 1000
        if self._exit is not None or self._init_error is not None:
            self._end_life("ended")
        if self._pipes is not None:
            self._pipes.drain()
        why = self.why_killed
        if self._result is not None and self._result.status == 202:
            invocation.payload = self._result.body
            invocation.function_error = "Unhandled" if self._result.kind == "error" else None
        elif self._result is not None:  # 413: the emulator made an error of it
            fail(invocation, "Function.ResponseSizeTooLarge", "Response payload size exceeded"
                  " maximum allowed payload size (6291556 bytes).")  # fmt: skip
        elif self._init_error is not None:
            invocation.payload = self._init_error.body
            invocation.function_error = "Unhandled"
        elif why == "timeout":
            duration = self.settings.timeout * 1000.0
            fail(invocation, "Sandbox.Timedout", f"RequestId: {invocation.request_id} Error: "
                  f"Task timed out after {self.settings.timeout}.00 seconds")  # fmt: skip
        elif self._failure:
            fail(invocation, "Runtime.InvalidEntrypoint",
                  f"RequestId: {invocation.request_id} Error: {self._failure}")  # fmt: skip
        else:
            fail(invocation, "Runtime.ExitError", f"RequestId: {invocation.request_id} Error: "
                  f"{exit_text(self._exit or '')}")  # fmt: skip
        if why == "timeout":
            self._log_line(
                f"{invocation.request_id} Task timed out after {self.settings.timeout}.00 seconds"
            )
        elif self._exit is not None and self._result is None:
            self._log_line(f"RequestId: {invocation.request_id} Error: {exit_text(self._exit)}")
        invocation.finished_at = now
        invocation.duration_ms = duration
        invocation.billed_ms = math.ceil(duration + invocation.init_ms)
        invocation.max_memory_mb = math.ceil(self.peak_memory / (1 << 20))
        self._log_line(f"END RequestId: {invocation.request_id}")
        self._log_line(report_line(invocation, timed_out=why == "timeout"))

    # What the tap and the sandbox tell

    def _deliver(self, request_id: str) -> Delivery:
        with self._changed:
            invocation = self.current
            now = time.time()
            if invocation is not None and invocation.delivered_at is None:
                invocation.delivered_at = now
                self._delivered_at = time.monotonic()
                invocation.deadline_at = now + self.settings.timeout
            deadline = invocation.deadline_at if invocation else None
            self._changed.notify_all()
        return Delivery(
            request_id=request_id,
            function_arn=self.settings.function_arn,
            deadline_ms=int((deadline or now) * 1000),
            trace_id=invocation.trace_id if invocation else "",
        )

    def _next_asked(self) -> None:
        with self._changed:
            self._next_at = time.monotonic()
            self._changed.notify_all()

    def _posted(self, posted: Posted) -> None:
        with self._changed:
            if posted.kind == "init-error":
                if posted.status == 202:  # after init it is refused, and ends nothing
                    self._init_error = self._init_error or posted
            elif (
                self.current is not None
                and posted.request_id == self.current.request_id
                and posted.status in (202, 413)
                and self._result is None
            ):
                self._result = posted
                self._next_at = None  # the invocation ends with the next `next`
            self._changed.notify_all()

    def _event(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        with self._changed:
            if kind == "init":
                pid, _, started = rest.partition(" ")
                self.pid = int(pid)
                with contextlib.suppress(ProcessLookupError):
                    self._pidfd = os.pidfd_open(self.pid)
                self._init_at = float(started)
                if self._secrets is not None:
                    self._secrets.unlink(missing_ok=True)
                self._keep_mounts()
            elif kind == "exit":
                self._exit = rest
            elif kind == "fail":
                self._failure = self._failure or rest
            elif kind == "broken":
                self._broken = self._broken or rest
            self._changed.notify_all()

    def _sandbox_gone(self) -> None:
        with self._changed:
            self._exit = self._exit or "signal 9"
            self._changed.notify_all()

    def _keep_mounts(self) -> None:
        try:
            mounts = os.open(f"/proc/{self.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            users = None
            if os.geteuid() != 0:
                users = os.open(f"/proc/{self.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return  # it ended already
        if self._kept is not None:
            self._kept.close()
        self._kept = UsedTmp(mounts, users)

    # The end

    def signal(self, number: int) -> None:
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self, why: str) -> None:
        """Ends every process of the sandbox, as Lambda's reset does."""
        if not self._started:
            return
        with self._changed:
            if self._exit is None and self.why_killed is None:
                self.why_killed = why
        if why != "memory" and self._tap is not None and self._tap.extension_registered:
            self.signal(signal.SIGTERM)
            with self._changed:
                self._changed.wait_for(lambda: self._exit is not None, timeout=SHUTDOWN_WINDOW)
        self._end_life(why)

    def _end_life(self, why: str) -> None:
        with self._ending:
            if self._started and not self._over:
                self._over = True
                if why != "ended" or not self._keep_sandbox():
                    self.signal(signal.SIGKILL)
                self._end_processes()
        with self._changed:
            self._exit = self._exit or "signal 9"
            if why != "init":
                self._dropped = True
            self._changed.notify_all()

    def _keep_sandbox(self) -> bool:
        """Keeps it with what is left in it, if that is wanted and the function ends by itself."""
        with self._changed:
            left_alone = self._keeps_sandbox and self.why_killed is None
            if not left_alone or not self._changed.wait_for(lambda: self._exit, INIT_LIMIT):
                return False
        if self._sandbox is None and self._pidfd is not None and self._tether is not None:
            self._sandbox = KeptSandbox(self.pid, os.dup(self._pidfd), self._tether)
            self._tether = None
        return self._sandbox is not None

    def _end_processes(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()
        if self._pipes is not None:
            self._pipes.wait_for_end()
        if self._secrets is not None:
            self._secrets.unlink(missing_ok=True)
        if self._tap is not None:
            self._tap.close()
        if self._pidfd is not None:
            descriptor, self._pidfd = self._pidfd, None
            os.close(descriptor)
        if self._tether is not None:
            descriptor, self._tether = self._tether, None
            os.close(descriptor)

    def take_sandbox(self) -> KeptSandbox | None:
        """Hands over the sandbox that the function has left; once."""
        sandbox, self._sandbox = self._sandbox, None
        return sandbox

    def take_used_tmp(self) -> UsedTmp | None:
        """Hands over what a new environment needs to get this one's /tmp; once."""
        kept, self._kept = self._kept, None
        return kept

    def drop(self) -> None:
        """Ends the environment as Lambda's spin-down does, and forgets its /tmp."""
        if self._started and not self._dropped:
            self.kill("dropped")
        self._dropped = True
        if (kept := self.take_used_tmp()) is not None:
            kept.close()
        if (sandbox := self.take_sandbox()) is not None:
            sandbox.close()
        self._close_used_tmp()

    def _close_used_tmp(self) -> None:
        used, self._used_tmp = self._used_tmp, None
        if used is not None:
            used.close()
