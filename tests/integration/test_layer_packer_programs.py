# SPDX-License-Identifier: Apache-2.0
"""What `layer-packer` says of programs that would not start in Lambda: `pack` of a folder, and
`verify` of the same folder zipped by another program."""

from __future__ import annotations

import os
import platform
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.packer import pack, refuse, run
from integration.test_layer_packer_zip import entry, make, verify_fails

ARCH = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
LOADER = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1"}[ARCH]

Compile = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("bin", "lib"):
        (root / name).mkdir(parents=True)
    return root


@pytest.fixture
def compile_(tmp_path: Path) -> Compile:
    def compile_(text: str, output: Path, *options: str | Path) -> Path:
        source = tmp_path / "source.c"
        source.write_text(text)
        output.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-s", "-o", output, source, *options], check=True, cwd=tmp_path)
        return output

    return compile_


def library(compile_: Compile, output: Path, *options: str | Path, version: str = "") -> Path:
    """A library that is called as its file, with a function that has its letters for a name."""
    name = function(output)
    script = output.with_name("map")
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"{version} {{ {name}; }};")
    versioned = [f"-Wl,--version-script={script}"] if version else []
    shared = ["-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{output.name}"]
    compile_(f"int {name}(void) {{ return 0; }}", output, *shared, *versioned, *options)
    script.unlink()
    return output


def function(path: Path) -> str:
    return "f_" + "".join(letter for letter in path.name if letter.isalnum())


def program(compile_: Compile, output: Path, *libraries: Path, options: list[str] | None = None,
            text: str = "") -> Path:  # fmt: skip
    """A program that calls a function of each library, linked with the files themselves."""
    called = " + ".join(f"{function(path)}()" for path in libraries) or "0"
    declared = "".join(f"int {function(path)}(void);" for path in libraries)
    text = text or f"{declared} int main(void) {{ return {called}; }}"
    return compile_(
        text, output, "-Wl,--no-as-needed", *libraries, "-Wl,--allow-shlib-undefined",
        *(options or []),
    )  # fmt: skip


def of_glibc_2_36() -> str:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    if tuple(map(int, libc.split()[-1].split("."))) < (2, 36):
        pytest.skip("has an older glibc itself")
    return "#include <stdlib.h>\nint main(void) { return (int)arc4random(); }"


def hash_of(name: str) -> int:
    """As it stands beside a version's name."""
    value = 0
    for letter in name.encode():
        value = (value << 4) + letter
        value = (value ^ (value & 0xF0000000) >> 24) & 0x0FFFFFFF
    return value


def zipped(tree: Path) -> Path:
    """The tree as Info-ZIP packs it: modes and symlinks kept."""
    output = tree.with_name("foreign.zip")
    output.unlink(missing_ok=True)
    subprocess.run(["zip", "-qry", output, "."], cwd=tree, check=True)
    return output


def refused(tree: Path, *options: str) -> str:
    """What is said of the tree, which must be the same of its zip."""
    output = tree.with_name("o.zip")
    message = refuse("--output", output, *options, tree)
    said = message.removeprefix(f"layer-packer: cannot pack {output}: ")
    assert said != message
    foreign = zipped(tree)
    other = verify_fails(foreign, *options)
    # The one names a file on the disk, the other one in the zip.
    assert other.replace(f"layer-packer: {foreign}: ", "") == said.replace(f"{tree}/", "")
    return said


def taken(tree: Path, *options: str) -> None:
    pack(tree.with_name("o.zip"), *options, tree)
    for file in (tree.with_name("o.zip"), zipped(tree)):
        result = run("verify", *options, file)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr


