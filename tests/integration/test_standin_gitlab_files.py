# SPDX-License-Identifier: Apache-2.0
"""The stand-in GitLab keeps artifacts and repositories, and lets people look at what it has."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from integration.standin_gitlab import MIB, ScriptedRunner, commit
from localcloud.gitlab import Project, StandInGitLab

pytest_plugins = ["integration.standin_gitlab_fixtures"]


# Artifacts


def test_artifacts_go_to_the_jobs_that_depend_on_them(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner, web: requests.Session
) -> None:
    pipeline = commit(
        project,
        """
        one: {stage: build, script: x, artifacts: {paths: [a]}}
        two: {stage: build, script: x, artifacts: {paths: [a]}}
        all: {stage: test, script: x}
        some: {stage: test, script: x, dependencies: [two]}
        needy: {stage: test, script: x, needs: [one, {job: two, artifacts: false}]}
        """,
    )
    for content in (b"first", b"second"):
        scripted.take()
        assert scripted.upload(content, expire_in="1 day").status_code == 201
        scripted.put("success")
    assert pipeline.job("one").artifacts
    finished = scripted.url

    names = {}
    for _ in range(3):
        job = scripted.take()
        names[job["job_info"]["name"]] = [one["name"] for one in job["dependencies"]]
    assert names == {"all": ["one", "two"], "some": ["two"], "needy": ["one"]}

    dependency = job["dependencies"][0]
    assert dependency["artifacts_file"] == {"filename": "artifacts.zip", "size": 5}
    url = f"{gitlab.url}/api/v4/jobs/{dependency['id']}/artifacts?direct_download=true"
    token = {"JOB-TOKEN": dependency["token"]}
    assert web.get(url, headers=token).content == b"first"
    assert web.get(url, headers={"JOB-TOKEN": "wrong"}).status_code == 403
    assert web.get(url).status_code == 403
    assert web.post(f"{finished}/artifacts", headers=token).status_code == 403
    gitlab.artifacts_redirect = True
    redirected = web.get(url, headers=token)
    assert redirected.history[0].status_code == 302
    assert redirected.content == b"first"
    gitlab.advance(86_401)
    assert pipeline.job("one").artifacts is None


@pytest.mark.parametrize(
    ("access", "status"), [("all", 200), ("developer", 200), ("maintainer", 200), ("none", 403)]
)
def test_artifacts_access_is_for_people_and_not_for_later_jobs(
    gitlab: StandInGitLab,
    project: Project,
    scripted: ScriptedRunner,
    web: requests.Session,
    access: str,
    status: int,
) -> None:
    commit(
        project,
        f"""
        one: {{stage: build, script: x, artifacts: {{paths: [a], access: {access}}}}}
        two: {{stage: test, script: x}}
        """,
    )
    told = scripted.take()["artifacts"]
    assert [set(one) for one in told] == [
        {"name", "untracked", "paths", "exclude", "when", "expire_in", "artifact_type",
         "artifact_format"}
    ]  # fmt: skip
    url = f"{gitlab.url}/api/v4/projects/{project.id}/jobs/{scripted.job['id']}/artifacts"
    person = {"PRIVATE-TOKEN": gitlab.personal_token}
    assert web.get(url, headers=person).status_code == 404
    scripted.upload(b"content")
    scripted.put("success")

    assert web.get(url, headers=person).status_code == status
    (dependency,) = scripted.take()["dependencies"]
    url = f"{gitlab.url}/api/v4/jobs/{dependency['id']}/artifacts"
    assert web.get(url, headers={"JOB-TOKEN": dependency["token"]}).content == b"content"


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_what_is_no_upload_is_refused(
    project: Project, scripted: ScriptedRunner, content_type: str
) -> None:
    job = commit(project).job("job")
    scripted.take()

    answer = scripted.web.post(
        f"{scripted.url}/artifacts",
        data=b"--x\r\nContent-Disposition: form-data; name=other\r\n\r\nx\r\n--x--\r\n",
        headers={**scripted.header, "Content-Type": content_type},
    )

    assert answer.status_code == 400
    assert job.artifacts is None


UPLOAD_SIZE = 200 * 1000 * 1000
SERVER = """
import resource, sys
from pathlib import Path
from localcloud.gitlab import StandInGitLab
with StandInGitLab(folder=Path(sys.argv[1])) as gitlab:
    runner = gitlab.create_runner()
    gitlab.create_project("a/b").commit({".gitlab-ci.yml": "j: {script: x}"})
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(gitlab.url, runner.token, peak(), flush=True)
    sys.stdin.readline()
    print(peak(), flush=True)
