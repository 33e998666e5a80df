# SPDX-License-Identifier: Apache-2.0
"""Asynchronous invocations: the internal queue with retries, event age, dead letters, destinations.

Lambda waits one minute before the first retry of a failed event and two before the second, and up
to six hours for a throttled one. `retry_delays` and `throttle_delay` shorten that here.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localcloud.functions.destinations import Destinations
from localcloud.functions.errors import ApiError
from localcloud.functions.invocation import Invocation
from localcloud.functions.service import FunctionService

MAXIMUM_AGE = 21600
MAXIMUM_RETRIES = 2


@dataclass
class QueuedEvent:
    """An accepted event until it is done with."""

    name: str
    qualifier: str | None
    payload: bytes
    client_context: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    queued_at: float = 0.0
    attempts: int = 0


class AsynchronousInvoker:
    """Takes events and runs them in threads of its own."""

    def __init__(self, functions: FunctionService, destinations: Destinations) -> None:
        self.retry_delays = (1.0, 2.0)
        self.throttle_delay = 0.5
        self._advanced = 0.0
        self._functions = functions
        self._destinations = destinations
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def accept(self, event: QueuedEvent) -> None:
        event.queued_at = self._now()
        thread = threading.Thread(target=self._run, args=(event,), daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def close(self) -> None:
        """Forgets what waits for a retry; what runs ends with its environment."""
        self._stopped.set()

    def advance(self, seconds: float) -> None:
        """Makes all waiting events this much older."""
        self._advanced += seconds

    @property
    def pending(self) -> int:
        """How many accepted events are not done with yet."""
        with self._lock:
            return len(self._threads)

    def _now(self) -> float:
        return time.monotonic() + self._advanced

    def _run(self, event: QueuedEvent) -> None:
        try:
            self._deliver(event)
        except Exception:
            if not self._stopped.is_set():
                raise
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _deliver(self, event: QueuedEvent) -> None:
        while not self._stopped.is_set():
            settings = self._functions.store.asynchronous_settings(event.name, event.qualifier)
            retries = settings.get("MaximumRetryAttempts", MAXIMUM_RETRIES)
            maximum_age = settings.get("MaximumEventAgeInSeconds", MAXIMUM_AGE)
            if self._now() - event.queued_at > maximum_age:
                self._give_up(event, settings, "EventAgeExceeded", None)
                return
            try:
                invocation = self._functions.invoke(
                    event.name,
                    event.payload,
                    qualifier=event.qualifier,
                    request_id=event.request_id,
                    client_context=event.client_context,
                    attempt=event.attempts + 1,
                )
            except ApiError as error:
                if error.status != 429:
                    return  # the function was deleted meanwhile
                self._stopped.wait(self.throttle_delay)
                continue
            event.attempts += 1
            if invocation.function_error is None:
                self._send(event, settings, "OnSuccess", "Success", invocation)
                return
            if event.attempts > retries:
                self._give_up(event, settings, "RetriesExhausted", invocation)
                return
            delays = self.retry_delays
            self._stopped.wait(delays[min(event.attempts, len(delays)) - 1])

    def _give_up(
        self,
        event: QueuedEvent,
        settings: dict[str, Any],
        condition: str,
        invocation: Invocation | None,
    ) -> None:
        function = self._functions.store.find(event.name, event.qualifier, {})
        if function.dead_letter_arn:
            response = invocation.response if invocation else None
            message = response.get("errorMessage", "") if isinstance(response, dict) else ""
            self._destinations.send_dead_letter(
                function.dead_letter_arn, event.payload, event.request_id, message[:1024]
            )
        self._send(event, settings, "OnFailure", condition, invocation)

    def _send(
        self,
        event: QueuedEvent,
        settings: dict[str, Any],
        kind: str,
        condition: str,
        invocation: Invocation | None,
    ) -> None:
        target = settings.get("DestinationConfig", {}).get(kind, {}).get("Destination")
        if not target:
            return
        function = self._functions.store.find(event.name, event.qualifier, {})
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": f"{function.arn}:{event.qualifier or '$LATEST'}",
                "condition": condition,
                "approximateInvokeCount": event.attempts,
            },
            "requestPayload": json.loads(event.payload),
        }
        if invocation is not None:
            context: dict[str, Any] = {"statusCode": 200, "executedVersion": invocation.version}
            if invocation.function_error:
                context["functionError"] = invocation.function_error
            record["responseContext"] = context
            record["responsePayload"] = invocation.response
        self._destinations.send(target, json.dumps(record), self)
