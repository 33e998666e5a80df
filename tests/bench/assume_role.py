# SPDX-License-Identifier: Apache-2.0
"""Times assume-role beside `aws sts assume-role`, both before the same server on loopback.

- cold: one AssumeRole each, nothing kept: how many times faster (target 50);
- from the cache: assume-role with an answer it has, against the aws CLI's call (target 100).

The peers take turns, and the median of the rounds counts. The server answers at once and checks
nothing: what is measured is the client. assume-role is the static one of the layer.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
MACHINE = "arm64" if platform.machine() == "aarch64" else "x86_64"
SHIM = REPO / "dist" / MACHINE / "bin" / "assume-role"
AWS = [REPO / "build" / "venv" / "bin" / "python", "-m", "awscli"]
ROLE = "arn:aws:iam::123456789012:role/deploy"
ROUNDS = 11
COLD_TARGET = 50
CACHED_TARGET = 100
ANSWER = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>
<SecretAccessKey>{"s" * 40}</SecretAccessKey><SessionToken>{"t" * 600}</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser>
<AssumedRoleId>AROAEXAMPLE:bench</AssumedRoleId>
<Arn>arn:aws:sts::123456789012:assumed-role/deploy/bench</Arn></AssumedRoleUser>
</AssumeRoleResult></AssumeRoleResponse>""".encode()


class Sts(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    calls = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Sts.calls += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def timed(command: Sequence[str | Path], environment: Mapping[str, str], calls: int) -> float:
    """Seconds of one run, which must have made so many calls."""
    before = Sts.calls
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0 or "ASIAEXAMPLE" not in done.stdout or Sts.calls - before != calls:
        sys.exit(f"{command[0]}: {Sts.calls - before} calls; {done.stdout}{done.stderr}")
    return seconds


def main() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        names = ["--role-arn", ROLE, "--role-session-name", "bench"]
        peer: list[str | Path] = [*AWS, "sts", "assume-role", *names]
        shim: list[str | Path] = [SHIM, *names, "--format", "json"]
        timed(shim, environment, 1)  # fills the cache
        timed(peer, environment, 1)  # and Python's
        cold, cached, theirs = [], [], []
        for _ in range(ROUNDS):
            theirs.append(timed(peer, environment, 1))
            cold.append(timed([*shim, "--no-cache"], environment, 1))
            cached.append(timed(shim, environment, 0))
    server.shutdown()

    base = statistics.median(theirs)
    print(f"median of {ROUNDS}, the same server on loopback")
    print(f"  aws sts assume-role        {1000 * base:8.2f} ms")
    good = True
    for name, seconds, target in (
        ("assume-role, cold", cold, COLD_TARGET),
        ("assume-role, from the cache", cached, CACHED_TARGET),
    ):
        median = statistics.median(seconds)
        ratio = base / median
        good &= ratio >= target
        verdict = "met" if ratio >= target else "MISSED"
        print(f"  {name:<26} {1000 * median:8.2f} ms  {ratio:6.0f} times faster "
              f"(target {target}): {verdict}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
