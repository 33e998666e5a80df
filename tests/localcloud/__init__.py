# SPDX-License-Identifier: Apache-2.0
"""The local cloud, on one machine: see README.md."""

from localcloud.cloud import LocalCloud

__all__ = ["LocalCloud"]
