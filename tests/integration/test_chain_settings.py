# SPDX-License-Identifier: Apache-2.0
"""Where STS is, and with which keys it is asked: 300 made-up machines, beside botocore.

ACCEPTED has what these machines show of our differences on purpose; the man page of assume-role
has all of them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import botocore.session
from botocore.exceptions import BotoCoreError
from botocore.loaders import create_loader

from integration.chain_stage import Case, case, running, standin

__all__ = ["case", "running", "standin"]

REGIONS = ["eu-central-1", "us-east-1", "eu-south-2", "us-gov-west-1", "cn-north-1"]
WORDS = ["true", "True", "false", "", "yes"]
PROFILES = ["default", "one", "two"]
# Answers of botocore are read once for all machines.
LOADER = create_loader()


def some(chance: random.Random, share: float, *lines: str) -> Iterator[str]:
    if chance.random() < share:
        yield chance.choice(lines)


def profile_lines(chance: random.Random, name: str) -> Iterator[str]:
    yield from some(chance, 0.9, f"aws_access_key_id = AKIA.{name}\naws_secret_access_key = s")
    yield from some(chance, 0.5, *(f"region = {one}" for one in REGIONS))
    yield from some(chance, 0.2, f"region = eu-west-1{chance.choice([' ', chr(0xA0), chr(9)])}")
    yield from some(chance, 0.2, *(f"endpoint_url = https://{name}.example/" for _ in range(1)))
    yield from some(chance, 0.3, "services = first", "services = second")
    yield from some(chance, 0.2, *(f"ignore_configured_endpoint_urls = {one}" for one in WORDS))
    yield from some(chance, 0.2, *(f"use_fips_endpoint = {one}" for one in WORDS))
    yield from some(chance, 0.2, *(f"use_dualstack_endpoint = {one}" for one in WORDS))
    yield from some(chance, 0.4, "sts_regional_endpoints = legacy",
                    "sts_regional_endpoints = regional")  # fmt: skip


def config_file(chance: random.Random) -> str:
    text = []
    if chance.random() < 0.3:
        text += ["[DEFAULT]", *profile_lines(chance, "DEFAULT")]
    for name in PROFILES:
        if name == "default" or chance.random() < 0.8:
            text += [f"[{'' if name == 'default' else 'profile '}{name}]"]
            text += profile_lines(chance, name)
    for name in ("first", "second"):
        text += [f"[services {name}]", "sts =", f"  endpoint_url = https://{name}.sts.example/"]
        # The last of two counts.
        text += some(chance, 0.4, f"  endpoint_url = https://{name}.last.example/")
        text += some(chance, 0.3, "s3 =\n  endpoint_url = https://s3.example/")
    return "\n".join([*text, ""])


def environment_of(chance: random.Random, case: Case) -> dict[str, str]:
    made = {"AWS_ENDPOINT_URL_STS": "", "AWS_DEFAULT_REGION": ""}
    choices = {
        "AWS_ACCESS_KEY_ID": (0.3, ["AKIA.environment"]),
        "AWS_DEFAULT_REGION": (0.6, REGIONS),
        "AWS_REGION": (0.2, REGIONS),
        "AWS_ENDPOINT_URL": (0.2, ["https://all.example/"]),
        "AWS_ENDPOINT_URL_STS": (0.2, ["https://sts.example/"]),
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": (0.2, WORDS),
        "AWS_USE_FIPS_ENDPOINT": (0.15, WORDS),
        "AWS_USE_DUALSTACK_ENDPOINT": (0.15, WORDS),
        "AWS_STS_REGIONAL_ENDPOINTS": (0.3, ["legacy", "legacy", "regional", "odd"]),
        "AWS_PROFILE": (0.3, [*PROFILES, *PROFILES, "missing"]),
        "AWS_DEFAULT_PROFILE": (0.2, PROFILES),
        "AWS_CONFIG_FILE": (0.3, [f"{case.home}/.aws/config", "$HOME/.aws/config",
                                  "${HOME}/.aws/config", "~/.aws/config", f"{case.home}"]),
        "AWS_EC2_METADATA_DISABLED": (1.0, ["true"]),
    }  # fmt: skip
    for name, (share, values) in choices.items():
        if chance.random() < share:
            made[name] = chance.choice(values)
    if "AWS_ACCESS_KEY_ID" in made:
        made["AWS_SECRET_ACCESS_KEY"] = "s"
    # What is empty is not set; the stage sets these two itself.
    return made


def profile_order(environment: dict[str, str]) -> dict[str, str]:
    """AWS_PROFILE wins over AWS_DEFAULT_PROFILE, as in the aws CLI 2, with a warning."""
    if environment.get("AWS_PROFILE") and environment.get("AWS_DEFAULT_PROFILE"):
        return {**environment, "AWS_DEFAULT_PROFILE": environment["AWS_PROFILE"]}
    return environment


def region_order(environment: dict[str, str]) -> dict[str, str]:
    """AWS_REGION wins over AWS_DEFAULT_REGION, as in the aws CLI 2: botocore does not know it."""
    if environment.get("AWS_REGION"):
        return {**environment, "AWS_DEFAULT_REGION": environment["AWS_REGION"]}
    return environment


# What makes botocore's machine of ours where we differ on purpose.
ACCEPTED: list[Callable[[dict[str, str]], dict[str, str]]] = [profile_order, region_order]


def of_botocore(environment: dict[str, str]) -> dict[str, Any]:
    for difference in ACCEPTED:
        environment = difference(environment)
    environment = {name: value for name, value in environment.items() if value != ""}
    with mock.patch.dict(os.environ, environment, clear=True):
        try:
            session = botocore.session.Session()
            session.register_component("data_loader", LOADER)
            credentials = session.get_credentials()
            if credentials is None:
                return {"error": "none"}
            client = session.create_client("sts")
        except (BotoCoreError, ValueError) as error:
            return {"error": f"{type(error).__name__}: {error}"}
        if session.get_config_variable("region") is None:
            # It asks STS's endpoint for all regions then, or cannot sign: we want to be told one.
            return {"error": "no region"}
        return {
            "access_key": credentials.access_key,
            "sts_url": client.meta.endpoint_url.rstrip("/"),
            "sts_region": client._request_signer.region_name,
        }


def test_as_botocore(case: Case) -> None:
    kinds: dict[str, int] = {}
    for seed in range(300):
        chance = random.Random(f"settings {seed}")
        config = config_file(chance)
        case.write(config)
        case.environment = environment_of(chance, case)
        whole = {name: value for name, value in case.whole_environment().items() if value}

        ours, theirs = case.ours(), of_botocore(whole)

        story = f"seed {seed}\n{case.environment}\n{config}\n{theirs}\n{ours}"
        if "error" in theirs or ours.get("sts_url") is None:
            failed = "error" in ours or ours["sts_url"] is None
            assert failed and "error" in theirs, story
            kinds["error"] = kinds.get("error", 0) + 1
            continue
        ours["sts_url"] = ours["sts_url"].rstrip("/")
        assert {name: ours[name] for name in theirs} == theirs, story
        kind = theirs["sts_url"].removeprefix("https://").partition(".")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    # All kinds of answers were drawn.
    assert {"error", "sts", "sts-fips", "all", "first", "second", "default"} <= set(kinds), kinds
    assert kinds["error"] < 150, kinds
