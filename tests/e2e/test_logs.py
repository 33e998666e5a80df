# SPDX-License-Identifier: Apache-2.0
"""What the function writes to its log: JSON lines in Lambda's form, and metrics."""

from __future__ import annotations

import json
import re
from typing import Any

from e2e.stage import Stage, StageMaker

LAMBDAS_OWN = re.compile(r"^(START|END|REPORT|INIT_REPORT) |Task timed out|^RequestId: ")


def lines_of(stage: Stage) -> list[dict[str, Any]]:
    """Every line that is not Lambda's own must be a JSON object."""
    return [json.loads(line) for line in stage.logs.splitlines() if not LAMBDAS_OWN.search(line)]


def test_the_log_is_json_lines_and_metrics(stage: Stage) -> None:
    job, first = stage.run("echo this goes to GitLab alone", "exit 3")
    second = stage.invoke()

    lines = lines_of(stage)
    entries = [line for line in lines if "_aws" not in line]
    for entry in entries:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["timestamp"])
        assert entry["level"] in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
        assert entry["message"]
    assert {one.get("requestId") for one in entries} >= {first.request_id, second.request_id}
    assert any(one.get("job") == job.id for one in entries)
    assert "this goes to GitLab alone" not in stage.logs
    metrics = [line for line in lines if "_aws" in line]
    assert len(metrics) == 2
    for line in metrics:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        named = [one["Name"] for one in directive["Metrics"]]
        dimensions = [name for names in directive["Dimensions"] for name in names]
        assert named and dimensions
        assert all(name in line for name in named + dimensions)


def test_the_log_level_is_honoured(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"AWS_LAMBDA_LOG_LEVEL": "ERROR"})

    _, invocation = stage.run("echo ok")

    assert invocation.answer["status"] == "job_succeeded"
    levels = {line["level"] for line in lines_of(stage) if "_aws" not in line}
    assert levels <= {"ERROR", "FATAL"}
