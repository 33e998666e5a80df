# SPDX-License-Identifier: Apache-2.0
"""A file system of a function: a folder, bound read-only where Lambda would mount EFS."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import pytest

from integration.tiny_runtime import function_zip
from localcloud import LocalCloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(folder=tmp_path_factory.mktemp("cloud"), tls=False) as running:
        yield running


def access_point(cloud: LocalCloud) -> str:
    return (
        f"arn:aws:elasticfilesystem:{cloud.aws.region}:{cloud.aws.account_id}"
        f":access-point/fsap-{uuid.uuid4().hex[:17]}"
    )


def deploy(cloud: LocalCloud, folder: Path, arn: str) -> str:
    name = f"mounts-{uuid.uuid4().hex[:8]}"
    cloud.deploy_function(
        name,
        zip=function_zip(folder),
        FileSystemConfigs=[{"Arn": arn, "LocalMountPath": "/mnt/providers"}],
    )
    return name


def test_is_there_and_cannot_be_written(cloud: LocalCloud, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    (shared / "file").write_text("from the file system")
    shared.chmod(0o777)
    arn = access_point(cloud)
    cloud.file_systems[arn] = shared
    name = deploy(cloud, tmp_path, arn)

    said = cloud.invoke(
        name,
        "cat /mnt/providers/file; touch /mnt/providers/other || echo refused;"
        " touch /mnt/other || echo refused; ls /mnt",
    ).response

    assert said.split("from the file system")[1].count("refused") == 2
    assert "providers" in said
    assert sorted(path.name for path in shared.iterdir()) == ["file"]


def test_an_unknown_access_point_is_an_error(cloud: LocalCloud, tmp_path: Path) -> None:
    name = deploy(cloud, tmp_path, access_point(cloud))
    with pytest.raises(botocore.exceptions.ClientError, match="EFSMountFailureException"):
        cloud.invoke(name, "true")
