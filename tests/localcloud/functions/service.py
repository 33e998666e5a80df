# SPDX-License-Identifier: Apache-2.0
"""Invokes functions: finds or makes an execution environment for each event, and keeps accounts."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from localcloud.functions.environment import Environment
from localcloud.functions.errors import too_many_requests
from localcloud.functions.invocation import Invocation
from localcloud.functions.settings import KeptSandbox, UsedTmp
from localcloud.functions.store import Function, FunctionStore
from localcloud.functions.variables import function_variables
from localcloud.functions.watchdog import MemoryWatchdog

Credentials = Callable[[str, str], dict[str, str]]


class FunctionService:
    """All functions' environments, logs and invocations.

    `extra_environment` goes into every function. `keep_tmp_after_crash` makes an environment that
    follows a time-out or a crash start with the /tmp of the one before, as Lambda may do.
    `keep_sandbox_after_crash` makes one that follows a runtime that ended by itself start in the
    same sandbox, beside all processes that are left there, as the emulator does. Without
    `allow_seccomp` functions may install no seccomp filters in new environments.
    """

    def __init__(
        self,
        *,
        folder: Path,
        rie: Path,
        enter: Path,
        store: FunctionStore,
        region: str,
        credentials: Credentials,
        extra_environment: dict[str, str],
    ) -> None:
        self.extra_environment = extra_environment
        self.keep_tmp_after_crash = False
        self.keep_sandbox_after_crash = False
        self.allow_seccomp = True
        self.store = store
        self.on_invocation: list[Callable[[Invocation], None]] = []
        self._folder = folder
        self._rie = rie
        self._enter = enter
        self._region = region
        self._credentials = credentials
        self._lock = threading.Lock()
        self._environments: dict[str, list[Environment]] = {}
        self._idle: list[Environment] = []
        self._busy: list[Environment] = []
        self._running: dict[str, int] = {}
        self._used_tmps: dict[str, UsedTmp] = {}
        self._sandboxes: dict[str, KeptSandbox] = {}
        self._logs: dict[str, list[str]] = {}
        self._invocations: dict[str, list[Invocation]] = {}
        self._closed = False
        self._watchdog = MemoryWatchdog(self._busy_environments)

    # What tests look at

    def environments(self, name: str) -> list[Environment]:
        """All environments that the function ever had, the oldest first."""
        with self._lock:
            return list(self._environments.get(name, []))

    def logs(self, name: str) -> list[str]:
        """All lines of the function's log, with Lambda's own START, END and REPORT."""
        with self._lock:
            return list(self._logs.get(name, []))

    def invocations(self, name: str) -> list[Invocation]:
        """All invocations of the function that have ended, in the order of their end."""
        with self._lock:
            return list(self._invocations.get(name, []))

    def drop_environments(self, name: str) -> None:
        """Ends all of the function's environments, as Lambda does when it spins down."""
        with self._lock:
            dropped = self._environments.get(name, [])
            used = self._used_tmps.pop(name, None)
            sandbox = self._sandboxes.pop(name, None)
            self._idle = [one for one in self._idle if one not in dropped]
        for environment in dropped:
            environment.drop()
        for kept in (used, sandbox):
            if kept is not None:
                kept.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            names = list(self._environments)
        for name in names:
            self.drop_environments(name)
        self._watchdog.close()

    # Invocations

    def invoke(
        self,
        name: str,
        event: bytes,
        *,
        qualifier: str | None = None,
        request_id: str | None = None,
        client_context: str | None = None,
        attempt: int = 1,
    ) -> Invocation:
        """Runs one event to its end. Raises ApiError where Lambda would refuse it."""
        function = self.store.find(name, qualifier, self.extra_environment)
        limit = self.store.reserved_concurrency(name)
        environment = self._take(function, limit)
        invocation = Invocation(
            request_id=request_id or str(uuid.uuid4()),
            function_name=function.name,
            version=function.settings.version,
            event=event,
            attempt=attempt,
            started_at=time.time(),
        )
        try:
            environment.invoke(invocation, client_context)
        finally:
            self._give_back(function.name, environment)
        with self._lock:
            self._invocations.setdefault(function.name, []).append(invocation)
        for listener in self.on_invocation:
            listener(invocation)
        return invocation

    def _take(self, function: Function, limit: int | None) -> Environment:
        stale: list[Environment] = []
        with self._lock:
            if self._closed:
                raise RuntimeError("the local cloud is closed")
            if limit is not None and self._running.get(function.name, 0) >= limit:
                raise too_many_requests()
            self._running[function.name] = self._running.get(function.name, 0) + 1
            found: Environment | None = None
            for environment in list(self._idle):
                known = environment.settings
                if known == function.settings and environment.alive and found is None:
                    found = environment
                elif known.function_name != function.name:
                    continue
                elif not environment.alive or self._outdated(environment, function):
                    stale.append(environment)
            self._idle = [one for one in self._idle if one is not found and one not in stale]
            if found is None:
                found = self._new_environment(function)
            self._busy.append(found)
        for environment in stale:
            environment.drop()
        return found

    def _outdated(self, environment: Environment, function: Function) -> bool:
        """A warm environment of settings that this version no longer has."""
        known, wanted = environment.settings, function.settings
        return known.version == wanted.version and (
            known.variables_key != wanted.variables_key
            or known.task != wanted.task
            or known.opt != wanted.opt
        )

    def _give_back(self, name: str, environment: Environment) -> None:
        used: UsedTmp | None = None
        sandbox: KeptSandbox | None = None
        with self._lock:
            self._running[name] -= 1
            self._busy.remove(environment)
            keeps = environment.alive and not self._closed
            if keeps:
                self._idle.append(environment)
            elif self.keep_sandbox_after_crash and environment.why_killed is None:
                sandbox = environment.take_sandbox()
            elif self.keep_tmp_after_crash and environment.why_killed != "dropped":
                used = environment.take_used_tmp()
                if used is not None:
                    if (older := self._used_tmps.pop(name, None)) is not None:
                        older.close()
                    self._used_tmps[name] = used
            if sandbox is not None:
                if (earlier := self._sandboxes.pop(name, None)) is not None:
                    earlier.close()
                self._sandboxes[name] = sandbox
        if not keeps:
            environment.drop()

    def _new_environment(self, function: Function) -> Environment:
        def variables(runtime_api: str, environment_id: str) -> dict[str, str]:
            now = datetime.now(UTC)
            stream = f"{now:%Y/%m/%d}/[{function.settings.version}]{environment_id}"
            return function_variables(
                name=function.name,
                version=function.settings.version,
                handler=function.settings.handler,
                memory_size=function.settings.memory_size,
                region=self._region,
                log_group=function.log_group,
                log_stream=stream,
                log_format=function.log_format,
                log_level=function.log_level,
                runtime_api=runtime_api,
                credentials=self._credentials(function.role, function.name),
                own=function.variables,
                extra=self.extra_environment,
            )

        def log(line: str) -> None:
            self._log(function.name, environment, line)

        environment = Environment(
            function.settings,
            folder=self._folder,
            rie=self._rie,
            enter=self._enter,
            variables=variables,
            log=log,
            used_tmp=self._used_tmps.pop(function.name, None),
            keeps_sandbox=self.keep_sandbox_after_crash,
            sandbox=self._sandboxes.pop(function.name, None),
            seccomp=self.allow_seccomp,
        )
        self._environments.setdefault(function.name, []).append(environment)
        return environment

    def _log(self, name: str, environment: Environment, line: str) -> None:
        with self._lock:
            self._logs.setdefault(name, []).append(line)
        if (invocation := environment.current) is not None:
            invocation.log.append(line)

    def _busy_environments(self) -> list[Environment]:
        with self._lock:
            return list(self._busy)
