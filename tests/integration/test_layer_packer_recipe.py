# SPDX-License-Identifier: Apache-2.0
"""`layer-packer` with recipes: what they say, what they fetch, and servers that stumble."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pty
import random
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from integration.packer import PROGRAM, elf, modes, names, pack, refuse, run, write_recipe
from localcloud.waiting import LIMIT, within

CONTENT = random.Random(1).randbytes(300_000)


@dataclass
class Fault:
    """What a server does to one request instead of answering it well."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    ignore_range: bool = False
    content: bytes | None = None


class Server:
    """Serves files by path with Range and ETag, and counts requests; faults are used up in turn."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.always: Fault | None = None
        self.requests: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.requests.append((request.path, wanted))
        fault = self.faults.pop(0) if self.faults else self.always or Fault()
        content = self.files.get(request.path) if fault.content is None else fault.content
        status = fault.status or (404 if content is None else 200)
        if status != 200:
            request.send_response(status)
            for name, value in fault.headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        assert content is not None
        start = 0
        if wanted and not fault.ignore_range:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(content)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        part = content[start:]
        if fault.cut_after is not None:
            part = part[: fault.cut_after]
            request.close_connection = True
        with contextlib.suppress(ConnectionError):
            request.wfile.write(part)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.files["/tool-1.2-amd64"] = CONTENT
    yield server
    server.close()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def sums(x86_64: bytes, arm64: bytes = b"none") -> dict[str, str]:
    both = {"x86_64": x86_64, "arm64": arm64}
    return {arch: hashlib.sha256(content).hexdigest() for arch, content in both.items()}


def by_url(server: Server, **source: Any) -> list[dict[str, Any]]:
    url = f"{server.url}/tool-{{version}}-{{goarch}}"
    given = {"url": url, "sha256": sums(CONTENT), **source}
    return [{"path": "bin/tool", "mode": "0755", "source": given}]


def cached(environment: dict[str, str]) -> list[str]:
    folder = Path(environment["XDG_CACHE_HOME"]) / "runlet" / "downloads"
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def fetch(
    recipe: Path, environment: dict[str, str], *more: str
) -> subprocess.CompletedProcess[str]:
    return run("fetch", "--recipe", recipe, "--arch", "x86_64", *more, env=environment)


class TestRecipe:
    def test_gives_the_bytes_of_a_source_of_that_layout(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "bin").mkdir(parents=True)
        (tree / "share" / "empty").mkdir(parents=True)
        (tree / "bin" / "tool").write_bytes(CONTENT)
        (tree / "bin" / "tool").chmod(0o755)
        (tree / "bin" / "alias").symlink_to("tool")
        (tree / "share" / "text").write_text("text")
        (tmp_path / "recipes").mkdir()
        (tmp_path / "recipes" / "tool-1.2").write_bytes(CONTENT)
        recipe = write_recipe(
            tmp_path / "recipes",
            [
                {"path": "share", "source": {"path": "../tree/share"}},
                {"path": "bin/alias", "source": {"link": "tool"}},
                {"path": "bin/tool", "mode": "0755", "source": {"path": "tool-{version}"}},
            ],
        )
        pack(tmp_path / "o.zip", tree)
        pack(tmp_path / "p.zip", "--recipe", recipe)
        pack(tmp_path / "q.zip", "--recipe", "layer.json", cwd=recipe.parent)
        expected = (tmp_path / "o.zip").read_bytes()
        assert (tmp_path / "p.zip").read_bytes() == expected
        assert (tmp_path / "q.zip").read_bytes() == expected

    def test_placeholders(self, tmp_path: Path) -> None:
        for arch, go in (("x86_64", "amd64"), ("arm64", "arm64")):
            (tmp_path / f"1.2-{arch}-{go}").write_text(arch)
        recipe = write_recipe(
            tmp_path, [{"path": "x-{arch}", "source": {"path": "{version}-{arch}-{goarch}"}}]
        )
        for arch in ("x86_64", "arm64"):
            pack(tmp_path / "o.zip", "--recipe", recipe, "--arch", arch)
            with zipfile.ZipFile(tmp_path / "o.zip") as archive:
                assert archive.read(f"x-{arch}") == arch.encode()
        result = run("pack", "--output", tmp_path / "p.zip", "--recipe", recipe)
        assert result.returncode == 2 and "--arch" in result.stderr
        write_recipe(tmp_path, json.loads(recipe.read_text())["files"], architectures=["arm64"])
        pack(tmp_path / "p.zip", "--recipe", recipe)
        assert names(tmp_path / "p.zip") == ["x-arm64"]
        assert "not for x86_64" in refuse(
            "--output", tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64"
        )

    def test_modes(self, tmp_path: Path) -> None:
        (tmp_path / "plain").touch()
        (tmp_path / "tool").touch()
        (tmp_path / "tool").chmod(0o755)
        files = [
            {"path": "a", "source": {"path": "plain"}},
            {"path": "b", "source": {"path": "tool"}},
            {"path": "c", "mode": "0755", "source": {"path": "plain"}},
            {"path": "d", "mode": "0644", "source": {"path": "tool"}},
            {"path": "e", "mode": "0500", "source": {"path": "plain"}},
        ]
        pack(tmp_path / "o.zip", "--recipe", write_recipe(tmp_path, files))
        found = {name: mode & 0o777 for name, mode in modes(tmp_path / "o.zip").items()}
        assert found == {"a": 0o644, "b": 0o755, "c": 0o755, "d": 0o644, "e": 0o755}

    def test_the_architecture_is_checked(self, tmp_path: Path) -> None:
        (tmp_path / "lib.so").write_bytes(elf(183))
        files = [{"path": "lib.so", "source": {"path": "lib.so"}}]
        recipe = write_recipe(tmp_path, files)
        refuse("--output", tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64")
        pack(tmp_path / "o.zip", "--recipe", recipe, "--arch", "arm64")

    @pytest.mark.parametrize(
        ("file", "why"),
        [
            ({"path": "../x", "source": {"path": "t"}}, "out of the root"),
            ({"path": "/x", "source": {"path": "t"}}, "absolute"),
            ({"path": "x", "source": {"link": "/etc"}}, "absolute"),
            ({"path": "x", "source": {"link": "../y"}}, "leaves the root"),
            ({"path": "x", "source": {"path": "gone"}}, "gone"),
            ({"path": "x", "source": {}}, "exactly one"),
            ({"path": "x", "source": {"path": "t", "link": "t"}}, "exactly one"),
            ({"path": "x", "source": {"path": "t", "member": "m"}}, "belong to a"),
            ({"path": "x", "source": {"pth": "t"}}, 'did you mean "path"?'),
            ({"path": "x", "mod": "0755", "source": {"path": "t"}}, 'did you mean "mode"?'),
            ({"path": "x", "mode": "0999", "source": {"path": "t"}}, "0755"),
            ({"path": "x", "mode": 493, "source": {"path": "t"}}, "files[0].mode"),
            ({"path": "x{oops}", "source": {"path": "t"}}, "{oops}"),
            ({"path": "x{", "source": {"path": "t"}}, "{"),
            ({"path": "", "source": {"path": "t"}}, "empty"),
            ({"path": "x"}, "source"),
            ({"source": {"path": "t"}}, "path"),
            ("x", "object"),
            (
                {"path": "x", "source": {"url": "http://example.com/x", "sha256": sums(b"")}},
                "loopback",
            ),
            ({"path": "x", "source": {"url": "ftp://localhost/x", "sha256": sums(b"")}}, "https"),
            ({"path": "x", "source": {"url": "https://localhost/x"}}, "sha256"),
            (
                {"path": "x", "source": {"url": "https://h/", "sha256": {"x86_64": "abc"}}},
                "64 hexadecimal digits",
            ),
        ],
    )
    def test_what_is_wrong_is_named(
        self, file: Any, why: str, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        (tmp_path / "t").touch()
        recipe = write_recipe(tmp_path, [file])
        arguments = ["--output", tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64"]
        message = refuse(*arguments, env=environment)
        assert why in message and str(recipe) in message

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "layer.json"),
            ("{", "layer.json"),
            ("[]", "object"),
            ('{"name": "x", "version": "1", "files": []}', "names no file"),
            ('{"name": "x", "files": [{}]}', "version"),
            ('{"name": "x", "version": "1", "file": []}', 'did you mean "files"?'),
            ('{"name": "x", "version": "1", "architectures": ["mips"], "files": []}', "mips"),
            ('{"name": "x", "version": "1", "architectures": [], "files": []}', "architecture"),
        ],
    )
    def test_recipes_that_are_none(self, text: str, why: str, tmp_path: Path) -> None:
        (tmp_path / "layer.json").write_text(text)
        message = refuse("--output", tmp_path / "o.zip", "--recipe", tmp_path / "layer.json")
        assert why in message


class TestFetch:
    def test_then_pack_needs_no_network(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = write_recipe(tmp_path, by_url(server))
        result = fetch(recipe, environment)
        assert result.returncode == 0 and result.stderr == ""
        assert cached(environment) == [sums(CONTENT)["x86_64"]]
        server.always = Fault(status=500)
        arguments = ["--recipe", recipe, "--arch", "x86_64"]
        pack(tmp_path / "o.zip", *arguments, env=environment)
        assert modes(tmp_path / "o.zip") == {"bin/tool": 0o100755}
        assert fetch(recipe, environment).returncode == 0
        assert len(server.requests) == 1

    def test_pack_fetches_what_is_not_there(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = write_recipe(tmp_path, by_url(server))
        pack(tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64", env=environment)
        with zipfile.ZipFile(tmp_path / "o.zip") as archive:
            assert archive.read("bin/tool") == CONTENT

    def test_all_architectures_without_arch(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server.files["/tool-1.2-arm64"] = b"arm"
        recipe = write_recipe(tmp_path, by_url(server, sha256=sums(CONTENT, b"arm")))
        assert run("fetch", "--recipe", recipe, env=environment).returncode == 0
        assert len(cached(environment)) == 2

    def test_the_cache_is_below_home_without_xdg(self, server: Server, tmp_path: Path) -> None:
        recipe = write_recipe(tmp_path, by_url(server))
        for given in ({"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative"}):
            environment = {"HOME": str(tmp_path / "home"), **given}
            assert fetch(recipe, environment).returncode == 0
        folder = tmp_path / "home" / ".cache" / "runlet" / "downloads"
        assert [file.name for file in folder.iterdir()] == [sums(CONTENT)["x86_64"]]
        assert len(server.requests) == 1

    def test_a_cut_is_resumed(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server.faults = [Fault(cut_after=100_000), Fault(cut_after=50_000)]
        assert fetch(write_recipe(tmp_path, by_url(server)), environment).returncode == 0
        assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-", "bytes=150000-"]
        assert cached(environment) == [sums(CONTENT)["x86_64"]]

    def test_a_later_run_resumes_too(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server.faults = [Fault(cut_after=100_000), Fault(status=404)]
        recipe = write_recipe(tmp_path, by_url(server))
        assert "404" in fetch(recipe, environment).stderr
        assert cached(environment) == [sums(CONTENT)["x86_64"] + ".part"]
        assert fetch(recipe, environment).returncode == 0
        assert server.requests[-1][1] == "bytes=100000-"
        assert cached(environment) == [sums(CONTENT)["x86_64"]]

    def test_a_server_without_ranges(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server.faults = [Fault(cut_after=100_000), Fault(ignore_range=True)]
        assert fetch(write_recipe(tmp_path, by_url(server)), environment).returncode == 0
        assert len(server.requests) == 2

    @pytest.mark.parametrize("left", [b"x" * 1000, b"x" * 400_000, CONTENT, CONTENT + b"more"])
    def test_whatever_an_earlier_run_left(
        self, left: bytes, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        folder = tmp_path / "cache" / "runlet" / "downloads"
        folder.mkdir(parents=True)
        (folder / (sums(CONTENT)["x86_64"] + ".part")).write_bytes(left)
        result = fetch(write_recipe(tmp_path, by_url(server)), environment)
        assert result.returncode == 0, result.stderr
        assert (folder / sums(CONTENT)["x86_64"]).read_bytes() == CONTENT
        assert len(cached(environment)) == 1

    def test_errors_that_pass(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server.faults = [Fault(status=500), Fault(status=503), Fault(cut_after=0)]
        assert fetch(write_recipe(tmp_path, by_url(server)), environment).returncode == 0
        assert len(server.requests) == 4

    def test_errors_that_stay_end_within_the_limit(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server.always = Fault(status=502)
        started = time.monotonic()
        with within(45, "giving up"):
            result = fetch(write_recipe(tmp_path, by_url(server)), environment)
        assert time.monotonic() - started > 20
        assert result.returncode == 1
        assert "502" in result.stderr and server.url in result.stderr
        assert len(server.requests) > 5

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
    def test_a_no_is_final(
        self, status: int, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server.always = Fault(status=status)
        result = fetch(write_recipe(tmp_path, by_url(server)), environment)
        assert result.returncode == 1
        assert str(status) in result.stderr and f"{server.url}/tool-1.2-amd64" in result.stderr
        assert len(server.requests) == 1

    def test_a_wrong_checksum_gets_no_name(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = write_recipe(tmp_path, by_url(server))
        server.always = Fault(content=b"something else")
        result = fetch(recipe, environment)
        assert result.returncode == 1
        assert sums(CONTENT)["x86_64"] in result.stderr
        assert hashlib.sha256(b"something else").hexdigest() in result.stderr
        assert cached(environment) == []
        refuse(
            *("--output", tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64"),
            env=environment,
        )

    def test_a_spoilt_cache_is_mended(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = write_recipe(tmp_path, by_url(server))
        assert fetch(recipe, environment).returncode == 0
        file = tmp_path / "cache" / "runlet" / "downloads" / sums(CONTENT)["x86_64"]
        file.write_bytes(b"spoilt")
        pack(tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64", env=environment)
        assert file.read_bytes() == CONTENT
        assert len(server.requests) == 2

    def test_a_redirect_may_not_lead_from_loopback_to_plain_http(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server.always = Fault(status=302, headers={"Location": "http://192.0.2.1/x"})
        result = fetch(write_recipe(tmp_path, by_url(server)), environment)
        assert result.returncode == 1 and "302" in result.stderr

    def test_two_at_once_share_one_download(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = write_recipe(tmp_path, by_url(server))
        command = [PROGRAM, "fetch", "--recipe", recipe, "--arch", "x86_64"]
        both = [
            subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
            for _ in range(2)
        ]
        assert [process.wait(LIMIT) for process in both] == [0, 0]
        assert len(server.requests) == 1
        assert cached(environment) == [sums(CONTENT)["x86_64"]]

    def test_a_bar_at_a_terminal(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        ours, theirs = pty.openpty()
        recipe = write_recipe(tmp_path, by_url(server))
        result = subprocess.run(
            [PROGRAM, "fetch", "--recipe", recipe, "--arch", "x86_64"],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        shown = os.read(ours, 100_000).decode()
        os.close(ours)
        assert result.returncode == 0
        assert "tool-1.2-amd64" in shown and "100 %" in shown and "300.0 kB" in shown
        assert shown.endswith("\r\x1b[K")


class TestMember:
    @pytest.fixture
    def archive(self) -> bytes:
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("other", "other")
            info = zipfile.ZipInfo("dist/tool-1.2")
            info.create_system = 3
            info.external_attr = 0o100755 << 16
            archive.writestr(info, CONTENT)
            archive.writestr("folder/", b"")
        return whole.getvalue()

    def recipe(
        self, folder: Path, server: Server, archive: bytes, member: str, **more: str
    ) -> Path:
        server.files["/x.zip"] = archive
        source = {"url": f"{server.url}/x.zip", "sha256": sums(archive), "member": member}
        return write_recipe(folder, [{"path": "bin/tool", "source": source, **more}])

    def test_is_taken_out(
        self, archive: bytes, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = self.recipe(tmp_path, server, archive, "dist/tool-{version}")
        arguments = ["--recipe", recipe, "--arch", "x86_64"]
        pack(tmp_path / "o.zip", *arguments, env=environment)
        with zipfile.ZipFile(tmp_path / "o.zip") as packed:
            assert packed.read("bin/tool") == CONTENT
        assert modes(tmp_path / "o.zip") == {"bin/tool": 0o100755}
        recipe = self.recipe(tmp_path, server, archive, "dist/tool-1.2", mode="0644")
        pack(tmp_path / "o.zip", *arguments, env=environment)
        assert modes(tmp_path / "o.zip") == {"bin/tool": 0o100644}
        assert cached(environment) == [sums(archive)["x86_64"]]

    @pytest.mark.parametrize("member", ["gone", "folder/"])
    def test_must_be_a_file_that_is_there(
        self,
        member: str,
        archive: bytes,
        server: Server,
        environment: dict[str, str],
        tmp_path: Path,
    ) -> None:
        recipe = self.recipe(tmp_path, server, archive, member)
        arguments = ["--output", tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64"]
        assert member in refuse(*arguments, env=environment)

    def test_has_the_limit_of_the_whole(
        self, archive: bytes, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = self.recipe(tmp_path, server, archive, "dist/tool-1.2")
        arguments = ["--output", tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64"]
        message = refuse(*arguments, "--max-unzipped-size", "299999", env=environment)
        assert "dist/tool-1.2" in message and "300000" in message

    def test_of_what_is_no_zip(
        self, server: Server, environment: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = self.recipe(tmp_path, server, b"no zip", "x")
        arguments = ["--output", tmp_path / "o.zip", "--recipe", recipe, "--arch", "x86_64"]
        assert "zip" in refuse(*arguments, env=environment)
