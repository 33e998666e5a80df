# SPDX-License-Identifier: Apache-2.0
"""Small parts of the local cloud: provider mirrors, prices, the queue of a demo, its text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from localcloud.functions.invocation import Invocation
from localcloud.prices import PRICES, cost_of, total_cost
from localcloud.sandbox.code import CodeStore
from localcloud.terminal import Terminal
from localcloud.terraform import find_mirror, write_cli_configuration
from localcloud.trigger import JobTrigger

PLATFORM = "hashicorp/aws/5.100.0/linux_amd64"


def make_mirror(folder: Path) -> Path:
    provider = folder / "registry.terraform.io" / PLATFORM
    provider.mkdir(parents=True)
    (provider / "terraform-provider-aws_v5.100.0_x5").write_text("a provider")
    return folder


def make_program(folder: Path, name: str, version: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    return program


# Mirrors


def test_the_first_mirror_that_exists_is_taken(tmp_path: Path) -> None:
    named = tmp_path / "named"
    configured = make_mirror(tmp_path / "configured")
    plugins = make_mirror(tmp_path / "home" / ".terraform.d" / "plugins")
    configuration = tmp_path / "cli.tfrc"
    variables = {
        "RUNLET_PROVIDER_MIRROR": str(named),
        "TF_CLI_CONFIG_FILE": str(configuration),
        "HOME": str(tmp_path / "home"),
    }

    assert find_mirror(variables) == plugins
    configuration.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{configured}"\n  }}\n}}\n'
    )
    assert find_mirror(variables) == configured
    make_mirror(named)
    assert find_mirror(variables) == named


def test_terraform_takes_only_what_the_mirror_has(tmp_path: Path) -> None:
    mirror = make_mirror(tmp_path / "mirror")
    terraform = make_program(tmp_path, "terraform", "Terraform v1.11.4")

    written = write_cli_configuration(
        tmp_path / "work", terraform, {"RUNLET_PROVIDER_MIRROR": str(mirror), "HOME": "/nowhere"}
    ).read_text()

    assert f'path    = "{mirror}"' in written
    assert 'include = ["registry.terraform.io/hashicorp/aws"]' in written
    assert 'exclude = ["registry.terraform.io/hashicorp/aws"]' in written


def test_tofu_gets_the_same_under_its_own_host(tmp_path: Path) -> None:
    mirror = make_mirror(tmp_path / "mirror")
    tofu = make_program(tmp_path, "tofu", "OpenTofu v1.12.6")

    written = write_cli_configuration(
        tmp_path / "work", tofu, {"RUNLET_PROVIDER_MIRROR": str(mirror), "HOME": "/nowhere"}
    ).read_text()

    found = re.search(r'path    = "([^"]+)"', written)
    assert found
    platform = Path(found[1]) / "registry.opentofu.org" / PLATFORM
    assert platform.is_symlink() and not platform.parent.is_symlink()
    assert (platform / "terraform-provider-aws_v5.100.0_x5").read_text() == "a provider"
    assert 'include = ["registry.opentofu.org/hashicorp/aws"]' in written


# Prices


def test_a_gigabyte_second_and_a_request() -> None:
    cost = cost_of(1000, 1024, 512)

    assert cost.compute == pytest.approx(0.0000166667)
    assert cost.requests == pytest.approx(0.0000002)
    assert cost.storage == 0
    assert cost_of(1000, 1024, 512, "arm64").compute == pytest.approx(0.0000133334)


def test_storage_above_512_mb_costs() -> None:
    assert cost_of(2000, 128, 1536).storage == pytest.approx(2 * 0.0000000309)


def test_costs_add_up() -> None:
    one = Invocation("id", "f", "1", billed_ms=1000, memory_size=512)

    total = total_cost([one, one], 512)

    assert total.total == pytest.approx(2 * cost_of(1000, 512, 512).total)
    assert set(PRICES) == {"x86_64", "arm64"}


# Code


def test_no_zip_writes_outside_of_its_folder(tmp_path: Path) -> None:
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../out", "x")

    with pytest.raises(ValueError, match="leads out"):
        CodeStore(tmp_path / "code").folder_of([content.getvalue()])
    assert not (tmp_path / "out").exists()


# The demo


class FakeJob:
    def __init__(self, identifier: int, status: str) -> None:
        self.id, self.status, self.name = identifier, status, f"job {identifier}"

    def describe(self) -> str:
        return f"{self.name} is {self.status}"


class FakeAws:
    """Counts invocations."""

    def __init__(self) -> None:
        self.invocations: list[dict[str, Any]] = []

    def client(self, service: str) -> FakeAws:
        return self

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        self.invocations.append(arguments)
        return {"ResponseMetadata": {"RequestId": f"request-{len(self.invocations)}"}}


def test_each_waiting_job_gets_one_invocation() -> None:
    aws = FakeAws()
    trigger = JobTrigger(aws, "function", "live")  # type: ignore[arg-type]
    told: list[str] = []
    jobs: Any = [FakeJob(1, "pending"), FakeJob(2, "created"), FakeJob(3, "pending")]

    for _ in range(3):
        trigger.look(jobs, lambda job, request_id: told.append(f"{job.id} {request_id}"))

    assert told == ["1 request-1", "3 request-2"]
    assert aws.invocations[0]["Qualifier"] == "live"
    assert aws.invocations[0]["InvocationType"] == "Event"


def test_a_job_that_nobody_took_gets_another_and_then_no_more() -> None:
    trigger = JobTrigger(FakeAws(), "function")  # type: ignore[arg-type]
    jobs: Any = [FakeJob(1, "pending")]
    for number in (1, 2, 3):
        trigger.look(jobs, lambda job, request_id: None)
        trigger.ended(Invocation(f"request-{number}", "function", "1"))

    with pytest.raises(RuntimeError, match="job 1 is pending: still waiting after 3"):
        trigger.look(jobs, lambda job, request_id: None)


def test_no_colour_but_at_a_terminal(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    terminal.heading("A heading")
    terminal.step("a step", "green")
    terminal.raw(b"\x1b[0;mthe runner's own colours stay")
    terminal.step("the next step")

    said = capfdbinary.readouterr().out
    assert said.count(b"\x1b") == 1
    assert b"colours stay\n" in said

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert Terminal().paint("text", "red") == "text"
    monkeypatch.delenv("NO_COLOR")
    assert Terminal().paint("text", "red") == "\033[31mtext\033[0m"
