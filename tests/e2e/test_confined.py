# SPDX-License-Identifier: Apache-2.0
"""A job aims at the bootstrap what the kernel lets one process of a user do to another."""

from __future__ import annotations

import os
import resource

import pytest

from e2e.stage import Stage, commands_of, output_of

READY = ["cp $PROGRAM $TMPDIR/ && chmod +x $TMPDIR/$PROGRAM"]

CALLS = frozenset(
    {
        "kill", "stop", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "prlimit",
        "setpriority", "sched_setscheduler", "sched_setparam", "sched_setattr",
        "sched_setaffinity", "ioprio_set", "F_SETOWN", "F_SETOWN_EX", "FIOSETOWN", "SIOCSPGRP",
        "kill of the user", "setpriority of the user", "ioprio_set of the user",
    }
)  # fmt: skip


def run_program(stage: Stage, program: bytes, command: str) -> dict[str, list[str]]:
    """What the program says for each call, each line as often as it came."""
    ci = {"job": {"script": [*READY, command], "variables": {"PROGRAM": "assailant"}}}
    job = stage.commit(ci, {"assailant": program}).job("job")
    invocation = stage.invoke()
    assert not invocation.function_error, invocation.response
    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    said: dict[str, list[str]] = {}
    for line in output_of(job).splitlines():
        name, colon, answer = line.partition(": ")
        if colon and answer:
            said.setdefault(name, []).append(answer)
    return said


def test_nothing_reaches_the_bootstrap(stage: Stage, assailant: bytes) -> None:
    said = run_program(stage, assailant, "$TMPDIR/assailant attack $(pidof bootstrap)")

    (threads,) = said.pop("threads")
    assert int(threads) >= 3, "more than the main thread was tried"
    assert len(said["kill"]) == int(threads)
    assert said.pop("pidfd_send_signal") == ["ENOSYS"]
    refused = {name: set(answers) for name, answers in said.items() if name in CALLS}
    assert refused == {name: {"EPERM"} for name in CALLS}
    # It lives on, and serves the next job.
    (bootstrap,) = commands_of(stage.environment)
    assert "bootstrap" in bootstrap
    job, invocation = stage.run("ulimit -f; cut -d ' ' -f 18,19 /proc/self/stat")
    assert invocation.answer["status"] == "job_succeeded"
    assert f"unlimited\n{20 + os.nice(0)} {os.nice(0)}\n" in output_of(job)
    assert "does not allow a seccomp filter" not in stage.logs


def test_programs_do_not_notice(stage: Stage, assailant: bytes) -> None:
    said = run_program(stage, assailant, "$TMPDIR/assailant live")

    assert said.pop("kill of nobody") == ["ESRCH"]
    assert len(said) >= 18
    assert {name: answers for name, answers in said.items() if answers != ["done"]} == {}


@pytest.mark.parametrize(
    "command",
    [
        "kill -KILL $(pidof bootstrap)",
        "kill -STOP $(pidof bootstrap)",
        "kill -TERM $(pidof bootstrap)",
        "kill -KILL -1",
        "renice -n 19 -p $(pidof bootstrap)",
        "taskset -p 1 $(pidof bootstrap)",
        "ionice -c 3 -p $(pidof bootstrap)",
    ],
)
def test_commands_are_refused(stage: Stage, command: str) -> None:
    job, invocation = stage.run(f"{command} && echo it-worked || echo refused", "echo still here")

    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    assert "refused\nstill here\n" in output_of(job)


LIMIT = "$TMPDIR/assailant limit $(pidof bootstrap)"


@pytest.mark.usefixtures("unfiltered")
@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("renice -n 19 -p $(pidof bootstrap)", "nice value"),
        ("taskset -p 1 $(pidof bootstrap)", "affinity"),
        ("ionice -c 3 -p $(pidof bootstrap)", "I/O class"),
        (f"{LIMIT} {resource.RLIMIT_NOFILE} 64", "open files"),
        (f"{LIMIT} {resource.RLIMIT_FSIZE} 100000", "file size"),
        (f"{LIMIT} {resource.RLIMIT_CPU} 1000", "CPU time"),
        (f"{LIMIT} {resource.RLIMIT_NPROC} 500", "processes"),
    ],
)
def test_what_a_job_changes_does_not_reach_the_next(
    stage: Stage, assailant: bytes, command: str, named: str
) -> None:
    run_program(stage, assailant, command)
    first = stage.environments[-1]

    job, invocation = stage.run("ulimit -a", "cut -d ' ' -f 18,19 /proc/self/stat", "ionice")

    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    assert invocation.environment_id != first.id
    assert "a job changed this process" in stage.logs and named in stage.logs
    assert f"{20 + os.nice(0)} {os.nice(0)}\n" in output_of(job) and "file size" in output_of(job)


@pytest.mark.usefixtures("unfiltered")
def test_with_no_descriptors_the_environment_ends(stage: Stage, assailant: bytes) -> None:
    """Nothing more can be done there: not even the job's end be told."""
    ci = {"job": {"script": [*READY, f"{LIMIT} {resource.RLIMIT_NOFILE} 3", "sleep 1"],
                  "variables": {"PROGRAM": "assailant"}}}  # fmt: skip
    attack = stage.commit(ci, {"assailant": assailant}).job("job")
    # Not asserted what comes of it: the environment may be lost in any way.
    for _ in range(3):
        if attack.status == "pending":
            stage.invoke()
    job, invocation = stage.run("echo fine")

    assert invocation.cold_start
    assert invocation.answer["status"] == "job_succeeded", output_of(job)
