# SPDX-License-Identifier: Apache-2.0
"""A function's credentials: a session of its role from the AWS endpoint's STS."""

from __future__ import annotations

from localcloud.aws import Aws


class RoleCredentials:
    """Assumes a function's role, as Lambda does when it makes an environment."""

    def __init__(self, aws: Aws) -> None:
        self._sts = aws.client("sts")

    def __call__(self, role_arn: str, function_name: str) -> dict[str, str]:
        answer = self._sts.assume_role(
            RoleArn=role_arn, RoleSessionName=function_name.ljust(2, "-")[:64], DurationSeconds=3600
        )
        keys = answer["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }
