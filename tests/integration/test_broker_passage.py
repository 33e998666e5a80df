# SPDX-License-Identifier: Apache-2.0
"""What passes through the broker, and what does not: traces, artifacts, strangers, crowds."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from integration.broker_stage import StageMaker, make_stage
from integration.runner_client import BrokerHost, RunnerClient
from localcloud.waiting import LIMIT, wait_until, within

__all__ = ["make_stage"]

MIB = 1 << 20
LIMIT_KIB = 32 * 1024


# --- The trace ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"cut_after": 1000},
        {"cut_response": True},
        {"delay": 2.0},
    ],
    ids=str,
)
def test_a_patch_gets_through_trouble_once(make_stage: StageMaker, trouble: dict[str, Any]) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("first\n")
    stage.gitlab.faults.add(method="PATCH", path=r"/trace$", times=2, **trouble)

    answer = runner.write("x" * 5000 + "\n")
    runner.write("last\n")
    runner.finish("success")

    assert answer.status_code == 202
    assert answer.headers["Range"] == f"0-{6 + 5001}"
    assert stage.job.trace == runner.written
    assert stage.job.checksum_ok


def test_a_patch_while_gitlab_is_down(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.gitlab.stop_listening()
    timer = threading.Timer(3, stage.gitlab.start_listening)
    timer.start()

    assert runner.write("kept\n").status_code == 202

    assert stage.job.trace == b"kept\n"


def test_a_runner_that_is_behind_is_told_where_to_go_on(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("one\n")

    ahead = runner.patch(100, b"too far\n")
    assert (ahead.status_code, ahead.headers["Range"]) == (416, "0-4")
    partly = runner.patch(2, b"e\ntwo\n")
    assert (partly.status_code, partly.headers["Range"]) == (202, "0-8")

    assert stage.job.trace == b"one\ntwo\n"


def test_a_large_patch_passes_and_a_larger_one_does_not(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()

    assert runner.write(b"x" * MIB).status_code == 202
    assert runner.patch(MIB, b"x" * (2 * MIB + 1)).status_code == 413
    assert runner.finish("success").status_code == 200

    assert stage.job.checksum_ok


@pytest.mark.parametrize(("interval", "passed_on"), [(7, "7"), (60, "15")])
def test_answers_keep_their_headers(make_stage: StageMaker, interval: int, passed_on: str) -> None:
    """But for the interval: with a longer one a runner would hear of a cancel too late."""
    stage = make_stage()
    stage.gitlab.trace_update_interval = interval
    runner = stage.client().take_job()

    patched = runner.write("hello\n")
    updated = runner.update("running")

    for answer in (patched, updated):
        assert answer.headers["X-GitLab-Trace-Update-Interval"] == passed_on
        assert answer.headers["Job-Status"] == "running"
    assert patched.text == "0-6"
    (request,) = stage.requests("PATCH", "/trace")
    assert request.query == {"debug_trace": "false"}


@pytest.mark.parametrize(
    "asked",
    [
        "private_token=glpat-of-somebody&sudo=root&debug_trace=true",
        "debug_trace=true&debug_trace=false&job_token=x",
        "Debug_trace=false&debug_trace[]=false&debug_trace=true&",
    ],
)
def test_what_runners_do_not_ask_for_is_not_passed_on(make_stage: StageMaker, asked: str) -> None:
    """GitLab's API takes tokens, and on whose behalf they are used, from the query, too."""
    stage = make_stage()
    runner = stage.client().take_job()

    answer = runner.call(
        "PATCH",
        f"{runner.job_path}/trace?{asked}",
        headers={"JOB-TOKEN": runner.job["token"], "Content-Range": "0-4"},
        data=b"hello",
    )

    assert answer.status_code == 202
    (request,) = stage.requests("PATCH", "/trace")
    assert request.query == {"debug_trace": "true"}


# --- Artifacts ---------------------------------------------------------------------------------

TWO_JOBS = """
stages: [make, use]
make: {stage: make, script: [a], artifacts: {paths: [x]}}
use: {stage: use, script: [b], needs: [make]}
"""


def upload(runner: RunnerClient, data: Any, **headers: str) -> requests.Response:
    boundary = "----runlet"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        yield from data
        yield tail

    return runner.call(
        "POST",
        f"{runner.job_path}/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1+week",
        data=body(),
        headers={
            "JOB-TOKEN": runner.job["token"],
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            **headers,
        },
    )


