# SPDX-License-Identifier: Apache-2.0
"""Artifacts of another commit, and `make publish`, for a runner that deploys itself."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import DIST, REPO
from localcloud import LocalCloud

ARCHITECTURE = "x86_64"


def copy_artifacts(folder: Path) -> Path:
    """A `dist` of its own, with the artifacts of one architecture."""
    dist = folder / "dist"
    shutil.copytree(DIST / ARCHITECTURE, dist / ARCHITECTURE, ignore=shutil.ignore_patterns("bin"))
    built = json.loads((DIST / "artifacts.json").read_text())[ARCHITECTURE]
    (dist / "artifacts.json").write_text(json.dumps({ARCHITECTURE: built}))
    return dist


def change_bootstrap(dist: Path) -> None:
    """As another commit would: a bootstrap with other bytes, described in artifacts.json."""
    index_file = dist / "artifacts.json"
    index = json.loads(index_file.read_text())
    artifact = index[ARCHITECTURE]["bootstrap"]
    file = dist / artifact["path"]
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("licenses/runlet/CHANGED", "another commit")
    digest = hashlib.sha256(file.read_bytes())
    artifact["sha256"] = digest.hexdigest()
    artifact["source_code_hash"] = base64.b64encode(digest.digest()).decode()
    artifact["size"] = file.stat().st_size
    index_file.write_text(json.dumps(index))


def publish_artifacts(cloud: LocalCloud, bucket: str, dist: Path) -> None:
    """What `make publish` runs; it takes the `dist` of the tree that it lies in."""
    program = dist.parent / "helpers" / "toolchain" / "publish.py"
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPO / "helpers" / "toolchain" / "publish.py", program)
    subprocess.run(
        [sys.executable, program, bucket],
        env=cloud.aws.environ(),
        check=True,
        capture_output=True,
    )
