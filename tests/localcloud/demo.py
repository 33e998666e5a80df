# SPDX-License-Identifier: Apache-2.0
"""The demo: terraform apply, git push, and the jobs of a real pipeline in Lambda sandboxes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from localcloud.aws import Aws
from localcloud.children import LEASH
from localcloud.cloud import LocalCloud
from localcloud.functions import Invocation
from localcloud.gitlab import Job, Pipeline, Project
from localcloud.terminal import Terminal
from localcloud.terraform import REPO, Terraform
from localcloud.timeline import print_cost, print_timeline
from localcloud.trigger import JobTrigger
from localcloud.waiting import wait_until

EXAMPLE = "quick-start"
PLAN = REPO / "build" / "demo-plan.txt"
PATIENCE = 900.0
RUNNER_TIMEOUT = 800  # the function's 900 s, less a margin: GitLab ends a job before Lambda does


def run_demo() -> int:
    terminal = Terminal()
    with tempfile.TemporaryDirectory(prefix="runlet-demo-") as folder:
        return Demo(Path(folder), terminal).run()


def ca_layer(cloud: LocalCloud, folder: Path) -> Path:
    """The stand-in GitLab's private CA as a layer, packed as a user packs it."""
    assert cloud.gitlab.ca is not None
    certificate = folder / "gitlab-ca.pem"
    shutil.copy(cloud.gitlab.ca.file, certificate)
    layer = folder / "gitlab-ca.zip"
    packer = REPO / "dist" / "x86_64" / "bin" / "layer-packer"
    answer = subprocess.run(
        [packer, "pack", "--output", layer, certificate], capture_output=True, text=True
    )
    if answer.returncode != 0:
        raise RuntimeError(f"layer-packer cannot pack {certificate}: {answer.stderr}")
    return layer


class Demo:
    """One run of the demo."""

    def __init__(self, folder: Path, terminal: Terminal) -> None:
        self._folder = folder
        self._terminal = terminal
        self._ended: list[Invocation] = []

    def run(self) -> int:
        terminal = self._terminal
        terminal.heading("The local cloud")
        with LocalCloud(self._folder / "cloud") as cloud:
            terminal.step(f"AWS endpoint   {cloud.aws.endpoint_url} (moto behind our gateway)")
            terminal.step(f"GitLab         {cloud.gitlab.url} (stand-in, TLS by a private CA)")
            runner = cloud.gitlab.create_runner(
                tags=["lambda"], run_untagged=True, maximum_timeout=RUNNER_TIMEOUT
            )
            outputs = self._deploy(cloud)
            cloud.aws.client("secretsmanager").put_secret_value(
                SecretId=outputs["token_secret_arn"],
                SecretString=json.dumps({"token": runner.token}),
            )
            terminal.step(f"The runner's token is in {outputs['token_secret_arn']}")
            project = cloud.gitlab.create_project("demo/site")
            pipeline = self._push(cloud, project)
            self._run_jobs(cloud, pipeline, outputs)
            self._summarise(pipeline, _storage_of(cloud.aws, outputs["function_name"]))
            return 0 if pipeline.status == "success" else 1

    def _deploy(self, cloud: LocalCloud) -> dict[str, str]:
        terraform = Terraform(EXAMPLE, self._folder, cloud.aws.environ())
        self._terminal.heading(f"{terraform.program.name} apply of examples/{EXAMPLE}")
        variables = {
            "gitlab_url": cloud.gitlab.url,
            "gitlab_ca_layer": str(ca_layer(cloud, self._folder)),
        }
        terraform.init()
        self._terminal.step("Providers are in place")
        self._terminal.step(f"The whole plan goes to {PLAN}")
        PLAN.parent.mkdir(exist_ok=True)
        with PLAN.open("w") as file:
            terraform.apply(variables, tell=_Resources(self._terminal, file).hear)
        return terraform.outputs()

    def _push(self, cloud: LocalCloud, project: Project) -> Pipeline:
        self._terminal.heading("git push of a repository with a .gitlab-ci.yml")
        source = REPO / "examples" / EXAMPLE / "project"
        checkout = self._folder / "site"
        shutil.copytree(source, checkout)
        assert cloud.gitlab.ca is not None
        git = _Git(checkout, {"GIT_SSL_CAINFO": str(cloud.gitlab.ca.file)})
        git("init", "--quiet", "--initial-branch=main")
        git("add", "--all")
        git("commit", "--quiet", "--message=A small site, built in Lambda")
        git("push", project.git_url, "main")
        self._terminal.step(f"Pushed to {project.web_url}")
        (pipeline,) = project.pipelines
        return pipeline

    def _run_jobs(self, cloud: LocalCloud, pipeline: Pipeline, outputs: Mapping[str, str]) -> None:
        terminal = self._terminal
        function, alias = outputs["function_name"], outputs["alias_name"]
        terminal.heading("The jobs")
        terminal.step(
            f"For each waiting job the demo invokes {function}:{alias} as an Event, in the place of"
            " a webhook"
        )
        trigger = JobTrigger(cloud.aws, function, alias)
        traces = _Traces(terminal)

        def on_end(invocation: Invocation) -> None:
            self._ended.append(invocation)
            trigger.ended(invocation)

        cloud.functions.on_invocation.append(on_end)
        limit = time.monotonic() + PATIENCE
        while not pipeline.finished:
            if time.monotonic() > limit:
                raise TimeoutError(f"the pipeline is {pipeline.status} after {PATIENCE:.0f} s")
            trigger.look(
                pipeline.jobs,
                lambda job, request_id: traces.tell(
                    f"Job {job.id} {job.name} waits for a runner: invocation {request_id}"
                ),
            )
            traces.follow(pipeline.jobs)
            time.sleep(0.05)
        traces.follow(pipeline.jobs)
        wait_until(lambda: cloud.queue.pending == 0, "the last invocation's end")

    def _summarise(self, pipeline: Pipeline, storage_mb: int) -> None:
        by_job = {_job_id(one): one for one in self._ended}
        pairs = [(job, by_job.get(job.id)) for job in pipeline.jobs]
        print_timeline(self._terminal, pairs)
        others = [one for one in self._ended if _job_id(one) is None]
        print_cost(self._terminal, pairs, others, storage_mb)
        good = pipeline.status == "success"
        self._terminal.line()
        self._terminal.step(
            f"The pipeline's status is {pipeline.status}", "green" if good else "red"
        )
        for one in self._ended:
            if one.function_error:
                self._terminal.step(f"Invocation {one.request_id} failed: {one.response}", "red")
                for line in one.log[-20:]:
                    self._terminal.line(f"           {line}")


