# SPDX-License-Identifier: Apache-2.0
"""`layers/opentofu/mirror.sh`: packs what `terraform providers mirror` writes, unpacked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import zipfile
from pathlib import Path

from conftest import BUILD, REPO

PROVIDER = "registry.terraform.io/example/small"
NAME = "terraform-provider-small_v1.2.3_x5"


def pack(mirror: Path, output: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [REPO / "layers/opentofu/mirror.sh", mirror, output],
        env={**os.environ, "LAYER_PACKER": str(BUILD / "bin" / "layer-packer")},
        capture_output=True,
        text=True,
    )


def write_zip(mirror: Path, name: str) -> None:
    folder = mirror / PROVIDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").write_text("{}")
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr(NAME, "#!/bin/sh\n")
        archive.writestr("LICENSE.txt", "a licence")


def test_unpacks_packed_providers(tmp_path: Path) -> None:
    for platform in ("linux_amd64", "linux_arm64"):
        write_zip(tmp_path / "mirror", f"terraform-provider-small_1.2.3_{platform}.zip")
    output = tmp_path / "providers.zip"

    result = pack(tmp_path / "mirror", output)

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    with zipfile.ZipFile(output) as archive:
        assert archive.namelist() == [
            f"{PROVIDER}/1.2.3/{platform}/{name}"
            for platform in ("linux_amd64", "linux_arm64")
            for name in ("LICENSE.txt", NAME)
        ]
        entry = archive.getinfo(f"{PROVIDER}/1.2.3/linux_arm64/{NAME}")
        assert entry.external_attr >> 16 & 0o777 == 0o755
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror", "providers.zip"]


def test_gives_the_same_bytes_for_an_unpacked_mirror(tmp_path: Path) -> None:
    write_zip(tmp_path / "mirror", "terraform-provider-small_1.2.3_linux_amd64.zip")
    folder = tmp_path / "unpacked" / PROVIDER / "1.2.3" / "linux_amd64"
    folder.mkdir(parents=True)
    (folder / NAME).write_text("#!/bin/sh\n")
    (folder / NAME).chmod(0o755)
    (folder / "LICENSE.txt").write_text("a licence")

    for name in ("mirror", "unpacked"):
        assert pack(tmp_path / name, tmp_path / f"{name}.zip").returncode == 0

    assert (tmp_path / "mirror.zip").read_bytes() == (tmp_path / "unpacked.zip").read_bytes()


def test_says_what_is_wrong(tmp_path: Path) -> None:
    output = tmp_path / "providers.zip"
    missing = pack(tmp_path / "missing", output)
    assert missing.returncode == 1 and "expected the folder" in missing.stderr
    (tmp_path / "empty").mkdir()
    empty = pack(tmp_path / "empty", output)
    assert empty.returncode == 1 and "has no provider" in empty.stderr
    write_zip(tmp_path / "odd", "terraform-provider-odd.zip")
    odd = pack(tmp_path / "odd", output)
    assert odd.returncode == 1 and "TYPE_VERSION_OS_ARCH" in odd.stderr
    elsewhere = pack(tmp_path / "odd", tmp_path / "nowhere" / "providers.zip")
    assert elsewhere.returncode == 1 and "there is no folder" in elsewhere.stderr
    torn, other = "terraform-provider-small_1.2.3_linux_amd64.zip", "README.md"
    write_zip(tmp_path / "torn", torn)
    (tmp_path / "torn" / PROVIDER / torn).write_bytes(b"PK torn")
    result = pack(tmp_path / "torn", output)
    assert result.returncode == 1 and f"{torn} cannot be unpacked" in result.stderr
    with zipfile.ZipFile(tmp_path / "torn" / PROVIDER / torn, "w") as archive:
        archive.writestr(other, "no provider")
    result = pack(tmp_path / "torn", output)
    assert result.returncode == 1 and f"{torn} holds no terraform-provider-*" in result.stderr
    (tmp_path / "torn" / PROVIDER / "1.2.3" / "linux_amd64").mkdir(parents=True)
    (tmp_path / "torn" / PROVIDER / "1.2.3" / "linux_amd64" / NAME).write_text("#!/bin/sh\n")
    both = pack(tmp_path / "torn", output)
    assert both.returncode == 1 and "packed and unpacked providers" in both.stderr
    assert not list(tmp_path.glob(".mirror.*"))
    assert not output.exists()