class TestVersions:
    def test_a_program_of_this_machine(self, tree: Path, compile_: Compile) -> None:
        """Needs a function of glibc 2.36, as anything built on a newer system may."""
        program(compile_, tree / "bin" / "rnd", text=of_glibc_2_36())
        message = refused(tree, "--arch", ARCH)
        assert message.startswith(
            "bin/rnd: needs GLIBC_2.36 of libc.so.6, and provided.al2023 has GLIBC_2.34 at most: "
        )
        assert "Amazon Linux 2023" in message and "statically" in message

    @pytest.mark.parametrize(
        ("file", "version", "newest"),
        [
            ("libc.so.6", "GLIBC_2.99", "GLIBC_2.34"),
            ("libm.so.6", "GLIBC_2.35", "GLIBC_2.34"),
            ("libstdc++.so.6", "GLIBCXX_3.4.30", "GLIBCXX_3.4.29"),
            ("libstdc++.so.6", "CXXABI_1.3.14", "CXXABI_1.3.13"),
            ("libgcc_s.so.1", "GCC_14.0.0", "GCC_7.0.0" if ARCH == "x86_64" else "GCC_11.0"),
            ("libssl.so.3", "OPENSSL_3.9.0", "OPENSSL_3.5.0"),
            ("libz.so.1", "ZLIB_1.3.1", "ZLIB_1.2.9"),
        ],
    )
    def test_newer_than_the_images(
        self, file: str, version: str, newest: str, tree: Path, tmp_path: Path, compile_: Compile
    ) -> None:
        newer = library(compile_, tmp_path / "newer" / file, version=version)
        older = library(compile_, tmp_path / "older" / file, version=newest)
        # Without libc's own start the stub stands for all of the library.
        bare = ["-nostdlib", "-nostartfiles"]
        text = f"int {function(newer)}(void); int _start(void) {{ return {function(newer)}(); }}"
        program(compile_, tree / "bin" / "p", newer, options=bare, text=text)
        message = refused(tree)
        assert f"bin/p: needs {version} of {file}, and provided.al2023 has {newest}" in message
        taken(tree, "--provided", version)
        program(compile_, tree / "bin" / "p", older, options=bare, text=text)
        taken(tree)

    def test_a_library_that_nobody_here_needs(
        self, tree: Path, tmp_path: Path, compile_: Compile
    ) -> None:
        """Such as a module of Python or Node.js, which has no x bit either."""
        newer = library(compile_, tmp_path / "libc.so.6", version="GLIBC_2.99")
        module = tree / "python" / "module.so"
        program(compile_, module, newer, options=["-shared", "-fPIC", "-nostdlib"],
                text=f"int {function(newer)}(void); int f(void) {{ return {function(newer)}(); }}",
                )  # fmt: skip
        module.chmod(0o644)
        assert "python/module.so: needs GLIBC_2.99 of libc.so.6" in refused(tree)

    def test_without_section_headers(self, tree: Path, tmp_path: Path, compile_: Compile) -> None:
        """The loader does not need them, so they may be stripped."""
        newer = library(compile_, tmp_path / "libm.so.6", version="GLIBC_2.99")
        file = program(compile_, tree / "bin" / "p", newer)
        content = bytearray(file.read_bytes())
        content[0x28:0x30] = bytes(8)  # e_shoff
        content[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
        file.write_bytes(content)
        assert "GLIBC_2.99" in refused(tree)

    def test_weak_ones_are_none(self, tree: Path, tmp_path: Path, compile_: Compile) -> None:
        """Marked as some linkers do; the loader itself goes on without them, too."""
        newer = library(compile_, tmp_path / "newer" / "libm.so.6", version="GLIBC_2.99")
        older = library(compile_, tmp_path / "older" / "libm.so.6", version="GLIBC_2.34")
        name = function(newer)
        text = f"""int __attribute__((weak)) {name}(void);
                   int main(void) {{ return {name} ? {name}() : 0; }}"""
        file = program(compile_, tree / "bin" / "p", newer, text=text)
        environment = {**os.environ, "LD_LIBRARY_PATH": str(older.parent)}
        assert subprocess.run([file], env=environment, capture_output=True).returncode == 1
        assert "GLIBC_2.99" in refused(tree)
        content = file.read_bytes()
        needed = struct.pack("<IH", hash_of("GLIBC_2.99"), 0)
        assert content.count(needed) == 1
        weak = struct.pack("<IH", hash_of("GLIBC_2.99"), 2)
        file.write_bytes(content.replace(needed, weak))
        assert subprocess.run([file], env=environment, capture_output=True).returncode == 0
        taken(tree)

    def test_of_the_layers_own_library(self, tree: Path, compile_: Compile) -> None:
        """libstdc++ brought along: the image's comes first, unless DT_RPATH says otherwise."""
        own = library(compile_, tree / "lib" / "libstdc++.so.6", version="GLIBCXX_3.4.40")
        file = tree / "bin" / "p"
        for options in ([], ["-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib"]):
            program(compile_, file, own, options=options)
            message = refused(tree)
            assert "bin/p: needs GLIBCXX_3.4.40" in message
            assert "the layer's lib/libstdc++.so.6 has" in message
            assert "-Wl,--disable-new-dtags,-rpath,'$ORIGIN/../lib'" in message
        program(compile_, file, own, options=["-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib"])
        taken(tree)
        library(compile_, own, version="GLIBCXX_3.4.39")
        message = refused(tree)
        assert "GLIBCXX_3.4.40" in message
        assert "the layer's lib/libstdc++.so.6 does not have it" in message


class TestPlaces:
    def test_a_library_where_nobody_looks(self, tree: Path, compile_: Compile) -> None:
        own = library(compile_, tree / "lib64" / "libfoo.so.1")
        program(compile_, tree / "bin" / "m", own)
        assert refused(tree, "--arch", ARCH) == (
            "bin/m: needs libfoo.so.1, which the layer has at lib64/libfoo.so.1, where the loader "
            "does not look: move it to lib/, or link bin/m with -Wl,-rpath,'$ORIGIN/../lib64'\n"
        )
        taken(tree, "--provided", "libfoo.so.1")
        own.rename(tree / "lib" / own.name)
        taken(tree)

    def test_a_library_for_another_machine(self, tree: Path, compile_: Compile) -> None:
        own = library(compile_, tree / "lib" / "libfoo.so.1")
        program(compile_, tree / "bin" / "m", own)
        content = bytearray(own.read_bytes())
        content[18] = 243  # RISC-V
        own.write_bytes(content)
        message = refused(tree)
        assert f"needs libfoo.so.1, which the layer has at lib/libfoo.so.1, but not for {ARCH}" in (
            message
        )

    def test_a_path_from_the_current_folder(
        self, tree: Path, tmp_path: Path, compile_: Compile
    ) -> None:
        """What is linked by a path with a library that has no soname keeps the path."""
        shared = ["-shared", "-fPIC", "-nostdlib"]
        compile_("int f_libfooso(void) { return 0; }", tmp_path / "lib" / "libfoo.so", *shared)
        compile_("int f_libfooso(void) { return 0; }", tree / "lib" / "libfoo.so", *shared)
        program(compile_, tree / "bin" / "m", Path("lib/libfoo.so"))
        message = refused(tree)
        assert "bin/m: needs lib/libfoo.so" in message and "soname" in message

    def test_the_root_is_a_place_in_functions_alone(self, tree: Path, compile_: Compile) -> None:
        own = library(compile_, tree / "libfoo.so.1")
        program(compile_, tree / "bin" / "m", own)
        for command in (["pack", "--output", tree.with_name("o.zip"), tree],
                        ["verify", zipped(tree)]):  # fmt: skip
            result = run(*command)
            assert result.returncode == 0
            assert "warning: libfoo.so.1: lies at the zip's root" in result.stderr
        (tree / "bin" / "m").rename(tree / "bootstrap")
        taken(tree)

    # What is needed by the program, and how; what is needed by that library, and how.
    old, new = "-Wl,--disable-new-dtags,-rpath,", "-Wl,--enable-new-dtags,-rpath,"

    @pytest.mark.parametrize(
        ("place", "needs", "options", "library_options"),
        [
            ("lib", "outer", "", ""),
            ("far", "outer", "", ""),
            ("far", "outer", old + "$ORIGIN/../far", ""),
            ("far", "outer", new + "$ORIGIN/../far", ""),
            ("far", "outer", new + "${ORIGIN}/../far", new + "$ORIGIN"),
            ("far", "outer", old + "$ORIGIN/../far", new + "$ORIGIN/nowhere"),
            ("far", "outer", new + "$ORIGIN/../far", old + "$ORIGIN"),
            ("far", "outer", "", old + "$ORIGIN"),
            # Loaded for the program already, when the library asks for it.
            ("far", "outer inner", new + "$ORIGIN/../far", ""),
            ("far", "inner outer", new + "$ORIGIN/../lib:/nowhere::$ORIGIN/../far/", ""),
            ("far/off/x", "outer", new + "$ORIGIN/../far/off/y/../x", new + "$ORIGIN/../../off/x"),
            ("far/off/x", "outer", new + "$ORIGIN/../far/off/x", new + "$ORIGIN/../../off/y"),
        ],
    )
    def test_the_loader_itself_agrees(
        self, place: str, needs: str, options: str, library_options: str, tree: Path,
        compile_: Compile
    ) -> None:  # fmt: skip
        inner = library(compile_, tree / place / "libinner.so.1")
        outer = library(compile_, tree / place / "libouter.so.1", "-Wl,--no-as-needed", inner,
                        *([library_options] if library_options else []))  # fmt: skip
        libraries = {"inner": inner, "outer": outer}
        (tree / "far" / "off" / "y").mkdir(parents=True, exist_ok=True)
        (tree / "far" / "off" / "y" / "file").touch()
        file = program(compile_, tree / "bin" / "p", *(libraries[name] for name in needs.split()),
                       options=[options] if options else [])  # fmt: skip
        environment = {**os.environ, "LD_LIBRARY_PATH": f"/lib64:/usr/lib64:{tree}:{tree}/lib"}
        loaded = subprocess.run([file], env=environment, capture_output=True).returncode
        assert loaded in (0, 127)
        if loaded == 0:
            taken(tree)
        else:
            message = refused(tree)
            missing = [name for name in ("libinner.so.1", "libouter.so.1")
                       if f"needs {name}" in message]  # fmt: skip
            assert missing and "where the loader does not look" in message

    def test_a_loader_of_ones_own(self, tree: Path, compile_: Compile) -> None:
        dynamic = f"-Wl,--dynamic-linker,/opt/lib/{Path(LOADER).name}"
        program(compile_, tree / "bin" / "p", options=[dynamic])
        assert f"bin/p: needs /opt/lib/{Path(LOADER).name}, which neither" in refused(tree)
        own = tree / "lib" / Path(LOADER).name
        own.write_bytes(Path(LOADER).read_bytes())
        own.chmod(0o644)
        assert "not executable: chmod 755" in refused(tree)
        own.chmod(0o755)
        content = bytearray(own.read_bytes())
        content[18] = 243  # RISC-V
        own.write_bytes(content)
        assert f"which is not an ELF file for {ARCH}" in refused(tree)

    def test_glibc_brought_along(self, tree: Path, compile_: Compile) -> None:
        """All of it: what the image has is then no measure, if the program finds the layer's."""
        linked = subprocess.check_output(["ldd", sys.executable], text=True)
        libc = next(line.split()[2] for line in linked.splitlines() if "libc.so.6 =>" in line)
        for path in (Path(LOADER), Path(libc)):
            shutil.copy(path, tree / "lib" / path.name)
            (tree / "lib" / path.name).chmod(0o755)
        dynamic = f"-Wl,--dynamic-linker,/opt/lib/{Path(LOADER).name}"
        rpath = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib"
        text = of_glibc_2_36()
        program(compile_, tree / "bin" / "p", options=[dynamic, rpath], text=text)
        taken(tree)
        program(compile_, tree / "bin" / "p", options=[dynamic], text=text)
        assert "the layer's lib/libc.so.6 has" in refused(tree)

    def test_musl(self, tree: Path, compile_: Compile) -> None:
        program(compile_, tree / "bin" / "p",
                options=["-Wl,--dynamic-linker,/lib/ld-musl-x86_64.so.1"])  # fmt: skip
        message = refused(tree)
        assert "needs /lib/ld-musl-x86_64.so.1" in message and "made for musl" in message


def script(path: Path, line: bytes, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(line + b"\nexit\n")
    path.chmod(mode)
    return path


class TestScripts:
    @pytest.mark.parametrize(
        ("line", "why"),
        [
            (b"#!/bin/bash\r", "carriage return"),
            (b"#!/usr/bin/env python3\r", "carriage return"),
            (b"\xef\xbb\xbf#!/bin/sh", "byte order mark"),
            (b"#!/usr/bin/perl", "/usr/bin/perl, which neither the layer nor provided.al2023 has"),
            (b"#!/home/me/venv/bin/python3", "/home/me/venv/bin/python3, which neither"),
            (b"#!/opt/bin/node", "/opt/bin/node, which neither"),
            (b"#!/usr/bin/env node", "node, which neither"),
            (b"#!/usr/bin/env -S node --x", "node, which neither"),
            (b"#!/usr/bin/env sh -e", "env -S"),
            (b"#!bash", "whole path"),
            (b"#!", "does not name an interpreter"),
            (b"#!/" + b"x" * 300, "255 bytes"),
        ],
    )
    def test_that_do_not_start(self, line: bytes, why: str, tree: Path) -> None:
        script(tree / "bin" / "x", line)
        message = refused(tree)
        assert message.startswith("bin/x: ") and why in message
        (tree / "bin" / "x").chmod(0o644)
        taken(tree)

    @pytest.mark.parametrize(
        "line",
        [
            b"#!/bin/sh",
            b"#! /usr/bin/bash -eu",
            b"#!/usr/bin/env bash",
            b"#!/usr/bin/env -S -i A=b sh -e",
            b"#!/usr/bin/awk -f",
            b"#!/opt/bin/own",
            b"#!/opt/bin/link -x",
            b"#!/usr/bin/env own",
            b"#!/var/task/bin/own",
            b"# !/usr/bin/perl",
            b"",
        ],
    )
    def test_that_do(self, line: bytes, tree: Path) -> None:
        script(tree / "bin" / "own", b"#!/bin/sh")
        (tree / "bin" / "link").symlink_to("own")
        script(tree / "bin" / "x", line)
        taken(tree)

    def test_whose_interpreter_does_not(self, tree: Path) -> None:
        script(tree / "bin" / "own", b"#!/bin/sh", 0o644)
        script(tree / "bin" / "x", b"#!/opt/bin/own")
        assert "bin/x: its #! line names bin/own, which is not executable" in refused(tree)
        script(tree / "bin" / "own", b"#!/opt/bin/x")
        assert "circles" in refused(tree)

    def test_whose_interpreter_is_elsewhere_in_the_layer(self, tree: Path) -> None:
        script(tree / "bin" / "python3", b"#!/bin/sh")
        script(tree / "bin" / "x", b"#!/usr/bin/python3")
        message = refused(tree)
        assert "the layer has it as /opt/bin/python3: write #!/usr/bin/env python3" in message

    def test_whose_interpreter_another_layer_has(self, tree: Path) -> None:
        script(tree / "bin" / "x", b"#!/usr/bin/env node")
        script(tree / "bin" / "y", b"#!/opt/bin/perl")
        taken(tree, "--provided", "node", "--provided", "/opt/bin/perl")

    def test_that_come_along_with_a_package(self, tree: Path) -> None:
        """They may never run: a warning, and in share/, where no programs are, not even that."""
        script(tree / "share" / "doc" / "example", b"#!/usr/bin/perl")
        taken(tree)
        script(tree / "lib" / "node_modules" / "gyp" / "gyp.py", b"#!/usr/bin/env python3")
        for command in (["pack", "--output", tree.with_name("o.zip"), tree],
                        ["verify", zipped(tree)]):  # fmt: skip
            result = run(*command)
            assert result.returncode == 0
            assert result.stderr.startswith(
                "layer-packer: warning: lib/node_modules/gyp/gyp.py: its #! line names python3, "
            )
            assert result.stderr.count("\n") == 1
        script(tree / "lib" / "node_modules" / "gyp" / "gyp.py", b"#!/usr/bin/env python3\r")
        assert "carriage return" in refused(tree)


class TestWhatLambdaStarts:
    @pytest.mark.parametrize("name", ["bootstrap", "extensions/agent"])
    def test_must_be_executable(self, name: str, tree: Path) -> None:
        file = script(tree / name, b"#!/bin/sh", 0o644)
        message = refused(tree)
        assert message.startswith(f"{name}: ")
        assert "permission denied" in message and "chmod 755" in message
        file.chmod(0o755)
        taken(tree)
        # By way of a link.
        file.rename(tree / "bin" / "agent")
        file.symlink_to("/opt/bin/agent")
        taken(tree)
        (tree / "bin" / "agent").chmod(0o644)
        assert f"{name}: Lambda starts it" in refused(tree)

    @pytest.mark.parametrize("content", [b"", b"echo hello\n", b"MZ\x90\0"])
    def test_must_be_a_program(self, content: bytes, tree: Path) -> None:
        (tree / "bootstrap").write_bytes(content)
        (tree / "bootstrap").chmod(0o755)
        assert "exec format error" in refused(tree)

    def test_what_is_read_must_be_readable(self, tree: Path, compile_: Compile) -> None:
        """Mode 0711 is for programs: a script's interpreter and the loader open what they read."""
        file = script(tree / "bootstrap", b"#!/bin/sh", 0o711)
        assert "bootstrap: has mode 0711, but must be readable" in refused(tree)
        own = library(compile_, tree / "lib" / "libfoo.so.1")
        program(compile_, file, own).chmod(0o711)
        taken(tree)
        own.chmod(0o711)
        assert "lib/libfoo.so.1: has mode 0711, but must be readable" in refused(tree)

    def test_only_where_lambda_looks(self, tree: Path) -> None:
        for name in ("share/bootstrap", "extensions/data/x", "share/extensions/y", "bootstrap.txt"):
            script(tree / name, b"text", 0o644)
        taken(tree)

    def test_a_zip_without_modes(self, tmp_path: Path) -> None:
        """As Windows makes it: Lambda finds a bootstrap that it may not run."""
        info = zipfile.ZipInfo("bootstrap")
        info.create_system = 0
        message = verify_fails(make(tmp_path / "o.zip", (info, b"#!/bin/sh\n")))
        assert "bootstrap: Lambda starts it, but it is not executable" in message

    def test_modes_for_the_owner_alone(self, tmp_path: Path) -> None:
        path = make(tmp_path / "o.zip", (entry("bootstrap", 0o100700), b"#!/bin/sh\n"),
                    (entry("data", 0o100600), b""), (entry("public", 0o100644), b""),
                    (entry("hidden", 0o100711), b""),
                    (entry("unknown", 0o100000), b""))  # fmt: skip
        result = run("verify", path)
        assert result.returncode == 0
        warned = [line.split(":")[2].strip() for line in result.stderr.splitlines()]
        assert warned == ["bootstrap", "data"]


class TestLinks:
    @pytest.mark.parametrize("target", ["loop", "./loop", "other", "/opt/loop", "loop/x"])
    def test_in_circles(self, target: str, tree: Path) -> None:
        (tree / "loop").symlink_to(target)
        (tree / "other").symlink_to("loop")
        message = refused(tree)
        assert message.startswith("loop: ") and "circles" in message

    def test_to_nothing_are_told(self, tree: Path) -> None:
        (tree / "bin" / "x").symlink_to("../lib/missing")
        for index in range(10):
            (tree / "lib" / f"{index}").symlink_to("/opt/lib/none")
        (tree / "fine").symlink_to("bin")
        for command in (["pack", "--json", "--output", tree.with_name("o.zip"), tree],
                        ["verify", zipped(tree)]):  # fmt: skip
            result = run(*command)
            assert result.returncode == 0
            lines = result.stderr.splitlines()
            assert lines[0] == (
                "layer-packer: warning: bin/x: the symlink leads to ../lib/missing, which is not "
                "there: another layer must bring it"
            )
            assert lines[-1] == "layer-packer: warning: and 3 more like these"
            assert len(lines) == 9
        assert run("list", tree.with_name("o.zip")).stderr == ""

    def test_to_where_the_layer_is(self, tree: Path) -> None:
        (tree / "bin" / "x").symlink_to("/opt/lib/file")
        (tree / "lib" / "file").touch()
        taken(tree)
        (tree / "bin" / "x").unlink()
        (tree / "bin" / "x").symlink_to("/opt/../etc/passwd")
        assert "leaves the root" in refused(tree)


class TestBackslashes:
    def test_are_not_taken(self, tmp_path: Path) -> None:
        for system in (0, 3):
            info = entry("bin\\tool")
            info.create_system = system
            message = verify_fails(make(tmp_path / "o.zip", (info, b"x")))
            assert "bin\\tool: the name has a backslash" in message
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "bin\\tool").touch()
        assert "backslash" in refuse("--output", tmp_path / "p.zip", tmp_path / "tree")