"""


def test_200_mb_of_artifacts_pass_in_constant_memory(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as server, requests.Session() as web:  # fmt: skip
        assert server.stdin
        assert server.stdout
        web.trust_env = False
        url, token, peak_before_kib = server.stdout.readline().split()
        job = web.post(f"{url}/api/v4/jobs/request", json={"token": token}).json()
        artifacts, header = f"{url}/api/v4/jobs/{job['id']}/artifacts", {"JOB-TOKEN": job["token"]}
        block = os.urandom(MIB)
        sent, received = hashlib.sha256(), hashlib.sha256()

        def body() -> Iterator[bytes]:
            yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
            left = UPLOAD_SIZE
            while left:
                part = block[: min(left, MIB)]
                sent.update(part)
                left -= len(part)
                yield part
            yield b"\r\n--B--\r\n"

        kind = {"Content-Type": "multipart/form-data; boundary=B"}
        uploaded = web.post(artifacts, data=body(), headers={**header, **kind})
        assert uploaded.status_code == 201
        with web.get(artifacts, headers=header, stream=True) as download:
            for part in download.iter_content(MIB):
                received.update(part)
        server.stdin.write("\n")
        server.stdin.flush()
        peak_kib = int(server.stdout.readline())

    assert sent.digest() == received.digest()
    assert peak_kib - int(peak_before_kib) < 40 * 1024


# git


def git(*arguments: str | Path, gitlab: StandInGitLab, cwd: Path) -> subprocess.CompletedProcess:
    assert gitlab.ca
    return subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments],
        cwd=cwd,
        env={
            **os.environ,
            "GIT_SSL_CAINFO": str(gitlab.ca.file),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_GLOBAL": os.devnull,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_clones_its_project_while_it_runs(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner, tmp_path: Path
) -> None:
    gitlab.create_project("group/other").commit({"secret": "x"})
    commit(project)
    info = scripted.take()["git_info"]
    (tmp_path / "checkout").mkdir()

    # As gitlab-runner does it: the refspecs of the job, shallow.
    for arguments in (
        ["init", "--quiet"],
        ["fetch", "--depth", "20", info["repo_url"], *info["refspecs"]],
        ["checkout", "--quiet", info["sha"]],
    ):
        done = git(*arguments, gitlab=gitlab, cwd=tmp_path / "checkout")
        assert done.returncode == 0, done.stderr

    assert (tmp_path / "checkout" / "file.txt").read_text() == "content\n"
    push = git("push", info["repo_url"], "HEAD:x", gitlab=gitlab, cwd=tmp_path / "checkout")
    assert "403" in push.stderr
    other = info["repo_url"].replace("group/project", "group/other")
    assert git("ls-remote", other, gitlab=gitlab, cwd=tmp_path).returncode != 0
    scripted.put("success")
    assert git("ls-remote", info["repo_url"], gitlab=gitlab, cwd=tmp_path).returncode != 0


def test_a_push_makes_a_pipeline(gitlab: StandInGitLab, project: Project, tmp_path: Path) -> None:
    commit(project)
    work = tmp_path / "work"
    assert git("clone", project.git_url, work, gitlab=gitlab, cwd=tmp_path).returncode == 0
    text = "first: {stage: build, script: x}\nsecond: {stage: test, script: x}\n"
    (work / ".gitlab-ci.yml").write_text(text)
    (work / "big.bin").write_bytes(os.urandom(3 * MIB))  # git sends it chunked

    for arguments in (["add", "."], ["commit", "-m", "Change"], ["tag", "-a", "v1", "-m", "One"]):
        assert git(*arguments, gitlab=gitlab, cwd=work).returncode == 0
    pushed = git("push", "origin", "HEAD:main", "v1", gitlab=gitlab, cwd=work)
    assert pushed.returncode == 0, pushed.stderr

    _, branch, tag = project.pipelines
    head = git("rev-parse", "HEAD", gitlab=gitlab, cwd=work).stdout.strip()
    assert (branch.ref, branch.ref_type, branch.sha) == ("main", "branch", head)
    assert (tag.ref, tag.ref_type, tag.sha) == ("v1", "tag", head)
    assert branch.before_sha == project.pipelines[0].sha
    assert [job.name for job in branch.jobs] == ["first", "second"]


def test_a_push_of_a_bad_ci_file_makes_a_failed_pipeline(
    gitlab: StandInGitLab, project: Project, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    git("clone", project.git_url, work, gitlab=gitlab, cwd=tmp_path)
    (work / ".gitlab-ci.yml").write_text("job: {script: x, image: alpine}")
    git("add", ".", gitlab=gitlab, cwd=work)
    git("commit", "-m", "Bad", gitlab=gitlab, cwd=work)

    assert git("push", "origin", "HEAD:main", gitlab=gitlab, cwd=work).returncode == 0

    (pipeline,) = project.pipelines
    assert pipeline.status == "failed"
    assert "image" in str(pipeline.yaml_errors)


def test_git_needs_credentials(gitlab: StandInGitLab, project: Project, tmp_path: Path) -> None:
    for url in (f"{project.web_url}.git", project.git_url.replace("glpat-", "wrong-")):
        assert git("ls-remote", url, gitlab=gitlab, cwd=tmp_path).returncode != 0
    missing = project.git_url.replace("group/project", "group/missing")
    assert "not found" in git("ls-remote", missing, gitlab=gitlab, cwd=tmp_path).stderr


# The REST API


def test_people_can_look_and_act(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner, web: requests.Session
) -> None:
    pipeline = commit(project, "job: {stage: build, script: x}\nask: {script: x, when: manual}")
    scripted.take()
    scripted.patch(b"a line\n", 0)
    web.headers["PRIVATE-TOKEN"] = gitlab.personal_token
    base = f"{gitlab.url}/api/v4/projects/{project.id}"
    job, ask = pipeline.job("job"), pipeline.job("ask")

    assert web.get(f"{gitlab.url}/api/v4/version").json()["version"].startswith("18.")
    assert web.get(f"{gitlab.url}/api/v4/projects").json()[0]["id"] == project.id
    assert web.get(base).json()["path_with_namespace"] == "group/project"
    assert web.get(f"{base}/pipelines/{pipeline.id}").json()["status"] == "running"
    assert [one["name"] for one in web.get(f"{base}/jobs").json()] == ["job", "ask"]
    assert web.get(f"{base}/jobs/{job.id}").json()["status"] == "running"
    assert web.get(f"{base}/jobs/{job.id}/trace").text == "a line\n"
    assert web.get(f"{gitlab.url}/api/v4/job", headers=scripted.header).json()["id"] == job.id
    scripted.put("success")
    assert web.post(f"{base}/jobs/{ask.id}/play").json()["status"] == "pending"
    asked = web.post(
        f"{base}/pipeline", json={"ref": "main", "variables": [{"key": "A", "value": "b"}]}
    )
    assert (asked.status_code, asked.json()["source"]) == (201, "api")
    assert web.post(f"{base}/pipeline", json={"ref": "nowhere"}).status_code == 400
    assert web.post(f"{base}/pipelines/{pipeline.id}/cancel").json()["status"] == "canceled"
    assert web.get(f"{base}/jobs/77").status_code == 404
    assert web.delete(f"{base}/jobs/{job.id}").status_code == 405
    assert web.get(base, headers={"PRIVATE-TOKEN": "wrong"}).status_code == 401
    assert "Stand-in" in web.get(gitlab.url).text
