# SPDX-License-Identifier: Apache-2.0
"""Reads a `.gitlab-ci.yml`, and refuses what it does not know with the job and the keyword."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from localcloud.gitlab.ci_config import (
    Artifacts,
    CiConfig,
    CiConfigError,
    JobConfig,
    Need,
    Retry,
    Rule,
    Variable,
)
from localcloud.gitlab.durations import seconds_of
from localcloud.gitlab.expressions import ExpressionError, holds

JOB_WHEN = ("on_success", "on_failure", "always", "manual", "never")
RETRY_WHEN = (
    "always", "unknown_failure", "script_failure", "api_failure", "stuck_or_timeout_failure",
    "runner_system_failure", "runner_unsupported", "stale_schedule", "job_execution_timeout",
    "archived_failure", "unmet_prerequisites", "scheduler_failure", "data_integrity_failure",
)  # fmt: skip
PLAIN_NAME = re.compile(r"[\w. -]([\w/. -]{0,253}[\w. -])?", re.ASCII)
DEFAULT_STAGES = ("build", "test", "deploy")


class _Problem(ValueError):
    """What is wrong with a value; the reader adds where."""


def read(text: str | bytes) -> CiConfig:
    """Raises CiConfigError."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CiConfigError(f".gitlab-ci.yml is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise CiConfigError(".gitlab-ci.yml must be a mapping of keywords and jobs")
    top = {key: value for key, value in content.items() if key in _TOP}
    parsed = {key: _read_keyword(None, key, _TOP[key], value) for key, value in top.items()}
    stages = (".pre", *parsed.get("stages", DEFAULT_STAGES), ".post")
    # The keywords that a job inherits may stand in `default` or, as of old, at the top.
    inherited = {key: parsed[key] for key in ("before_script", "after_script") if key in parsed}
    inherited |= parsed.get("default", {})
    jobs = {
        str(name): _read_job(str(name), value, stages, inherited)
        for name, value in content.items()
        if name not in _TOP and not str(name).startswith(".")
    }
    if not jobs:
        raise CiConfigError(".gitlab-ci.yml has no job")
    config = CiConfig(stages=stages, variables=parsed.get("variables", {}), jobs=jobs)
    _check_references(config)
    return config


def _read_job(
    name: str, content: Any, stages: tuple[str, ...], inherited: Mapping[str, Any]
) -> JobConfig:
    if not isinstance(content, dict):
        raise CiConfigError(
            f"{name!r} is neither a keyword that is known here nor a job (a mapping)",
            job=name,
            keyword=name,
        )
    values = dict(inherited)
    for keyword, value in content.items():
        reader = _JOB.get(keyword)
        if reader is None:
            raise CiConfigError(
                f"job {name}: keyword {keyword!r} is not known here (known are: "
                f"{', '.join(sorted(_JOB))})",
                job=name,
                keyword=str(keyword),
            )
        values[keyword] = _read_keyword(name, keyword, reader, value)
    if not values.get("script"):
        raise CiConfigError(f"job {name}: has no script", job=name, keyword="script")
    if "when" in content and "rules" in content:
        raise CiConfigError(
            f"job {name}: has both when and rules: put when into the rules",
            job=name,
            keyword="when",
        )
    values.setdefault("stage", "test")
    if values["stage"] not in stages:
        raise CiConfigError(
            f"job {name}: stage {values['stage']!r} is none of {', '.join(stages)}",
            job=name,
            keyword="stage",
        )
    return JobConfig(name=name, **values)


def _read_keyword(job: str | None, keyword: str, reader: Callable[[Any], Any], value: Any) -> Any:
    try:
        return reader(value)
    except (_Problem, ExpressionError) as problem:
        where = f"job {job}: {keyword}" if job else keyword
        raise CiConfigError(f"{where}: {problem}", job=job, keyword=keyword) from problem


def _check_references(config: CiConfig) -> None:
    for job in config.jobs.values():
        stage = config.stages.index(job.stage)
        for keyword, names in (
            ("needs", [need.job for need in job.needs or () if not need.optional]),
            ("dependencies", list(job.dependencies or ())),
        ):
            for name in names:
                other = config.jobs.get(name)
                problem = None
                if other is None:
                    problem = f"there is no job {name!r}"
                elif config.stages.index(other.stage) > stage:
                    problem = f"job {name!r} is in a later stage"
                elif keyword == "dependencies" and config.stages.index(other.stage) == stage:
                    problem = None if job.needs else f"job {name!r} is not in an earlier stage"
                if problem:
                    raise CiConfigError(
                        f"job {job.name}: {keyword}: {problem}", job=job.name, keyword=keyword
                    )
        _check_cycle(config, job.name, ())


def _check_cycle(config: CiConfig, name: str, trail: tuple[str, ...]) -> None:
    if name in trail:
        raise CiConfigError(
            f"job {name}: needs: a circle: {' -> '.join((*trail, name))}",
            job=name,
            keyword="needs",
        )
    for need in (config.jobs[name].needs or ()) if name in config.jobs else ():
        _check_cycle(config, need.job, (*trail, name))


# Readers of values: each takes what YAML gave and returns it checked, or raises _Problem.


