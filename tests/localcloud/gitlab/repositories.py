# SPDX-License-Identifier: Apache-2.0
"""Bare git repositories, driven by the git program of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NOBODY = "0" * 40
AUTHOR = "Administrator <admin@example.com>"


def git_environment(folder: Path) -> dict[str, str]:
    """An environment in which git reads nobody's configuration but the repository's."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return environment | {
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


@dataclass(frozen=True)
class Gitlink:
    """Where a submodule is: its commit. What `.gitmodules` says of it is a file as any other."""

    commit: str


Content = str | bytes | Gitlink | None


@dataclass(frozen=True)
class RefChange:
    """A branch or tag that was set; `before` is NOBODY for a new one."""

    ref: str
    before: str
    after: str


class Repository:
    def __init__(self, folder: Path, default_branch: str = "main") -> None:
        self.folder = folder
        self.push_lock = threading.Lock()
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", f"--initial-branch={default_branch}", ".")
        # Runners fetch a commit of a pipeline by its id when its branch has moved on.
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.git("config", "gc.auto", "0")

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Runs git and returns what it printed. Raises RuntimeError with git's own words."""
        result = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=git_environment(self.folder),
            input=stdin,
            capture_output=True,
            check=False,
        )
        if result.returncode != 0:
            words = result.stderr.decode(errors="replace").strip()
            raise RuntimeError(f"git {' '.join(arguments)}: {words}")
        return result.stdout.decode(errors="replace").strip()

    def refs(self) -> dict[str, str]:
        """Branches and tags with the commits they stand for."""
        lines = self.git(
            "for-each-ref",
            "--format=%(refname) %(objectname) %(*objectname)",
            "refs/heads",
            "refs/tags",
        ).splitlines()
        # An annotated tag's third field is the commit that it names.
        return {fields[0]: fields[-1] for fields in (line.split() for line in lines)}

    def commit_of(self, revision: str) -> str | None:
        try:
            return self.git("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
        except RuntimeError:
            return None

    def file(self, commit: str, path: str) -> bytes | None:
        result = subprocess.run(
            ["git", "cat-file", "blob", f"{commit}:{path}"],
            cwd=self.folder,
            env=git_environment(self.folder),
            capture_output=True,
            check=False,
        )
        return result.stdout if result.returncode == 0 else None

    def message(self, commit: str) -> str:
        return self.git("log", "-1", "--format=%B", commit)

    def commit(self, files: Mapping[str, Content], branch: str, message: str) -> RefChange:
        """Adds a commit that sets these files (None removes one) to a branch, new or old.

        A file that begins with `#!` is executable.
        """
        ref = f"refs/heads/{branch}"
        before = self.commit_of(ref) or NOBODY
        now = int(time.time())
        stream = [
            f"commit {ref}\ncommitter {AUTHOR} {now} +0000\n".encode(),
            _data(message.encode()),
        ]
        if before != NOBODY:
            stream.append(f"from {before}\n".encode())
        for path, content in files.items():
            quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
            if content is None:
                stream.append(f"D {quoted}\n".encode())
                continue
            if isinstance(content, Gitlink):
                stream.append(f"M 160000 {content.commit} {quoted}\n".encode())
                continue
            raw = content.encode() if isinstance(content, str) else content
            mode = "100755" if raw.startswith(b"#!") else "100644"
            stream += [f"M {mode} inline {quoted}\n".encode(), _data(raw)]
        stream.append(b"done\n")
        self.git("fast-import", "--quiet", "--done", stdin=b"".join(stream))
        return RefChange(ref, before, self.git("rev-parse", ref))

    def keep(self, commit: str, ref: str) -> None:
        """Holds a commit by a ref of its own, as GitLab does for each pipeline."""
        self.git("update-ref", ref, commit)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[RefChange]:
    """The refs that were made or moved (not those that went)."""
    return [
        RefChange(ref, before.get(ref, NOBODY), commit)
        for ref, commit in after.items()
        if before.get(ref) != commit
    ]


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"
