# SPDX-License-Identifier: Apache-2.0
"""Providers from a mirror: fetched from S3 and checked, again before each job, or mounted."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import BUILD, REPO
from e2e.stage import MIB, Stage, StageMaker, output_of, peak_memory_of_bootstrap
from localcloud import LocalCloud
from localcloud.terraform import find_program

FOLDER = "/tmp/runlet/providers"
PLATFORM = "registry.terraform.io/example/small/1.2.3/linux_amd64"
PROVIDER = f"{FOLDER}/{PLATFORM}/terraform-provider-small_v1.2.3"
FETCHED = "the provider mirror was fetched"
CHECKED = "the provider mirror is as it was"
CHANGED = "the provider mirror was changed, and is fetched anew"
CONFIGURATION = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
provider "aws" {
  region = "eu-central-1"
}
resource "aws_s3_bucket" "example" {
  bucket = "example"
}
"""


@dataclass(frozen=True)
class Mirror:
    bucket: str
    key: str
    sha256: str

    @property
    def settings(self) -> dict[str, str | None]:
        return {
            "RUNLET_PROVIDER_MIRROR": f"s3://{self.bucket}/{self.key}",
            "RUNLET_PROVIDER_MIRROR_SHA256": self.sha256,
        }


Upload = Callable[[Path], Mirror]


@pytest.fixture
def upload(cloud: LocalCloud) -> Iterator[Upload]:
    """Puts a zip into a bucket, which is emptied at the end: moto keeps objects in memory."""
    client = cloud.aws.client("s3")
    bucket = f"mirror-{uuid.uuid4().hex[:10]}"
    client.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    key = "a folder/providers+1.zip"

    def upload(zip: Path) -> Mirror:
        with zip.open("rb") as content:
            client.put_object(Bucket=bucket, Key=key, Body=content)
            content.seek(0)
            return Mirror(bucket, key, hashlib.file_digest(content, "sha256").hexdigest())

    yield upload
    client.delete_object(Bucket=bucket, Key=key)


def small_tree(folder: Path) -> Path:
    """A mirror with one provider, which only says its name."""
    platform = folder / PLATFORM
    platform.mkdir(parents=True)
    provider = platform / "terraform-provider-small_v1.2.3"
    provider.write_text("#!/bin/sh\necho the true provider\n")
    provider.chmod(0o755)
    (platform / "LICENSE.txt").write_text("a licence")
    return folder


def packed(mirror: Path, output: Path) -> Path:
    subprocess.run(
        [REPO / "layers/opentofu/mirror.sh", mirror, output],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent",
             "LAYER_PACKER": str(BUILD / "bin" / "layer-packer")},
    )  # fmt: skip
    return output


@pytest.fixture
def small(upload: Upload, tmp_path: Path) -> Mirror:
    return upload(packed(small_tree(tmp_path / "tree"), tmp_path / "small.zip"))


def lines(stage: Stage, message: str) -> list[dict[str, Any]]:
    return [entry for entry in stage.log_entries if entry.get("message") == message]


def test_is_fetched_once_and_checked_before_each_job(make_stage: StageMaker, small: Mirror) -> None:
    stage = make_stage(environment=small.settings)
    script = (f"{PROVIDER}", "cat $TF_CLI_CONFIG_FILE", "ls /tmp /tmp/runlet")

    first, invocation = stage.run(*script)
    assert invocation.answer["status"] == "job_succeeded", stage.logs
    second, invocation = stage.run(*script)
    assert invocation.answer["status"] == "job_succeeded", stage.logs

    for job in (first, second):
        said = output_of(job)
        assert "the true provider" in said
        assert 'exclude = ["registry.terraform.io/example/small", ' in said
        assert '"registry.opentofu.org/example/small"]' in said
    (fetched,) = lines(stage, FETCHED)
    assert fetched["entries"] == 7
    assert fetched["zipBytes"] > 0
    assert len(lines(stage, CHECKED)) == 1
    metrics = [entry for entry in stage.log_entries if "MirrorFetchTime" in entry]
    assert len(metrics) == 1
    assert metrics[0]["MirrorSize"] == fetched["bytes"]