class _Resources:
    """Keeps all that terraform says in a file, and shows a line for each resource."""

    def __init__(self, terminal: Terminal, file: TextIO) -> None:
        self._terminal = terminal
        self._file = file

    def hear(self, line: str) -> None:
        self._file.write(f"{line}\n")
        if made := re.match(r"(.+): Creation complete ", line):
            self._terminal.step(f"created {made[1]}")
        elif line.startswith("Apply complete!"):
            self._terminal.step(line, "green")


class _Traces:
    """Prints traces as they come, one job at a time, and what happens between them."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._printed: dict[int, int] = {}
        self._done: set[int] = set()
        self._focus: Job | None = None
        self._held: list[str] = []

    def tell(self, text: str) -> None:
        if self._focus is None:
            self._terminal.step(text)
        else:
            self._held.append(text)

    def follow(self, jobs: list[Job]) -> None:
        for job in jobs:
            if job.id in self._done or (not job.trace and not job.finished):
                continue
            if self._focus is None:
                self._focus = job
                runner = job.runner.description if job.runner else "no runner"
                self._terminal.step(f"Job {job.id} {job.name} runs ({runner}); its trace:", "cyan")
            if self._focus is not job:
                continue
            finished = job.finished
            trace = job.trace
            self._terminal.raw(trace[self._printed.get(job.id, 0) :])
            self._printed[job.id] = len(trace)
            if finished:
                self._end(job)

    def _end(self, job: Job) -> None:
        self._done.add(job.id)
        self._focus = None
        style = "green" if job.status == "success" else "red"
        reason = f", {job.failure_reason}" if job.failure_reason else ""
        self._terminal.step(f"Job {job.id} {job.name}: {job.status}{reason}", style)
        for text in self._held:
            self._terminal.step(text)
        self._held.clear()


class _Git:
    """git in one checkout, with nothing of the user's own configuration."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {
            **os.environ,
            **variables,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Runlet demo",
            "GIT_AUTHOR_EMAIL": "demo@runlet.test",
            "GIT_COMMITTER_NAME": "Runlet demo",
            "GIT_COMMITTER_EMAIL": "demo@runlet.test",
        }

    def __call__(self, *arguments: str) -> None:
        answer = subprocess.run([*LEASH, "git", *arguments], cwd=self._folder, env=self._environ,
                                capture_output=True, text=True)  # fmt: skip
        if answer.returncode != 0:
            raise RuntimeError(f"git {arguments[0]} failed: {answer.stderr}")


def _job_id(invocation: Invocation) -> int | None:
    response = invocation.response
    job = response.get("job") if isinstance(response, dict) else None
    return job["id"] if job else None


def _storage_of(aws: Aws, function: str) -> int:
    configuration = aws.client("lambda").get_function_configuration(FunctionName=function)
    return int(configuration["EphemeralStorage"]["Size"])
