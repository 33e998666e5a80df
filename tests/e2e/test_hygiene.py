# SPDX-License-Identifier: Apache-2.0
"""Whatever a job leaves behind is gone before the next one, and nothing outside was touched."""

from __future__ import annotations

import pytest

from e2e.conftest import Stage

MESSES = {
    "read_only_trees": "mkdir -p /tmp/a/b/c; touch /tmp/a/b/c/f; chmod 000 /tmp/a/b/c; chmod 500 /tmp/a/b /tmp/a",
    "links_out": "ln -s / /tmp/root; ln -s /var/task /tmp/task; ln -s /etc/passwd $HOME/passwd; ln -s /opt $TMPDIR/opt",
    "fifos_and_sockets": "mkfifo /tmp/fifo $HOME/fifo; (nc -lU /tmp/socket >/dev/null 2>&1 &) ; true",
    "odd_names": r"""touch $'/tmp/a\nb' $'/tmp/\001\377' '/tmp/-rf' '/tmp/ ' '/tmp/*'; mkdir $'/tmp/d\n'; touch $'/tmp/d\n/x'""",
    "many_files": "mkdir /tmp/many; cd /tmp/many; for i in $(seq 1 20000); do : > f$i; done",
    "deep_tree": "cd /tmp; for i in $(seq 1 1200); do mkdir d; cd d; done",
    "daemons_that_write": (
        "for n in 1 2 3; do (setsid bash -c '(trap \"\" TERM HUP INT; "
        "while :; do mkdir -p /tmp/w$RANDOM; echo x > /tmp/w$RANDOM.txt; done) &' &) ; done; sleep 1"
    ),
    "forks_all_the_time": (
        "(setsid bash -c 'f() { (sleep 0.01; f) & }; f; f; wait' >/dev/null 2>&1 &) ; sleep 0.5"
    ),
}


@pytest.mark.parametrize("mess", MESSES.values(), ids=MESSES.keys())
def test_the_next_job_sees_nothing_of_the_last(stage: Stage, mess: str) -> None:
    dirty_job, dirty = stage.run(mess, "echo made a mess")
    assert b"made a mess" in dirty_job.trace.replace(b'"echo made', b""), dirty_job.trace.decode()
    (environment,) = [one for one in stage.environments if one.alive]
    assert [one for one in environment.commands() if "bash" in one or "sleep" in one] == []
    assert list(environment.tmp.iterdir()) == []

    job, clean = stage.run(
        "test \"$(ls -A /tmp)\" = runlet",
        "test \"$(ls -A /tmp/runlet | wc -l)\" = 1",
        "for p in /proc/[0-9]*; do echo \"PROCESS $(cat $p/comm 2>/dev/null)\"; done",
        "test -s /etc/passwd && test -x /var/task/bootstrap && test -x /opt/bin/gitlab-runner",
    )

    assert clean.response["status"] == "job_succeeded", job.trace.decode()
    assert dirty.environment_id == clean.environment_id
    assert b"PROCESS sleep" not in job.trace and b"PROCESS nc" not in job.trace


def test_a_fresh_environment_for_each_job_where_asked(make_stage) -> None:
    stage = make_stage(environment={"RUNLET_FRESH_ENVIRONMENT": "true"})

    _, first = stage.run("echo one")
    _, second = stage.run("echo two")

    assert first.response["status"] == second.response["status"] == "job_succeeded"
    assert first.environment_id != second.environment_id
