# SPDX-License-Identifier: Apache-2.0
"""The default chain of credentials beside botocore's: same inputs, same access key."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from integration.chain_stage import EXPIRATION, Case, case, running, standin

__all__ = ["case", "running", "standin"]

# --- The same as botocore ---------------------------------------------------------------------

PROFILES = ("default", "one", "two", "three")
PROCESS = (
    "credential_process = sh -c 'echo "
    '"{{\\"Version\\": 1, \\"AccessKeyId\\": \\"AKIA.process.{name}\\", '
    '\\"SecretAccessKey\\": \\"s\\"}}"\''
)


def random_profile(chance: random.Random, name: str, place: str, token: Path) -> list[str]:
    """Lines of a profile: some of what may stand there, in any mix."""
    lines = []
    if chance.random() < 0.35:
        lines.append(f"aws_access_key_id = AKIA.{place}.{name}")
        if chance.random() < 0.9:
            lines.append("aws_secret_access_key = s")
        if chance.random() < 0.3:
            lines.append("aws_session_token = t")
    if chance.random() < 0.45:
        lines.append(f"role_arn = arn:aws:iam::123456789012:role/{place}.{name}")
        if chance.random() < 0.75:
            lines.append(f"source_profile = {chance.choice([*PROFILES, 'missing'])}")
        if chance.random() < 0.25:
            source = chance.choice(["Environment", "EcsContainer", "Ec2InstanceMetadata", "Odd"])
            lines.append(f"credential_source = {source}")
    if chance.random() < 0.15:
        lines.append(f"web_identity_token_file = {token}")
    if chance.random() < 0.25:
        lines.append(PROCESS.format(name=f"{place}.{name}"))
    chance.shuffle(lines)
    return lines


def disguise(chance: random.Random, line: str) -> str:
    """The same property, written another way."""
    key, _, value = line.partition(" = ")
    key = chance.choice([key, key, key.upper()])
    return key + chance.choice([" = ", "=", " : ", ":\t"]) + value + chance.choice(["", "  "])


def random_file(chance: random.Random, place: str, token: Path) -> str:
    text = []
    for name in PROFILES:
        if chance.random() < 0.2:
            continue
        plain = place == "shared" or (name == "default" and chance.random() < 0.7)
        quoted = chance.choice([name, name, f'"{name}"', f" '{name}'"])
        text.append(f"[{name}]" if plain else f"[profile {quoted}]")
        indent = chance.choice(["", "", "  ", "\t"])
        for line in random_profile(chance, name, place, token):
            text += chance.choice([[], [], [], [""], ["# a = b"], ["   ; [section]"]])
            text.append(indent + disguise(chance, line))
        if chance.random() < 0.02:
            text.append(chance.choice(["nonsense", "[default]", "= x", "region = a\nregion = b"]))
    return chance.choice(["\n", "\n", "\r\n"]).join([*text, ""])


def random_environment(chance: random.Random, url: str, token: Path) -> dict[str, str]:
    environment = {}
    if chance.random() < 0.25:
        environment["AWS_ACCESS_KEY_ID"] = "AKIA.environment"
    if chance.random() < 0.25:
        environment["AWS_SECRET_ACCESS_KEY"] = "s"
    if chance.random() < 0.2:
        environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(token)
    if chance.random() < 0.25:
        environment["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/environment"
    if chance.random() < 0.3:
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{url}/container"
    if chance.random() < 0.3:
        environment["AWS_EC2_METADATA_DISABLED"] = "true"
    if chance.random() < 0.4:
        environment["AWS_PROFILE"] = chance.choice([*PROFILES, "missing"])
    return environment


@pytest.mark.parametrize("part", range(4))
def test_precedence_is_botocores(case: Case, part: int) -> None:
    """Over many made-up machines: the same key, or an error in both."""
    token = case.home / "token"
    token.write_text("header.payload.signature")
    seen: dict[str, int] = {}
    for seed in range(part * 100, part * 100 + 100):
        chance = random.Random(seed)
        config = random_file(chance, "config", token)
        shared = random_file(chance, "shared", token)
        case.write(config, shared)
        case.environment = random_environment(chance, case.standin.url, token)
        case.profile = chance.choice([None, None, *PROFILES])

        ours, theirs = case.ours(), case.botocore()

        story = f"seed {seed}, --profile {case.profile}\n{case.environment}\n{config}\n{shared}"
        if theirs == "NONE" or theirs.startswith("ERROR"):
            assert "error" in ours, f"{story}\n{theirs}\n{ours}"
            assert ours["error"].startswith("none:") == (theirs == "NONE"), f"{theirs}\n{ours}"
            kind = theirs.split()[0]
        else:
            assert ours.get("access_key") == theirs, f"{story}\n{theirs}\n{ours}"
            kind = theirs.split(".")[0]
        seen[kind] = seen.get(kind, 0) + 1
    assert len(seen) >= 4, seen


# --- Roles, chains, settings ------------------------------------------------------------------

ROLE = "arn:aws:iam::123456789012:role"


def test_assumes_a_chain_of_profiles_from_its_end(case: Case) -> None:
    case.write(
        f"""
