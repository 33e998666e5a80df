# SPDX-License-Identifier: Apache-2.0
"""`layer-packer pack`: what it takes, what it refuses, and that its bytes do not vary."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.packer import PROGRAM, elf, modes, names, pack, refuse, run
from localcloud.waiting import LIMIT, wait_until

BIG = 9 * 1024 * 1024 + 12345


def text_of(seed: int, size: int) -> bytes:
    """Bytes that compress about as executables do."""
    source = random.Random(seed)
    words = [source.randbytes(source.randrange(2, 12)) for _ in range(600)]
    content = bytearray()
    while len(content) < size:
        content += source.choice(words)
    return bytes(content[:size])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "share" / "empty").mkdir(parents=True)
    (root / "bin" / "tool").write_bytes(text_of(1, 200_000))
    (root / "bin" / "tool").chmod(0o700)
    (root / "bin" / "alias").symlink_to("tool")
    (root / "share" / "big").write_bytes(text_of(2, BIG))
    (root / "share" / "note.txt").write_text("hello")
    (root / "share" / "nothing").touch()
    (root / "share" / "\u00fcber \n odd").write_text("odd")
    (root / "share" / "up").symlink_to("../bin/tool")
    return root


class TestContent:
    def test_packs_what_is_there(self, tree: Path, tmp_path: Path) -> None:
        output = tmp_path / "o.zip"
        said = pack(output, tree)
        assert names(output) == [
            "bin/alias",
            "bin/tool",
            "share/big",
            "share/empty/",
            "share/note.txt",
            "share/nothing",
            "share/up",
            "share/\u00fcber \n odd",
        ]
        assert said["unzipped_size"] == 200_000 + BIG + 5 + 3 + len("tool") + len("../bin/tool")
        with zipfile.ZipFile(output) as archive:
            assert archive.read("share/big") == text_of(2, BIG)
            assert archive.read("bin/alias") == b"tool"
            for info in archive.infolist():
                assert info.date_time == (1980, 1, 1, 0, 0, 0)
                assert info.extra == b""
                assert info.comment == b""

    def test_unzip_agrees(self, tree: Path, tmp_path: Path) -> None:
        # unzip writes another name for one with a line end.
        (tree / "share" / "\u00fcber \n odd").rename(tree / "share" / "\u00fcber")
        pack(tmp_path / "o.zip", tree)
        out = tmp_path / "out"
        subprocess.run(["unzip", "-q", tmp_path / "o.zip", "-d", out], check=True)
        assert subprocess.run(["diff", "-r", "--no-dereference", tree, out]).returncode == 0
        assert (out / "bin" / "tool").stat().st_mode & 0o777 == 0o755
        assert (out / "share" / "note.txt").stat().st_mode & 0o777 == 0o644

    def test_modes_come_from_the_owners_x_bit(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "folder").mkdir(parents=True)
        (tree / "folder").chmod(0o700)
        given = {"a": 0o700, "b": 0o677, "c": 0o4755, "d": 0o611, "e": 0o444, "f": 0o555,
                 "unreadable": 0o711}  # fmt: skip
        for name, mode in given.items():
            (tree / name).touch()
            (tree / name).chmod(mode)
        pack(tmp_path / "o.zip", tree)
        expected = {"a": 0o755, "b": 0o644, "c": 0o755, "d": 0o644, "e": 0o644, "f": 0o755,
                    "unreadable": 0o711}  # fmt: skip
        found = modes(tmp_path / "o.zip")
        assert found.pop("folder/") == 0o40755
        assert found == {name: 0o100000 | mode for name, mode in expected.items()}

    def test_folders_of_several_sources_are_merged(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / "one" / "lib" / "a").write_text("a")
        (tmp_path / "two" / "extra").mkdir()
        (tmp_path / "single").write_text("s")
        pack(tmp_path / "o.zip", "single", "one/", "./two", cwd=tmp_path)
        assert names(tmp_path / "o.zip") == ["extra/", "lib/a", "single"]

    def test_incompressible_content_hardly_grows(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "noise").write_bytes(random.Random(5).randbytes(BIG))
        said = pack(tmp_path / "o.zip", tree)
        assert said["size"] < BIG * 1.001 + 200

    def test_blocks_meet_at_every_size(self, tmp_path: Path) -> None:
        block = 4 * 1024 * 1024
        tree = tmp_path / "tree"
        tree.mkdir()
        for size in (0, 1, 63, 64, 65, block - 1, block, block + 1, 2 * block, 2 * block + 1):
            (tree / str(size)).write_bytes(text_of(size, size))
        pack(tmp_path / "o.zip", tree)
        with zipfile.ZipFile(tmp_path / "o.zip") as archive:
            for file in tree.iterdir():
                assert archive.read(file.name) == file.read_bytes()

    @pytest.mark.parametrize("level", range(1, 13))
    def test_every_level_can_be_read(self, level: int, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "big").write_bytes(text_of(3, 5_000_000))
        pack(tmp_path / "o.zip", "--level", str(level), tree)
        with zipfile.ZipFile(tmp_path / "o.zip") as archive:
            assert archive.read("big") == text_of(3, 5_000_000)

    def test_more_entries_than_a_plain_zip_counts(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        for index in range(66_000):
            (tree / f"{index:05}").touch()
        assert pack(tmp_path / "o.zip", tree)["entries"] == 66_000
        assert run("verify", tmp_path / "o.zip").returncode == 0

    def test_a_file_over_four_gigabytes(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        size = (1 << 32) + 5
        with (tree / "huge").open("wb") as file:
            file.truncate(size)
        arguments = ["--max-unzipped-size", str(1 << 33), "--level", "1"]
        result = run("pack", *arguments, "--output", tmp_path / "o.zip", tree)
        assert result.returncode == 0, result.stderr
        with zipfile.ZipFile(tmp_path / "o.zip") as archive:
            assert archive.getinfo("huge").file_size == size
        assert subprocess.run(["unzip", "-tqq", tmp_path / "o.zip"]).returncode == 0

    def test_leaves_out_the_zip_that_it_writes(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("a")
        first = pack(tmp_path / "o.zip", tmp_path)
        assert pack(tmp_path / "o.zip", tmp_path) == first
        assert names(tmp_path / "o.zip") == ["a"]


class TestSameBytes:
    def test_whatever_is_around_it(self, tree: Path, tmp_path: Path) -> None:
        expected = pack(tmp_path / "o.zip", tree)["sha256"]
        copy = tmp_path / "other" / "place"
        names_ = sorted(os.walk(tree), reverse=True)
        for folder, _, files in names_:
            (copy / Path(folder).relative_to(tree)).mkdir(parents=True, exist_ok=True)
            for name in sorted(files, reverse=True):
                source = Path(folder) / name
                target = copy / source.relative_to(tree)
                shutil.copy(source, target, follow_symlinks=False)
                if not target.is_symlink():
                    os.utime(target, (1_000_000_000, 1_000_000_001))
                    target.chmod(0o740 if os.access(source, os.X_OK) and "tool" in name else 0o640)
                    os.chown(target, 12345, 54321) if os.geteuid() == 0 else None
        environment = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "LANG": "tr_TR.UTF-8"}
        found = pack(tmp_path / "p.zip", "--jobs", "7", copy, env=environment, umask=0o077)
        assert found["sha256"] == expected

    @pytest.mark.parametrize("jobs", ["1", "2", "3", "16"])
    def test_whatever_the_number_of_threads(self, jobs: str, tree: Path, tmp_path: Path) -> None:
        expected = pack(tmp_path / "o.zip", tree)["sha256"]
        assert pack(tmp_path / "p.zip", "--jobs", jobs, tree)["sha256"] == expected

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_of_any_tree(self, data: st.DataObject) -> None:
        """Packed twice, from two copies made in another order, by other numbers of threads."""
        letters = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/\\")
        ascii_ = st.characters(max_codepoint=127, exclude_characters="/\\\0")
        component = st.one_of(
            st.text(letters, min_size=1, max_size=20), st.text(ascii_, min_size=1, max_size=20)
        ).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 255)
        files = data.draw(
            st.dictionaries(
                st.lists(component, min_size=1, max_size=3).map(tuple),
                st.tuples(st.binary(max_size=300), st.booleans(), st.integers(1, 300)),
                max_size=8,
            )
        )
        files = {
            path: what
            for path, what in files.items()
            if not any(path[:depth] in files for depth in range(1, len(path)))
            and ("/".join(path).isascii() or "/".join(path).isprintable())
        }
        with tempfile.TemporaryDirectory() as folder:
            made = []
            for turn in (1, -1):
                root = Path(folder) / f"tree{turn}"
                root.mkdir()
                for path, (content, executable, times) in list(files.items())[::turn]:
                    file = root.joinpath(*path)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    if file.exists():
                        continue  # a file system that folds names
                    file.write_bytes(content * times)
                    file.chmod(0o700 if executable else 0o600)
                output = Path(folder) / f"o{turn}.zip"
                arguments = ["pack", "--jobs", str(2 + turn), "--output", output, root]
                made.append(run(*arguments))
            if not files:
                assert "nothing to pack" in made[0].stderr
                return
            assert [result.returncode for result in made] == [0, 0], made[0].stderr
            first, second = (Path(folder) / f"o{turn}.zip" for turn in (1, -1))
            assert first.read_bytes() == second.read_bytes()
            with zipfile.ZipFile(first) as archive:
                found = {info.filename: archive.read(info) for info in archive.infolist()}
            assert found == {
                "/".join(path): content * times for path, (content, _, times) in files.items()
            }
            assert list(found) == sorted(found, key=str.encode)
            assert run("verify", first).returncode == 0


class TestRefuses:
    @pytest.mark.parametrize(
        ("place", "target", "why"),
        [
            ("link", "/etc/passwd", "absolute"),
            ("link", "../outside", "leaves the root"),
            ("a/b/link", "../../../outside", "leaves the root"),
            ("link", "../tree/a/file", "leaves the root"),
            ("a/link", "../../tree/a/file", "leaves the root"),
            ("a/link", "b/../../../tree/a/file", "leaves the root"),
            ("link", "away/../../x", "leaves the root"),
        ],
    )
    def test_links_out_of_the_root(self, place: str, target: str, why: str, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "a" / "b").mkdir(parents=True)
        (tree / "a" / "file").touch()
        (tree / "away").symlink_to("a/b/..")
        (tree / place).symlink_to(target)
        message = refuse("--output", tmp_path / "o.zip", tree)
        assert place in message
        assert why in message

    def test_links_that_leave_by_way_of_another_link(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "a" / "b" / "c").mkdir(parents=True)
        (tree / "top").mkdir()
        # By its letters a/b/c/../../.. stays below; but deep/.. is the root.
        (tree / "a" / "b" / "c" / "back").symlink_to("../../../top")
        (tree / "a" / "b" / "c" / "out").symlink_to("back/../../x")
        message = refuse("--output", tmp_path / "o.zip", tree)
        assert "a/b/c/out" in message and "leaves the root" in message

    @pytest.mark.parametrize(
        "target", ["../file", "b/../../file", "./b/./../b", "../a/b/../../file", "/opt/a/b"]
    )
    def test_but_not_links_that_stay_inside(self, target: str, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "a" / "b").mkdir(parents=True)
        (tree / "file").touch()
        (tree / "a" / "link").symlink_to(target)
        pack(tmp_path / "o.zip", tree)

    def test_a_file_named_twice(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name / "lib").mkdir(parents=True)
            (tmp_path / name / "lib" / "same").write_text("same")
        message = refuse("--output", tmp_path / "o.zip", tmp_path / "one", tmp_path / "two")
        assert "lib/same" in message and "twice" in message
        assert str(tmp_path / "one") in message and str(tmp_path / "two") in message

    def test_a_file_where_another_source_has_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "one" / "x").mkdir(parents=True)
        (tmp_path / "one" / "x" / "y").touch()
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "x").touch()
        assert "x: " in refuse("--output", tmp_path / "o.zip", tmp_path / "one", tmp_path / "two")
        (tmp_path / "two" / "x").unlink()
        (tmp_path / "two" / "x").symlink_to("z")
        assert "x: " in refuse("--output", tmp_path / "o.zip", tmp_path / "one", tmp_path / "two")

    @pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
    def test_what_is_no_file(self, kind: str, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        odd = tree / "odd"
        if kind == "fifo":
            os.mkfifo(odd)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(odd))
        else:
            try:
                os.mknod(odd, 0o20600, os.makedev(1, 3))
            except PermissionError:
                pytest.skip("only root makes device files")
        message = refuse("--output", tmp_path / "o.zip", tree)
        assert str(odd) in message and kind in message.lower()

    def test_too_much(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        with (tree / "large").open("wb") as file:
            file.truncate(262_144_001)
        (tree / "small").touch()
        message = refuse("--output", tmp_path / "o.zip", tree)
        assert "large" in message and "262144001" in message and "262144000" in message
        pack(tmp_path / "o.zip", "--max-unzipped-size", "262144001", tree)
        os.truncate(tree / "large", 262_144_000)
        pack(tmp_path / "o.zip", tree)
        refuse("--output", tmp_path / "o.zip", "--max-unzipped-size", "0", tree)

    def test_elf_files_for_another_machine(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "arm.so").write_bytes(elf(183))
        message = refuse("--output", tmp_path / "o.zip", "--arch", "x86_64", tree)
        assert "arm.so" in message and "arm64" in message and "x86_64" in message
        pack(tmp_path / "o.zip", "--arch", "arm64", tree)
        (tree / "arm.so").write_bytes(elf(243))
        for arch in ("arm64", "x86_64"):
            assert "RISC-V" in refuse("--output", tmp_path / "o.zip", "--arch", arch, tree)
        wide = bytearray(elf(62))
        wide[4] = 1
        (tree / "arm.so").write_bytes(wide)
        refuse("--output", tmp_path / "o.zip", "--arch", "x86_64", tree)
        (tree / "arm.so").write_bytes(b"\x7fELF")
        pack(tmp_path / "o.zip", "--arch", "x86_64", tree)

    def test_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "tree").mkdir()
        assert "nothing" in refuse("--output", tmp_path / "o.zip", tmp_path / "tree")

    def test_names_that_are_not_utf8(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9")).touch()
        assert "UTF-8" in refuse("--output", tmp_path / "o.zip", tree)


class TestLibraries:
    @pytest.fixture
    def program(self, tmp_path: Path) -> Path:
        """tree/bin/program needs libouter.so.1, which needs libinner.so.1."""
        tree = tmp_path / "tree"
        (tree / "bin").mkdir(parents=True)
        (tree / "lib").mkdir()

        def compile_(text: str, output: Path, *options: str) -> None:
            (tmp_path / "x.c").write_text(text)
            command = ["gcc", "-o", output, tmp_path / "x.c", *options]
            subprocess.run(command, check=True, cwd=tree / "lib")

        shared = ["-shared", "-fPIC"]
        compile_(
            "int inner(void) { return 1; }",
            tree / "lib" / "libinner.so.1",
            *shared,
            "-Wl,-soname,libinner.so.1",
        )
        compile_(
            "int inner(void); int outer(void) { return inner(); }",
            tree / "lib" / "libouter.so.1",
            *shared,
            "-Wl,-soname,libouter.so.1",
            "-l:libinner.so.1",
            "-L.",
        )
        compile_(
            "int outer(void); int main(void) { return outer(); }",
            tree / "bin" / "program",
            "-l:libouter.so.1",
            "-L.",
            "-Wl,--allow-shlib-undefined",
        )
        return tree

    def test_the_layers_own_are_found(self, program: Path, tmp_path: Path) -> None:
        pack(tmp_path / "o.zip", program)
        # Also by way of a link, and in another folder.
        lib = program / "lib"
        (lib / "libouter.so.1").rename(program / "libouter-1.2.so")
        (lib / "libouter.so.1").symlink_to("../libouter-1.2.so")
        pack(tmp_path / "o.zip", program)

    def test_missing_ones_are_named(self, program: Path, tmp_path: Path) -> None:
        (program / "lib" / "libouter.so.1").unlink()
        message = refuse("--output", tmp_path / "o.zip", program)
        assert (
            "bin/program: needs libouter.so.1, which neither the layer nor provided.al2023 has"
            in message
        )

    def test_and_those_that_a_library_needs(self, program: Path, tmp_path: Path) -> None:
        (program / "lib" / "libinner.so.1").rename(program / "elsewhere")
        message = refuse("--output", tmp_path / "o.zip", program)
        assert "bin/program" in message and "libinner.so.1" in message
        assert "lib/libouter.so.1" in message

    def test_a_link_to_nothing_is_no_library(self, program: Path, tmp_path: Path) -> None:
        (program / "lib" / "libouter.so.1").unlink()
        (program / "lib" / "libouter.so.1").symlink_to("gone")
        assert "libouter.so.1" in refuse("--output", tmp_path / "o.zip", program)

    def test_what_is_not_executed_needs_nothing(self, program: Path, tmp_path: Path) -> None:
        (program / "lib" / "libouter.so.1").unlink()
        (program / "bin" / "program").chmod(0o644)
        pack(tmp_path / "o.zip", program)

    def test_a_strange_interpreter(self, program: Path, tmp_path: Path) -> None:
        tool = program / "bin" / "program"
        content = tool.read_bytes()
        loader = b"/lib64/ld-linux-x86-64.so.2"
        if loader not in content:
            pytest.skip("made for x86_64")
        tool.write_bytes(content.replace(loader, b"/lib/ld-musl-x86_64.so.1\0\0\0"))
        message = refuse("--output", tmp_path / "o.zip", program)
        assert "/lib/ld-musl-x86_64.so.1" in message


class TestFaults:
    @pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
    def test_an_unreadable_file(self, tmp_path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o777)
            tree = Path(folder) / "tree"
            tree.mkdir()
            (tree / "secret").write_text("s" * 100)
            (tree / "secret").chmod(0)
            program = Path(folder) / "layer-packer"
            shutil.copy(PROGRAM, program)
            program.chmod(0o755)
            result = subprocess.run(
                [program, "pack", "--output", Path(folder) / "o.zip", tree],
                user=65534,
                group=65534,
                extra_groups=[],
                capture_output=True,
                text=True,
            )
            assert result.returncode == 1
            assert str(tree / "secret") in result.stderr
            assert "Permission denied" in result.stderr
            assert not (Path(folder) / "o.zip").exists()

    def test_no_room_for_the_zip(self, tree: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        out.mkdir()
        (out / "o.zip").write_text("before")
        command = f'ulimit -f 64; exec {PROGRAM} pack --output {out}/o.zip "$0"'
        result = subprocess.run(["bash", "-c", command, str(tree)], capture_output=True, text=True)
        assert result.returncode == 1, result
        assert "o.zip" in result.stderr and "too large" in result.stderr
        assert [file.name for file in out.iterdir()] == ["o.zip"]
        assert (out / "o.zip").read_text() == "before"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_an_answer_that_cannot_be_written(self, tree: Path, tmp_path: Path) -> None:
        with Path("/dev/full").open("w") as full:
            result = subprocess.run(
                [PROGRAM, "pack", "--json", "--output", tmp_path / "o.zip", tree],
                stdout=full,
                stderr=subprocess.PIPE,
            )
        assert result.returncode == 1

    def test_killed_at_any_time_leaves_all_or_nothing(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "big").write_bytes(text_of(7, 30_000_000))
        out = tmp_path / "out"
        out.mkdir()
        whole = pack(out / "o.zip", "--level", "12", tree)["sha256"]
        (out / "o.zip").unlink()
        for step in range(6):
            process = subprocess.Popen(
                [PROGRAM, "pack", "--level", "12", "--output", out / "o.zip", tree],
                stdout=subprocess.DEVNULL,
            )
            threading.Event().wait(0.05 + 0.2 * step)
            process.send_signal(signal.SIGKILL if step % 2 else signal.SIGTERM)
            process.wait()
            for file in out.iterdir():
                assert file.name == "o.zip"
                assert hashlib.sha256(file.read_bytes()).hexdigest() == whole

    @pytest.mark.parametrize("change", ["shrinks", "grows", "rewritten", "gone"])
    def test_a_file_that_changes_meanwhile(self, change: str, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        # Sorted first, it keeps the only thread busy while the other one changes.
        (tree / "a").write_bytes(text_of(8, 40_000_000))
        victim = tree / "b"
        victim.write_bytes(text_of(9, 8_000_000))
        process = subprocess.Popen(
            [PROGRAM, "pack", "--jobs", "1", "--level", "12", "--output", tmp_path / "o.zip", tree],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        folder = Path(f"/proc/{process.pid}")

        def packs_the_first() -> bool:
            try:
                threads = list((folder / "task").iterdir())
                opened = [file.readlink() for file in (folder / "fd").iterdir()]
            except OSError:
                return False
            return len(threads) > 1 and victim not in opened

        wait_until(packs_the_first, "the thread that packs the first file", every=0.001)
        if change == "shrinks":
            os.truncate(victim, 100)
        elif change == "grows":
            with victim.open("ab") as file:
                file.write(b"more")
        elif change == "rewritten":
            victim.write_bytes(text_of(10, 8_000_000))
        else:
            victim.unlink()
        _, message = process.communicate(timeout=LIMIT)
        assert process.returncode == 1
        assert str(victim) in message
        assert not (tmp_path / "o.zip").exists()

    def test_a_missing_folder_for_the_zip(self, tree: Path, tmp_path: Path) -> None:
        message = refuse("--output", tmp_path / "gone" / "o.zip", tree)
        assert "gone" in message

    def test_a_missing_source(self, tmp_path: Path) -> None:
        assert "gone" in refuse("--output", tmp_path / "o.zip", tmp_path / "gone")

    def test_memory_stays_bounded(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "noise").write_bytes(random.Random(1).randbytes(200_000_000))
        command = [
            str(PROGRAM),
            "pack",
            "--level",
            "1",
            "--output",
            str(tmp_path / "o.zip"),
            str(tree),
        ]
        # By way of a small process: a child begins with the peak of its parent.
        measure = (
            "import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        result = subprocess.run(
            [sys.executable, "-c", measure, *command], capture_output=True, text=True, check=True
        )
        assert int(result.stdout) < 60_000 + 45_000 * len(os.sched_getaffinity(0))


class TestCommandLine:
    def test_helps(self) -> None:
        overview = run("--help")
        assert overview.returncode == 0
        for command in ("pack", "verify", "list", "sign", "fetch"):
            assert command in overview.stdout
            result = run(command, "--help")
            assert result.returncode == 0
            assert result.stdout.startswith(f"usage: layer-packer {command} ")
            assert result.stderr == ""
        assert run("--version").stdout.startswith("layer-packer ")
        assert run("pack", "--version").stdout == run("--version").stdout

    @pytest.mark.parametrize(
        ("arguments", "hint"),
        [
            ([], "usage"),
            (["pakc"], "did you mean pack?"),
            (["verfiy", "x"], "did you mean verify?"),
            (["frobnicate"], "--help"),
            (["--frob"], "--frob"),
            (["pack", "x"], "--output"),
            (["pack", "--output"], "needs a value"),
            (["pack", "--output", "o.zip"], "SOURCE"),
            (["pack", "--output", "o.zip", "--recipe", "r", "x"], "not both"),
            (["pack", "--outptu", "o.zip", "x"], "did you mean --output?"),
            (["pack", "--output", "o.zip", "--level", "0", "x"], "1 to 12"),
            (["pack", "--output", "o.zip", "--level", "13", "x"], "1 to 12"),
            (["pack", "--output", "o.zip", "--level", "7x", "x"], "1 to 12"),
            (["pack", "--output", "o.zip", "--jobs", "0", "x"], "--jobs"),
            (["pack", "--output", "o.zip", "--arch", "aarch64", "x"], "did you mean arm64?"),
            (["pack", "--output", "o.zip", "--arch", "mips", "x"], "x86_64 or arm64"),
            (["pack", "--output", "o.zip", "--max-unzipped-size", "-1", "x"], "whole number"),
            (["verify"], "ZIP"),
            (["list"], "ZIP"),
            (["sign", "x"], "--key"),
            (["sign", "--key", "k"], "ZIP"),
            (["fetch"], "--recipe"),
            (["--json"], "layer-packer: unknown option --json (see layer-packer --help)"),
        ],
    )
    def test_misuse_is_2(self, arguments: list[str], hint: str, tmp_path: Path) -> None:
        result = run(*arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert result.stdout == ""
        assert hint in result.stderr

    def test_the_last_of_an_option_holds(self, tree: Path, tmp_path: Path) -> None:
        first, second = tmp_path / "1.zip", tmp_path / "2.zip"
        arguments = ["--output", first, "--level", "1", "--output", second, "--level", "7", tree]
        assert run("pack", *arguments).returncode == 0
        assert not first.exists()
        pack(first, tree)
        assert first.read_bytes() == second.read_bytes()

    def test_speaks_to_people_without_json(self, tree: Path, tmp_path: Path) -> None:
        result = run("pack", "--output", tmp_path / "o.zip", tree)
        digest = hashlib.sha256((tmp_path / "o.zip").read_bytes()).hexdigest()
        assert result.returncode == 0
        assert digest in result.stdout and "8 entries" in result.stdout
        assert str(tmp_path / "o.zip") in result.stdout