def _mapping(value: Any, *known: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Problem("must be a mapping")
    for key in value:
        if known and key not in known:
            raise _Problem(f"{key!r} is not known here (known are: {', '.join(known)})")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _Problem("must be a text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Problem("must be true or false")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Problem("must be a list of texts")
    return tuple(_text(one) for one in value)


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read_choice(value: Any) -> str:
        if value not in choices:
            raise _Problem(f"{value!r} is none of {', '.join(choices)}")
        return str(value)

    return read_choice


def _script(value: Any) -> tuple[str, ...]:
    lines: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, list):
            lines.extend(_script(one))
        elif isinstance(one, str):
            lines.append(one)
        else:
            raise _Problem(
                f"must be a text or a list of texts, not {one!r} (quote a line that has ': ' in it)"
            )
    return tuple(lines)


def _variables(value: Any) -> dict[str, Variable]:
    variables = {}
    for name, content in _mapping(value).items():
        expand = True
        if isinstance(content, dict):
            content = _mapping(content, "value", "description", "expand")
            expand = _flag(content.get("expand", True))
            content = content.get("value", "")
        if isinstance(content, bool):
            content = str(content).lower()
        if not isinstance(content, str | int | float):
            raise _Problem(f"{name}: must be a text or a number")
        variables[str(name)] = Variable(str(content), expand)
    return variables


def _duration(value: Any) -> int:
    try:
        return seconds_of(value)
    except ValueError as error:
        raise _Problem(str(error)) from error


def _expiry(value: Any) -> str:
    if value != "never":
        _duration(value)
    return str(value)


def _artifacts(value: Any) -> Artifacts:
    readers: dict[str, Callable[[Any], Any]] = {
        "name": _text,
        "paths": _texts,
        "exclude": _texts,
        "untracked": _flag,
        "when": _one_of(("on_success", "on_failure", "always")),
        "expire_in": _expiry,
        "access": _one_of(("all", "developer", "maintainer", "none")),
    }
    return Artifacts(**{key: readers[key](one) for key, one in _mapping(value, *readers).items()})


def _needs(value: Any) -> tuple[Need, ...]:
    if not isinstance(value, list):
        raise _Problem("must be a list of jobs")
    needs = []
    for one in value:
        fields = (
            {"job": one} if isinstance(one, str) else _mapping(one, "job", "artifacts", "optional")
        )
        if "job" not in fields:
            raise _Problem("an entry lacks 'job'")
        needs.append(
            Need(
                _text(fields["job"]),
                _flag(fields.get("artifacts", True)),
                _flag(fields.get("optional", False)),
            )
        )
    return tuple(needs)


def _rules(value: Any) -> tuple[Rule, ...]:
    if not isinstance(value, list):
        raise _Problem("must be a list of rules")
    rules = []
    for one in value:
        fields = _mapping(one, "if", "when", "allow_failure", "variables")
        condition = _text(fields["if"]) if "if" in fields else None
        if condition is not None:
            holds(condition, {})  # says now what cannot be read later
        rules.append(
            Rule(
                condition,
                _one_of(JOB_WHEN)(fields["when"]) if "when" in fields else None,
                _flag(fields["allow_failure"]) if "allow_failure" in fields else None,
                _variables(fields.get("variables", {})),
            )
        )
    return tuple(rules)


def _retry(value: Any) -> Retry:
    fields = _mapping(value, "max", "when") if isinstance(value, dict) else {"max": value}
    times = fields.get("max", 0)
    if isinstance(times, bool) or times not in (0, 1, 2):
        raise _Problem("must be 0, 1 or 2")
    when = fields.get("when", "always")
    reasons = tuple(
        _one_of(RETRY_WHEN)(one) for one in (when if isinstance(when, list) else [when])
    )
    return Retry(times, reasons)


def _id_tokens(value: Any) -> dict[str, tuple[str, ...]]:
    tokens = {}
    for name, content in _mapping(value).items():
        audience = _mapping(content, "aud").get("aud")
        tokens[str(name)] = _texts(audience if isinstance(audience, list) else [audience])
    return tokens


def _plain_name(value: Any) -> str:
    if not PLAIN_NAME.fullmatch(_text(value)):
        raise _Problem(
            "must be 1 to 255 letters, digits, spaces and characters of -_/. without a slash at"
            " either end (variables are not known here)"
        )
    return str(value)


def _tags(value: Any) -> frozenset[str]:
    return frozenset(_texts(value))


def _default(value: Any) -> dict[str, Any]:
    known = {key: _JOB[key] for key in _DEFAULTS}
    return {key: known[key](one) for key, one in _mapping(value, *known).items()}


_DEFAULTS = (
    "before_script", "after_script", "tags", "artifacts", "retry", "timeout", "id_tokens",
    "interruptible",
)  # fmt: skip
_JOB: dict[str, Callable[[Any], Any]] = {
    "stage": _text,
    "script": _script,
    "before_script": _script,
    "after_script": _script,
    "variables": _variables,
    "tags": _tags,
    "needs": _needs,
    "dependencies": _texts,
    "artifacts": _artifacts,
    "rules": _rules,
    "retry": _retry,
    "timeout": _duration,
    "id_tokens": _id_tokens,
    "when": _one_of(JOB_WHEN),
    "allow_failure": _flag,
    "interruptible": _flag,
    "resource_group": _plain_name,
    "environment": _plain_name,
}
_TOP: dict[str, Callable[[Any], Any]] = {
    "stages": _texts,
    "variables": _variables,
    "default": _default,
    "before_script": _script,
    "after_script": _script,
}
