# SPDX-License-Identifier: Apache-2.0
"""Plays the trigger: one asynchronous invocation for each job that waits for a runner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from localcloud.aws import Aws
from localcloud.functions import Invocation
from localcloud.gitlab import Job

ATTEMPTS = 3


class JobTrigger:
    """Looks at jobs when told to, and invokes the function for those that became pending."""

    def __init__(self, aws: Aws, function: str, qualifier: str | None = None) -> None:
        self._client = aws.client("lambda")
        self._function = function
        self._qualifier = {"Qualifier": qualifier} if qualifier else {}
        self._invoked: Counter[int] = Counter()
        self._waiting: set[str] = set()

    def ended(self, invocation: Invocation) -> None:
        """To be told of every invocation's end: a job that still waits then gets another one."""
        self._waiting.discard(invocation.request_id)

    def look(self, jobs: Sequence[Job], tell: Callable[[Job, str], None]) -> None:
        """Invokes for pending jobs; raises when a job stays pending after several invocations."""
        for job in jobs:
            if job.status != "pending":
                continue
            if self._invoked[job.id] and self._waiting:
                continue  # the invocation for it is still on its way
            if self._invoked[job.id] >= ATTEMPTS:
                raise RuntimeError(
                    f"{job.describe()}: still waiting after {ATTEMPTS} invocations of"
                    f" {self._function}"
                )
            answer = self._client.invoke(
                FunctionName=self._function, InvocationType="Event", Payload="{}", **self._qualifier
            )
            request_id = answer["ResponseMetadata"]["RequestId"]
            self._invoked[job.id] += 1
            self._waiting.add(request_id)
            tell(job, request_id)
