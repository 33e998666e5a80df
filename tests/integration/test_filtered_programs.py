# SPDX-License-Identifier: Apache-2.0
"""Programs that jobs run do not notice the filter that keeps jobs from the bootstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import BUILD
from localcloud.waiting import LIMIT

FILTERED = BUILD / "tests" / "filtered"


def run(*command: str | Path, folder: Path, **more: str) -> str:
    """What the command prints; it has to be good."""
    ended = subprocess.run(
        [FILTERED, *command],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not here")


def test_it_is_filtered(tmp_path: Path) -> None:
    text = run("cat", "/proc/self/status", folder=tmp_path)
    assert "Seccomp:\t2\n" in text and "NoNewPrivs:\t1\n" in text
    ended = subprocess.run([FILTERED, "sh", "-c", "kill -KILL $PPID"], capture_output=True)
    assert ended.returncode == 1 and b"not permitted" in ended.stderr


def test_git(tmp_path: Path) -> None:
    script = """
    git init -q -b main a && cd a && git config gc.autoDetach true
    for i in 1 2 3; do echo $i >file && git add file && git commit -q -m $i; done
    cd .. && git clone -q --no-local a b && cd b && git gc -q && git fsck
    git rev-list --count HEAD
    """
    who = {"GIT_AUTHOR_NAME": "a", "GIT_COMMITTER_NAME": "a", "EMAIL": "a@example.com"}
    assert run("sh", "-ec", script, folder=tmp_path, **who) == "3\n"


def test_make_with_jobs(tmp_path: Path) -> None:
    targets = [f"t{i}" for i in range(40)]
    rules = "".join(f"{one}:\n\t@sleep 0.01; echo {one} >$@\n" for one in targets)
    (tmp_path / "Makefile").write_text(f"all: {' '.join(targets)}\n{rules}")
    run("make", "-s", "-j8", folder=tmp_path)
    assert all((tmp_path / one).exists() for one in targets)


def test_job_control_and_timeouts(tmp_path: Path) -> None:
    script = """
    set -m; sleep 100 & kill %1; wait %1 || echo "ended $?"
    trap 'echo hup' HUP; kill -HUP $$
    timeout 1 sleep 100 || echo "timeout $?"
    timeout --foreground 1 sleep 100 || echo "timeout $?"
    (sleep 100 | cat) & kill -- -$!; wait; echo over
    """
    text = run("bash", "-c", script, folder=tmp_path)
    assert text == "ended 143\nhup\ntimeout 124\ntimeout 124\nover\n"


def test_what_people_do_to_themselves(tmp_path: Path) -> None:
    script = """
    taskset -pc 0 $$ && taskset -c 0 true && nice -n 5 true && renice -n 3 -p $$
    ionice -c 3 true && ionice -c 3 -p $$ && prlimit --pid $$ --nofile=512 && ulimit -n
    sleep 100 & renice -n 7 -p $! && taskset -pc 0 $! && kill $!
    """
    assert "\n512\n" in run("bash", "-ec", script, folder=tmp_path)


def test_python_pools(tmp_path: Path) -> None:
    script = (
        "import multiprocessing as m, os, signal, threading\n"
        "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
        "with m.Pool(4) as pool: print(sum(pool.map(abs, range(1000))))\n"
        "signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)\n"
        "child = os.fork() or signal.pause()\n"
        "os.kill(child, signal.SIGTERM); print(os.waitpid(child, 0)[1])\n"
        "os.sched_setaffinity(0, os.sched_getaffinity(0))\n"
    )
    assert run("python3", "-c", script, folder=tmp_path) == "499500\n15\n"


@needs("go")
def test_go(tmp_path: Path) -> None:
    """Its runtime interrupts its own threads by signals all the time, and tries pidfds."""
    (tmp_path / "main.go").write_text(
        """package main
import ("fmt"; "os/exec"; "time")
func main() {
    for i := 0; i < 8; i++ { go func() { for { } }() }
    child := exec.Command("sleep", "100")
    if err := child.Start(); err != nil { panic(err) }
    time.Sleep(200 * time.Millisecond)
    if err := child.Process.Kill(); err != nil { panic(err) }
    fmt.Println(child.Wait())
}
"""
    )
    more = {"GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
    assert run("go", "run", "main.go", folder=tmp_path, **more) == "signal: killed\n"


@needs("java")
def test_java(tmp_path: Path) -> None:
    (tmp_path / "Main.java").write_text(
        """public class Main { public static void main(String[] a) throws Exception {
    Thread t = new Thread(() -> { while (true) { } });
    t.setDaemon(true); t.setPriority(1); t.start();
    Process p = new ProcessBuilder("sleep", "100").start(); p.destroy();
    System.gc(); System.out.println(p.waitFor()); } }
"""
    )
    assert run("java", "-Xmx64m", "Main.java", folder=tmp_path).strip() == "143"


@needs("gdb")
def test_gdb_on_a_child(tmp_path: Path) -> None:
    text = run("gdb", "-batch", "-ex", "run", "--args", "true",
               folder=tmp_path)  # fmt: skip
    assert "exited normally" in text


@needs("postgres")
@pytest.mark.skipif(
    os.geteuid() != 0, reason="postgres must not run as root, so that root starts it"
)
def test_postgresql(tmp_path: Path) -> None:
    """Shared memory, many processes, SIGUSR1 between them, and a fast stop."""
    binary = Path(os.path.realpath(shutil.which("postgres") or "")).parent
    script = f"""
    export PATH={binary}:$PATH PGDATA=data PGHOST=$FOLDER; cd "$FOLDER"
    initdb -A trust >/dev/null
    echo "unix_socket_directories = '$FOLDER'" >>data/postgresql.conf
    pg_ctl -w -o "-c listen_addresses=" -l log start >/dev/null
    psql -d postgres -Atc 'select count(*) from generate_series(1, 1000)'
    pg_ctl -m fast -w stop >/dev/null
    """
    # Not below pytest's own folder, which is root's alone.
    folder = Path(tempfile.mkdtemp(prefix="filtered-", dir="/tmp"))
    try:
        shutil.chown(folder, "nobody", "nogroup")
        # A filter forbids setuid programs, not root's own way down.
        text = run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                   "bash", "-ec", script, folder=folder, FOLDER=str(folder))  # fmt: skip
    finally:
        shutil.rmtree(folder)
    assert text == "1000\n"
