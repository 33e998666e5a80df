# SPDX-License-Identifier: Apache-2.0
"""Child processes that die with this process, however it ends, and free ports for them."""

from __future__ import annotations

import contextlib
import queue
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from localcloud.waiting import wait_until

# Before a command: it gets the signal when the thread that started it is gone.
LEASH = ("setpriv", "--pdeathsig", "KILL", "--")
GENTLE_LEASH = ("setpriv", "--pdeathsig", "INT", "--")

_requests: queue.Queue[tuple[Future[subprocess.Popen[bytes]], list[str], dict[str, Any]]]
_requests = queue.Queue()
_lock = threading.Lock()
_spawner: threading.Thread | None = None
_given_ports: set[int] = set()
_PORTS = range(10000, 32000)


def _spawn_for_ever() -> None:
    while True:
        future, command, options = _requests.get()
        try:
            future.set_result(subprocess.Popen(command, **options))
        except BaseException as error:  # the one who asked for it must hear of it
            future.set_exception(error)


def spawn(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[bytes]:
    """Starts a process that the kernel kills when this process dies.

    The kernel watches the *thread* that started a child, so one thread that never ends starts
    them all.
    """
    global _spawner
    with _lock:
        if _spawner is None:
            _spawner = threading.Thread(target=_spawn_for_ever, name="spawner", daemon=True)
            _spawner.start()
    future: Future[subprocess.Popen[bytes]] = Future()
    leashed = [*LEASH, *map(str, command)]
    _requests.put((future, leashed, options))
    return future.result()


def end(process: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """Ends a child: SIGTERM, then SIGKILL when it takes too long."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_gently(
    command: Sequence[str | Path], tell: Callable[[str], None] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a command that ends its own children when it is interrupted, and only then.

    Where we are told to stop meanwhile, it is interrupted and waited for. `tell` hears each line
    of its output and errors when it comes; without it they are in the answer.
    """
    process = subprocess.Popen(
        [*GENTLE_LEASH, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if tell else subprocess.PIPE, text=True, **options,
    )  # fmt: skip
    try:
        if tell:
            assert process.stdout
            for line in process.stdout:
                tell(line.rstrip("\n"))
        said, complained = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    return subprocess.CompletedProcess(command, process.returncode, said or "", complained or "")


def free_port() -> int:
    """A free TCP port of the loopback interface, given out once only.

    It lies below those that the kernel gives to outgoing connections, so that none of them takes
    it before the one for whom it is.
    """
    while True:
        port = random.choice(_PORTS)
        with _lock:
            if port in _given_ports:
                continue
            _given_ports.add(port)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for_port(port: int, alive: Callable[[], bool] = lambda: True) -> None:
    """Waits until something listens on the port; raises when it dies first or takes too long."""

    def listens() -> bool:
        if not alive():
            raise RuntimeError(f"the process that should listen on port {port} has ended")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        return False

    wait_until(listens, f"a process that listens on port {port}", every=0.005)
