# SPDX-License-Identifier: Apache-2.0
"""assume-role against a scripted STS: faults of the service, secrets in logs, and the cache."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import BUILD
from localcloud.waiting import LIMIT, within

PROGRAM = BUILD / "bin" / "assume-role"
ROLE = "arn:aws:iam::123456789012:role/deploy"
BASE_SECRET = "base-secret-of-the-caller"
SECRET = "secret-of-the-session"
TOKEN = "token-of-the-session"


@dataclass
class Answer:
    status: int
    body: str
    # How far the Date header is from now, in seconds.
    ahead: int = 0


@dataclass
class Script:
    """What the server answers, one after another; the last one from then on."""

    answers: list[Answer]
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def next(self, headers: dict[str, str]) -> Answer:
        self.requests.append(headers)
        return self.answers[min(len(self.requests), len(self.answers)) - 1]


def expiration(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def session(seconds: int = 3600, key: str = "ASIAFIRST", ahead: int = 0) -> Answer:
    return Answer(
        200,
        "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser>"
        "<AssumedRoleId>AROA:job</AssumedRoleId>"
        "<Arn>arn:aws:sts::123456789012:assumed-role/deploy/job</Arn></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{key}</AccessKeyId>"
        f"<SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>"
        f"<Expiration>{expiration(seconds + ahead)}</Expiration></Credentials>"
        "</AssumeRoleResult></AssumeRoleResponse>",
        ahead,
    )


def error(status: int, code: str, text: str = "so it is", ahead: int = 0) -> Answer:
    return Answer(
        status,
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{text}</Message></Error></ErrorResponse>",
        ahead,
    )


@pytest.fixture
def script() -> Iterator[Script]:
    held = Script([session()])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer = held.next({name.lower(): value for name, value in self.headers.items()})
            body = answer.body.encode()
            self.send_response_only(answer.status)
            self.send_header("Date", formatdate(time.time() + answer.ahead, usegmt=True))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield held
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environment(script: Script, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": script.url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": BASE_SECRET,
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "--role-arn", ROLE, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)


def key_of(environment: dict[str, str], *arguments: str) -> str:
    result = run(environment, *arguments)
    assert result.returncode == 0, result.stderr
    return str(json.loads(result.stdout)["AccessKeyId"])


# Faults


@pytest.mark.parametrize(
    "fault",
    [Answer(503, "busy"), error(400, "Throttling"), error(500, "InternalFailure")],
    ids=["503", "throttling", "500"],
)
def test_calls_again_after_a_passing_fault(
    script: Script, environment: dict[str, str], fault: Answer
) -> None:
    script.answers = [fault, session()]
    assert key_of(environment) == "ASIAFIRST"
    assert len(script.requests) == 2


@pytest.mark.parametrize("code", ["AccessDenied", "ValidationError", "InvalidClientTokenId"])
def test_takes_a_refusal_at_its_word(
    script: Script, environment: dict[str, str], code: str
) -> None:
    script.answers = [error(403, code, "no such luck")]
    result = run(environment)
    assert (result.returncode, result.stdout) == (1, "")
    assert code in result.stderr
    assert "no such luck" in result.stderr
    assert len(script.requests) == 1


@pytest.mark.parametrize("attempts", [None, "100"])
def test_gives_up_on_a_service_that_always_fails(
    script: Script, environment: dict[str, str], attempts: str | None
) -> None:
    script.answers = [Answer(503, "busy")]
    given = {"AWS_MAX_ATTEMPTS": attempts} if attempts else {}
    with within(120, "giving up"):  # a minute, and slack
        result = run({**environment, **given})
    assert (result.returncode, result.stdout) == (1, "")
    assert "503" in result.stderr
    assert 2 <= len(script.requests) <= (12 if attempts else 3)


def test_signs_with_the_services_clock_when_ours_is_off(
    script: Script, environment: dict[str, str]
) -> None:
    script.answers = [
        error(403, "SignatureDoesNotMatch", "Signature expired", ahead=7200),
        session(ahead=7200),
    ]
    assert key_of(environment) == "ASIAFIRST"
    first, second = (
        datetime.strptime(request["x-amz-date"], "%Y%m%dT%H%M%SZ") for request in script.requests
    )
    assert 7100 < (second - first).total_seconds() < 7300
    # What is left of it is told by our clock, so the cache takes it for two hours less.
    assert key_of(environment) == "ASIAFIRST"
    assert len(script.requests) == 2


def test_learns_the_services_clock_once_for_profile_and_hops(
    script: Script, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(
        f"[profile below]\nrole_arn = {ROLE}\ncredential_source = Environment\n"
        f"[profile ci]\nrole_arn = {ROLE}\nsource_profile = below\n"
    )
    script.answers = [error(403, "RequestExpired", ahead=7200), session(ahead=7200)]
    given = {**environment, "AWS_CONFIG_FILE": str(tmp_path / "config")}
    assert key_of(given, "--profile", "ci", "--role-arn", ROLE) == "ASIAFIRST"
    times = [
        datetime.strptime(request["x-amz-date"], "%Y%m%dT%H%M%SZ") for request in script.requests
    ]
    # The refused call and its repetition, the second profile, two hops.
    assert len(times) == 5
    assert all(7100 < (later - times[0]).total_seconds() < 7300 for later in times[1:])


def test_corrects_the_clock_once_only(script: Script, environment: dict[str, str]) -> None:
    script.answers = [
        error(403, "SignatureDoesNotMatch", ahead=7200),
        error(403, "SignatureDoesNotMatch", ahead=-7200),
    ]
    result = run(environment)
    assert result.returncode == 1
    assert "SignatureDoesNotMatch" in result.stderr
    assert len(script.requests) == 2


def test_repeats_ten_calls_in_all_however_many_hops(
    script: Script, environment: dict[str, str]
) -> None:
    # A repetition for the clock's sake needs no pause: each hop's first call is refused.
    script.answers = [
        answer
        for ahead in [7200, 0] * 6
        for answer in (error(403, "RequestExpired", ahead=ahead), session(ahead=ahead))
    ]
    result = run(environment, *["--role-arn", ROLE] * 11)
    assert (result.returncode, result.stdout) == (1, "")
    assert "hop 11 of 12" in result.stderr
    assert "RequestExpired" in result.stderr
    assert len(script.requests) == 21


@pytest.mark.parametrize("number", [True, False], ids=["seconds", "text"])
def test_reads_an_answer_in_json(script: Script, environment: dict[str, str], number: bool) -> None:
    until = int(time.time()) + 3600
    result = {
        "Credentials": {
            "AccessKeyId": "ASIAJSON",
            "SecretAccessKey": SECRET,
            "SessionToken": TOKEN,
            "Expiration": until if number else expiration(3600),
        },
        "AssumedRoleUser": {
            "Arn": "arn:aws:sts::123456789012:assumed-role/deploy/job",
            "AssumedRoleId": "AROA:job",
        },
    }
    script.answers = [Answer(200, json.dumps({"AssumeRoleResponse": {"AssumeRoleResult": result}}))]
    printed = json.loads(run(environment).stdout)
    assert (printed["AccessKeyId"], printed["SessionToken"]) == ("ASIAJSON", TOKEN)
    given = datetime.strptime(printed["Expiration"], "%Y-%m-%dT%H:%M:%S%z").timestamp()
    assert abs(given - until) <= 2


@pytest.mark.parametrize("body", ["", "<AssumeRoleResponse/>", "{}", "nonsense"])
def test_names_an_answer_that_is_none(
    script: Script, environment: dict[str, str], body: str
) -> None:
    script.answers = [Answer(200, body)]
    result = run(environment)
    assert (result.returncode, result.stdout) == (1, "")
    assert "AssumeRole: the answer" in result.stderr


def test_shows_no_secret_when_it_tells_all(script: Script, environment: dict[str, str]) -> None:
    given = {**environment, "AWS_SESSION_TOKEN": "token-of-the-caller"}
    script.answers = [Answer(503, f"busy with {BASE_SECRET}"), session()]
    told = [run(given, "--debug", "--role-arn", ROLE), run(given, "--debug")]
    script.answers = [error(403, "AccessDenied")]
    told.append(run(given, "--debug", "--no-cache"))
    assert [one.returncode for one in told] == [0, 0, 1]
    signatures = [one["authorization"].rpartition("Signature=")[2] for one in script.requests]
    assert all(len(signature) == 64 for signature in signatures)
    for one in told:
        assert "called a service" in one.stderr
        for secret in (BASE_SECRET, SECRET, TOKEN, "token-of-the-caller", *signatures):
            assert secret not in one.stderr


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", ">&- 2>&-"])
def test_does_not_write_to_what_has_the_number_of_a_closed_stdout(
    script: Script, environment: dict[str, str], tmp_path: Path, closed: str
) -> None:
    # A connection that got number 1 would be sent the keys.
    result = subprocess.run(
        ["sh", "-c", f'"$0" "$@" {closed}', PROGRAM, "--role-arn", ROLE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert result.returncode == 1
    assert result.stderr == (
        "" if "2>&-" in closed else "assume-role: error: cannot write stdout: Bad file descriptor\n"
    )
    assert json.loads(cached(tmp_path).read_text())["AccessKeyId"] == "ASIAFIRST"


def test_shows_no_token_that_the_service_repeats(
    script: Script, environment: dict[str, str]
) -> None:
    token = "header.payload.signature"
    given = {**environment, "AWS_SESSION_TOKEN": TOKEN, "AWS_ID_TOKEN": token}
    script.answers = [error(403, "AccessDenied", f"no: {TOKEN} {token}\n{TOKEN} {token}")]
    for arguments in ((), ("--web-identity-token-env", "AWS_ID_TOKEN")):
        result = run(given, "--debug", *arguments)
        assert result.returncode == 1
        assert "AccessDenied: its message is not shown" in result.stderr
        assert (TOKEN if not arguments else token) not in result.stderr


def test_names_who_answers_without_an_error_of_aws(
    script: Script, environment: dict[str, str]
) -> None:
    script.answers = [Answer(403, "<html><body>Blocked by the proxy</body></html>")]
    result = run(environment)
    assert result.returncode == 1
    assert f"{script.url} answered with status 403 and no error of AWS's form" in result.stderr


# Cache


def cached(folder: Path) -> Path:
    (file,) = (folder / ".cache" / "runlet").iterdir()
    return file


@pytest.fixture
def full(script: Script, environment: dict[str, str], tmp_path: Path) -> Path:
    """The file of a session that a second call takes; a call of STS would give another one."""
    script.answers = [session(), session(key="ASIASECOND")]
    assert [key_of(environment) for _ in range(2)] == ["ASIAFIRST"] * 2
    return cached(tmp_path)


def test_asks_again_for_what_differs(
    full: Path, script: Script, environment: dict[str, str]
) -> None:
    assert key_of(environment, "--external-id", "other") == "ASIASECOND"
    assert key_of({**environment, "AWS_SECRET_ACCESS_KEY": "another"}) == "ASIASECOND"
    assert key_of(environment) == "ASIAFIRST"
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\0\xff" * 1000,
        b"[]",
        b'{"Version":1,"UntilMs":99999999999999,"AccessKeyId":"ASIAFORGED"}',
        b'{"Version":2}',
    ],
    ids=["empty", "half", "bytes", "list", "parts", "version"],
)
def test_replaces_a_file_that_holds_no_session(
    full: Path, script: Script, environment: dict[str, str], content: bytes
) -> None:
    full.write_bytes(content)
    assert [key_of(environment) for _ in range(2)] == ["ASIASECOND"] * 2
    assert len(script.requests) == 2


def test_does_not_follow_a_link(
    full: Path, script: Script, environment: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    full.rename(other)
    content = other.read_bytes()
    full.symlink_to(other)
    assert [key_of(environment) for _ in range(2)] == ["ASIASECOND"] * 2
    assert full.is_symlink()
    assert other.read_bytes() == content
    other.unlink()
    assert key_of(environment) == "ASIASECOND"
    assert not other.exists()


def test_does_not_take_a_file_of_two_names(
    full: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    content = full.read_bytes()
    os.link(full, tmp_path / "other")
    assert key_of(environment) == "ASIASECOND"
    assert (tmp_path / "other").read_bytes() == content


def test_does_not_wait_at_a_pipe(full: Path, environment: dict[str, str]) -> None:
    full.unlink()
    os.mkfifo(full, 0o600)
    assert key_of(environment) == "ASIASECOND"


def test_does_not_follow_a_folder_that_is_a_link(
    full: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    full.parent.rename(tmp_path / "elsewhere")
    full.parent.symlink_to(tmp_path / "elsewhere")
    assert key_of(environment) == "ASIASECOND"
    assert b"ASIAFIRST" in (tmp_path / "elsewhere" / full.name).read_bytes()


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o606])
def test_does_not_believe_what_others_could_read_or_write(
    full: Path, script: Script, environment: dict[str, str], mode: int
) -> None:
    full.chmod(mode)
    assert [key_of(environment) for _ in range(2)] == ["ASIASECOND"] * 2
    assert stat.S_IMODE(full.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
@pytest.mark.parametrize("whose", ["file", "folder"])
def test_takes_nothing_that_is_anothers(
    full: Path, environment: dict[str, str], whose: str
) -> None:
    content = full.read_bytes()
    os.chown(full if whose == "file" else full.parent, 65534, 65534)
    assert key_of(environment) == "ASIASECOND"
    assert full.read_bytes() == content


def test_leaves_the_cache_alone_when_told(
    full: Path, script: Script, environment: dict[str, str]
) -> None:
    content = full.read_bytes()
    assert key_of(environment, "--no-cache") == "ASIASECOND"
    assert full.read_bytes() == content
    full.unlink()
    assert key_of(environment, "--no-cache") == "ASIASECOND"
    assert not full.exists()


@pytest.mark.parametrize("home", ["/dev/null", "relative", None])
def test_works_without_a_place_for_a_cache(
    script: Script, environment: dict[str, str], home: str | None
) -> None:
    del environment["HOME"]
    given = {**environment, **({"HOME": home} if home else {})}
    for calls in (1, 2):
        result = run(given)
        assert (result.returncode, result.stderr) == (0, "")
        assert len(script.requests) == calls


@pytest.mark.parametrize(("seconds", "calls"), [(290, 2), (330, 1)])
def test_does_not_give_out_a_session_in_its_last_five_minutes(
    script: Script, environment: dict[str, str], seconds: int, calls: int
) -> None:
    script.answers = [session(seconds), session(key="ASIASECOND")]
    assert key_of(environment) == "ASIAFIRST"
    assert key_of(environment) == ("ASIASECOND" if calls == 2 else "ASIAFIRST")
    assert len(script.requests) == calls
