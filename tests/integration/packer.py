# SPDX-License-Identifier: Apache-2.0
"""The layer packer as a program, for tests."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conftest import BUILD

# LAYER_PACKER names another one: with sanitizers, or the static one.
PROGRAM = Path(os.environ.get("LAYER_PACKER", BUILD / "bin" / "layer-packer")).absolute()
Result = subprocess.CompletedProcess[str]


def run(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Result:
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=300,
        **options,
    )


def pack(output: Path, *arguments: str | Path, **options: Any) -> dict[str, Any]:
    """Packs, which must go well, and checks what every description of a zip promises."""
    result = run("pack", "--json", "--output", output, *arguments, **options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    said = json.loads(result.stdout)
    keys = {"path", "sha256", "source_code_hash", "size", "unzipped_size", "entries"}
    assert set(said) == keys
    content = output.read_bytes()
    digest = hashlib.sha256(content)
    assert said["path"] == str(output)
    assert said["sha256"] == digest.hexdigest()
    assert said["source_code_hash"] == base64.b64encode(digest.digest()).decode()
    assert said["size"] == len(content)
    with zipfile.ZipFile(output) as archive:
        assert archive.testzip() is None
        assert said["entries"] == len(archive.infolist())
        assert said["unzipped_size"] == sum(info.file_size for info in archive.infolist())
    return said


def refuse(*arguments: str | Path, **options: Any) -> str:
    """Packs, which must fail with 1 and leave no file; returns the message."""
    output = Path(str(arguments[arguments.index("--output") + 1]))
    before = set(output.parent.glob("*.zip*"))
    result = run("pack", *arguments, **options)
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert result.stdout == ""
    assert result.stderr.startswith("layer-packer: ")
    assert result.stderr.count("\n") == 1
    assert set(output.parent.glob("*.zip*")) == before
    return result.stderr


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def modes(archive: Path) -> dict[str, int]:
    with zipfile.ZipFile(archive) as opened:
        return {info.filename: info.external_attr >> 16 for info in opened.infolist()}


def elf(machine: int) -> bytes:
    """The header of a 64-bit little-endian shared object for that machine, and nothing else."""
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0)


def write_recipe(folder: Path, files: list[dict[str, Any]], **members: Any) -> Path:
    recipe = {
        "name": "thing",
        "version": "1.2",
        "description": "A thing",
        "license": "MIT",
        "architectures": ["x86_64", "arm64"],
        "files": files,
        **members,
    }
    path = folder / "layer.json"
    path.write_text(json.dumps(recipe))
    return path
