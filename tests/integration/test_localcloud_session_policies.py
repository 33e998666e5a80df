# SPDX-License-Identifier: Apache-2.0
"""The strict STS: session policies, inline and by ARN, and the packed size of a request."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from integration.test_localcloud_sts import OTHER, Cloud, refused
from localcloud.aws import ACCOUNT_ID
from localcloud.sts import StsCloud
from localcloud.sts.session_policies import packed_size

_numbers = itertools.count()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with StsCloud(tmp_path_factory.mktemp("sts")) as started:
        yield Cloud(started)


def document(effect: str = "Allow", action: str = "sts:AssumeRole", resource: str = "*") -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(cloud: Cloud, text: str, account: str = ACCOUNT_ID) -> dict[str, str]:
    """A managed policy, as a member of PolicyArns."""
    made = cloud.iam(account).create_policy(
        PolicyName=f"policy-{next(_numbers)}", PolicyDocument=text
    )
    return {"arn": made["Policy"]["Arn"]}


def test_a_policy_by_arn_narrows_the_session(cloud: Cloud) -> None:
    first, target, other = cloud.role(may={"Action": "sts:*"}), cloud.role(), cloud.role()
    narrow = policy(cloud, document(resource=target))

    keys = cloud.assume(first, PolicyArns=[narrow])

    assert cloud.assume(target, keys)
    with refused("AccessDenied", "sts:AssumeRole"):
        cloud.assume(other, keys)


def test_policies_by_arn_and_inline_add_up_and_a_denial_wins(cloud: Cloud) -> None:
    first, target, other = cloud.role(may={"Action": "sts:*"}), cloud.role(), cloud.role()
    narrow = policy(cloud, document(resource=target))
    denial = policy(cloud, document("Deny", resource=other))

    both = cloud.assume(first, PolicyArns=[narrow], Policy=document(resource=other))
    assert cloud.assume(target, both)
    assert cloud.assume(other, both)
    less = cloud.assume(first, PolicyArns=[narrow, denial], Policy=document())
    assert cloud.assume(target, less)
    with refused("AccessDenied"):
        cloud.assume(other, less)


def test_a_policy_by_arn_gives_the_role_nothing_more(cloud: Cloud) -> None:
    keys = cloud.assume(cloud.role(), PolicyArns=[policy(cloud, document())])

    with refused("AccessDenied"):
        cloud.assume(cloud.role(account=OTHER), keys)


@pytest.mark.parametrize("by_arn", [True, False])
def test_session_policies_also_bind_where_the_trust_names_the_role(
    cloud: Cloud, by_arn: bool
) -> None:
    first = cloud.role()
    target = cloud.role({"AWS": first})
    text = document(action="s3:*")
    narrow = {"PolicyArns": [policy(cloud, text)]} if by_arn else {"Policy": text}

    assert cloud.assume(target, cloud.assume(first))
    with refused("AccessDenied"):
        cloud.assume(target, cloud.assume(first, **narrow))


def test_a_boundary_also_binds_where_the_trust_names_the_role(cloud: Cloud) -> None:
    boundary = policy(cloud, document(action="s3:*"))["arn"]
    first = cloud.role(PermissionsBoundary=boundary)
    with refused("AccessDenied"):
        cloud.assume(cloud.role({"AWS": first}), cloud.assume(first))


def test_policies_must_be_in_the_roles_account(cloud: Cloud) -> None:
    role = cloud.role(account=OTHER)
    assert cloud.assume(role, PolicyArns=[policy(cloud, document(), OTHER)])
    unknown = {"arn": f"arn:aws:iam::{OTHER}:policy/none"}
    for wrong in (policy(cloud, document()), unknown):
        with refused("ValidationError", f"{wrong['arn']} does not exist in the role's account"):
            cloud.assume(role, PolicyArns=[wrong])


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{ACCOUNT_ID}:role/some"}]}, "ValidationError",
         "policyArns.1.member.arn"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{ACCOUNT_ID}:policy/p{n}"} for n in range(11)]},
         "ValidationError", "less than or equal to 10"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{ACCOUNT_ID}:policy/some"}],
          "Policy": document().ljust(2040)}, "ValidationError", "exceeds 2048 characters"),
        ({"Policy": "{"}, "MalformedPolicyDocument", "not in the valid JSON format"),
        ({"Policy": "[]"}, "MalformedPolicyDocument", "not in the valid JSON format"),
    ],
)  # fmt: skip
def test_refuses_what_is_no_session_policy(
    cloud: Cloud, asked: dict[str, Any], code: str, text: str
) -> None:
    with refused(code, text):
        cloud.assume(cloud.role(), **asked)


# The packed size


def tags(count: int, length: int) -> list[dict[str, str]]:
    return [{"Key": f"key{n}", "Value": "v" * length} for n in range(count)]


def test_says_how_much_room_is_taken(cloud: Cloud) -> None:
    client, role = cloud.client("sts"), cloud.role()
    asked = {"RoleArn": role, "RoleSessionName": "tester"}

    assert "PackedPolicySize" not in client.assume_role(**asked)
    small = client.assume_role(**asked, Policy=document())["PackedPolicySize"]
    more = client.assume_role(**asked, Policy=document(), Tags=tags(3, 20))["PackedPolicySize"]
    assert 0 < small < more < 100


def test_refuses_what_takes_too_much_room(cloud: Cloud) -> None:
    role = cloud.role()
    with refused("PackedPolicyTooLarge", r"size of session tags consumes 1\d\d% of allotted space"):
        cloud.assume(role, Tags=tags(3, 150))
    actions = [f"service{n}:{'Get' * (n % 7)}Thing{n * 7919}" for n in range(55)]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    big = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert len(big) < 2048
    with refused("PackedPolicyTooLarge", r"Packed policy consumes \d{3}% of allotted space"):
        cloud.assume(role, Policy=big)


def test_inherited_tags_take_room_at_the_next_hop(cloud: Cloud) -> None:
    first = cloud.role(may={"Action": "sts:*"})
    given = tags(2, 100)
    keys = cloud.assume(first, Tags=given, TransitiveTagKeys=[one["Key"] for one in given])
    more = [{"Key": "more", "Value": "w" * 200}]

    assert cloud.assume(cloud.role(), Tags=more)
    with refused("PackedPolicyTooLarge"):
        cloud.assume(cloud.role(), keys, Tags=more)


def test_the_packed_size_is_near_what_was_seen_at_aws() -> None:
    cluster = {
        "eks-cluster-arn": "arn:aws:eks:eu-central-1:123456789012:cluster/production-main",
        "eks-cluster-name": "production-main",
        "kubernetes-namespace": "platform",
        "kubernetes-service-account": "my-application",
        "kubernetes-pod-name": "my-application-7c5ddbdf54-x2m9q",
        "kubernetes-pod-uid": "0d3c1f9e-6a3b-4a55-9d1e-2f0a7be01b11",
    }
    sample = (
        '{"Version":"2012-10-17","Statement":[{"Sid":"Stmt1","Effect":"Allow","Action":"s3:*",'
        '"Resource":"*"}]}'
    )
    assert packed_size(None, [], cluster) in range(68, 80)
    assert packed_size(sample, [], {}) in range(4, 9)
    assert packed_size(None, [], {}) is None


def test_a_policy_with_notprincipal_is_refused_with_what_to_write(cloud: Cloud) -> None:
    role = cloud.role()
    denial = {"Effect": "Deny", "NotPrincipal": {"AWS": role}, "Action": "sts:AssumeRole"}
    cloud.iam().update_assume_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denial]}),
    )
    with pytest.raises(ClientError, match=r"MalformedPolicyDocument.*aws:PrincipalArn"):
        cloud.assume(role)
