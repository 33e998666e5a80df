# SPDX-License-Identifier: Apache-2.0
"""Every message of a module's inputs is shown to somebody: by a refusal among the module's tests.

`expect_failures` names an input and not which of its validations failed. So each such run is played
once more without it, and what it says is read.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from integration.test_terraform import REPO, Workspace
from integration.test_terraform import workspace as workspace

MODULES = (
    "terraform/modules/cross-account-role",
    "terraform/modules/gitlab-oidc",
    "terraform/modules/job-role",
    "terraform",
)
RUN = re.compile(r'^run "(\w+)" \{\n.*?^\}\n', re.MULTILINE | re.DOTALL)
EXPECTED = re.compile(r"^  expect_failures = \[[^]]*(?:\[[^]]*\][^]]*)*\]\n", re.MULTILINE)
USED = re.compile(r"\brun\.(\w+)\.")
MESSAGE = re.compile(r'^\s+error_message = "(.*)"$', re.MULTILINE)
EXPRESSION = re.compile(r"(?<!\$)\$\{[^}]*\}")


def messages(module: str) -> set[str]:
    """What the module may say, as a person reads it: the longest part that is always the same."""
    code = "\n".join(path.read_text() for path in (REPO / module).glob("*.tf"))
    return {
        max(EXPRESSION.split(one), key=len).replace('\\"', '"').replace("$${", "${")
        for one in MESSAGE.findall(code)
    }


def split_refusals(folder: Path) -> set[str]:
    """Leaves a file for each refusal, as the runs after one that fails are skipped."""
    names = set()
    for path in list((folder / "tests").glob("*.tftest.hcl")):
        text = path.read_text()
        path.unlink()
        head = text[: text.index('\nrun "')]
        runs = {run[1]: run[0] for run in RUN.finditer(text)}
        for run in RUN.finditer(text):
            if EXPECTED.search(run[0]):
                names.add(run[1])
                alone = EXPECTED.sub("", run[0])
                used = [runs[name] for name in USED.findall(alone)]
                parts = "\n".join([head, *dict.fromkeys(used), alone])
                (folder / "tests" / f"{run[1]}.tftest.hcl").write_text(parts)
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_refusal_says_what_it_means(workspace: Workspace, module: str) -> None:
    refusals = split_refusals(workspace.folder / module)
    workspace.init(module)

    answer = workspace.run(module, "test", "-json", "-no-color")

    events = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    failed = {
        event["test_run"]["run"]
        for event in events
        if event["type"] == "test_run" and event["test_run"].get("status") in ("error", "fail")
    }
    assert failed == refusals, answer.stdout
    said = " ".join(
        event["diagnostic"].get("detail", "") for event in events if event["type"] == "diagnostic"
    )
    assert sorted(one for one in messages(module) if one not in said) == []
