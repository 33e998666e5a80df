# SPDX-License-Identifier: Apache-2.0
"""What Lambda's image lacks, and jobs use all the same: /dev/fd, and often a name server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from e2e.stage import Stage, StageMaker, output_of
from localcloud import LocalCloud

NAME_SERVER = "127.11.53.1"


def test_process_substitution_needs_no_dev_fd(stage: Stage) -> None:
    """Scripts that `env` starts have it, too; those that name the image's bash do not."""
    script = "while read -r line; do echo $1 $line; done < <(printf 'a\\nb\\n')\n"
    job = stage.commit(
        {
            "job": {
                "script": [
                    "test ! -e /dev/fd",
                    "while read -r line; do echo got $line; done < <(printf 'a\\nb\\n')",
                    "diff <(echo a) <(echo a) && echo no difference",
                    "source <(echo 'complete -F f kubectl; V=1') && echo V is $V",
                    "{ echo out; echo error >/dev/stderr; } >/dev/stdout",
                    "read -r word </dev/stdin <<<here && echo word is $word",
                    "echo $OSTYPE $(echo ${PATH%%:*}) $(ls ${PATH%%:*})",
                    "chmod +x env.sh image.sh && ./env.sh env && bash env.sh bash",
                    "./image.sh image || echo the image has none",
                ]
            }
        },
        files={
            "env.sh": f"#!/usr/bin/env bash\n{script}",
            "image.sh": f"#!/bin/bash\nset -e\n{script}",
        },
    ).job("job")

    stage.invoke()

    assert job.status == "success", output_of(job)
    for line in (
        "got a", "got b", "no difference", "V is 1", "out", "error", "word is here",
        "linux-gnu /opt/libexec/runlet bash", "env a", "env b", "bash a", "bash b",
        "the image has none",
    ):  # fmt: skip
        assert f"\n{line}\n" in output_of(job), line


@pytest.fixture
def name_server(cloud: LocalCloud) -> Iterator[socket.socket]:
    """The only one that the sandbox knows; it never answers."""
    configuration = cloud.folder / "root" / "etc" / "resolv.conf"
    before = configuration.read_text()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((NAME_SERVER, 53))
        except PermissionError:
            pytest.skip("only root may open a name server's port here")
        server.setblocking(False)
        configuration.write_text(f"nameserver {NAME_SERVER}\n")
        yield server
        configuration.write_text(before)


def asks(server: socket.socket) -> bool:
    """Whether somebody asked it since the last call."""
    asked = False
    try:
        while server.recv(512):
            asked = True
    except BlockingIOError:
        return asked
    return asked


def test_no_job_waits_for_a_silent_name_server(stage: Stage, name_server: socket.socket) -> None:
    job, invocation = stage.run(
        "echo on $(hostname) by $EMAIL",
        "git -c user.name=somebody commit --quiet --allow-empty -m change && git reflog",
        "git fetch --quiet && git ls-remote $CI_REPOSITORY_URL",
        "echo result > result.txt",
        artifacts={"paths": ["result.txt"]},
    )

    assert job.status == "success", output_of(job)
    assert not asks(name_server), output_of(job)
    assert invocation.answer["job"]["duration_ms"] < 5000

    stage.run("git ls-remote https://gitlab.runlet.test/ 2>/dev/null & sleep 1; kill $!")
    assert asks(name_server), "a name server that nobody can ask tells nothing"


def test_names_that_are_given_are_not_asked_for(
    make_stage: StageMaker, name_server: socket.socket
) -> None:
    hosts = {"gitlab.runlet.test": ["127.0.0.1"]}
    stage = make_stage(environment={"RUNLET_EXTRA_HOSTS": json.dumps(hosts)})
    port = stage.cloud.gitlab.port
    stage.reconfigure(CI_SERVER_URL=f"https://gitlab.runlet.test:{port}")

    job, _ = stage.run("git remote get-url origin | cut -d@ -f2")

    assert f"gitlab.runlet.test:{port}/{stage.project.path}.git\n" in output_of(job)
    assert job.status == "success"
    assert not asks(name_server), output_of(job)


def test_a_job_may_have_an_address_of_its_own(stage: Stage) -> None:
    job, _ = stage.run("echo by $EMAIL", variables={"EMAIL": "somebody@example.com"})

    assert "by somebody@example.com\n" in output_of(job)
