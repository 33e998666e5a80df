# SPDX-License-Identifier: Apache-2.0
"""What a `.gitlab-ci.yml` says, as data. `ci_reader` makes it from text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from localcloud.gitlab.expressions import holds


class CiConfigError(ValueError):
    """The file says what GitLab, or this stand-in, does not take. Names the job and keyword."""

    def __init__(self, message: str, *, job: str | None = None, keyword: str | None = None) -> None:
        super().__init__(message)
        self.job = job
        self.keyword = keyword


@dataclass(frozen=True)
class Variable:
    value: str
    expand: bool = True


@dataclass(frozen=True)
class Need:
    job: str
    artifacts: bool = True
    optional: bool = False


@dataclass(frozen=True)
class Artifacts:
    name: str | None = None
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    untracked: bool = False
    when: str = "on_success"
    expire_in: str | None = None
    access: str = "all"


@dataclass(frozen=True)
class Retry:
    max: int = 0
    when: tuple[str, ...] = ("always",)


@dataclass(frozen=True)
class Rule:
    condition: str | None = None
    when: str | None = None
    allow_failure: bool | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict)


@dataclass(frozen=True)
class JobConfig:
    """One job. `allow_failure` None means GitLab's default: true for manual jobs only."""

    name: str
    stage: str
    script: tuple[str, ...]
    before_script: tuple[str, ...] = ()
    after_script: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    needs: tuple[Need, ...] | None = None
    dependencies: tuple[str, ...] | None = None
    artifacts: Artifacts | None = None
    rules: tuple[Rule, ...] | None = None
    retry: Retry = Retry()
    timeout: int | None = None
    id_tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    when: str = "on_success"
    allow_failure: bool | None = None
    interruptible: bool = False
    resource_group: str | None = None
    environment: str | None = None

    @property
    def may_fail(self) -> bool:
        return self.when == "manual" if self.allow_failure is None else self.allow_failure

    def after_rules(self, variables: Mapping[str, str]) -> JobConfig | None:
        """This job as its rules leave it in a pipeline with these variables, if they do."""
        if self.rules is None:
            return None if self.when == "never" else self
        for rule in self.rules:
            if rule.condition is None or holds(rule.condition, variables):
                when = rule.when or self.when
                if when == "never":
                    return None
                allow = self.allow_failure if rule.allow_failure is None else rule.allow_failure
                # A manual job of a rule blocks the pipeline; one by `when` alone does not.
                if allow is None and when == "manual":
                    allow = False
                merged = {**self.variables, **rule.variables}
                return replace(self, when=when, allow_failure=allow, variables=merged)
        return None


@dataclass(frozen=True)
class CiConfig:
    """A whole file: stages in order, its global variables, and all jobs that are not hidden."""

    stages: tuple[str, ...]
    variables: Mapping[str, Variable]
    jobs: Mapping[str, JobConfig]

    def jobs_for(
        self, predefined: Mapping[str, str], settings: Mapping[str, str] | None = None
    ) -> list[JobConfig]:
        """The jobs of a pipeline, stage by stage. Raises CiConfigError for a missing need.

        As in GitLab the file's variables win over predefined ones, and a project's settings over
        both.
        """
        globals_ = {name: variable.value for name, variable in self.variables.items()}
        kept: dict[str, JobConfig] = {}
        for job in self.jobs.values():
            own = {name: variable.value for name, variable in job.variables.items()}
            left = job.after_rules({**predefined, **globals_, **own, **(settings or {})})
            if left:
                kept[job.name] = left
        for job in kept.values():
            for need in job.needs or ():
                if need.job not in kept and not need.optional:
                    raise CiConfigError(
                        f"job {job.name}: needs {need.job!r}, which this pipeline does not have",
                        job=job.name,
                        keyword="needs",
                    )
        return sorted(kept.values(), key=lambda job: self.stages.index(job.stage))