def test_artifacts_of_200_mib_pass_in_constant_memory(make_stage: StageMaker) -> None:
    stage = make_stage(TWO_JOBS)
    runner = stage.client().take_job()
    block = bytes(range(256)) * 4096
    expected = hashlib.sha256()
    for _ in range(200):
        expected.update(block)

    assert upload(runner, (block for _ in range(200))).status_code == 201

    stored = stage.pipeline.job("make").artifacts
    assert stored.stat().st_size == 200 * MIB
    path = f"{runner.job_path}/artifacts"
    answer = runner.call("GET", path, headers={"JOB-TOKEN": runner.job["token"]}, stream=True)
    got = hashlib.sha256()
    for piece in answer.iter_content(MIB):
        got.update(piece)
    assert answer.status_code == 200
    assert got.digest() == expected.digest()
    assert stage.broker.order("memory")["peak_kib"] < LIMIT_KIB


def test_artifacts_with_a_length_pass_too(make_stage: StageMaker) -> None:
    stage = make_stage(TWO_JOBS)
    runner = stage.client().take_job()

    answer = runner.call(
        "POST",
        f"{runner.job_path}/artifacts",
        files={"file": ("a.zip", b"content")},
        headers={"JOB-TOKEN": runner.job["token"]},
    )

    assert answer.status_code == 201
    assert stage.pipeline.job("make").artifacts.read_bytes() == b"content"


def test_refused_artifacts_are_refused_in_gitlabs_words(make_stage: StageMaker) -> None:
    stage = make_stage(TWO_JOBS)
    runner = stage.client().take_job()
    stage.gitlab.faults.add(path="/artifacts", status=413, body=b'{"message":"too large"}')

    answer = upload(runner, (b"x" * MIB for _ in range(20)))

    assert answer.status_code == 413 and answer.json() == {"message": "too large"}


def test_an_upload_that_is_cut_is_an_error(make_stage: StageMaker) -> None:
    stage = make_stage(TWO_JOBS)
    runner = stage.client().take_job()
    stage.gitlab.faults.add(path="/artifacts", cut_after=100_000)

    assert upload(runner, (b"x" * MIB for _ in range(5))).status_code == 502
    assert upload(runner, (b"x" * MIB for _ in range(5))).status_code == 201


def test_a_dependent_job_downloads_what_it_may(make_stage: StageMaker) -> None:
    stage = make_stage(TWO_JOBS)
    first = stage.client().take_job()
    assert upload(first, [b"the artifacts"]).status_code == 201
    assert first.finish("success").status_code == 200

    with stage.another_broker() as broker:
        runner = RunnerClient(broker.url, broker.placeholder).take_job()
        (dependency,) = runner.job["dependencies"]
        assert dependency["id"] == first.job["id"]
        path = f"/jobs/{dependency['id']}/artifacts?direct_download=true"
        for token in (dependency["token"], runner.job["token"]):
            answer = runner.call("GET", path, headers={"JOB-TOKEN": token})
            assert (answer.status_code, answer.content) == (200, b"the artifacts")
        before = len(stage.gitlab.requests)
        real = {"JOB-TOKEN": runner.job["token"]}
        for other in (runner.job["id"] + 1, 999, 0):
            assert runner.call("GET", f"/jobs/{other}/artifacts", headers=real).status_code == 403
        assert runner.call("GET", path, headers={"JOB-TOKEN": "wrong"}).status_code == 403
        wrong_way = f"/jobs/{dependency['id']}/artifacts"
        assert runner.call("POST", wrong_way, data=b"x", headers=real).status_code == 403
        assert len(stage.gitlab.requests) == before


def test_a_download_that_is_cut_is_not_taken_for_whole(make_stage: StageMaker) -> None:
    stage = make_stage(TWO_JOBS)
    runner = stage.client().take_job()
    upload(runner, [b"x" * MIB])
    stage.gitlab.faults.add(method="GET", path="/artifacts", cut_response_after=200_000)
    path, real = f"{runner.job_path}/artifacts", {"JOB-TOKEN": runner.job["token"]}

    with pytest.raises(requests.RequestException):
        _ = runner.call("GET", path, headers=real).content

    assert len(runner.call("GET", path, headers=real).content) == MIB


def test_a_redirect_to_object_storage_is_passed_on(make_stage: StageMaker) -> None:
    stage = make_stage(TWO_JOBS)
    stage.gitlab.artifacts_redirect = True
    runner = stage.client().take_job()
    upload(runner, [b"content"])

    answer = runner.call(
        "GET",
        f"{runner.job_path}/artifacts?direct_download=true",
        headers={"JOB-TOKEN": runner.job["token"]},
    )

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(stage.gitlab.url)


