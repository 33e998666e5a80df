# SPDX-License-Identifier: Apache-2.0
"""The toolchain's scripts where something is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import REPO
from localcloud.waiting import LIMIT

TOOLCHAIN = REPO / "helpers" / "toolchain"


class Machine:
    """This machine with some of its programs replaced."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.environ = {
            **os.environ,
            "PATH": f"{self.programs}:{os.environ['PATH']}",
        }

    def has_an_empty_cache(self) -> None:
        """Not for setup.sh, which links this tree's tools into the cache that it is given."""
        self.environ["RUNLET_CACHE_DIR"] = str(self.programs.parent / "cache")

    def has(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def run(self, script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TOOLCHAIN / script, *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_setup_says_nothing_where_all_is_there() -> None:
    subprocess.run([TOOLCHAIN / "setup.sh", "test"], check=True, capture_output=True)
    result = subprocess.run(
        [TOOLCHAIN / "setup.sh", "test"], check=True, capture_output=True, text=True, timeout=LIMIT
    )
    assert (result.stdout, result.stderr) == ("", "")


def test_setup_tells_an_ordinary_user_what_root_has_to_run(machine: Machine) -> None:
    real = shutil.which("dpkg-query")
    machine.has("dpkg-query", f'{real} "$@" | grep -v -e "^cmake " -e "^check "')
    machine.has("id", "echo 1000")
    machine.has("apt-get", "echo it was run >&2; exit 1")

    result = machine.run("setup.sh", "test")

    assert result.returncode != 0
    assert "apt-get install --yes --no-install-recommends check cmake\n" in result.stderr
    assert "it was run" not in result.stderr


def test_setup_installs_as_root_and_says_so(machine: Machine) -> None:
    real = shutil.which("dpkg-query")
    machine.has("dpkg-query", f'{real} "$@" | grep -v "^cmake "')
    machine.has("id", "echo 0")
    machine.has("apt-get", f'echo "$@" >>{machine.programs}/calls')

    result = machine.run("setup.sh", "test")

    assert "installing Debian packages: cmake\n" in result.stderr
    calls = (machine.programs / "calls").read_text().splitlines()
    assert calls == ["update", "install --yes --no-install-recommends cmake"]


def test_setup_shows_what_apt_said_when_it_fails(machine: Machine) -> None:
    real = shutil.which("dpkg-query")
    machine.has("dpkg-query", f'{real} "$@" | grep -v "^cmake "')
    machine.has("id", "echo 0")
    machine.has("apt-get", "echo the disk is full; exit 100")

    result = machine.run("setup.sh", "test")

    assert result.returncode != 0
    assert "the disk is full" in result.stderr
    assert "apt-get could not install cmake" in result.stderr


def test_setup_takes_a_package_that_is_held_back(machine: Machine) -> None:
    real = shutil.which("dpkg-query")
    machine.has("dpkg-query", f'{real} "$@" | sed "s/^cmake ii/cmake hi/"')
    machine.has("id", "echo 1000")

    result = machine.run("setup.sh", "test")

    assert result.returncode == 0, result.stderr


def packages(*purpose: str) -> list[str]:
    command = [TOOLCHAIN / "setup.sh", "--packages", *purpose]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


PURPOSES = ("build", "dist", "publish", "demo", "test", "bench")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_list_of_packages_names_each_once(purpose: str) -> None:
    names = packages(purpose)
    assert len(names) > 1
    assert [name for name in names if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name)] == []
    assert len(set(names)) == len(names)
    assert set(names) <= set(packages())
    known = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *names], capture_output=True, text=True
    )
    if not known.returncode:  # a machine whose apt has no lists cannot tell
        assert "E: " not in known.stderr


def test_no_package_stands_twice() -> None:
    lines = (TOOLCHAIN / "debian-packages.txt").read_text().splitlines()
    names = [line for line in lines if re.match(r"[a-z0-9]", line)]
    assert sorted(set(names)) == sorted(names)
    assert set(names) <= set(packages())
    headers = [line for line in lines if line.startswith("[")]
    named = {word for line in headers for word in line.strip("[]").split()}
    assert named == set(PURPOSES)


