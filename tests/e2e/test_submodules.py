# SPDX-License-Identifier: Apache-2.0
"""Submodules are cloned from GitLab, and not from the broker that gitlab-runner takes for it."""

from __future__ import annotations

import json
import uuid

from e2e.stage import Stage, StageMaker, output_of
from localcloud.gitlab.repositories import Gitlink


def test_a_private_submodule_comes_from_gitlab(stage: Stage) -> None:
    library = stage.cloud.gitlab.create_project(f"lib-{uuid.uuid4().hex[:10]}/lib")
    library.job_token_allowlist.add(stage.project.path)
    library.commit({"lib.txt": "of the library\n"})
    commit = library.repository.commit_of("refs/heads/main")
    assert commit
    modules = f'[submodule "lib"]\n\tpath = lib\n\turl = ../../{library.path}.git\n'
    stage.project.commit({".gitmodules": modules, "lib": Gitlink(commit)})

    job, _ = stage.run("cat lib/lib.txt", variables={"GIT_SUBMODULE_STRATEGY": "recursive"})

    assert job.status == "success", output_of(job)
    assert "of the library\n" in output_of(job)


def test_the_users_clone_url_wins(make_stage: StageMaker) -> None:
    arguments = json.dumps(["--clone-url=http://127.0.0.1:9/elsewhere"])
    stage = make_stage(environment={"RUNLET_RUNNER_ARGS": arguments})

    job, _ = stage.run("true")

    assert job.status == "failed"
    assert f"http://127.0.0.1:9/elsewhere/{stage.project.path}.git" in output_of(job)


def test_without_a_clone_url_the_jobs_own_address_is_taken(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_RUNNER_ARGS": json.dumps(["--clone-url="])})

    job, _ = stage.run("git remote get-url origin")

    assert job.status == "success", output_of(job)
