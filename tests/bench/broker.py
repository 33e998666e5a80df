# SPDX-License-Identifier: Apache-2.0
"""What the broker costs a job that uploads 200 MB of artifacts, beside an upload without it.

One curl sends the same file to the stand-in GitLab over TLS: directly, and by way of the broker
(plain http to loopback, TLS from there), in turn and in the same run. Reported are the medians of
the wall time, the CPU time of the client and of the broker, and the broker's peak memory.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from integration.runner_client import BrokerHost, RunnerClient
from localcloud.gitlab import CertificateAuthority, StandInGitLab

SIZE = 200_000_000
ROUNDS = 5
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Way:
    name: str
    url: str
    wall: list[float] = field(default_factory=list)
    client_cpu: list[float] = field(default_factory=list)
    broker_cpu: list[float] = field(default_factory=list)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def upload(way: Way, job: dict[str, object], file: Path, ca: Path, broker_pid: int) -> None:
    command = [
        *("curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert", str(ca)),
        *("--header", f"JOB-TOKEN: {job['token']}", "--form", f"file=@{file};filename=big.zip"),
        *("--output", "/dev/null"),
        f"{way.url}/api/v4/jobs/{job['id']}/artifacts?artifact_type=archive&artifact_format=zip",
    ]
    broker_before = cpu_seconds(broker_pid)
    children_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run(command, check=True)
    way.wall.append(time.monotonic() - begin)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    way.client_cpu.append(
        children.ru_utime + children.ru_stime - children_before.ru_utime - children_before.ru_stime
    )
    way.broker_cpu.append(cpu_seconds(broker_pid) - broker_before)


def measure(folder: Path) -> None:
    ca = CertificateAuthority(folder / "ca")
    file = folder / "big.zip"
    with file.open("wb") as out:
        for _ in range(SIZE // 1_000_000):
            out.write(os.urandom(1_000_000))
    token = folder / "token"
    with StandInGitLab(ca=ca, folder=folder / "gitlab") as gitlab:
        token.write_text(gitlab.create_runner(tags=[], run_untagged=True).token)
        gitlab.create_project("group/project").commit({".gitlab-ci.yml": "job: {script: [x]}"})
        with BrokerHost(gitlab.url, token, ca_file=ca.file) as broker:
            job = RunnerClient(broker.url, broker.placeholder).take_job().job
            ways = [Way("directly", gitlab.url), Way("by the broker", broker.url)]
            for way in ways:
                upload(way, job, file, ca.file, broker.process.pid)  # once to warm up
            ways = [Way(way.name, way.url) for way in ways]
            for _ in range(ROUNDS):
                for way in ways:
                    upload(way, job, file, ca.file, broker.process.pid)
            peak = broker.order("memory")["peak_kib"]
    report(ways, peak)


def report(ways: list[Way], peak_kib: int) -> None:
    print(f"{SIZE / 1e6:.0f} MB {'wall time':>18}{'CPU of curl':>15}{'CPU of the broker':>20}")
    results = {}
    for way in ways:
        wall, client, broker = map(statistics.median, (way.wall, way.client_cpu, way.broker_cpu))
        results[way.name] = {"wall_s": wall, "client_cpu_s": client, "broker_cpu_s": broker}
        print(f"{way.name:14}{wall:>9.2f} s{client:>13.2f} s{broker:>18.2f} s")
    print(f"the broker's peak memory: {peak_kib / 1024:.1f} MiB")
    print(json.dumps({**results, "peak_kib": peak_kib}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name))
