# SPDX-License-Identifier: Apache-2.0
"""assume-role over base credentials that are sessions themselves: what comes from the cache.

The stand-in's STS gives other keys at each call, as the real one does: what is assumed over a
session that was assumed anew is another request.
"""

from __future__ import annotations

import json
import stat
import subprocess

import pytest

from conftest import BUILD
from integration.chain_stage import Case, case, keys, running, standin
from localcloud.waiting import LIMIT

__all__ = ["case", "running", "standin"]

PROGRAM = BUILD / "bin" / "assume-role"
ROLE = "arn:aws:iam::123456789012:role"
BASE_SECRET = "secret-of-the-base"
CONFIG = f"""
[profile top]
role_arn = {ROLE}/top
source_profile = middle
[profile middle]
role_arn = {ROLE}/middle
source_profile = base
"""


def file_keys(access_key: str = "AKIABASE", secret: str = BASE_SECRET) -> str:
    return f"[base]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret}\n"


def command(case: Case, *arguments: str) -> list[str]:
    profile = [] if case.profile is None else ["--profile", case.profile]
    return [str(PROGRAM), *profile, "--role-arn", f"{ROLE}/last", *arguments]


def assume(case: Case, *arguments: str) -> tuple[str, int]:
    """The session's access key, which names what is below it, and how many calls STS had."""
    before = len(case.standin.requests)
    result = subprocess.run(
        command(case, *arguments),
        env=case.whole_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert result.returncode == 0, result.stderr
    calls = [path for method, path, *_ in case.standin.requests[before:] if method == "POST"]
    return str(json.loads(result.stdout)["AccessKeyId"]), len(calls)


@pytest.fixture
def chain(case: Case) -> Case:
    """Profile top over profile middle over keys in a file; all of it is in the cache."""
    case.write(CONFIG, file_keys())
    case.profile = "top"
    assert assume(case) == ("ASIA.last.over.ASIA.top.over.ASIA.middle.over.AKIABASE", 3)
    return case


def test_profiles_with_roles_come_from_the_cache(chain: Case) -> None:
    assert assume(chain) == ("ASIA.last.over.ASIA.top.over.ASIA.middle.over.AKIABASE", 0)
    # Another hop over the same base calls for itself alone.
    assert assume(chain, "--external-id", "other")[1] == 1


@pytest.mark.parametrize(
    ("access_key", "secret"),
    [("AKIAOTHER", BASE_SECRET), ("AKIABASE", "other")],
    ids=["key", "secret"],
)
def test_other_keys_below_get_sessions_of_their_own(
    chain: Case, access_key: str, secret: str
) -> None:
    chain.write(CONFIG, file_keys(access_key, secret))
    key, calls = assume(chain)
    assert (key, calls) == (f"ASIA.last.over.ASIA.top.over.ASIA.middle.over.{access_key}", 3)
    chain.write(CONFIG, file_keys())
    assert assume(chain)[1] == 0


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("external_id = other", 3),
        ("role_session_name = other", 3),
        ("duration_seconds = 900", 3),
        ("# nothing that STS sees", 0),
    ],
)
def test_a_profile_that_says_something_else_is_asked_for_anew(
    chain: Case, line: str, calls: int
) -> None:
    chain.write(f"{CONFIG}{line}\n", file_keys())
    assert assume(chain)[1] == calls


def test_another_region_is_another_request(chain: Case) -> None:
    assert assume(chain, "--region", "eu-west-1")[1] == 3


def test_no_cache_is_for_the_profiles_too(chain: Case) -> None:
    folder = chain.home / ".cache" / "runlet"
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert len(before) == 3
    assert assume(chain, "--no-cache")[1] == 3
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_of_parallel_callers_one_calls_sts(case: Case) -> None:
    case.write(CONFIG, file_keys())
    case.profile = "top"
    running = [
        subprocess.Popen(command(case), env=case.whole_environment(), stdout=subprocess.PIPE)
        for _ in range(10)
    ]
    assert len({process.communicate(timeout=LIMIT)[0] for process in running}) == 1
    assert len(case.standin.requests) == 3


def test_a_web_identity_token_stands_for_itself(case: Case) -> None:
    token = case.home / "token"
    case.write(f"[profile p]\nrole_arn = {ROLE}/web\nweb_identity_token_file = {token}\n")
    case.profile = "p"
    for given, calls in (("first", 2), ("first\n", 0), ("second", 2), ("first", 0)):
        token.write_text(given)
        assert assume(case) == (f"ASIA.last.over.ASIA.web.over.{given.strip()}", calls)


def process_that_says(case: Case, said: str) -> None:
    program = case.home / "process"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)


def process_keys(access_key: str, token: str) -> str:
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": access_key,
            "SecretAccessKey": "s",
            "SessionToken": token,
            "Expiration": "2099-01-01T00:00:00Z",
        }
    )


def test_a_process_is_known_by_the_keys_that_it_gives(case: Case) -> None:
    case.write(f"[profile p]\ncredential_process = {case.home}/process\n")
    case.profile = "p"
    for access_key, token, calls in (
        ("ASIAONE", "one", 1),
        ("ASIAONE", "one", 0),
        ("ASIAONE", "two", 1),
        ("ASIATWO", "one", 1),
        ("ASIAONE", "one", 0),
    ):
        process_that_says(case, process_keys(access_key, token))
        assert assume(case) == (f"ASIA.last.over.{access_key}", calls)


def test_a_container_that_rotates_its_keys_is_asked_for_anew(case: Case) -> None:
    case.write(f"[profile p]\nrole_arn = {ROLE}/task\ncredential_source = EcsContainer\n")
    case.profile = "p"
    case.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{case.standin.url}/container"
    for access_key, calls in (("ASIAONE", 2), ("ASIAONE", 0), ("ASIATWO", 2)):
        case.standin.faults.container_answer = keys(access_key)
        assert assume(case) == (f"ASIA.last.over.ASIA.task.over.{access_key}", calls)


def test_what_others_could_read_is_not_taken(chain: Case) -> None:
    folder = chain.home / ".cache" / "runlet"
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert BASE_SECRET not in file.read_text()
        file.chmod(0o640)
    assert assume(chain)[1] == 3


def names(case: Case) -> list[str]:
    """The names of the sessions that one run asks STS for."""
    case.standin.requests.clear()
    assume(case, "--no-cache")
    return [form["RoleSessionName"] for *_, form in case.standin.requests]


def test_profiles_take_the_name_of_the_hops(case: Case) -> None:
    case.write(
        f"{CONFIG}role_session_name = mine\n"
        f"[profile web]\nrole_arn = {ROLE}/web\nweb_identity_token_file = {case.home}/token\n",
        file_keys(),
    )
    (case.home / "token").write_text("token")
    job = {"CI_JOB_ID": "41", "CI_PROJECT_PATH_SLUG": "group-project"}
    default = "runlet-group-project-41"
    case.environment = {**job, "AWS_PROFILE": "top"}
    assert names(case) == ["mine", default, default]
    case.environment = {**job, "AWS_PROFILE": "web"}
    assert names(case) == [default, default]
    # As in botocore, the variable is for web identity alone.
    case.environment["AWS_ROLE_SESSION_NAME"] = "named"
    assert names(case) == ["named", default]
    case.environment["AWS_PROFILE"] = "top"
    assert names(case) == ["mine", default, default]
