# SPDX-License-Identifier: Apache-2.0
"""Whatever a job leaves behind is gone before the next one, and nothing outside was touched."""

from __future__ import annotations

import os
import re
import signal

import pytest

from e2e.stage import Stage, StageMaker, commands_of, output_of
from localcloud import LocalCloud
from localcloud.gitlab import Job, Project
from localcloud.waiting import wait_until

MESSES = {
    "read_only_trees": (
        "mkdir -p /tmp/a/b/c $HOME/x/y; touch /tmp/a/b/c/f $HOME/x/y/f; "
        "chmod 000 /tmp/a/b/c; chmod 500 /tmp/a/b /tmp/a $HOME/x/y $HOME/x"
    ),
    "links_out": (
        "ln -s / /tmp/root; ln -s /var/task /tmp/task; ln -s /etc/passwd $HOME/passwd; "
        "ln -s /opt $TMPDIR/opt; ln -s /tmp /tmp/loop; ln -s . /tmp/dot; ln -s /proc/1 /tmp/one"
    ),
    "fifos_and_sockets": (
        "mkfifo /tmp/fifo $HOME/fifo; mkdir -m 700 /tmp/s; "
        "(setsid git credential-cache--daemon /tmp/s/socket >/dev/null 2>&1 &); "
        "(setsid cat /tmp/fifo >/dev/null 2>&1 &); "
        "for i in $(seq 100); do test -S /tmp/s/socket && break; sleep 0.1; done; "
        "test -S /tmp/s/socket"
    ),
    "odd_names": (
        r"touch $'/tmp/a\nb' $'/tmp/\001\377' '/tmp/-rf' '/tmp/ ' '/tmp/*' $'/tmp/\e[2J'; "
        r"mkdir $'/tmp/d\n' '/tmp/...'; touch $'/tmp/d\n/x' $'/tmp/.../\\'; "
        "long=$(head -c 255 /dev/zero | tr '\\0' n); mkdir /tmp/$long; touch /tmp/$long/$long"
    ),
    "many_files": "mkdir /tmp/many; cd /tmp/many; for i in $(seq 1 20000); do : > f$i; done",
    "deep_tree": (
        "long=$(head -c 200 /dev/zero | tr '\\0' d); cd /tmp; "
        "for i in $(seq 1 60); do mkdir $long; cd $long; done"
    ),
    "daemons_that_write": (
        'for n in 1 2 3; do (setsid bash -c \'(trap "" TERM HUP INT; '
        "while :; do mkdir -p /tmp/w$RANDOM; echo x > /tmp/w$RANDOM.txt; done) &' "
        ">/dev/null 2>&1 &) ; done; sleep 1"
    ),
    "forks_all_the_time": (
        "(setsid bash -c 'f() { (sleep 0.01; f) & }; f; f; wait' >/dev/null 2>&1 &) ; sleep 0.5"
    ),
    "stopped_processes": "(setsid bash -c 'kill -STOP $$' >/dev/null 2>&1 &) ; sleep 0.2",
}


PROCESSES = (
    "for p in /proc/[0-9]*; do "
    """echo "PROCESS $(cat $p/comm) $(tr '\\0\\n' '  ' < $p/cmdline)"; done 2>/dev/null"""
)


@pytest.mark.parametrize("mess", MESSES.values(), ids=MESSES.keys())
def test_the_next_job_sees_nothing_of_the_last(stage: Stage, mess: str) -> None:
    dirty_job, dirty = stage.run(mess, "echo made a mess")

    assert dirty.answer["status"] == "job_succeeded", output_of(dirty_job)
    assert "made a mess\n" in output_of(dirty_job)
    (bootstrap,) = commands_of(stage.environment)
    assert "bootstrap" in bootstrap
    assert list(stage.environment.tmp.iterdir()) == []

    job, clean = stage.run(
        'test "$(ls -A /tmp)" = runlet',
        'test "$(ls -A /tmp/runlet | wc -l)" = 1',
        PROCESSES,
        "test -s /etc/passwd && test -x /var/task/bootstrap && test -x /opt/bin/gitlab-runner",
    )

    assert clean.answer["status"] == "job_succeeded", output_of(job)
    assert dirty.environment_id == clean.environment_id
    # Those with a command line: a zombie is none. The sandbox's first process may be called exe.
    processes = re.findall(r"^PROCESS (\S+) (\S.*)$", output_of(job), re.M)
    names = {name for name, _ in processes} - {"sandbox-enter", "exe"}
    assert names == {"bootstrap", "gitlab-runner", "bash"}, processes


