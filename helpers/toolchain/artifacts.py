#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Describes what dist/ holds: dist/artifacts.json and dist/SHA256SUMS.

artifacts.py add ARCH NAME VERSION FILE   takes the packer's --json on its standard input
artifacts.py sums                         drops what is no more, and sums up every file
artifacts.py version RECIPE               prints a recipe's version

Only the standard library: this runs before there is any environment.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

DIST = Path(__file__).resolve().parents[2] / "dist"
INDEX = DIST / "artifacts.json"
SUMS = DIST / "SHA256SUMS"
FROM_PACKER = ("sha256", "source_code_hash", "size", "unzipped_size")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_index() -> dict[str, dict[str, Any]]:
    return json.loads(INDEX.read_text()) if INDEX.exists() else {}


def write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.rename(path)


def write_index(index: dict[str, dict[str, Any]]) -> None:
    ordered = {
        arch: {name: index[arch][name] for name in sorted(index[arch])}
        for arch in ("x86_64", "arm64")
        if index.get(arch)
    }
    write(INDEX, json.dumps(ordered, indent=2) + "\n")


def add(arch: str, name: str, version: str, file: str) -> None:
    packed = json.load(sys.stdin)
    index = read_index()
    index.setdefault(arch, {})[name] = {
        "path": Path(file).relative_to("dist").as_posix(),
        **{key: packed[key] for key in FROM_PACKER},
        "version": version,
    }
    write_index(index)


def sums() -> None:
    """An artifact of an earlier run stays listed only while its file is there, unchanged."""
    index = read_index()
    for arch, artifacts in index.items():
        index[arch] = {
            name: artifact
            for name, artifact in artifacts.items()
            if (DIST / artifact["path"]).is_file()
            and sha256(DIST / artifact["path"]) == artifact["sha256"]
        }
    write_index(index)
    files = sorted(
        path.relative_to(DIST).as_posix()
        for path in DIST.rglob("*")
        if path.is_file() and path != SUMS and not path.name.startswith(".")
    )
    write(SUMS, "".join(f"{sha256(DIST / file)}  {file}\n" for file in files))


def main() -> None:
    match sys.argv[1:]:
        case ["add", arch, name, version, file]:
            add(arch, name, version, file)
        case ["sums"]:
            sums()
        case ["version", recipe]:
            print(json.loads(Path(recipe).read_text())["version"])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