[profile top]
role_arn = {ROLE}/top
source_profile = middle
external_id = the-id
role_session_name = me
duration_seconds = 7200
[profile middle]
role_arn = {ROLE}/middle
source_profile = base
duration_seconds = 7200
""",
        "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n",
    )
    case.profile = "top"

    answer = case.ours()

    assert answer["access_key"] == "ASIA.top.over.ASIA.middle.over.AKIABASE"
    assert answer["source"] == f"profile top ({ROLE}/top)"
    assert answer["is_session"]
    assert answer["expires_ms"] == 4070908800000
    middle, top = (form for *_, form in case.standin.requests)
    assert middle["DurationSeconds"] == "7200"
    assert middle["RoleSessionName"].startswith("runlet-")
    assert "ExternalId" not in middle
    # A chained session lasts an hour at most.
    assert (top["DurationSeconds"], top["RoleSessionName"]) == ("3600", "me")
    assert top["ExternalId"] == "the-id"


def test_sends_the_web_identity_token_unsigned(case: Case) -> None:
    (case.home / "token").write_text("header.payload.signature\n")
    case.write(f"[profile web]\nrole_arn = {ROLE}/web\nweb_identity_token_file = ~/token\n")
    case.environment["AWS_PROFILE"] = "web"

    assert case.access_key() == "ASIA.web.over.header.payload.signature"

    ((_, _, headers, form),) = case.standin.requests
    assert form["Action"] == "AssumeRoleWithWebIdentity"
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "role_arn = R\nsource_profile = b\n[profile b]\nrole_arn = R\nsource_profile = p",
            "config: profile b: source_profile = p goes round in a loop",
        ),
        (
            "role_arn = R\nsource_profile = p",
            "config: profile p: source_profile = p goes round in a loop",
        ),
        ("role_arn = R\nsource_profile = x", "config: profile p: source_profile = x: neither "),
        ("role_arn = R", "partial: profile p: role_arn needs to know whose keys to use"),
        (
            "role_arn = R\nsource_profile = p\ncredential_source = Environment",
            "config: profile p: role_arn needs one source, not two",
        ),
        (
            "role_arn = R\ncredential_source = Lambda",
            "config: profile p: credential_source = Lambda: write Environment, EcsContainer or",
        ),
        (
            "role_arn = R\ncredential_source = Environment",
            "config: profile p: credential_source = Environment: found nothing: environment "
            "(AWS_ACCESS_KEY_ID is not set)",
        ),
        (
            "role_arn = R\nsource_profile = b\nmfa_serial = m\n[profile b]",
            "unsupported: profile p: mfa_serial asks for a code from a person",
        ),
        (
            "sso_account_id = 1\nsso_role_name = x",
            "unsupported: profile p uses IAM Identity Center",
        ),
        ("login_session = x", 'unsupported: profile p uses "aws login"'),
        ("aws_access_key_id = x", "partial: profile p in "),
        ("services = x", "config: profile p: services = x, but "),
        (
            "web_identity_token_file = /nowhere",
            "partial: profile p: a web identity token file is given (/nowhere) but no role",
        ),
        (
            "role_arn = R\nweb_identity_token_file = /nowhere",
            "not_found: profile p: web identity token: ",
        ),
        (
            "role_arn = R\nduration_seconds = 1h\nsource_profile = b\n[profile b]\n"
            "aws_access_key_id = x\naws_secret_access_key = s",
            "config: profile p: duration_seconds = 1h: write a number from 900 to 43200",
        ),
    ],
)
def test_says_what_is_wrong_with_a_profile(case: Case, config: str, message: str) -> None:
    case.write(f"[profile p]\n{config.replace('R', f'{ROLE}/r')}\n")
    case.environment["AWS_EC2_METADATA_DISABLED"] = "true"
    case.environment["AWS_ENDPOINT_URL_STS"] = ""
    case.profile = "p"
    assert case.error().startswith(message), case.error()


def test_names_both_files_and_the_nearest_profile(case: Case) -> None:
    case.write("[profile production]\n[default]\n", "[staging]\n")
    for given in ({}, {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}):
        case.environment = {"AWS_PROFILE": "prodction", **given}
        assert case.error() == (
            f"profile: AWS_PROFILE prodction: neither {case.home}/.aws/config nor "
            f'{case.home}/.aws/credentials has that profile; did you mean "production"?'
        )
        assert case.botocore().startswith("ERROR ProfileNotFound")


def test_takes_the_profiles_settings(case: Case) -> None:
    case.write(
        """
