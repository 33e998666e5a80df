# SPDX-License-Identifier: Apache-2.0
"""What an execution environment is made from, and how its sandbox is told."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from localcloud.sandbox.root import USER_ID


@dataclass(frozen=True)
class EnvironmentSettings:
    """All that an environment is made from; equal settings may share warm environments."""

    function_name: str
    function_arn: str
    version: str
    handler: str
    timeout: int
    memory_size: int
    ephemeral_storage: int
    root: Path
    task: Path
    opt: Path
    file_system: tuple[Path, str] | None  # what is mounted read-only, and where: /mnt/NAME
    variables_key: str  # stands for the function's variables: they hold secrets


@dataclass
class UsedTmp:
    """What is needed to start again in the mounts, and so in the /tmp, of an earlier life."""

    mount_namespace: int
    user_namespace: int | None

    def close(self) -> None:
        for descriptor in (self.mount_namespace, self.user_namespace):
            if descriptor is not None:
                os.close(descriptor)


@dataclass
class KeptSandbox:
    """A sandbox whose function has ended, with all that it left there; closing it ends it."""

    holder: int  # the pid (the host's) of its init
    pidfd: int
    tether: int  # the FIFO whose reader's end is the sandbox's

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.close(self.pidfd)
        os.close(self.tether)


def sandbox_config(
    settings: EnvironmentSettings,
    *,
    log: Path,
    events: Path,
    variables: Path,
    used: UsedTmp | None,
    keep: Path | None,
    kept: KeptSandbox | None,
    seccomp: bool,
) -> str:
    """The text that `sandbox/enter.c` reads."""
    config: dict[str, object] = {
        "root": settings.root,
        "task": settings.task,
        "opt": settings.opt,
        "tmp_size": settings.ephemeral_storage << 20,
        "log": log,
        "events": events,
        "environment": variables,
        "user": USER_ID,
    }
    if settings.file_system is not None:
        config["mount_source"], config["mount_target"] = settings.file_system
    if keep is not None:
        config["keep"] = keep
    if not seccomp:
        config["no_seccomp"] = "yes"
    if kept is not None:
        config["holder"] = kept.holder
    elif used is not None:
        descriptors = Path(f"/proc/{os.getpid()}/fd")
        config["mount_namespace"] = descriptors / str(used.mount_namespace)
        if used.user_namespace is not None:
            config["user_namespace"] = descriptors / str(used.user_namespace)
    return "".join(f"{name}={value}\n" for name, value in config.items())
