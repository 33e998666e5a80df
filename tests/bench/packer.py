# SPDX-License-Identifier: Apache-2.0
"""Times the layer packer beside Info-ZIP and 7-Zip on about 150 MB of real executables.

One run, one tree (the executables that the build itself uses and makes), the same processors:

- `zip -9 -r` against the packer's default level: how many times faster, at no larger size;
- `7z a -tzip -mx=5` against the packer's levels: the first that is smaller, and its time.

The packer is the static one that makes the artifacts. Peers and packer take turns, and the best
time of each counts, so that a busy moment of the machine hits no side alone.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
MACHINE = "arm64" if platform.machine() == "aarch64" else "x86_64"
PACKER = REPO / "build" / "static" / MACHINE / "bin" / "layer-packer"
ROUNDS = 3
TARGET = 8.0
DEFAULT_LEVEL = 7
HARDER_LEVELS = (8, 9, 10, 11)
LARGEST = 165_000_000


@dataclass
class Measured:
    name: str
    seconds: float
    size: int


def executables() -> list[Path]:
    """Those of the pinned Go and of our own artifacts; all that a build of this tree leaves."""
    go = Path(
        subprocess.run(
            [REPO / "helpers" / "toolchain" / "go.sh"], check=True, capture_output=True, text=True
        ).stdout.strip()
    ).resolve()
    folders = [
        REPO / "build" / "layers" / "gitlab-runner" / MACHINE / "bin",
        go.parent,
        *sorted((go.parents[1] / "pkg" / "tool").glob("*")),
        REPO / "build" / "layers" / "git" / MACHINE / "bin",
        REPO / "build" / "static" / MACHINE / "bin",
    ]
    return [file for folder in folders for file in sorted(folder.glob("*")) if file.is_file()]


def make_tree(tree: Path) -> int:
    total = 0
    for index, file in enumerate(executables()):
        size = file.stat().st_size
        if total + size <= LARGEST:
            shutil.copyfile(file, tree / f"{index:02}-{file.name}")
            total += size
    return total


def timed(name: str, command: list[str | Path], archive: Path, cwd: Path) -> Measured:
    archive.unlink(missing_ok=True)
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=cwd, stdout=subprocess.DEVNULL)
    return Measured(name, time.perf_counter() - started, archive.stat().st_size)


def pack(tree: Path, archive: Path, level: int) -> Measured:
    command: list[str | Path] = [PACKER, "pack", "--level", str(level), "--output", archive, tree]
    return timed(f"layer-packer --level {level}", command, archive, tree)


def best(rounds: list[Measured]) -> Measured:
    return min(rounds, key=lambda measured: measured.seconds)


def report(measured: Measured) -> None:
    print(f"  {measured.name:<26} {measured.seconds:7.2f} s  {measured.size:>12,} bytes")


def compare(tree: Path, work: Path) -> tuple[Measured, Measured, Measured, list[Measured]]:
    zips, sevens, ours = [], [], []
    harder: dict[int, list[Measured]] = {level: [] for level in HARDER_LEVELS}
    for _ in range(ROUNDS):
        ours.append(pack(tree, work / "ours.zip", DEFAULT_LEVEL))
        archive = work / "peer.zip"
        zips.append(timed("zip -9 -r", ["zip", "-q", "-9", "-r", archive, "."], archive, tree))
        command: list[str | Path] = ["7z", "a", "-tzip", "-mx=5", archive, "."]
        sevens.append(timed("7z a -tzip -mx=5", command, archive, tree))
        for level in HARDER_LEVELS:
            harder[level].append(pack(tree, work / "ours.zip", level))
    return best(ours), best(zips), best(sevens), [best(rounds) for rounds in harder.values()]


def main() -> int:
    missing = [tool for tool in ("zip", "7z") if shutil.which(tool) is None]
    if missing:
        print(f"cannot compare without {' and '.join(missing)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tree = work / "tree"
        tree.mkdir()
        total = make_tree(tree)
        count = sum(1 for _ in tree.iterdir())
        processors = len(os.sched_getaffinity(0))
        print(f"{count} executables, {total:,} bytes, {processors} processors, best of {ROUNDS}")
        ours, zipped, seven, harder = compare(tree, work)
    for measured in (zipped, seven, ours, *harder):
        report(measured)

    ratio = zipped.seconds / ours.seconds
    fits = ratio >= TARGET and ours.size <= zipped.size
    print(
        f"against zip -9 -r: {ratio:.1f} times faster (target {TARGET:.0f}), "
        f"size {100 * ours.size / zipped.size:.2f} %: {'met' if fits else 'MISSED'}"
    )
    smaller = [measured for measured in (ours, *harder) if measured.size < seven.size]
    if smaller:
        first = min(smaller, key=lambda measured: measured.seconds)
        print(
            f"against 7z -mx=5: {first.name} takes {100 * first.seconds / seven.seconds:.0f} % of "
            f"its time, size {100 * first.size / seven.size:.2f} %: "
            f"{'met' if first.seconds <= seven.seconds else 'MISSED'}"
        )
    else:
        print("against 7z -mx=5: no level is smaller: MISSED")
    return 0


if __name__ == "__main__":
    sys.exit(main())
