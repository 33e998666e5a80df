# SPDX-License-Identifier: Apache-2.0
"""A function's credentials: a session of its role from the AWS endpoint's STS."""

from __future__ import annotations

from localcloud.sts import StrictSts


class RoleCredentials:
    """Assumes a function's role, as Lambda does when it makes an environment."""

    def __init__(self, sts: StrictSts) -> None:
        self._sts = sts

    def __call__(self, role_arn: str, function_name: str) -> dict[str, str]:
        name = function_name.ljust(2, "-")[:64]
        return self._sts.assume_for_service(role_arn, name, "lambda.amazonaws.com")