def test_the_demo_installs_what_it_uses_alone() -> None:
    demo, test = set(packages("demo")), set(packages("test"))
    assert demo < test
    only_tests = {"clang", "clang-tidy", "cppcheck", "shellcheck", "qemu-user-static", "check"}
    assert only_tests | {"zip", "bubblewrap", "curl", "libssl-dev"} <= test - demo
    assert "p7zip-full" in set(packages("bench")) - test


def test_setup_refuses_a_purpose_that_it_does_not_know(machine: Machine) -> None:
    result = machine.run("setup.sh", "party")
    assert result.returncode != 0
    assert result.stderr.startswith("error: setup for party: expected one of build dist publish ")


class Tree:
    """A copy of the toolchain whose slow scripts only say that they were called."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.folder = folder / "tree"
        self.calls = folder / "calls"
        self._machine = machine
        shutil.copytree(TOOLCHAIN, self.folder / "helpers" / "toolchain")
        for name in ("rie", "terragrunt", "terraform"):
            script = self.folder / "helpers" / "toolchain" / f"{name}.sh"
            script.write_text(f"#!/bin/sh\necho {name} >>{self.calls}\necho /bin/true\n")
        (self.folder / "tests").mkdir()
        for name in ("requirements", "requirements-demo"):
            (self.folder / "tests" / f"{name}.txt").write_text("# nothing\n")
        # All packages are there.
        machine.has("dpkg-query", 'shift 3; for name; do echo "$name ii "; done')
        machine.has("terraform", "exit 0")

    def setup(self, purpose: str) -> str:
        self.calls.write_text("")
        done = subprocess.run(
            [self.folder / "helpers" / "toolchain" / "setup.sh", purpose],
            env=self._machine.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr


def test_each_purpose_gets_its_own_tools(machine: Machine, tmp_path: Path) -> None:
    tree = Tree(tmp_path, machine)

    assert tree.setup("dist") == ""
    assert tree.calls.read_text() == ""

    assert re.fullmatch(r"built the Python environment in .*\n", tree.setup("demo"))
    assert tree.calls.read_text().split() == ["rie"]
    assert tree.setup("demo") == ""

    # The tests' packages are added to the demo's.
    said = tree.setup("test")
    assert re.fullmatch(r"installed the Python packages of the tests in .*\n", said)
    assert sorted(tree.calls.read_text().split()) == ["rie", "terragrunt"]
    assert tree.setup("demo") == ""
    assert tree.setup("bench") == ""


def test_tofu_is_built_where_the_machine_has_nothing(machine: Machine, tmp_path: Path) -> None:
    tree = Tree(tmp_path, machine)
    (machine.programs / "terraform").unlink()
    for program in ("terraform", "tofu"):
        found = shutil.which(program)
        if found:  # whoever looks for it is told that it is not there
            machine.environ["PATH"] = without(program, machine.environ["PATH"], tmp_path)
    tree.setup("demo")
    assert sorted(tree.calls.read_text().split()) == ["rie", "terraform"]
    assert (tree.folder / "build" / "tools" / "tofu").is_symlink()


def without(program: str, path: str, folder: Path) -> str:
    """PATH where folders that have the program are replaced by links to all else in them."""
    folders = []
    for number, one in enumerate(Path(part) for part in path.split(":")):
        if (one / program).exists():
            links = folder / f"{program}-{number}"
            links.mkdir()
            for entry in one.iterdir():
                if entry.name != program:
                    (links / entry.name).symlink_to(entry)
            one = links
        folders.append(str(one))
    return ":".join(folders)


def test_the_demo_makes_what_its_example_takes() -> None:
    plan = subprocess.run(
        ["make", "--dry-run", "demo"], cwd=REPO, check=True, capture_output=True, text=True
    ).stdout
    variables = (REPO / "terraform" / "variables.tf").read_text()
    taken = re.search(r'variable "layers" {.*?default *= \[(.*?)\]', variables, re.S)
    assert taken
    parts = ["bootstrap", *re.findall(r'"(.*?)"', taken[1])]
    assert "layers" not in (REPO / "examples" / "quick-start" / "main.tf").read_text().split()
    commands = plan.splitlines()
    assert commands[0].endswith("setup.sh demo")
    assert commands[1].endswith(f"dist.sh --parts {','.join(parts)} x86_64")
    assert commands[2].endswith("-m localcloud demo")
    assert len(commands) == 3


def test_an_artifact_that_is_not_there_is_refused_before_anything_is_built(
    machine: Machine,
) -> None:
    result = machine.run("dist.sh", "--parts", "bootstrap,bogus", "x86_64")

    assert result.returncode != 0
    assert result.stderr == "error: layers/bogus has no layer.json\n"


def test_an_unknown_architecture_is_refused_before_anything_is_built(machine: Machine) -> None:
    result = machine.run("dist.sh", "x86_64", "bogus")

    assert result.returncode != 0
    assert result.stderr == "error: ARCH=bogus: expected x86_64, arm64 or all\n"


def test_a_layer_is_of_the_version_that_is_built(tmp_path: Path) -> None:
    for name in ("layers/opentofu", "helpers/toolchain"):
        shutil.copytree(REPO / name, tmp_path / name)
    recipe = tmp_path / "layers" / "opentofu" / "layer.json"
    recipe.write_text(re.sub(r'"version": "[^"]*"', '"version": "1.0.0"', recipe.read_text()))
    result = subprocess.run(
        [recipe.parent / "build.sh", "x86_64"], capture_output=True, text=True, timeout=LIMIT
    )
    assert result.returncode == 1
    assert (
        "layer.json has the version 1.0.0, helpers/toolchain/tofu/go.mod another" in result.stderr
    )


def cache_of(machine: Machine) -> subprocess.CompletedProcess[str]:
    script = f"set -euo pipefail; . {TOOLCHAIN}/common.sh; cd /; echo $cache"
    return subprocess.run(
        ["bash", "-c", script], env=machine.environ, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "script",
    ["opentofu/build.sh", "opentofu/mirror.sh", "terraform/release.sh", "gitlab-runner/release.sh"],
)
def test_a_layers_script_says_what_it_wants(script: str) -> None:
    result = subprocess.run(
        [REPO / "layers" / script], capture_output=True, text=True, timeout=LIMIT
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "usage: " in result.stderr or "expected x86_64 or arm64" in result.stderr


def test_the_cache_is_one_folder_from_wherever_it_is_used(machine: Machine) -> None:
    machine.environ["RUNLET_CACHE_DIR"] = "cache"
    assert cache_of(machine).stdout == f"{REPO}/cache/build\n"
    machine.environ.pop("RUNLET_CACHE_DIR")
    machine.environ.update(XDG_CACHE_HOME="/xdg")
    assert cache_of(machine).stdout == "/xdg/runlet/build\n"


def test_a_cache_that_compilers_could_not_use_is_refused_with_the_reason(
    machine: Machine, tmp_path: Path
) -> None:
    machine.environ["RUNLET_CACHE_DIR"] = str(tmp_path / "my cache")
    result = cache_of(machine)
    assert result.returncode != 0
    assert "set RUNLET_CACHE_DIR to a folder without one" in result.stderr

    for name in ("RUNLET_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        machine.environ.pop(name, None)
    result = cache_of(machine)
    assert result.returncode != 0
    assert "set HOME or RUNLET_CACHE_DIR" in result.stderr


def test_takes_tofu_where_there_is_no_terraform(machine: Machine, tmp_path: Path) -> None:
    for name in ("bash", "dirname", "nproc", "env", "cat"):
        (machine.programs / name).symlink_to(str(shutil.which(name)))
    machine.has("tofu", "exit 0")
    machine.environ["PATH"] = str(machine.programs)
    assert machine.run("terraform.sh").stdout == f"{machine.programs}/tofu\n"
    machine.has("terraform", "exit 0")
    assert machine.run("terraform.sh").stdout == f"{machine.programs}/terraform\n"


def test_a_missing_source_names_all_that_was_tried(machine: Machine, tmp_path: Path) -> None:
    machine.has_an_empty_cache()
    machine.has(
        "apt-get",
        'case "$*" in\n'
        "*indextargets*) echo Debian http://127.0.0.1:1/debian/ ;;\n"
        "*source*) exit 100 ;;\n"
        "esac",
    )
    machine.has("apt-cache", "echo Version: 8.14.1-2+deb13u99; echo Version: 7.88.1-10")

    result = machine.run("source.sh", "curl", tmp_path / "curl")

    assert result.returncode != 0
    assert "curl" in result.stderr
    for suite in ("trixie", "bookworm"):
        assert f"http://127.0.0.1:1/debian/ {suite} main" in result.stderr
    assert "8.14.1-2+deb13u99" in result.stderr, "a newer upload of the same upstream version"
    assert "7.88.1-10" not in result.stderr, "another upstream version"


def test_a_tarball_with_another_hash_is_refused(machine: Machine, tmp_path: Path) -> None:
    machine.has_an_empty_cache()
    machine.has(
        "apt-get",
        'case "$*" in\n'
        "*indextargets*) echo Debian http://127.0.0.1:1/debian/ ;;\n"
        "*source*) echo no curl >curl_8.14.1.orig.tar.gz ;;\n"
        "esac",
    )
    machine.has("apt-cache", ":")

    result = machine.run("source.sh", "curl", tmp_path / "curl")

    assert result.returncode != 0
    assert "SHA-256" in result.stderr
    assert not (tmp_path / "curl" / "source").exists()


def test_a_failed_build_leaves_nothing_in_the_cache(machine: Machine, tmp_path: Path) -> None:
    machine.has_an_empty_cache()
    script = tmp_path / "build.sh"
    script.write_text(
        f"set -euo pipefail\n. {TOOLCHAIN}/common.sh\n"
        'build() { touch "$1/half"; false; touch "$1/whole"; }\n'
        "cached thing 1234 build\n"
    )
    for _ in range(2):
        result = subprocess.run(
            ["bash", script], env=machine.environ, capture_output=True, text=True
        )
        assert result.returncode != 0
        assert "building thing failed" in result.stderr
        assert result.stdout == ""
    cache = tmp_path / "cache" / "build"
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []


def test_a_build_clears_what_a_killed_one_left(machine: Machine, tmp_path: Path) -> None:
    machine.has_an_empty_cache()
    cache = tmp_path / "cache" / "build"
    for name in (".thing.AbCd12", ".things.AbCd12", "thing-0000"):
        (cache / name / "half").mkdir(parents=True)
    script = (
        f"set -euo pipefail; . {TOOLCHAIN}/common.sh\n"
        'build() { touch "$1/whole"; }\n'
        "cached thing 1234 build\n"
    )
    subprocess.run(["bash", "-c", script], env=machine.environ, check=True, capture_output=True)
    folders = {path.name for path in cache.iterdir() if path.is_dir()}
    assert folders == {".things.AbCd12", "thing-0000", "thing-1234"}


def test_two_callers_build_once(machine: Machine, tmp_path: Path) -> None:
    machine.has_an_empty_cache()
    script = tmp_path / "build.sh"
    script.write_text(
        f"set -euo pipefail\n. {TOOLCHAIN}/common.sh\n"
        f'build() {{ echo once >>{tmp_path}/builds; sleep 1; touch "$1/whole"; }}\n'
        "cached thing 1234 build\n"
    )
    running = [
        subprocess.Popen(
            ["bash", script],
            env=machine.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(3)
    ]
    folders = {one.communicate(timeout=LIMIT)[0].strip() for one in running}
    assert folders == {str(tmp_path / "cache" / "build" / "thing-1234")}
    assert (tmp_path / "builds").read_text() == "once\n"
