# SPDX-License-Identifier: Apache-2.0
"""Compiles `enter.c`, the small program that enters the sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("enter.c")
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra"]


def build_enter(folder: Path) -> Path:
    """Returns the compiled program in `folder`, newer than its source."""
    program = folder / "sandbox-enter"
    if program.exists() and program.stat().st_mtime >= SOURCE.stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("the sandbox needs a C compiler (make setup installs one)")
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".sandbox-enter-{os.getpid()}"
    subprocess.run([compiler, *FLAGS, "-o", fresh, SOURCE], check=True)
    fresh.rename(program)
    return program
