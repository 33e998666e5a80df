# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: one local cloud, and a stage of its own for each test."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from conftest import BUILD, DIST, REPO
from e2e.stage import Stage, StageMaker
from localcloud import LocalCloud
from localcloud.terraform import find_mirror

ARCH_DIST = DIST / "x86_64"
CA_IN_SANDBOX = "/opt/certs/gitlab-ca.pem"


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One local cloud for all tests of a test process."""
    with LocalCloud(folder=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults_left(cloud: LocalCloud) -> Iterator[None]:
    yield
    cloud.gitlab.faults.clear()
    cloud.gitlab.start_listening()
    # STS takes no token from the future.
    cloud.gitlab.restore_clock()


@pytest.fixture
def unfiltered(cloud: LocalCloud) -> Iterator[None]:
    """The kernel allows no filter on jobs, so that they can signal the bootstrap."""
    cloud.functions.allow_seccomp = False
    yield
    cloud.functions.allow_seccomp = True


@pytest.fixture(scope="session")
def ca_layer(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer with the certificate of the private CA, as a user of a private GitLab packs it."""
    folder = tmp_path_factory.mktemp("ca-layer")
    (folder / "certs").mkdir()
    assert cloud.gitlab.ca is not None
    (folder / "certs" / "gitlab-ca.pem").write_bytes(cloud.gitlab.ca.file.read_bytes())
    layer = tmp_path_factory.mktemp("layers") / "ca-layer.zip"
    subprocess.run(
        [BUILD / "bin" / "layer-packer", "pack", "--output", layer, folder],
        check=True,
        capture_output=True,
    )
    return layer


Publisher = Callable[[Path], str]


@pytest.fixture(scope="session")
def publish(cloud: LocalCloud) -> Publisher:
    """Publishes a zip as a layer, once, and returns the ARN of its version."""
    published: dict[Path, str] = {}

    def publish(layer: Path) -> str:
        if layer not in published:
            published[layer] = cloud.aws.client("lambda").publish_layer_version(
                LayerName=layer.stem, Content={"ZipFile": layer.read_bytes()}
            )["LayerVersionArn"]
        return published[layer]

    return publish


@pytest.fixture(scope="module")
def provider_mirror(
    cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The AWS provider in S3: where, as the modules' `provider_mirror` takes it."""
    mirror = find_mirror()
    assert mirror, "this test needs a mirror of the AWS provider (tests/README.md)"
    zipped = tmp_path_factory.mktemp("providers") / "providers.zip"
    packed = subprocess.run(
        [REPO / "layers/opentofu/mirror.sh", mirror, zipped],
        check=True,
        capture_output=True,
        text=True,
    )
    s3 = cloud.aws.client("s3")
    place = {"bucket": f"providers-{uuid.uuid4().hex[:10]}", "key": "mirror/providers.zip"}
    s3.create_bucket(
        Bucket=place["bucket"],
        CreateBucketConfiguration={"LocationConstraint": cloud.aws.region},
    )
    s3.upload_file(str(zipped), place["bucket"], place["key"])
    zipped.unlink()
    yield {**place, "sha256": json.loads(packed.stdout)["sha256"]}
    s3.delete_object(Bucket=place["bucket"], Key=place["key"])  # moto keeps it in memory


@pytest.fixture
def make_stage(cloud: LocalCloud, ca_layer: Path, publish: Publisher) -> Iterator[StageMaker]:
    """Makes a function with these layers and the CA's, its runner token in a secret, and a project.

    `environment` changes its variables; None removes one.
    """
    made: list[Stage] = []

    def make(
        *,
        timeout: int = 120,
        memory_size: int = 1024,
        ephemeral_storage: int = 512,
        layers: Sequence[str] = ("git", "gitlab-runner"),
        maximum_timeout: int | None = None,
        environment: dict[str, str | None] | None = None,
    ) -> Stage:
        tag = f"stage-{uuid.uuid4().hex[:10]}"
        runner = cloud.gitlab.create_runner(
            tags=[tag], run_untagged=False, maximum_timeout=maximum_timeout
        )
        secret = cloud.aws.client("secretsmanager").create_secret(
            Name=f"{tag}/runner-token", SecretString=json.dumps({"token": runner.token})
        )
        variables: dict[str, str | None] = {
            "CI_SERVER_URL": cloud.gitlab.url,
            "CI_SERVER_TLS_CA_FILE": CA_IN_SANDBOX,
            "RUNNER_NAME": tag,
            "RUNLET_TOKEN_SECRET_ARN": secret["ARN"],
            "RUNLET_WAIT_TIMEOUT": "5",
            **(environment or {}),
        }
        zips = [ca_layer, *(ARCH_DIST / f"{layer}-layer.zip" for layer in layers)]
        cloud.aws.client("lambda").create_function(
            FunctionName=tag,
            Runtime="provided.al2023",
            Role=cloud.execution_role(),
            Handler="run",
            Code={"ZipFile": (ARCH_DIST / "bootstrap.zip").read_bytes()},
            Layers=[publish(layer) for layer in zips],
            Environment={"Variables": {k: v for k, v in variables.items() if v is not None}},
            Timeout=timeout,
            MemorySize=memory_size,
            EphemeralStorage={"Size": ephemeral_storage},
        )
        project = cloud.gitlab.create_project(f"{tag}/project")
        stage = Stage(cloud, tag, tag, runner, project, secret["ARN"])
        made.append(stage)
        return stage

    yield make
    for stage in made:
        cloud.functions.drop_environments(stage.function)


@pytest.fixture
def stage(make_stage: StageMaker) -> Stage:
    return make_stage()


def compile_program(name: str, folder: Path) -> bytes:
    """A static program of this folder, for jobs to have in their repository."""
    program = folder / name
    subprocess.run(
        [REPO / "helpers/toolchain/static-program.sh", "x86_64",
         Path(__file__).with_name(f"{name}.c"), program],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return program.read_bytes()


@pytest.fixture(scope="session")
def leavings(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_program("leavings", tmp_path_factory.mktemp("leavings"))


@pytest.fixture(scope="session")
def assailant(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_program("assailant", tmp_path_factory.mktemp("assailant"))
