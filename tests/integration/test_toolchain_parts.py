# SPDX-License-Identifier: Apache-2.0
"""What `common.sh` does for slow builds: lines and progress, side by side, and no leftovers."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import REPO
from localcloud.waiting import LIMIT, wait_until

TOOLCHAIN = REPO / "helpers" / "toolchain"


class Builder:
    """Scripts that build parts in a cache of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache" / "build"
        # Apart from those of builds beside this test.
        (folder / "tmp").mkdir()
        self.environ = {
            **os.environ,
            "RUNLET_CACHE_DIR": str(self.cache.parent),
            "TMPDIR": str(folder / "tmp"),
            "TERM": "xterm",
        }
        for name in ("CI", "RUNLET_PARTS"):
            self.environ.pop(name, None)

    def script(self, body: str) -> list[str]:
        common = f"set -euo pipefail; cd {self.folder}; . {TOOLCHAIN}/common.sh"
        # A word that only this test's processes have, to find them by.
        return ["bash", "-c", f"{common}\n{body}", str(self.folder)]

    def start(self, body: str, **options: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.script(body), env=self.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        )  # fmt: skip

    def run(self, body: str) -> subprocess.CompletedProcess[str]:
        process = self.start(body)
        said, complained = process.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)

    def processes(self) -> list[str]:
        """Those that live, by the folder's name in their command line."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.folder) in line:
                found.append(line)
        return found

    def slow_builds(self) -> int:
        return sum(line.startswith("bash -c sleep 300") for line in self.processes())

    def left_in_cache(self) -> list[str]:
        """What is neither a lock nor a log."""
        names = [path.name for path in self.cache.iterdir()]
        return [name for name in names if not name.endswith((".lock", ".log"))]


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


class Terminal:
    """A script at a terminal of its own."""

    def __init__(self, builder: Builder, body: str) -> None:
        self.output = b""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            command = builder.script(body)
            os.execvpe(command[0], command, builder.environ)

    def read_until(self, pattern: str) -> None:
        limit = time.monotonic() + LIMIT
        while not re.search(pattern, self.output.decode(errors="replace")):
            assert time.monotonic() < limit, f"{pattern} is not in {self.output!r}"
            self._read()

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def end(self) -> int:
        """Reads on until the script ends; its exit status."""
        try:
            while True:
                self._read(wait=True)
        except OSError:  # the other side is closed
            pass
        os.close(self._master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self, wait: bool = False) -> None:
        if select.select([self._master], [], [], LIMIT if wait else 0.1)[0]:
            self.output += os.read(self._master, 65536)


BUILD = 'build() { echo compiling; touch "$1/whole"; }\n'


def slow(builder: Builder) -> str:
    """A build that takes longer than any test, by a process that can be found."""
    return f'build() {{ echo compiling; bash -c "sleep 300; :" {builder.folder}; }}\n'


def test_a_part_is_a_line_with_its_time(builder: Builder) -> None:
    result = builder.run(f"{BUILD}cached openssl-x86_64 1234 build")
    assert result.stdout == f"{builder.cache}/openssl-x86_64-1234\n"
    assert re.fullmatch(r"built openssl x86_64 in \d+ s\n", result.stderr)
    again = builder.run(f"{BUILD}cached openssl-x86_64 1234 build")
    assert (again.stdout, again.stderr) == (result.stdout, "")


def test_a_part_that_is_fetched_says_so(builder: Builder) -> None:
    result = builder.run(f"{BUILD}cached zig 1234 build fetched")
    assert re.fullmatch(r"fetched zig in \d+ s\n", result.stderr)


def test_a_part_that_takes_minutes_says_minutes(builder: Builder) -> None:
    assert builder.run("duration 59; duration 60; duration 125").stdout.splitlines() == [
        "59 s", "1 min 0 s", "2 min 5 s",
    ]  # fmt: skip


def test_a_failing_part_shows_the_end_of_its_log(builder: Builder) -> None:
    result = builder.run(
        "build() { seq 100; echo the compiler is broken; false; }\ncached zlib-arm64 1234 build"
    )
    assert result.returncode == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "72"
    assert lines[-2] == "the compiler is broken"
    log = builder.cache / "zlib-arm64-1234.log"
    assert lines[-1] == f"error: building zlib arm64 failed; the whole log is {log}"
    assert log.read_text().startswith("1\n2\n")
    assert builder.left_in_cache() == []


def test_two_parts_are_built_side_by_side(builder: Builder) -> None:
    """Each waits for the other to begin."""
    result = builder.run(
        'meet() { touch "begun-$2"; until [ -f "begun-$3" ]; do sleep 0.02; done; }\n'
        "go() { meet - go c; }\nc() { meet - c go; }\n"
        "together 'cached go-part 1234 go' 'cached c-part 1234 c'"
    )
    assert result.returncode == 0, result.stderr
    lines = sorted(re.sub(r"\d+ s", "N s", line) for line in result.stderr.splitlines())
    assert lines == ["built c-part in N s", "built go-part in N s"]
    assert sorted(builder.left_in_cache()) == ["c-part-1234", "go-part-1234"]


def test_lines_of_many_parts_do_not_mix(builder: Builder) -> None:
    commands = " ".join(f"'cached part{number} 1234 build'" for number in range(20))
    result = builder.run(f"{BUILD}together {commands}")
    lines = result.stderr.splitlines()
    assert len(lines) == 20, result.stderr
    assert [one for one in lines if not re.fullmatch(r"built part\d+ in \d+ s", one)] == []


def test_parts_of_one_lane_are_built_one_after_another(builder: Builder) -> None:
    result = builder.run(
        "build() { mkdir alone; sleep 0.3; rmdir alone; }\n"
        "together 'cached one 1234 build built go' 'cached two 1234 build built go'"
    )
    assert result.returncode == 0, result.stderr


def test_a_failing_part_ends_the_others(builder: Builder) -> None:
    result = builder.run(
        f"{slow(builder)}"
        "bad() { until compgen -G '*/build/.long.??????' >/dev/null; do sleep 0.02; done\n"
        "    echo no such header; false; }\n"
        "together 'cached long 1234 build' 'cached bad 1234 bad'"
    )
    assert result.returncode != 0
    assert result.stderr.splitlines()[0] == "no such header"
    assert "error: building bad failed" in result.stderr
    assert "long" not in result.stderr
    assert builder.processes() == []
    assert builder.left_in_cache() == []


@pytest.mark.parametrize("end", [os.killpg, os.kill])
def test_a_build_that_is_ended_leaves_nothing(
    end: Callable[[int, int], None], builder: Builder
) -> None:
    process = builder.start(
        f"{slow(builder)}together 'cached one 1234 build' 'cached two 1234 build'",
        process_group=0,
    )
    wait_until(lambda: builder.slow_builds() == 2, "both builds")
    end(process.pid, signal.SIGTERM)
    process.communicate(timeout=LIMIT)
    assert process.returncode != 0
    wait_until(lambda: not builder.processes(), "the end of all processes")
    assert builder.left_in_cache() == []
    assert list((builder.folder / "tmp").iterdir()) == []


def test_ctrl_c_leaves_nothing(builder: Builder) -> None:
    terminal = Terminal(
        builder, f"{slow(builder)}together 'cached one 1234 build' 'cached two 1234 build'"
    )
    wait_until(lambda: builder.slow_builds() == 2, "both builds")
    terminal.press_ctrl_c()
    assert terminal.end() != 0
    wait_until(lambda: not builder.processes(), "the end of all processes")
    assert builder.left_in_cache() == []
    assert list((builder.folder / "tmp").iterdir()) == []


def test_a_terminal_shows_what_is_being_built(builder: Builder) -> None:
    terminal = Terminal(
        builder,
        'go() { echo "compiling $2.c"; until [ -f go-on ]; do sleep 0.02; done; }\n'
        "one() { go - one; }\ntwo() { go - two; }\n"
        "together 'cached one-x86_64 1234 one' 'cached two 1234 two'",
    )
    terminal.read_until(r"\r\x1b\[Kbuilding (one x86_64|two) \d+ s, (one x86_64|two) \d+ s \| comp")
    # In place: another time on the same line.
    assert b"\n" not in terminal.output
    (builder.folder / "go-on").touch()
    assert terminal.end() == 0
    text = terminal.output.decode()
    assert re.search(r"\r\x1b\[Kbuilt one x86_64 in \d+ s\r\n", text)
    assert re.search(r"\r\x1b\[Kbuilt two in \d+ s\r\n", text)
    assert text.endswith("\r\x1b[K")
    assert text.count("\n") == 2


@pytest.mark.parametrize("name", ["TERM", "CI"])
def test_a_terminal_that_cannot_or_need_not_gets_lines_alone(name: str, builder: Builder) -> None:
    builder.environ[name] = {"TERM": "dumb", "CI": "true"}[name]
    terminal = Terminal(builder, "build() { sleep 1.2; }\ntogether 'cached one 1234 build'")
    assert terminal.end() == 0
    assert b"building" not in terminal.output
    assert re.search(rb"built one in \d+ s\r\n", terminal.output)


class Cache:
    """`make clean-cache` on a cache with a few parts in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cache" / "build"
        self.environ = {
            **os.environ,
            "RUNLET_CACHE_DIR": str(self.folder.parent),
            "GOMODCACHE": str(folder / "elsewhere"),
            "GOCACHE": str(folder / "elsewhere"),
        }
        for name in ("openssl-x86_64-0123456789abcdef", ".zlib.AbCd12", "zig-cache", "apt"):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name / "file").write_bytes(b"x" * 3_000_000)
        (self.folder / "zlib-0123456789abcdef.log").write_text("it failed")
        (self.folder / ".zlib.lock").touch()

    def clean(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "clean-cache"], cwd=REPO, env=self.environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=LIMIT,
        )  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def test_clean_cache_says_what_it_frees_and_frees_it(cache: Cache) -> None:
    result = cache.clean()
    assert result.returncode == 0, result.stderr
    for name in ("openssl-x86_64-0123456789abcdef", ".zlib.AbCd12", "zig-cache", "apt"):
        assert re.search(rf"^ +2\.[89] MB  {cache.folder}/{re.escape(name)}$", result.stdout, re.M)
    assert re.search(rf"^ +11\.\d MB  freed in {cache.folder}$", result.stdout, re.M)
    assert not cache.folder.exists()
    again = cache.clean()
    assert again.returncode == 0
    assert again.stderr == f"{cache.folder} is not there: nothing to free\n"


def test_clean_cache_frees_what_is_read_only(cache: Cache, tmp_path: Path) -> None:
    """As Go keeps its modules, where its caches were put here; elsewhere they stay."""
    modules = cache.folder / "modules"
    (modules / "example.test").mkdir(parents=True)
    (modules / "example.test" / "main.go").touch(0o444)
    (modules / "example.test").chmod(0o555)
    (tmp_path / "elsewhere").mkdir()
    cache.environ["GOMODCACHE"] = str(modules)

    result = cache.clean()

    assert result.returncode == 0, result.stderr
    assert str(modules) in result.stdout
    assert not cache.folder.exists()
    assert (tmp_path / "elsewhere").exists()


def test_clean_cache_leaves_what_is_not_ours_and_names_it(cache: Cache) -> None:
    (cache.folder / "letters").mkdir()
    result = cache.clean()
    assert result.returncode != 0
    assert f"error: not ours, and left there: {cache.folder}/letters\n" in result.stderr
    assert [path.name for path in cache.folder.iterdir()] == ["letters"]


def test_clean_cache_does_not_disturb_a_build(cache: Cache) -> None:
    lock = cache.folder / ".zlib.lock"
    with subprocess.Popen(["flock", lock, "cat"], stdin=subprocess.PIPE) as holder:
        held = ["flock", "--nonblock", lock, "true"]
        wait_until(lambda: subprocess.run(held).returncode == 1, "the lock")
        result = cache.clean()
        assert holder.stdin
        holder.stdin.close()
    assert result.returncode != 0
    assert f"a build is running (it holds {lock})" in result.stderr
    assert (cache.folder / "apt" / "file").exists()
