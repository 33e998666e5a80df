# SPDX-License-Identifier: Apache-2.0
"""Session policies, inline and by ARN, and the room that they and the tags take in a session."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence

from localcloud.sts.errors import StsError, invalid
from localcloud.sts.iam import Iam, Role
from localcloud.sts.parameters import Parameters

# AWS tells neither how it packs nor the room there is. With this room and this dictionary six tags
# of 279 characters take 72 % (74 was seen at AWS), and a policy with one short statement 6 %, as in
# AWS's documentation.
ROOM = 400  # bytes
_DICTIONARY = (
    b'"NotAction":"NotResource":"StringEquals":{"StringLike":{"aws:"Condition":{"Effect":"Deny",'
    b'"s3:GetObject","s3:PutObject","s3:ListBucket"],"Action":["arn:aws:iam::aws:policy/"arn:aws:'
    b's3:::"Resource":["Resource":"*"}]}"Effect":"Allow","Action":"{"Version":"2012-10-17",'
    b'"Statement":[{"Sid":"Stmt1",'
)


def session_policies(asked: Parameters, role: Role, iam: Iam) -> tuple[str, ...]:
    """The documents that narrow the session: together, whatever one of them allows."""
    documents = []
    if asked.policy is not None:
        _check_document(asked.policy)
        documents.append(asked.policy)
    for arn in asked.policy_arns:
        document = iam.policy(role.account, arn)
        if document is None:
            raise invalid(
                f"the policy {arn} does not exist in the role's account {role.account}, where"
                " session policies must be"
            )
        documents.append(document)
    return tuple(documents)


def _check_document(policy: str) -> None:
    try:
        document = json.loads(policy)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "Statement" not in document:
        raise StsError(
            "MalformedPolicyDocument", "The policy is not in the valid JSON format.", 400
        )


def packed_size(
    policy: str | None, policy_arns: Sequence[str], tags: Mapping[str, str]
) -> int | None:
    """How much of the room is taken, in percent: more than 100 is refused. None: of nothing."""
    if not (policy or policy_arns or tags):
        return None
    text = "\n".join([policy or "", *policy_arns])
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_DICTIONARY)
    packed = len(packer.compress(text.encode()) + packer.flush()) if text else 0
    packed += sum(len(f"{key}{value}".encode()) + 2 for key, value in tags.items())
    return -(-100 * packed // ROOM)


def check_packed_size(asked: Parameters, tags: Mapping[str, str]) -> int | None:
    """The size with all tags of the session, the inherited ones too."""
    size = packed_size(asked.policy, asked.policy_arns, tags)
    if size is not None and size > 100:
        consumed = f"consumes {size}% of allotted space"
        message = (
            f"Packed policy {consumed}, please use smaller policy."
            if asked.policy or asked.policy_arns
            else f"Packed size of session tags {consumed}."
        )
        raise StsError("PackedPolicyTooLarge", message, 400)
    return size
