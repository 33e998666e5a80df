# SPDX-License-Identifier: Apache-2.0
"""`layer-packer verify`, `list` and `sign`, on good zips and on those of an enemy."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.packer import pack, run


def entry(name: str, mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def make(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return path


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "empty").mkdir()
    (tree / "bin" / "tool").write_bytes(random.Random(1).randbytes(3000) * 5)
    (tree / "bin" / "tool").chmod(0o755)
    (tree / "link").symlink_to("bin/tool")
    pack(tmp_path / "o.zip", tree)
    return tmp_path / "o.zip"


def verify_fails(path: Path, *arguments: str | Path) -> str:
    result = run("verify", *arguments, path)
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert result.stdout == ""
    assert result.stderr.startswith("layer-packer: ")
    return result.stderr


class TestVerify:
    def test_takes_what_we_pack(self, packed: Path) -> None:
        result = run("verify", packed)
        assert result.returncode == 0
        assert "good, 3 entries" in result.stdout

    def test_describes_it_as_pack_did(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("a" * 1000)
        said = pack(tmp_path / "o.zip", tmp_path / "a")
        assert json.loads(run("verify", "--json", tmp_path / "o.zip").stdout) == said
        assert json.loads(run("list", "--json", tmp_path / "o.zip").stdout) == said

    def test_takes_those_of_others(self, tmp_path: Path) -> None:
        path = make(
            tmp_path / "o.zip",
            (entry("folder/", 0o40755), b""),
            (entry("folder/file"), b"x" * 10000),
            (entry("folder/link", 0o120777, zipfile.ZIP_STORED), b"file"),
            ("plain", b"stored"),
        )
        assert run("verify", path).returncode == 0
        (tmp_path / "a").write_text("a")
        subprocess.run(["zip", "-q", "p.zip", "a"], cwd=tmp_path, check=True)
        assert run("verify", tmp_path / "p.zip").returncode == 0

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("/etc/passwd", "absolute"),
            ("../x", "out of the root"),
            ("a/../../x", "out of the root"),
            ("a/./b", '"."'),
            ("a//b", "empty component"),
            ("x" * 300, "255"),
        ],
    )
    def test_bad_names(self, name: str, why: str, tmp_path: Path) -> None:
        assert why in verify_fails(make(tmp_path / "o.zip", (entry(name), b"x")))

    @pytest.mark.parametrize(
        ("place", "target"),
        [("link", "/etc"), ("link", "../x"), ("a/link", "../../x"), ("a/link", "../b/../../x")],
    )
    def test_links_out_of_the_root(self, place: str, target: str, tmp_path: Path) -> None:
        link = (entry(place, 0o120777), target.encode())
        message = verify_fails(make(tmp_path / "o.zip", link, (entry("b/c"), b"")))
        assert place in message and "symlink" in message

    def test_a_file_below_a_link(self, tmp_path: Path) -> None:
        """The old trick: a link first, then a file that would be written through it."""
        link = (entry("link", 0o120777), b"folder")
        assert "link" in verify_fails(make(tmp_path / "o.zip", link, (entry("link/x"), b"x")))

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_a_name_twice(self, tmp_path: Path) -> None:
        path = make(tmp_path / "o.zip", (entry("same"), b"1"), (entry("same"), b"2"))
        verify_fails(path)

    @pytest.mark.parametrize("mode", [0o20644, 0o60644, 0o10644, 0o140644])
    def test_devices(self, mode: int, tmp_path: Path) -> None:
        assert "device" in verify_fails(make(tmp_path / "o.zip", (entry("odd", mode), b"")))

    def test_a_nul_in_a_name(self, tmp_path: Path) -> None:
        path = make(tmp_path / "o.zip", (entry("goodXevil"), b"x"))
        path.write_bytes(path.read_bytes().replace(b"goodXevil", b"good\0evil"))
        assert "NUL" in verify_fails(path)

    def test_other_compressors(self, tmp_path: Path) -> None:
        path = make(tmp_path / "o.zip", (entry("x", method=zipfile.ZIP_LZMA), b"x" * 1000))
        assert "deflate" in verify_fails(path)

    def test_content_that_is_not_what_was_packed(self, packed: Path) -> None:
        content = bytearray(packed.read_bytes())
        content[200] ^= 0xFF
        packed.write_bytes(content)
        assert "bin/tool" in verify_fails(packed)

    def test_a_size_that_is_a_lie(self, tmp_path: Path) -> None:
        path = make(tmp_path / "o.zip", (entry("x"), b"x" * 100_000))
        content = path.read_bytes()
        assert content.count(struct.pack("<I", 100_000)) == 2
        path.write_bytes(content.replace(struct.pack("<I", 100_000), struct.pack("<I", 50_000)))
        verify_fails(path)

    def test_entries_that_share_their_bytes(self, tmp_path: Path) -> None:
        """Many entries of the directory, one content: how a small zip unpacks to petabytes."""
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr(entry("00"), b"\0" * 10_000_000)
        content = whole.getvalue()
        start = content.index(b"PK\x01\x02")
        end = content.index(b"PK\x05\x06")
        record = content[start:end]
        directory = b"".join(
            record.replace(b"00", b"%02d" % index) if record.endswith(b"00") else record
            for index in range(50)
        )
        footer = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 50, 50, len(directory), start, 0)
        path = tmp_path / "o.zip"
        path.write_bytes(content[:start] + directory + footer)
        verify_fails(path)

    def test_a_limit_for_bombs(self, tmp_path: Path) -> None:
        path = make(tmp_path / "o.zip", (entry("zeros"), b"\0" * 1_000_000))
        assert "zeros" in verify_fails(path, "--max-unzipped-size", "999999")
        assert run("verify", "--max-unzipped-size", "1000000", path).returncode == 0

    @pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all" * 100, b"PK\x05\x06" * 30])
    def test_what_is_no_zip(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "o.zip").write_bytes(content)
        verify_fails(tmp_path / "o.zip")

    def test_every_cut(self, packed: Path, tmp_path: Path) -> None:
        content = packed.read_bytes()
        for length in (1, 21, 22, 100, len(content) // 2, len(content) - 23, len(content) - 1):
            cut = tmp_path / "cut.zip"
            cut.write_bytes(content[:length])
            verify_fails(cut)

    def test_no_file_and_a_folder(self, tmp_path: Path) -> None:
        assert "gone" in verify_fails(tmp_path / "gone")
        verify_fails(tmp_path)

    @settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(data=st.data())
    def test_any_damage_ends_well(self, data: st.DataObject, packed: Path) -> None:
        content = bytearray(packed.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            # Most of the file is content; its structure is at both ends.
            place = data.draw(st.one_of(st.integers(0, 60), st.integers(1, 300).map(lambda n: -n)))
            content[place] = data.draw(st.integers(0, 255))
        damaged = packed.with_name("damaged.zip")
        damaged.write_bytes(content)
        for command in ("verify", "list"):
            assert run(command, damaged).returncode in (0, 1)


class TestList:
    def test_shows_entries_and_the_budget(self, packed: Path) -> None:
        result = run("list", packed)
        assert result.returncode == 0
        size = packed.stat().st_size
        assert "0755" in result.stdout and "bin/tool" in result.stdout
        assert "empty/" in result.stdout and "link" in result.stdout
        assert f"({size} bytes)" in result.stdout
        assert "15008 bytes" in result.stdout
        assert "250 MB" in result.stdout

    def test_adds_up_several(self, packed: Path) -> None:
        result = run("list", "--summary", packed, packed)
        assert "bin/tool" not in result.stdout
        assert "together" in result.stdout and "30016 bytes" in result.stdout
        lines = run("list", "--json", packed, packed).stdout.splitlines()
        assert len(lines) == 2 and json.loads(lines[0]) == json.loads(lines[1])

    def test_says_what_is_too_large(self, tmp_path: Path) -> None:
        (tmp_path / "noise").write_bytes(random.Random(1).randbytes(53_000_000))
        pack(tmp_path / "o.zip", "--level", "1", tmp_path / "noise")
        assert "S3" in run("list", tmp_path / "o.zip").stdout
        with (tmp_path / "zeros").open("wb") as file:
            file.truncate(262_144_001)
        pack(tmp_path / "p.zip", "--max-unzipped-size", "300000000", tmp_path / "zeros")
        result = run("list", tmp_path / "p.zip")
        assert "101 %" in result.stdout and "too much" in result.stdout

    def test_a_name_cannot_play_with_the_terminal(self, tmp_path: Path) -> None:
        path = make(tmp_path / "o.zip", (entry("a\x1b[2Jb"), b""))
        assert "\x1b" not in run("list", path).stdout
        path = make(tmp_path / "o.zip", (entry("../a\x1b[2Jb"), b""))
        assert "\x1b" not in verify_fails(path)


class TestSign:
    @pytest.fixture
    def keys(self, tmp_path: Path) -> tuple[Path, Path]:
        return make_keys(tmp_path, "key")

    def test_openssl_agrees(self, packed: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
        private, public = keys
        assert run("sign", "--key", private, packed).returncode == 0
        signature = packed.with_name("o.zip.sig")
        assert len(signature.read_bytes()) == 64
        theirs = tmp_path / "theirs"
        command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", packed]
        subprocess.run([*command, "-out", theirs], check=True, capture_output=True)
        assert theirs.read_bytes() == signature.read_bytes()
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public]
        subprocess.run([*command, "-in", packed, "-sigfile", signature], check=True)
        result = run("verify", "--key", public, packed)
        assert result.returncode == 0 and "signed" in result.stdout

    def test_what_is_not_signed_by_that_key(
        self, packed: Path, keys: tuple[Path, Path], tmp_path: Path
    ) -> None:
        private, public = keys
        assert "o.zip.sig" in verify_fails(packed, "--key", public)
        assert run("sign", "--key", private, packed).returncode == 0
        _, other = make_keys(tmp_path, "other")
        assert "not the signature" in verify_fails(packed, "--key", other)
        signature = packed.with_name("o.zip.sig")
        good = signature.read_bytes()
        for bad in (good[:-1], good + b"x", b"", bytes(64), bytes([good[0] ^ 1]) + good[1:]):
            signature.write_bytes(bad)
            assert "o.zip.sig" in verify_fails(packed, "--key", public)
        signature.write_bytes(good)
        content = bytearray(packed.read_bytes())
        content[100] ^= 1
        packed.write_bytes(content)
        assert "not the signature" in verify_fails(packed, "--key", public)

    def test_a_release_is_signed_as_text(self, keys: tuple[Path, Path], tmp_path: Path) -> None:
        private, public = keys
        folder = tmp_path / "release"
        folder.mkdir()
        assert "SHA256SUMS" in run("sign", "--key", private, folder).stderr
        (folder / "SHA256SUMS").write_text("sums\n")
        result = run("sign", "--key", private, folder)
        assert result.returncode == 0 and result.stdout == f"{folder}/SHA256SUMS.sig: signed\n"
        line = (folder / "SHA256SUMS.sig").read_bytes()
        assert line.endswith(b"\n")
        raw = tmp_path / "raw"
        raw.write_bytes(base64.b64decode(line[:-1], validate=True))
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public]
        command += ["-in", folder / "SHA256SUMS", "-sigfile", raw]
        subprocess.run(command, check=True)

    def test_a_signature_may_be_in_base64(self, packed: Path, keys: tuple[Path, Path]) -> None:
        private, public = keys
        assert run("sign", "--key", private, packed).returncode == 0
        signature = packed.with_name("o.zip.sig")
        line = base64.b64encode(signature.read_bytes())
        for good in (line, line + b"\n"):
            signature.write_bytes(good)
            assert run("verify", "--key", public, packed).returncode == 0
        for bad in (line[:-4], line + b"\n\n", b" " + line, line + b"A" * 9):
            signature.write_bytes(bad)
            assert "base64" in verify_fails(packed, "--key", public)

    def test_a_signed_zip_must_be_good_too(self, tmp_path: Path, keys: tuple[Path, Path]) -> None:
        path = make(tmp_path / "o.zip", (entry("../x"), b""))
        assert run("sign", "--key", keys[0], path).returncode == 0
        assert "out of the root" in verify_fails(path, "--key", keys[1])

    def test_keys_of_another_kind(
        self, packed: Path, keys: tuple[Path, Path], tmp_path: Path
    ) -> None:
        other = tmp_path / "ec.pem"
        command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run([*command, "-out", other], check=True, capture_output=True)
        for key, why in ((other, "Ed25519"), (keys[1], "private key"), (packed, "private key")):
            result = run("sign", "--key", key, packed)
            assert result.returncode == 1 and why in result.stderr
            assert not packed.with_name("o.zip.sig").exists()
        assert "public key" in verify_fails(packed, "--key", keys[0])
        locked = tmp_path / "locked.pem"
        command = ["openssl", "pkey", "-in", keys[0], "-aes256", "-passout", "pass:secret"]
        subprocess.run([*command, "-out", locked], check=True)
        assert "unencrypted" in run("sign", "--key", locked, packed).stderr
        assert run("sign", "--key", tmp_path / "gone", packed).returncode == 1


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", private]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public
