# SPDX-License-Identifier: Apache-2.0
"""Runners as GitLab knows them: one token each, used by any number of runner managers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.gitlab.instance import Instance
    from localcloud.gitlab.jobs import Job


class Runner:
    """`system_ids` are all runner managers seen, `info` is what the last of them said of itself."""

    def __init__(
        self,
        instance: Instance,
        identifier: int,
        *,
        tags: Iterable[str] = (),
        run_untagged: bool = True,
        maximum_timeout: int | None = None,
        description: str = "",
        paused: bool = False,
        ref_protected: bool = False,
        prefix: str = "glrt-",
    ) -> None:
        self._instance = instance
        self._prefix = prefix
        self.id = identifier
        self.token = self._new_token()
        self.tags = frozenset(tags)
        self.run_untagged = run_untagged
        self.maximum_timeout = maximum_timeout
        self.description = description or f"runner {identifier}"
        self.paused = paused
        self.ref_protected = ref_protected
        self.system_ids: set[str] = set()
        self.info: dict[str, Any] = {}
        self.queue_value = secrets.token_hex(16)

    def _new_token(self) -> str:
        return self._prefix + secrets.token_urlsafe(15)

    def reset_token(self) -> str:
        """Gives the runner another token. The old one is worth nothing from now on."""
        with self._instance.lock:
            self.token = self._new_token()
            return self.token

    def delete(self) -> None:
        self._instance.remove_runner(self)

    def takes(self, job: Job) -> bool:
        """Whether this runner may run the job, by tags and protection."""
        if self.ref_protected and not job.pipeline.protected:
            return False
        return job.config.tags <= self.tags and (bool(job.config.tags) or self.run_untagged)

    def tick(self) -> None:
        """Tells runners that hold the queue's last value that there may be something new."""
        self.queue_value = secrets.token_hex(16)
