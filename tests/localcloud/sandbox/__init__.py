# SPDX-License-Identifier: Apache-2.0
"""What an execution environment is made of: its root file system, its code, and how it is entered."""

from localcloud.sandbox.code import CodeStore
from localcloud.sandbox.program import build_enter
from localcloud.sandbox.root import bare_root

__all__ = ["CodeStore", "bare_root", "build_enter"]
