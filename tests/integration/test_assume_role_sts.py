# SPDX-License-Identifier: Apache-2.0
"""assume-role against the strict STS: chains, tokens, refusals, formats, and the aws CLI."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from conftest import BUILD
from localcloud.aws import ACCESS_KEY, ACCOUNT_ID, REGION, SECRET_KEY
from localcloud.gitlab import CertificateAuthority, StandInGitLab
from localcloud.sts import StsCloud
from localcloud.terraform import find_program, write_cli_configuration
from localcloud.waiting import LIMIT

PROGRAM = BUILD / "bin" / "assume-role"
AUDIENCE = "https://aws.example"
SUBJECT = "project_path:group/app:ref_type:branch:ref:main"
_numbers = itertools.count()


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def make_role(
    cloud: StsCloud, principal: Any = None, action: Any = None, condition: Any = None
) -> str:
    """A role that may assume any role."""
    iam = boto3.client(
        "iam",
        endpoint_url=cloud.aws.endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    name = f"role-{next(_numbers)}"
    trust = policy(
        Principal=principal or {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
        Action=action or ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        **({"Condition": condition} if condition else {}),
    )
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    may = policy(Action="sts:*", Resource="*")
    iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=may)
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StsCloud]:
    with StsCloud(tmp_path_factory.mktemp("sts")) as started:
        yield started


@pytest.fixture(scope="module")
def gitlab(cloud: StsCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInGitLab]:
    folder = tmp_path_factory.mktemp("gitlab")
    authority = CertificateAuthority(folder / "ca")
    cloud.sts.issuers.ca_file = authority.file
    with StandInGitLab(ca=authority, folder=folder / "data") as started:
        yield started


@pytest.fixture
def keyless(cloud: StsCloud, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": cloud.aws.endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def environment(keyless: dict[str, str]) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    return {**keyless, **keys}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=LIMIT
    )


def test_walks_a_chain_with_tags_and_a_source_identity(
    cloud: StsCloud, environment: dict[str, str]
) -> None:
    first = make_role(cloud, condition={"StringEquals": {"sts:ExternalId": "hub-1"}})
    carried = {"aws:PrincipalTag/ref": "main", "aws:SourceIdentity": "gitlab-7"}
    second = make_role(cloud, condition={"StringEquals": {**carried, "sts:ExternalId": "spoke-1"}})
    hub = ["--role-arn", first, "--external-id", "hub-1", "--source-identity", "gitlab-7"]
    tags = ["--tags", "Key=ref,Value=main", "Key=here,Value=x", "--transitive-tag-keys", "ref"]
    spoke = ["--role-arn", second, "--external-id", "spoke-1", "--role-session-name", "job-1"]
    result = run(environment, *hub, *tags, *spoke, "--format", "json")
    assert result.returncode == 0, result.stderr
    name = second.rpartition("/")[2]
    user = json.loads(result.stdout)["AssumedRoleUser"]
    assert user["Arn"] == f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{name}/job-1"
    session = cloud.sts.sessions[-1]
    assert (session.tags, session.source_identity, session.chained) == (
        {"ref": "main"},
        "gitlab-7",
        True,
    )


def test_names_the_hop_that_is_refused_and_what_to_do(
    cloud: StsCloud, environment: dict[str, str]
) -> None:
    first = make_role(cloud)
    second = make_role(cloud, condition={"StringEquals": {"sts:ExternalId": "right"}})
    plain = make_role(cloud, action=["sts:AssumeRole"])
    for options, hint in (
        (["--role-arn", second], "does it want an external id?"),
        (["--role-arn", second, "--external-id", "wrong"], "with just this external id"),
        (["--role-arn", plain, "--tags", "Key=a,Value=b"], "must allow sts:TagSession"),
        (["--role-arn", plain, "--source-identity", "me"], "must allow sts:SetSourceIdentity"),
    ):
        result = run(environment, "--role-arn", first, *options)
        assert (result.returncode, result.stdout) == (1, "")
        assert f"hop 2 of 2, {options[1]}: " in result.stderr
        assert "AccessDenied" in result.stderr
        assert hint in result.stderr


def make_policy(cloud: StsCloud, **statement: Any) -> str:
    made = cloud.aws.client("iam").create_policy(
        PolicyName=f"policy-{next(_numbers)}", PolicyDocument=policy(**statement)
    )
    return str(made["Policy"]["Arn"])


def test_session_policies_narrow_the_hop_and_are_part_of_the_cached_request(
    cloud: StsCloud, environment: dict[str, str]
) -> None:
    first, allowed, other = (make_role(cloud) for _ in range(3))
    arns = [make_policy(cloud, Action="sts:AssumeRole", Resource=allowed),
            make_policy(cloud, Action="s3:*", Resource="*")]  # fmt: skip
    by_arn = ["--policy-arns", *(f"arn={arn}" for arn in arns)]
    inline = ["--policy", policy(Action="sts:AssumeRole", Resource=allowed)]
    for narrow in (by_arn, inline):
        narrowed = ["--role-arn", first, *narrow]
        assert run(environment, *narrowed, "--role-arn", allowed).returncode == 0
        refused = run(environment, *narrowed, "--role-arn", other)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"hop 2 of 2, {other}: " in refused.stderr
        assert "AccessDenied" in refused.stderr
        # The same hop without the policies is another request: no session is mixed up.
        assert run(environment, "--role-arn", first, "--role-arn", other).returncode == 0
    fields = cloud.sts.calls[-1].fields
    assert not any(name.startswith("Policy") for name in fields)
    sent = [call.fields for call in cloud.sts.calls if "PolicyArns.member.2.arn" in call.fields]
    assert [sent[-1][f"PolicyArns.member.{n}.arn"] for n in (1, 2)] == arns


def test_says_which_policy_or_tags_sts_does_not_take(
    cloud: StsCloud, environment: dict[str, str]
) -> None:
    role = make_role(cloud)
    absent = f"arn:aws:iam::{ACCOUNT_ID}:policy/none"
    big = [f"Key=key{n},Value={'v' * 200}" for n in range(2)]
    actions = [f"service{n}:Thing{n * 7919}" for n in range(60)]
    for options, code, part in (
        (["--policy-arns", f"arn={absent}"], "ValidationError", f"{absent} does not exist"),
        (["--tags", *big], "PackedPolicyTooLarge", "send fewer tags"),
        (["--policy", policy(Action=actions, Resource="*")], "PackedPolicyTooLarge",
         "shorten the session policy"),
        (["--policy", "{}"], "MalformedPolicyDocument", "the session policy is not valid"),
    ):  # fmt: skip
        result = run(environment, "--role-arn", role, *options)
        assert (result.returncode, result.stdout) == (1, "")
        assert code in result.stderr
        assert part in result.stderr


def federated(cloud: StsCloud, gitlab: StandInGitLab) -> str:
    host = gitlab.url.removeprefix("https://")
    provider = f"arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{host}"
    iam = boto3.client(
        "iam",
        endpoint_url=cloud.aws.endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    if provider not in [one["Arn"] for one in listed]:
        iam.create_open_id_connect_provider(
            Url=gitlab.url, ClientIDList=[AUDIENCE], ThumbprintList=["0" * 40]
        )
    return make_role(
        cloud,
        {"Federated": provider},
        ["sts:AssumeRoleWithWebIdentity"],
        {"StringEquals": {f"{host}:sub": SUBJECT, f"{host}:aud": AUDIENCE}},
    )


def token_of(gitlab: StandInGitLab, **claims: Any) -> str:
    now = int(time.time())
    known = {"iss": gitlab.url, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 300}
    return gitlab.oidc.sign({**known, **claims})


def test_starts_from_a_token_without_a_key(
    cloud: StsCloud, gitlab: StandInGitLab, keyless: dict[str, str], tmp_path: Path
) -> None:
    role = federated(cloud, gitlab)
    file = tmp_path / "token"
    file.write_text(token_of(gitlab) + "\n")
    from_file = ["--role-arn", role, "--web-identity-token-file", str(file)]
    from_env = ["--role-arn", role, "--web-identity-token-env", "AWS_ID_TOKEN"]
    given = {**keyless, "AWS_ID_TOKEN": token_of(gitlab)}
    for arguments in (from_file, [*from_env, "--no-cache"]):
        result = run(given, *arguments)
        assert result.returncode == 0, result.stderr
        assert cloud.sts.calls[-1].action == "AssumeRoleWithWebIdentity"
        assert cloud.sts.calls[-1].access_key is None
    next_role = make_role(cloud)
    result = run(given, *from_env, "--role-arn", next_role, "--format", "json")
    assert next_role.rpartition("/")[2] in json.loads(result.stdout)["AssumedRoleUser"]["Arn"]


def test_says_what_is_wrong_with_a_token(
    cloud: StsCloud, gitlab: StandInGitLab, keyless: dict[str, str]
) -> None:
    role = federated(cloud, gitlab)
    for claims, code, hint in (
        ({"aud": "other"}, "InvalidIdentityToken", "lists the token's audience"),
        ({"sub": "other"}, "AccessDenied", "must match the token's aud and sub"),
        ({"exp": 1}, "ExpiredTokenException", "get a new one"),
    ):
        token = token_of(gitlab, **claims)
        given = {**keyless, "AWS_ID_TOKEN": token}
        result = run(given, "--role-arn", role, "--web-identity-token-env", "AWS_ID_TOKEN")
        assert (result.returncode, result.stdout) == (1, "")
        for part in (f"hop 1 of 1, {role}", code, hint):
            assert part in result.stderr
        assert token not in result.stderr
    given = {**keyless, "AWS_ID_TOKEN": "no-token"}
    result = run(given, "--role-arn", role, "--web-identity-token-env", "AWS_ID_TOKEN")
    assert "what was given is not an OIDC token" in result.stderr


def test_checks_who_one_is(cloud: StsCloud, environment: dict[str, str]) -> None:
    role = make_role(cloud)
    arn = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role.rpartition('/')[2]}/me-1"
    asked = ["--check", "--role-arn", role, "--role-session-name", "me-1"]
    text = run(environment, *asked).stdout
    assert text.startswith(f"{arn}\naccount {ACCOUNT_ID}, user id ")
    assert "minutes), from: " in text
    answer = json.loads(run(environment, *asked, "--format", "json").stdout)
    assert (answer["Account"], answer["Arn"]) == (ACCOUNT_ID, arn)
    assert answer["Expiration"].endswith("Z")
    own = run(environment, "--check")
    assert "without an end, from: environment" in own.stdout
    assert SECRET_KEY not in text + own.stdout


@pytest.mark.parametrize("form", ["env", "json", "terragrunt"])
def test_prints_keys_that_work(cloud: StsCloud, environment: dict[str, str], form: str) -> None:
    role = make_role(cloud)
    asked = ["--role-arn", role, "--role-session-name", "me-1", "--format", form]
    if form == "env":
        script = 'eval "$("$0" "$@")" && env'
        shell = subprocess.run(
            ["sh", "-c", script, PROGRAM, *asked],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        lines = [line.partition("=") for line in shell.stdout.splitlines()]
        found = {name: value for name, _, value in lines}
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    else:
        result = run(environment, *asked)
        assert result.returncode == 0, result.stderr
        found = json.loads(result.stdout)
        found = found["Credentials"] if form == "json" else found["awsCredentials"]
        names = (
            ("AccessKeyId", "SecretAccessKey", "SessionToken")
            if form == "json"
            else ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
        )
    keys = [found[name] for name in names]
    sts = boto3.session.Session(*keys, REGION).client("sts", endpoint_url=cloud.aws.endpoint_url)
    assert sts.get_caller_identity()["Arn"].endswith("/me-1")


def test_the_aws_cli_takes_it_as_its_credential_process(
    cloud: StsCloud, environment: dict[str, str], tmp_path: Path
) -> None:
    role = make_role(cloud)
    config = tmp_path / "config"
    config.write_text(
        f"[profile ci]\ncredential_process = {PROGRAM} --role-arn {role}"
        " --role-session-name cli-1\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "awscli", "--profile", "ci", "sts", "get-caller-identity"],
        env={**environment, "AWS_CONFIG_FILE": str(config)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["Arn"].endswith("/cli-1")


def test_terraforms_provider_takes_it_as_its_credential_process(
    cloud: StsCloud, environment: dict[str, str], tmp_path: Path
) -> None:
    role = make_role(cloud)
    config = tmp_path / "config"
    config.write_text(
        f"[profile ci]\ncredential_process = {PROGRAM} --role-arn {role}"
        " --role-session-name terraform-1\n"
    )
    program = find_program()
    folder = tmp_path / "configuration"
    folder.mkdir()
    (folder / "main.tf").write_text(
        'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
        'provider "aws" {}\ndata "aws_caller_identity" "me" {}\n'
        'output "arn" {\n  value = data.aws_caller_identity.me.arn\n}\n'
    )
    # The base credentials are those of the program; the provider has the profile alone.
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    credentials = tmp_path / "credentials"
    credentials.write_text(
        "[base]\n"
        f"aws_access_key_id = {environment['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {environment['AWS_SECRET_ACCESS_KEY']}\n"
    )
    config.write_text(config.read_text().replace("--role-arn", "--profile base --role-arn"))
    variables = {
        **{name: value for name, value in environment.items() if name not in keys},
        "AWS_PROFILE": "ci",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "TF_CLI_CONFIG_FILE": str(write_cli_configuration(tmp_path / "cli", program)),
    }
    for command in (["init"], ["apply", "-auto-approve"], ["output", "-raw", "arn"]):
        result = subprocess.run(
            [program, *command], cwd=folder, env=variables, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("/terraform-1")
