# SPDX-License-Identifier: Apache-2.0
"""The Lambda service of the local cloud: functions run in sandboxes, as Lambda would run them."""

from localcloud.functions.environment import Environment
from localcloud.functions.invocation import Invocation
from localcloud.functions.service import FunctionService

__all__ = ["Environment", "FunctionService", "Invocation"]