# --- Strangers ---------------------------------------------------------------------------------


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/v4/version"),
        ("POST", "/api/v4/runners/verify"),
        ("DELETE", "/api/v4/runners"),
        ("POST", "/api/v4/runners/reset_authentication_token"),
        ("GET", "/api/v4/jobs/request"),
        ("POST", "/api/v4/jobs/request/"),
        ("POST", "/api/v4//jobs/request"),
        ("POST", "/api/v4/jobs/%72equest"),
        ("PATCH", "/api/v4/jobs/{id}/trace/../../{id}/trace"),
        ("PATCH", "/api/v4/jobs/{id}%2ftrace"),
        ("GET", "/api/v4/jobs/{id}/trace"),
        ("PUT", "/api/v4/jobs/{id}x"),
        ("PUT", "/api/v4/jobs/+{id}"),
        ("GET", "/api/v4/projects"),
        ("GET", "http://127.0.0.1/api/v4/jobs/{id}/artifacts"),
        ("CONNECT", "example.com:443"),
        ("OPTIONS", "*"),
    ],
)
def test_nothing_else_is_reached(make_stage: StageMaker, method: str, path: str) -> None:
    stage = make_stage(tls=False)
    runner = stage.client().take_job()
    before = len(stage.gitlab.requests)

    target = path.format(id=runner.job["id"])
    answer = raw(
        stage.broker.port,
        f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"JOB-TOKEN: {runner.job['token']}\r\nRUNNER-TOKEN: {stage.broker.placeholder}\r\n"
        "Content-Length: 0\r\n\r\n".encode(),
    )

    assert answer.split(b" ")[1] in (b"400", b"404", b"405", b"501")
    assert len(stage.gitlab.requests) == before
    assert runner.write("all is well\n").status_code == 202


def test_wrong_tokens_are_refused_here(make_stage: StageMaker) -> None:
    stage = make_stage(tls=False)
    stranger = RunnerClient(stage.broker.url, "glrt-wrong")
    assert stranger.request_job().status_code == 403
    assert stranger.call("POST", "/jobs/request", data=b"no JSON").status_code == 400
    mixed = {"token": stage.broker.placeholder, "info": {}}
    answer = stranger.call("POST", "/jobs/request", json=mixed, headers={"RUNNER-TOKEN": "x"})
    assert answer.status_code == 403
    assert stage.gitlab.requests == []

    runner = stage.client().take_job()
    before = len(stage.gitlab.requests)
    token = runner.job["token"]
    path = runner.job_path
    wrong = {"JOB-TOKEN": "wrong"}
    real = {"JOB-TOKEN": token}
    update = {"state": "success"}
    placeholder = {"JOB-TOKEN": stage.broker.placeholder}
    other_job = f"/jobs/{runner.job['id'] + 1}"
    for answer in (
        runner.patch(0, b"x", **wrong),
        runner.patch(0, b"x", **{"JOB-TOKEN": ""}),
        runner.call("PUT", path, json=update),
        runner.call("PUT", path, json=update | {"token": "wrong"}),
        runner.call("PUT", path, json=update | {"token": "wrong"}, headers=real),
        runner.call("PUT", path, json=update | {"token": token}, headers=wrong),
        runner.call("PUT", other_job, json=update | {"token": token}),
        runner.call("POST", f"{path}/artifacts", data=b"x", headers=wrong),
        runner.call("GET", f"{path}/artifacts", headers=placeholder),
        runner.call("GET", f"{path}/artifacts"),
    ):
        assert answer.status_code == 403, answer.request.url
    assert len(stage.gitlab.requests) == before
    assert not stage.broker.status["finished"]


def test_headers_with_tokens_and_of_the_connection_stay_here(make_stage: StageMaker) -> None:
    stage = make_stage(tls=False)
    runner = stage.client().take_job()

    runner.patch(
        0,
        b"hello\n",
        **{
            "RUNNER-TOKEN": stage.broker.placeholder,
            "PRIVATE-TOKEN": "p",
            "Authorization": "Bearer b",
            "Cookie": "c=1",
            "X-Forwarded-For": "1.2.3.4",
            "Accept-Encoding": "gzip",
            "X-Request-Id": "correlation",
        },
    )

    (request,) = stage.requests("PATCH", "/trace")
    for name in ("runner-token", "private-token", "authorization", "cookie", "x-forwarded-for"):
        assert name not in request.headers
    assert request.headers.get("accept-encoding") != "gzip"
    assert request.headers["x-request-id"] == "correlation"


