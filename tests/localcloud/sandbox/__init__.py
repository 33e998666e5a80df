# SPDX-License-Identifier: Apache-2.0
"""What an execution environment is made of: root file system, code, and the way in."""

from localcloud.sandbox.code import CodeStore
from localcloud.sandbox.program import build_enter
from localcloud.sandbox.root import bare_root

__all__ = ["CodeStore", "bare_root", "build_enter"]
