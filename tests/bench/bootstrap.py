# SPDX-License-Identifier: Apache-2.0
"""Times the bootstrap beside a minimal Lambda runtime in Rust and in Go.

All three stand before the same scripted Runtime API in the same run:

- from exec to the first `next` (a cold start, without what Lambda itself needs), and
- the CPU time for each event that is refused at once (`Function.EventInvalid`).

The bootstrap empties /tmp, so the whole measurement runs in a mount namespace with a /tmp of its
own.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
BUILT = REPO / "build" / "bench"
STARTS = 30
EVENTS = 20_000
TICKS = os.sysconf("SC_CLK_TCK")


class ScriptedRuntimeApi:
    """A Runtime API on loopback that sends `[]` again and again, one connection at a time."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def _read_request(self, connection: socket.socket, rest: bytes) -> tuple[str, bytes]:
        data = rest
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return "", b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += connection.recv(65536)
            body = b""
        else:
            length = 0
            for line in lower.split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            while len(body) < length:
                body += connection.recv(65536)
            body = body[length:]
        return head.split(b"\r\n")[0].decode(), body

    def serve(self, process: subprocess.Popen[bytes], events: int) -> tuple[float, float, int]:
        """Answers `process` until it has refused `events` events.

        Returns the instant of its first `next`, the CPU seconds it used from then on, and its peak
        memory in KiB, read while it still waits: it may end when its connection is closed.
        """
        first_next = 0.0
        cpu_at_first = 0.0
        handed_out = answered = 0
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        rests: dict[socket.socket, bytes] = {}
        try:
            while True:
                for key, _ in selector.select(timeout=10) or [(None, None)]:
                    if key is None:
                        raise TimeoutError(f"{process.args} went silent")
                    if key.fileobj is self.listener:
                        connection, _ = self.listener.accept()
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        selector.register(connection, selectors.EVENT_READ)
                        rests[connection] = b""
                        continue
                    connection = key.fileobj
                    assert isinstance(connection, socket.socket)
                    line, rests[connection] = self._read_request(connection, rests[connection])
                    if not line:
                        selector.unregister(connection)
                        connection.close()
                    elif "/invocation/next" in line:
                        if not first_next:
                            first_next, cpu_at_first = time.monotonic(), cpu_seconds(process.pid)
                        if handed_out == events:
                            cpu = cpu_seconds(process.pid) - cpu_at_first
                            return first_next, cpu, peak_kib(process.pid)
                        handed_out += 1
                        connection.sendall(self._event(handed_out))
                    elif "/extension/register" in line:
                        connection.sendall(
                            b"HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: "
                            b"00000000-0000-4000-8000-000000000000\r\n"
                            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                        )
                    elif "/extension/event/next" in line:
                        selector.unregister(connection)  # left waiting, as Lambda does
                    elif "/invocation/" in line:
                        answered += 1
                        connection.sendall(accepted())
                    else:
                        raise RuntimeError(f"{process.args} asked for {line}")
        finally:
            for connection in rests:
                connection.close()
            selector.close()

    @staticmethod
    def _event(number: int) -> bytes:
        deadline = int(time.time() * 1000) + 60_000
        return (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            f"Lambda-Runtime-Aws-Request-Id: 00000000-0000-4000-8000-{number:012d}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline}\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: "
            "arn:aws:lambda:eu-central-1:123456789012:function:bench\r\n\r\n[]"
        ).encode()


def accepted() -> bytes:
    body = b'{"status":"OK"}'
    return (
        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body)
    )


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@dataclass
class Contender:
    name: str
    command: list[str]
    start_ms: float = 0.0
    cpu_us_per_event: float = 0.0
    peak_kib: int = 0


def environment(api: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "AWS_LAMBDA_RUNTIME_API": api,
        "_HANDLER": "run",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "CI_SERVER_URL": "https://gitlab.example.com",
        "RUNLET_TOKEN_PARAMETER": "/bench/token",
    }


def run(contender: Contender, events: int) -> tuple[float, float, int]:
    api = ScriptedRuntimeApi()
    begin = time.monotonic()
    process = subprocess.Popen(
        contender.command,
        env=environment(api.address),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        first_next, cpu, peak = api.serve(process, events)
    finally:
        process.kill()
        process.wait()
        api.listener.close()
    return (first_next - begin) * 1000, cpu / max(events, 1) * 1e6, peak


def build_peers() -> list[Contender]:
    BUILT.mkdir(parents=True, exist_ok=True)
    go, cargo = BUILT / "peer-go", BUILT / "cargo" / "release" / "peer"
    subprocess.run(
        ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", go, "."],
        cwd=PEERS / "go",
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
    )
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--locked"],
        cwd=PEERS / "rust",
        env={**os.environ, "CARGO_TARGET_DIR": str(BUILT / "cargo")},
        check=True,
    )
    return [
        Contender("bootstrap (C, static)", [str(REPO / "dist" / "x86_64" / "bin" / "bootstrap")]),
        Contender("minimal runtime in Rust", [str(cargo)]),
        Contender("minimal runtime in Go", [str(go)]),
    ]


def main() -> None:
    if "--in-namespace" not in sys.argv:
        build_peers()
        as_user = [] if os.geteuid() == 0 else ["--map-root-user"]
        sys.exit(
            subprocess.run(
                # The repository may itself lie below /tmp: /mnt shows it once that is covered.
                ["unshare", "--mount", *as_user, "sh", "-c",
                 'mount --bind "$0" /mnt && for place in /tmp /var/tmp /dev/shm; do '
                 '! test -d $place || mount -t tmpfs tmpfs $place; done && cd /mnt && exec "$@"',
                 REPO, os.path.realpath(sys.executable), "tests/bench/bootstrap.py",
                 "--in-namespace"],
            ).returncode
        )  # fmt: skip
    contenders = [
        Contender("bootstrap (C, static)", [str(REPO / "dist" / "x86_64" / "bin" / "bootstrap")]),
        Contender("minimal runtime in Rust", [str(BUILT / "cargo" / "release" / "peer")]),
        Contender("minimal runtime in Go", [str(BUILT / "peer-go")]),
    ]
    for contender in contenders:
        run(contender, 0)  # once to warm the page cache
    starts: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(STARTS):  # in turn, so that a slow moment hits all of them
        for contender in contenders:
            starts[contender.name].append(run(contender, 0)[0])
    for contender in contenders:
        contender.start_ms = statistics.median(starts[contender.name])
        _, contender.cpu_us_per_event, contender.peak_kib = run(contender, EVENTS)
    ours = contenders[0]
    print(f"{'':26}{'exec to first next':>20}{'CPU per refused event':>24}{'peak memory':>14}")
    for one in contenders:
        cpu_ratio = one.cpu_us_per_event / ours.cpu_us_per_event
        print(
            f"{one.name:26}{one.start_ms:>15.2f} ms {one.start_ms / ours.start_ms:>3.1f}x"
            f"{one.cpu_us_per_event:>17.1f} us {cpu_ratio:>3.1f}x"
            f"{one.peak_kib / 1024:>10.1f} MiB"
        )
    print(json.dumps({one.name: vars(one) for one in contenders}, default=str))


if __name__ == "__main__":
    main()