# Of what `leavings.c` leaves, what every kernel has, and what PostgreSQL needs while a job runs.
EVERYWHERE = {"shared-memory", "messages", "semaphores", "mode"}


def leavings_job(stage: Stage, project: Project, program: bytes, *commands: str) -> Job:
    script = ["cp leavings $TMPDIR/", "chmod +x $TMPDIR/leavings", *commands]
    return stage.commit({"job": {"script": script}}, {"leavings": program}, project).job("job")


def found_by(job: Job) -> set[str]:
    return set(re.findall(r"^(?:left|found) (\S+)$", output_of(job), re.M))


def run_leavings(stage: Stage, project: Project, program: bytes, command: str) -> set[str]:
    """What the program says in a job of the project."""
    job = leavings_job(stage, project, program, f"$TMPDIR/leavings {command}")
    invocation = stage.invoke()
    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    return found_by(job)


def test_nothing_stays_in_the_kernel_or_on_tmp_itself(
    cloud: LocalCloud, stage: Stage, leavings: bytes
) -> None:
    other = cloud.gitlab.create_project(f"{stage.tag}/other")

    left = run_leavings(stage, stage.project, leavings, "leave")
    environment = stage.environment
    found = run_leavings(stage, other, leavings, "look")

    assert left >= EVERYWHERE
    assert "queue" not in left
    assert found == set()
    assert stage.environment is environment


def test_nothing_stays_of_a_job_whose_bootstrap_was_killed(
    cloud: LocalCloud, stage: Stage, leavings: bytes
) -> None:
    other = cloud.gitlab.create_project(f"{stage.tag}/other")
    job = leavings_job(
        stage, stage.project, leavings, "$TMPDIR/leavings leave", "echo all", "sleep 99"
    )
    cloud.functions.keep_sandbox_after_crash = True
    try:
        invoking = stage.start()
        wait_until(lambda: b"\nall" in job.trace.replace(b"\r", b""), "what the job leaves")
        os.kill(stage.environment.processes()[0], signal.SIGKILL)
        assert invoking.result().error_type == "Runtime.ExitError"
        found = run_leavings(stage, other, leavings, "look")
    finally:
        cloud.functions.keep_sandbox_after_crash = False

    assert found_by(job) >= EVERYWHERE
    assert found == set()


def test_orphans_are_reaped_while_the_job_runs(stage: Stage) -> None:
    """Lambda has room for 1,024 processes, and zombies count."""
    job, _ = stage.run(
        "set +e +o pipefail",
        "for i in $(seq 200); do (sleep 0 &); done",
        "zombies() { grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l; }",
        "for i in $(seq 50); do test $(zombies) -lt 20 && break; sleep 0.1; done",
        "echo zombies: $(zombies)",
    )

    count = re.search(r"^zombies: (\d+)$", output_of(job), re.M)
    assert count, output_of(job)
    assert int(count[1]) < 20


def test_a_full_disk_is_emptied(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=30, ephemeral_storage=512)

    _, full = stage.run("dd if=/dev/zero of=/tmp/full bs=1M 2>/dev/null || echo it is full")
    job, next_one = stage.run("dd if=/dev/zero of=/tmp/big bs=1M count=300", "echo there is room")

    assert full.answer["status"] != "no_job"  # whatever gitlab-runner makes of it
    assert next_one.answer["status"] == "job_succeeded", output_of(job)
    assert full.environment_id == next_one.environment_id


def test_a_fresh_environment_for_each_job_where_asked(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_FRESH_ENVIRONMENT": "true"})

    _, first = stage.run("echo one")
    _, second = stage.run("echo two")

    assert first.answer["status"] == second.answer["status"] == "job_succeeded"
    assert first.environment_id != second.environment_id