[default]
region = eu-west-3
ca_bundle = ~/ca.pem
endpoint_url = http://localhost:1
services = local
[services local]
sts =
  endpoint_url = http://localhost:2
[profile plain]
endpoint_url = http://localhost:1
services = other
[services other]
s3 =
  endpoint_url = http://localhost:3
""",
        "[default]\naws_access_key_id = A\naws_secret_access_key = s\nregion = eu-west-1\n"
        "[plain]\naws_access_key_id = A\naws_secret_access_key = s\n",
    )
    case.environment["AWS_ENDPOINT_URL_STS"] = ""
    answer = case.ours()
    assert answer["region"] == "eu-west-1"  # The credentials file wins, as in botocore.
    assert answer["endpoint_url"] == "http://localhost:2"
    assert answer["ca_bundle"] == f"{case.home}/ca.pem"

    case.profile = "plain"
    assert case.ours()["endpoint_url"] == "http://localhost:1"
    case.environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    assert case.ours()["endpoint_url"] is None
    case.environment = {"AWS_ENDPOINT_URL": "http://localhost:9", "AWS_CA_BUNDLE": "/x"}
    case.profile = None
    assert case.ours()["endpoint_url"] is None
    assert case.ours()["ca_bundle"] is None


def test_files_may_be_elsewhere(case: Case) -> None:
    (case.home / "c").write_text("[profile x]\nregion = eu-north-1\n")
    (case.home / "s").write_text("[x]\naws_access_key_id = AKIAX\naws_secret_access_key = s\n")
    case.environment = {"AWS_CONFIG_FILE": "~/c", "AWS_SHARED_CREDENTIALS_FILE": "~/s"}
    case.profile = "x"
    answer = case.ours()
    assert (answer["access_key"], answer["region"]) == ("AKIAX", "eu-north-1")
    assert case.botocore() == "AKIAX"


# --- Environment ------------------------------------------------------------------------------


def test_reads_the_environments_session(case: Case) -> None:
    case.environment = {
        "AWS_ACCESS_KEY_ID": "ASIAX",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
        "AWS_CREDENTIAL_EXPIRATION": EXPIRATION,
    }
    answer = case.ours()
    assert (answer["source"], answer["is_session"]) == ("environment", True)
    assert answer["expires_ms"] == 4070908800000

    case.environment["AWS_CREDENTIAL_EXPIRATION"] = "2020-01-01T00:00:00Z"
    assert case.error().startswith("expired: the keys in the environment expired at 2020-01-01")
    case.environment["AWS_CREDENTIAL_EXPIRATION"] = "soon"
    assert '"soon" is not a time' in case.error()
    del case.environment["AWS_SECRET_ACCESS_KEY"]
    assert case.error().startswith("partial: AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY ")
