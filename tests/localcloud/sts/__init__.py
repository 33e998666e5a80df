# SPDX-License-Identifier: Apache-2.0
"""A strict STS before moto's, which checks neither signatures nor trust."""

from localcloud.sts.callers import Session
from localcloud.sts.service import StrictSts
from localcloud.sts.standalone import StsCloud

__all__ = ["Session", "StrictSts", "StsCloud"]
