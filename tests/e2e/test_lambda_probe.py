# SPDX-License-Identifier: Apache-2.0
"""The probe that asks real Lambda what it is answers each question in the sandbox, too."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import REPO
from e2e.stage import Stage, output_of
from localcloud import LocalCloud
from localcloud.waiting import wait_until

PROBE = REPO / "tests/e2e/lambda-probe"
QUESTIONS = {
    *re.findall(r'^    \{"(.*)", \w+\},$', (PROBE / "probe.c").read_text(), re.M),
    *re.findall(r"^row '(.*?)'", (PROBE / "probe.sh").read_text(), re.M),
}
Table = dict[str, str]


def read_table(text: str) -> Table:
    """Questions and answers of the Markdown table in a text."""
    rows = [line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| ")]
    assert rows[:2] == [["question", "answer"], ["---", "---"]], text
    assert all(len(row) == 2 for row in rows), text
    assert len(rows) - 2 == len({question for question, _ in rows[2:]})
    return dict(row for row in rows[2:])


def assert_answered(table: Table) -> None:
    assert set(table) == QUESTIONS
    for question, answer in table.items():
        assert answer.strip(), question
        assert not re.search(r"no answer within|killed by signal|out of memory", answer), question


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lambda-probe")
    subprocess.run([PROBE / "build.sh", "x86_64", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def function(cloud: LocalCloud, built: Path) -> Iterator[str]:
    name = f"probe-{uuid.uuid4().hex[:10]}"
    cloud.aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Role=cloud.execution_role(),
        Handler="probe",
        Code={"ZipFile": (built / "lambda-probe.zip").read_bytes()},
        Timeout=60,
        MemorySize=512,
    )
    yield name
    cloud.functions.drop_environments(name)


def test_a_function_answers_each_question(cloud: LocalCloud, function: str) -> None:
    table = read_table(cloud.invoke(function, {}).answer)

    assert_answered(table)
    # What is known of the sandbox, which is as Lambda in this.
    assert "Uid: 993" in table["user"]
    assert "/dev/fd is not there" in table["devices"]
    assert table["writable places"] == "/tmp; 1 in all"
    program = re.search(
        r"/var/task/bootstrap mode 100711 owner (\d+)", table["who owns the program, and its mode"]
    )
    assert program
    # For an ordinary user the sandbox's function owns it.
    hidden = "no" if program[1] == "0" else "yes"
    assert table["files of the runtime that can be read"].startswith(f"environ {hidden}")
    assert table["a child can be traced"] == "attach yes; process_vm_readv yes"
    assert "libc.so.6 is not there" in table["versions of symbols"]
    assert "shared memory yes; messages yes; semaphores yes" in table["System V objects"]
    assert table["processes that outlived it"].startswith("not asked")


@pytest.fixture
def kept_sandbox(cloud: LocalCloud) -> Iterator[None]:
    """The next runtime starts where one crashed, as with the emulator."""
    cloud.functions.keep_sandbox_after_crash = True
    yield
    cloud.functions.keep_sandbox_after_crash = False


@pytest.mark.usefixtures("kept_sandbox")
def test_what_outlives_a_killed_runtime(cloud: LocalCloud, function: str) -> None:
    killed = cloud.invoke(function, {"die": True})
    table = read_table(cloud.invoke(function, {}).answer)

    assert killed.error_type == "Runtime.ExitError", killed.response
    assert_answered(table)
    assert re.match(r"pid \d+, boot \S+; now pid \d+", table["the runtime that was killed"])
    # In the order of their ids, which they get side by side.
    assert set(table["processes that outlived it"].split("; ")) == {
        "a child lives",
        "an orphan lives",
        "a child with a group of its own lives",
        "an orphan with a session of its own lives",
    }
    assert "System V memory is there: yes" in table["kernel objects that outlived it"]


def test_who_ended_the_function_is_in_its_log(cloud: LocalCloud, function: str) -> None:
    cloud.invoke(function, {})

    cloud.functions.drop_environments(function)

    def told() -> bool:
        return "lambda-probe: SIGTERM from pid" in "\n".join(cloud.functions.logs(function))

    wait_until(told, "the line about SIGTERM")


def test_a_job_answers_each_question(stage: Stage, built: Path) -> None:
    files = {name: (built / name).read_bytes() for name in ("probe", "probe.sh")}
    script = ["cp probe probe.sh $TMPDIR/", "chmod +x $TMPDIR/probe", "bash $TMPDIR/probe.sh"]
    job = stage.commit({"probe": {"script": script}}, files).job("probe")

    invocation = stage.invoke()

    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    table = read_table(output_of(job))
    assert_answered(table)
    assert "gitlab-runner" in table["who runs us, and who runs that"]
    assert table["POSIX message queues"].startswith("no")