def test_odd_requests_do_no_harm(make_stage: StageMaker) -> None:
    stage = make_stage(tls=False)
    runner = stage.client().take_job()
    path = runner.job_path
    real = {"JOB-TOKEN": runner.job["token"]}

    assert runner.patch(0, b"x", **{"Content-Range": "bytes 0-1"}).status_code == 400
    assert runner.patch(0, b"x", **{"Content-Range": "-5-1"}).status_code == 400
    assert runner.call("PUT", path, data=b"[1]", headers=real).status_code == 400
    assert runner.call("PUT", path, data=b'{"state":', headers=real).status_code == 400
    for much in (b'{"token":' + b"[" * 50_000, b'{"token":[' + b"1," * 20_000 + b"1]}"):
        assert runner.call("POST", "/jobs/request", data=much).status_code == 400
        assert runner.call("PUT", path, data=much).status_code == 400
    large = b'{"token":"' + b"x" * (2 * MIB)
    assert runner.call("POST", "/jobs/request", data=large).status_code == 413
    header = b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"
    with suppress(ConnectionError):
        assert raw(stage.broker.port, header).split(b" ")[1] in (b"413", b"431", b"400")
    raw(stage.broker.port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")

    assert runner.write("all is well\n").status_code == 202
    assert stage.broker.order("memory")["peak_kib"] < LIMIT_KIB


# --- Crowds ------------------------------------------------------------------------------------


def test_idle_connections_make_room_for_the_runner(make_stage: StageMaker) -> None:
    stage = make_stage(tls=False)
    runner = stage.client().take_job()
    with ExitStack() as stack:
        for number in range(200):
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", stage.broker.port))
            )
            if number % 2:
                try:
                    connection.sendall(b"PATCH /api/v4/jobs/1/trace HTTP/1.1\r\nHost: x\r\n")
                except ConnectionError:
                    continue
        with within(10, "a line"):
            runner.write_through("one\n")
        another = stage.client()
        another.job, another.written, another.sent = runner.job, runner.written, runner.sent
        with within(10, "another line"):
            another.write_through("two\n")

        memory = stage.broker.order("memory")
        assert memory["threads"] < 80 and memory["peak_kib"] < LIMIT_KIB
    assert stage.job.trace == b"one\ntwo\n"


def test_many_half_sent_patches_stay_within_memory(make_stage: StageMaker) -> None:
    stage = make_stage(tls=False)
    runner = stage.client().take_job()
    head = (
        f"PATCH /api/v4{runner.job_path}/trace HTTP/1.1\r\nHost: x\r\n"
        f"JOB-TOKEN: {runner.job['token']}\r\nContent-Range: 0-2000000\r\n"
        f"Content-Length: {2 * MIB}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", stage.broker.port))
            )
            connection.sendall(head + b"x" * MIB)
        assert stage.broker.order("memory")["peak_kib"] < LIMIT_KIB
    # They are gone: what they held is free again.
    with within(20, "what they held"):
        wait_until(lambda: runner.write("x").status_code == 202, "what they held to be free")


def test_many_large_requests_stay_within_memory(make_stage: StageMaker) -> None:
    stage = make_stage(tls=False)
    runner = stage.client().take_job()
    target = f"/api/v4{runner.job_path}"
    with ExitStack() as stack:
        for number in range(40):
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", stage.broker.port))
            )
            method, path = ("PUT", target) if number % 2 else ("POST", "/api/v4/jobs/request")
            with suppress(ConnectionError):
                connection.sendall(
                    f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {MIB}\r\n\r\n".encode()
                    + b"x" * 65_000
                )
        assert runner.write("x").status_code == 202
        assert stage.broker.order("memory")["peak_kib"] < LIMIT_KIB


def test_it_ends_at_once_whatever_is_under_way(make_stage: StageMaker) -> None:
    stage = make_stage(tls=False)
    runner = stage.client().take_job()
    stage.gitlab.faults.add(method="PATCH", delay=60)

    def try_to_write() -> None:
        with suppress(requests.RequestException):
            runner.write("x")

    threading.Thread(target=try_to_write, daemon=True).start()
    with socket.create_connection(("127.0.0.1", stage.broker.port)):
        wait_until(lambda: stage.requests("PATCH", "/trace"), "the patch")
        with within(2, "the broker's end"):
            stage.broker.process.stdin.close()
            assert stage.broker.process.wait(LIMIT) == 0


