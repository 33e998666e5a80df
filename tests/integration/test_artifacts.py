# SPDX-License-Identifier: Apache-2.0
"""What `make dist` wrote: static, hardened, licensed, described, and the same bytes anywhere."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from conftest import DIST, REPO
from localcloud.waiting import LIMIT

ARCHES = ("x86_64", "arm64")
MACHINES = {"x86_64": "Advanced Micro Devices X86-64", "arm64": "AArch64"}
PROGRAMS = sorted(path.parent.name for path in REPO.glob("helpers/*/main.c"))
LAYERS = sorted(path.parent.name for path in REPO.glob("layers/*/layer.json"))
# One of the parts whose licence each artifact must carry, and where.
LICENSES = {
    "bootstrap": "licenses/openssl/",
    "git": "share/licenses/git/",
    "gitlab-runner": "share/licenses/gitlab-runner/",
    "opentofu": "share/licenses/github.com/opentofu/opentofu/",
}
VERSION = next(
    line.split('"')[1]
    for line in (REPO / "helpers/common/version.h").read_text().splitlines()
    if line.startswith("#define RUNLET_VERSION")
)


def index() -> dict[str, dict[str, dict[str, Any]]]:
    return json.loads((DIST / "artifacts.json").read_text())


def readelf(file: Path, *options: str) -> str:
    return subprocess.run(
        ["readelf", "--wide", *options, file], check=True, capture_output=True, text=True
    ).stdout


def run_in_empty_root(program: Path, folder: Path, *arguments: str) -> str:
    """Runs a program where there is nothing but itself: no library, no /proc, no /dev."""
    shutil.copy(program, folder / "program")
    as_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return subprocess.run(
        ["unshare", *as_user, f"--root={folder}", "--", "/program", *arguments],
        check=True,
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    ).stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_x86_64_answers_in_an_empty_root(program: str, tmp_path: Path) -> None:
    said = run_in_empty_root(DIST / "x86_64" / "bin" / program, tmp_path, "--version")
    assert said == f"{program} {VERSION}\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_arm64_answers_under_qemu(program: str, tmp_path: Path) -> None:
    said = subprocess.run(
        ["qemu-aarch64-static", DIST / "arm64" / "bin" / program, "--version"],
        check=True,
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    ).stdout
    assert said == f"{program} {VERSION}\n"


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_executables_are_static_and_hardened(program: str, arch: str) -> None:
    file = DIST / arch / "bin" / program
    header = readelf(file, "--file-header")
    assert MACHINES[arch] in header
    assert "DYN (" in header, "position independent"
    segments = readelf(file, "--program-headers")
    assert "INTERP" not in segments
    assert "GNU_RELRO" in segments
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    assert " RW " in stack, "the stack is not executable"
    assert not [line for line in segments.splitlines() if " RWE " in line]
    dynamic = readelf(file, "--dynamic")
    assert "NEEDED" not in dynamic
    assert "BIND_NOW" in dynamic
    assert ".symtab" not in readelf(file, "--section-headers"), "stripped"


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("layer", LAYERS)
def test_layers_need_no_library(layer: str, arch: str, tmp_path: Path) -> None:
    programs = 0
    with zipfile.ZipFile(DIST / arch / f"{layer}-layer.zip") as archive:
        for entry in archive.infolist():
            content = archive.read(entry)
            if not content.startswith(b"\x7fELF"):
                continue
            file = tmp_path / "program"
            file.write_bytes(content)
            assert MACHINES[arch] in readelf(file, "--file-header"), entry.filename
            assert "INTERP" not in readelf(file, "--program-headers"), entry.filename
            assert "NEEDED" not in readelf(file, "--dynamic"), entry.filename
            programs += 1
    assert programs


@pytest.mark.parametrize("arch", ARCHES)
def test_the_bash_of_jobs_substitutes_processes(arch: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(DIST / arch / "gitlab-runner-layer.zip") as archive:
        program = Path(archive.extract("libexec/runlet/bash", tmp_path))
        assert "share/licenses/bash/LICENSE" in archive.namelist()
    program.chmod(0o755)
    emulator = [] if arch == "x86_64" else ["qemu-aarch64-static"]
    said = subprocess.run(
        [*emulator, program, "-c", "echo <(:) $OSTYPE $MACHTYPE; complete -F f kubectl"],
        check=True,
        env={},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    ).stdout
    place, *machine = said.split()
    assert place.startswith("/proc/self/fd/")
    machines = {"x86_64": "x86_64", "arm64": "aarch64"}
    assert machine == ["linux-gnu", f"{machines[arch]}-amazon-linux-gnu"]


@pytest.mark.parametrize("arch", ARCHES)
def test_the_layer_opentofu_has_tofu(arch: str, tmp_path: Path) -> None:
    recipe = json.loads((REPO / "layers/opentofu/layer.json").read_text())
    with zipfile.ZipFile(DIST / arch / "opentofu-layer.zip") as archive:
        program = Path(archive.extract("bin/tofu", tmp_path))
    program.chmod(0o755)
    if arch == "x86_64":
        (tmp_path / "root").mkdir()
        said = run_in_empty_root(program, tmp_path / "root", "version")
    else:
        said = subprocess.run(
            ["qemu-aarch64-static", program, "version"],
            check=True,
            env={"TF_CLI_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
            timeout=300,
        ).stdout
    assert said.startswith(f"OpenTofu v{recipe['version']}\n")


@pytest.mark.parametrize("arch", ARCHES)
def test_no_path_of_this_machine_is_in_an_artifact(arch: str) -> None:
    strange = []
    for name in ("bootstrap.zip", *(f"{layer}-layer.zip" for layer in LAYERS)):
        with zipfile.ZipFile(DIST / arch / name) as archive:
            strange += [
                f"{name}: {entry.filename}"
                for entry in archive.infolist()
                if os.fsencode(REPO) in archive.read(entry)
                or os.fsencode(Path.home() / ".cache") in archive.read(entry)
            ]
    assert not strange


@pytest.mark.parametrize("arch", ARCHES)
def test_artifacts_json_describes_the_zips(arch: str) -> None:
    artifacts = index()[arch]
    assert sorted(artifacts) == sorted(["bootstrap", *LAYERS])
    for name, artifact in artifacts.items():
        content = (DIST / artifact["path"]).read_bytes()
        digest = hashlib.sha256(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unzipped = sum(entry.file_size for entry in archive.infolist())
        file = "bootstrap.zip" if name == "bootstrap" else f"{name}-layer.zip"
        recipe = REPO / "layers" / name / "layer.json"
        assert artifact == {
            "path": f"{arch}/{file}",
            "sha256": digest.hexdigest(),
            "source_code_hash": base64.b64encode(digest.digest()).decode(),
            "size": len(content),
            "unzipped_size": unzipped,
            "version": json.loads(recipe.read_text())["version"] if recipe.exists() else VERSION,
        }


def test_sums_name_every_file() -> None:
    listed = dict(
        reversed(line.split("  ", 1)) for line in (DIST / "SHA256SUMS").read_text().splitlines()
    )
    files = {
        path.relative_to(DIST).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in DIST.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert listed == files


@pytest.mark.parametrize("arch", ARCHES)
def test_the_layer_assume_role_has_its_manual(arch: str) -> None:
    with zipfile.ZipFile(DIST / index()[arch]["assume-role"]["path"]) as archive:
        assert archive.getinfo("bin/assume-role").external_attr >> 16 & 0o777 == 0o755
        manual = archive.read("share/man/man1/assume-role.1")
    assert manual == (REPO / "helpers/assume-role/assume-role.1").read_bytes()


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("name", ["bootstrap", *LAYERS])
def test_artifacts_carry_their_licenses(name: str, arch: str) -> None:
    with zipfile.ZipFile(DIST / index()[arch][name]["path"]) as archive:
        names = archive.namelist()
        texts = [one for one in names if one.startswith(LICENSES.get(name, "share/licenses/"))]
        assert texts, names
        assert all(archive.read(one).strip() for one in texts if not one.endswith("/"))


def test_another_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    """Our own programs and the zips are made anew; the libraries come from the cache."""
    copy = tmp_path / "a folder with another, longer name"
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=REPO,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        if (REPO / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, copy / name)
    environment = {
        **os.environ,
        "TZ": "Pacific/Chatham",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(tmp_path),
    }
    for tree, umask in ((REPO, 0o022), (copy, 0o077)):
        result = subprocess.run(
            [tree / "helpers" / "toolchain" / "dist.sh", *ARCHES],
            env=environment,
            umask=umask,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
    assert (copy / "dist" / "SHA256SUMS").read_text() == (DIST / "SHA256SUMS").read_text()
