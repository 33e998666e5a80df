# SPDX-License-Identifier: Apache-2.0
"""A stage: a function, its runner, and a project whose jobs only this runner takes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud import LocalCloud
from localcloud.functions import Environment, Invocation
from localcloud.gitlab import Job, Pipeline, Project, Runner
from localcloud.waiting import wait_until

MIB = 1 << 20
StageMaker = Callable[..., "Stage"]


def output_of(job: Job) -> str:
    """What the job's commands printed: the trace without colours and the commands themselves."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", job.trace.decode(errors="replace"))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line for line in lines if not line.startswith("$ "))


def last_line_of(job: Job) -> str:
    """The last line of the job's trace."""
    return output_of(job).rstrip().splitlines()[-1]


def commands_of(environment: Environment) -> list[str]:
    """The command lines of all processes in the environment's sandbox, `bootstrap` included."""
    found = []
    for pid in environment.processes():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # ended meanwhile
        if line:
            found.append(line)
    return found


def signal_bootstrap(environment: Environment, number: int) -> None:
    """Sends a signal to the environment's bootstrap from outside of the sandbox, as Lambda does."""
    for pid in environment.processes():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if Path(f"/proc/{pid}/comm").read_text() == "bootstrap\n":
                os.kill(pid, number)


def peak_memory_of_bootstrap(environment: Environment) -> int:
    """The most memory that the environment's bootstrap ever had resident, in bytes."""
    for pid in environment.processes():
        if Path(f"/proc/{pid}/comm").read_text().strip() == "bootstrap":
            status = Path(f"/proc/{pid}/status").read_text()
            match = re.search(r"VmHWM:\s+(\d+) kB", status)
            assert match
            return int(match[1]) * 1024
    raise AssertionError(f"no bootstrap among {commands_of(environment)}")


class Invoking:
    """An invocation that is under way while the test does something else."""

    def __init__(self, stage: Stage, event: Any = None) -> None:
        self._result: Invocation | None = None
        self._thread = threading.Thread(target=self._run, args=(stage, event), daemon=True)
        self._thread.start()

    def _run(self, stage: Stage, event: Any) -> None:
        self._result = stage.invoke(event)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Invocation:
        wait_until(lambda: not self.running, "the invocation's end")
        assert self._result is not None, "the invocation could not be made"
        return self._result


@dataclass
class Stage:
    """A function, its runner, and a project whose jobs only this runner takes."""

    cloud: LocalCloud
    function: str
    tag: str
    runner: Runner
    project: Project
    secret_arn: str

    def commit(
        self,
        jobs: dict[str, dict[str, Any]],
        files: dict[str, str | bytes] | None = None,
        project: Project | None = None,
        **top: Any,
    ) -> Pipeline:
        """Commits a `.gitlab-ci.yml` (JSON is YAML) with these jobs and returns its pipeline."""
        tagged = {name: {"tags": [self.tag], **job} for name, job in jobs.items()}
        content = json.dumps({**top, **tagged}, indent=1)
        return (project or self.project).commit(
            {".gitlab-ci.yml": content, **(files or {})}, ref="main", message="A change"
        )

    def add_job(self, *script: str, name: str = "job", **keywords: Any) -> Job:
        return self.commit({name: {"script": list(script), **keywords}}).job(name)

    def invoke(self, event: Any = None, **options: Any) -> Invocation:
        return self.cloud.invoke(self.function, event={} if event is None else event, **options)

    def run(self, *script: str, **keywords: Any) -> tuple[Job, Invocation]:
        """Makes one job of this script, invokes the function once, and returns both."""
        job = self.add_job(*script, **keywords)
        return job, self.invoke()

    def start(self, event: Any = None) -> Invoking:
        return Invoking(self, event)

    def reconfigure(self, **environment: str | None) -> None:
        """Changes the function's environment variables: new execution environments follow."""
        client = self.cloud.aws.client("lambda")
        current = client.get_function_configuration(FunctionName=self.function)
        variables = dict(current["Environment"]["Variables"])
        for name, value in environment.items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = value
        client.update_function_configuration(
            FunctionName=self.function, Environment={"Variables": variables}
        )
        self.cloud.functions.drop_environments(self.function)

    def put_token(self, text: str) -> None:
        """Puts this text into the secret that holds the runner token."""
        self.cloud.aws.client("secretsmanager").put_secret_value(
            SecretId=self.secret_arn, SecretString=text
        )

    @property
    def environments(self) -> list[Environment]:
        return self.cloud.functions.environments(self.function)

    @property
    def environment(self) -> Environment:
        """The one environment that is alive."""
        (alive,) = [one for one in self.environments if one.alive]
        return alive

    @property
    def logs(self) -> str:
        """All that the function wrote, with Lambda's own lines."""
        return "\n".join(self.cloud.functions.logs(self.function))

    @property
    def log_entries(self) -> list[dict[str, Any]]:
        """The JSON objects among the lines that the function wrote."""
        return [json.loads(line) for line in self.logs.splitlines() if line.startswith("{")]