# --- A GitLab with its own ideas ---------------------------------------------------------------

ANSWER = (
    b'{"id":41,  "token":"job-t\\u006fken","job_info":{"name":"d\xc3\xa9ploy","project_id":7,'
    b'"time_in_queue_seconds":0.8124,"more":[1,2,{"a":null}]},"unknown":{"x":1e3},'
    b'"dependencies":null,"features":{"failure_reasons":["a"]}}\n'
)


@pytest.fixture
def canned(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A server that answers as told: (method, path) -> (status, headers, body)."""
    with ExitStack() as stack:

        def start(answer: Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]) -> Any:
            class Handler(BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"

                def log_message(self, format: str, *args: Any) -> None:
                    pass

                def serve(self) -> None:
                    size = int(self.headers.get("Content-Length", 0))
                    status, headers, body = answer(self.command, self.path, self.rfile.read(size))
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    if status != 204:
                        self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

                do_GET = do_POST = do_PUT = do_PATCH = serve

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            (tmp_path / "token").write_text('  {"token": "glrt-real"}\n')
            url = f"http://127.0.0.1:{server.server_port}"
            return stack.enter_context(BrokerHost(url, tmp_path / "token"))

        yield start


def test_a_job_is_passed_on_byte_for_byte(canned: Callable[..., Any]) -> None:
    headers = {"Content-Type": "application/json", "X-Odd": "yes", "Keep-Alive": "timeout=9"}
    broker = canned(lambda *_: (201, headers, ANSWER))

    answer = RunnerClient(broker.url, broker.placeholder).request_job()

    assert answer.content == ANSWER
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Odd"] == "yes" and "timeout=9" not in str(answer.headers)
    status = broker.status
    assert (status["id"], status["project_id"], status["name"]) == (41, 7, "d\u00e9ploy")
    assert status["queued_ms"] == 812


def test_a_request_keeps_what_it_said(canned: Callable[..., Any]) -> None:
    seen: list[Any] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        seen.append(json.loads(body))
        return 204, {}, b""

    broker = canned(answer)
    runner = RunnerClient(broker.url, broker.placeholder)
    info = {"name": "gitlab-runner", "features": {"x": True}, "n": 1, "s": "\u00e9"}
    body = {"info": info, "token": broker.placeholder, "Token": "x", "session": {"url": ""}}
    assert runner.call("POST", "/jobs/request", json=body).status_code == 204

    (request,) = seen
    assert request["info"] == info and request["session"] == {"url": ""}
    assert [v for k, v in request.items() if k.lower() == "token"] == ["glrt-real"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"id":1}', b'{"id":1,"token":"","job_info":{}}', b"[" * 100_000]
)
def test_a_job_of_nobody_is_told(canned: Callable[..., Any], body: bytes) -> None:
    """GitLab has handed one out, which nobody can fail: no second one is lost."""
    asked: list[str] = []

    def answer(method: str, path: str, _: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(path)
        return 201, {}, body

    broker = canned(answer)
    runner = RunnerClient(broker.url, broker.placeholder)

    assert runner.request_job().status_code == 503
    assert runner.request_job().status_code == 204

    assert len(asked) == 1
    status = broker.status
    assert not status["job_arrived"] and status["unreachable"]
    assert "cannot be read" in status["failure"]


def test_a_job_with_very_many_values_does_not_eat_memory(canned: Callable[..., Any]) -> None:
    many = ANSWER.rstrip()[:-1] + b',"x":[' + b"1," * (1 << 20) + b"1]}"
    broker = canned(lambda *_: (201, {}, many))

    assert RunnerClient(broker.url, broker.placeholder).request_job().content == many

    assert broker.order("memory")["peak_kib"] < LIMIT_KIB


@pytest.mark.parametrize(
    ("count", "token"),
    [
        pytest.param(6_900, "glcbt-" + "e" * 900, id="signed tokens"),
        pytest.param(100_000, "t", id="more than a process may have mappings"),
    ],
)
def test_a_job_of_very_many_dependencies(
    canned: Callable[..., Any], count: int, token: str
) -> None:
    dependencies = [{"id": 1000 + i, "token": f"{token}{i}"} for i in range(count)]
    body = json.dumps({**json.loads(ANSWER), "dependencies": dependencies}).encode()
    broker = canned(
        lambda method, *_: (201, {}, body) if method == "POST" else (200, {}, b"artifacts")
    )
    runner = RunnerClient(broker.url, broker.placeholder)

    assert runner.request_job().content == body

    def download(dependency: int, its_token: int) -> int:
        headers = {"JOB-TOKEN": f"{token}{its_token}"}
        return runner.call(
            "GET", f"/jobs/{1000 + dependency}/artifacts", headers=headers
        ).status_code

    last = count - 1
    assert [download(0, 0), download(last, last)] == [200, 200]
    assert [download(0, last), download(last, 0), download(count, last)] == [403, 403, 403]
    assert broker.order("memory")["peak_kib"] < LIMIT_KIB


MANY_ONES = b"[" + b"1," * 1_900 + b"1]"


@pytest.mark.parametrize(
    ("begin", "again", "end"),
    [
        pytest.param(b'"job_info":{"a":1', b',"a%d":' + MANY_ONES, b"},", id="unknown members"),
        pytest.param(b"", b'"job_info":{"a%d":1},', b"", id="the same object"),
        pytest.param(b"", b'"features":{"a%d":' + MANY_ONES + b"},", b"", id="features"),
        pytest.param(
            b'"variables":[1', b',{"key":"A%d","value":' + MANY_ONES + b"}", b"],", id="v"
        ),
        pytest.param(b'"dependencies":[1', b',{"id":%d,"x":' + MANY_ONES + b"}", b"],", id="d"),
    ],
)
def test_a_job_that_says_much_over_and_over(
    canned: Callable[..., Any], begin: bytes, again: bytes, end: bytes
) -> None:
    """Of what is not needed nothing is kept, and the same is kept once."""
    many = b"".join(again % i for i in range(4 * MIB // len(again)))
    body = b"{" + begin + many + end + ANSWER[1:]
    broker = canned(lambda *_: (201, {}, body))

    assert RunnerClient(broker.url, broker.placeholder).request_job().content == body

    assert broker.order("memory")["peak_kib"] < LIMIT_KIB


def test_the_largest_job_passes_in_bounded_memory(canned: Callable[..., Any]) -> None:
    """30,000 variables of a group; memory is what the answer may take, and a half."""
    variables = [{"key": f"V{i}", "value": "x" * 1050} for i in range(30_000)]
    body = json.dumps({**json.loads(ANSWER), "variables": variables}).encode()
    assert 30 * MIB < len(body) < 32 * MIB
    broker = canned(lambda *_: (201, {}, body))

    assert RunnerClient(broker.url, broker.placeholder).request_job().content == body

    assert broker.order("memory")["peak_kib"] < 48 * 1024


def test_a_job_with_a_large_file_variable(canned: Callable[..., Any]) -> None:
    job = json.loads(ANSWER)
    job["variables"] = [{"key": "FILE", "value": "[{,\\" * 500_000, "file": True}]
    body = json.dumps(job).encode()
    broker = canned(lambda *_: (201, {}, body))

    assert RunnerClient(broker.url, broker.placeholder).request_job().content == body

    assert broker.order("memory")["peak_kib"] < LIMIT_KIB


def test_a_404_for_job_requests_is_told(canned: Callable[..., Any]) -> None:
    broker = canned(lambda *_: (404, {}, b"no GitLab here"))
    runner = RunnerClient(broker.url, broker.placeholder)
    with pytest.raises(OSError):
        runner.request_job(timeout=1)

    status = broker.order("drop")

    assert status["unreachable"] and "404" in status["failure"]


def test_a_403_without_a_state_ends_the_job(canned: Callable[..., Any]) -> None:
    def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return (201, {}, ANSWER) if method == "POST" else (403, {}, b'{"message": "403 Forbidden"}')

    broker = canned(answer)
    runner = RunnerClient(broker.url, broker.placeholder, old=True).take_job()

    assert runner.write("x").status_code == 403

    assert broker.status["finished"] and broker.status["state"] == "canceled"


def test_gitlab_is_reached_by_the_proxy_of_the_environment(tmp_path: Path) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        (tmp_path / "token").write_text("glrt-real")
        with BrokerHost(
            "http://gitlab.example.com", tmp_path / "token", environment={"http_proxy": proxy}
        ) as broker:
            assert RunnerClient(broker.url, broker.placeholder).request_job().status_code == 204

    assert asked[0].startswith(b"POST http://gitlab.example.com/api/v4/jobs/request HTTP/1.1")


def test_a_gitlab_on_loopback_needs_no_proxy(make_stage: StageMaker) -> None:
    dead = "http://127.0.0.1:9"
    stage = make_stage(environment={"https_proxy": dead, "http_proxy": dead, "all_proxy": dead})

    stage.client().take_job()
