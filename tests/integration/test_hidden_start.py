# SPDX-License-Identifier: Apache-2.0
"""A thief of the bootstrap's own user waits for it to start, and tries to read its environment.

What is tried is the static program, as `make dist` packs it: the kernel's word counts, so that no
sandbox is needed.
"""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from conftest import BUILD, DIST
from integration.sandboxed_bootstrap import UID

ARCH_DIST = DIST / "x86_64"
# A static program that does nothing against a thief.
CONTROL = ARCH_DIST / "bin" / "layer-packer"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another user")


def thief(program: Path, *arguments: str | int) -> str:
    command = [BUILD / "tests" / "thief", str(UID), program, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """The bootstrap as the zip has it, with the zip's mode."""
    with zipfile.ZipFile(ARCH_DIST / "bootstrap.zip") as archive:
        program = Path(archive.extract("bootstrap", tmp_path))
        program.chmod(archive.getinfo("bootstrap").external_attr >> 16 & 0o7777)
    return program


def test_the_file_cannot_be_read(packed: Path) -> None:
    assert packed.stat().st_mode & 0o7777 == 0o711


def test_the_first_instructions_hide_the_process(packed: Path) -> None:
    """Also where Lambda does not keep the file's mode."""
    packed.chmod(0o755)

    assert thief(packed, "step", 12) == "open hidden"
    assert thief(CONTROL, "step", 12) == "open open"


def test_a_file_that_cannot_be_read_hides_the_process_from_exec_on(packed: Path) -> None:
    assert thief(packed, "step", 0) == "hidden hidden"


def test_a_thief_that_spins_gets_nothing(packed: Path) -> None:
    runs = 100
    # Where it would catch nobody else, it would show nothing here.
    while int(thief(CONTROL, "spin", runs)) == 0:
        runs *= 2
        assert runs <= 20_000

    assert int(thief(packed, "spin", 4 * runs)) == 0