TAMPERINGS = {
    "content": f"echo 'echo an evil provider' > {PROVIDER}",
    "content of the same size": f"sed -i s/true/evil/ {PROVIDER}",
    "mode": f"chmod 0777 {PROVIDER}",
    "more": f"touch {FOLDER}/registry.terraform.io/example/more",
    "link": f"mv {PROVIDER} /tmp/runlet/evil && ln -s /tmp/runlet/evil {PROVIDER}",
    "gone": f"rm -rf {FOLDER}",
    "parent": "mv /tmp/runlet/providers /tmp/aside && ln -s /tmp/aside /tmp/runlet/providers",
    "hard link": f"ln {PROVIDER} {FOLDER}/../evil",
    "locked": f"chmod 0 {FOLDER}",
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_what_a_job_changed_the_next_does_not_see(
    make_stage: StageMaker, small: Mirror, how: str
) -> None:
    stage = make_stage(environment=small.settings)
    _, invocation = stage.run(TAMPERINGS[how])
    assert invocation.answer["status"] == "job_succeeded", stage.logs
    # What it left is removed in its own time, and only the content is for the next one to find.
    assert len(lines(stage, CHANGED)) == (how != "content of the same size")

    job, invocation = stage.run(
        PROVIDER, f"find {FOLDER} | wc -l", "ls -a /tmp /tmp/runlet", f"stat -c %a {PROVIDER}"
    )

    assert invocation.answer["status"] == "job_succeeded", stage.logs
    said = output_of(job)
    assert "the true provider" in said
    assert "evil" not in said and "aside" not in said
    assert "\n8\n" in said  # the folder itself, and its seven entries
    assert "\n755\n" in said
    assert len(lines(stage, CHANGED)) == 1
    assert len(lines(stage, FETCHED)) == 2


def test_a_wrong_hash_unpacks_nothing(make_stage: StageMaker, small: Mirror) -> None:
    stage = make_stage(environment={**small.settings, "RUNLET_PROVIDER_MIRROR_SHA256": "ab" * 32})
    job, invocation = stage.run("echo never")

    assert invocation.response["errorType"] == "Runtime.ConfigInvalid"
    message = invocation.response["errorMessage"]
    assert "RUNLET_PROVIDER_MIRROR_SHA256" in message
    assert small.sha256 in message
    assert job.status == "pending"
    stage.reconfigure(**small.settings)
    assert stage.invoke().answer["status"] == "job_succeeded"


@pytest.mark.parametrize("missing", ["key", "bucket"])
def test_an_object_that_is_not_there(make_stage: StageMaker, small: Mirror, missing: str) -> None:
    place = f"s3://{small.bucket}/other.zip" if missing == "key" else "s3://no-such-bucket-0/a.zip"
    stage = make_stage(environment={**small.settings, "RUNLET_PROVIDER_MIRROR": place})
    job, invocation = stage.run("echo never")

    assert invocation.response["errorType"] == "Runtime.ConfigInvalid"
    assert place in invocation.response["errorMessage"]
    assert "there is no such bucket" in invocation.response["errorMessage"]
    assert job.status == "pending"


def test_a_zip_that_leads_out_of_its_folder(
    make_stage: StageMaker, upload: Upload, tmp_path: Path
) -> None:
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("registry.terraform.io/a/b/1.0.0/linux_amd64/provider", "x")
        archive.writestr("../../evil", "x")
    stage = make_stage(environment=upload(evil).settings)

    _, invocation = stage.run("echo never")

    assert invocation.response["errorType"] == "Runtime.ConfigInvalid"
    assert "../../evil" in invocation.response["errorMessage"]


def test_too_little_room_is_named(make_stage: StageMaker, upload: Upload, tmp_path: Path) -> None:
    tree = small_tree(tmp_path / "tree")
    with (tree / PLATFORM / "large").open("wb") as large:
        for number in range(600):
            # Much of it is zeros: still a good deal less than what would be taken for a bomb.
            large.write(random.Random(number).randbytes(MIB // 64) + bytes(MIB - MIB // 64))
    stage = make_stage(
        environment=upload(packed(tree, tmp_path / "large.zip")).settings, ephemeral_storage=512
    )

    _, invocation = stage.run("echo never")

    assert invocation.response["errorType"] == "Runtime.ConfigInvalid", invocation.response
    assert "ephemeral_storage" in invocation.response["errorMessage"]


def test_a_server_that_does_not_answer(make_stage: StageMaker, small: Mirror) -> None:
    stage = make_stage(
        environment={**small.settings, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, timeout=60
    )
    _, invocation = stage.run("echo never")

    assert invocation.response["errorType"] == "Function.MirrorUnavailable"
    assert small.bucket in invocation.response["errorMessage"]


def test_a_mirror_that_is_mounted(make_stage: StageMaker, tmp_path: Path) -> None:
    stage = make_stage(environment={"RUNLET_PROVIDER_MIRROR": "/mnt/providers"})
    tree = small_tree(tmp_path / "tree")
    for path in (tmp_path, tree):
        path.chmod(0o755)
    cloud = stage.cloud
    arn = (
        f"arn:aws:elasticfilesystem:{cloud.aws.region}:{cloud.aws.account_id}"
        f":access-point/fsap-{uuid.uuid4().hex[:17]}"
    )
    cloud.file_systems[arn] = tree
    cloud.aws.client("lambda").update_function_configuration(
        FunctionName=stage.function,
        FileSystemConfigs=[{"Arn": arn, "LocalMountPath": "/mnt/providers"}],
    )

    job, invocation = stage.run(
        f"/mnt/providers/{PLATFORM}/terraform-provider-small_v1.2.3",
        "cat $TF_CLI_CONFIG_FILE",
        f"touch /mnt/providers/{PLATFORM}/evil || echo refused",
        "ls /tmp/runlet",
    )

    assert invocation.answer["status"] == "job_succeeded", stage.logs
    said = output_of(job)
    assert "the true provider" in said and "refused" in said
    assert 'path    = "/mnt/providers"' in said
    assert not lines(stage, FETCHED)


def test_a_folder_that_is_not_mounted(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_PROVIDER_MIRROR": "/mnt/providers"})
    _, invocation = stage.run("echo never")
    assert invocation.response["errorType"] == "Function.MirrorUnavailable"
    assert "/mnt/providers" in invocation.response["errorMessage"]


@pytest.fixture(scope="session")
def program_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer with the machine's terraform or tofu."""
    layer = tmp_path_factory.mktemp("layers") / "machine-program-layer.zip"
    subprocess.run(
        [BUILD / "bin" / "layer-packer", "pack", "--level", "1", "--output", layer,
         "--max-unzipped-size", str(500 * MIB), find_program()],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return layer


def test_the_machines_program_takes_the_same_mirror(
    make_stage: StageMaker, small: Mirror, program_layer: Path, publish: Callable[[Path], str]
) -> None:
    """`terraform` has its own host in the mirror; `tofu`, in the test below, goes by the links."""
    stage = make_stage(environment=small.settings)
    client = stage.cloud.aws.client("lambda")
    layers = client.get_function_configuration(FunctionName=stage.function)["Layers"]
    client.update_function_configuration(
        FunctionName=stage.function,
        Layers=[*(layer["Arn"] for layer in layers), publish(program_layer)],
    )
    configuration = CONFIGURATION.split("provider ")[0]
    configuration = configuration.replace("aws", "small", 1).replace(
        "hashicorp/aws", "example/small"
    )
    program = f"/opt/{find_program().name}"
    script = [f"{program} init -no-color", f"{program} version -json | grep -o 'example/small.*'"]
    files = {"main.tf": configuration.replace("5.100.0", "1.2.3")}
    job = stage.commit({"job": {"script": script}}, files).job("job")

    invocation = stage.invoke()

    assert invocation.answer["status"] == "job_succeeded", output_of(job) + stage.logs
    assert "Installed example/small v1.2.3" in output_of(job)


def test_tofu_takes_the_aws_provider_from_s3(
    make_stage: StageMaker, provider_mirror: dict[str, str]
) -> None:
    """The real one: over 700 MB, and no registry in reach."""
    stage = make_stage(
        environment=Mirror(**provider_mirror).settings,
        layers=["git", "gitlab-runner", "opentofu"],
        ephemeral_storage=2048,
        memory_size=4096,
        timeout=300,
    )
    script = ["tofu init -no-color", "tofu validate -no-color"]
    job = stage.commit({"job": {"script": script}}, {"main.tf": CONFIGURATION}).job("job")

    invocation = stage.invoke()

    assert invocation.answer["status"] == "job_succeeded", output_of(job) + stage.logs
    assert "The configuration is valid" in output_of(job)
    assert "Installed hashicorp/aws v5.100.0" in output_of(job)
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB
    (fetched,) = lines(stage, FETCHED)
    assert fetched["bytes"] > 700_000_000
    print(json.dumps(fetched))

    # The next job finds it, checked again.
    _, invocation = stage.run("grep -c hashicorp/aws $TF_CLI_CONFIG_FILE")
    assert invocation.answer["status"] == "job_succeeded", stage.logs
    (checked,) = lines(stage, CHECKED)
    print(json.dumps(checked))
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB
