# SPDX-License-Identifier: Apache-2.0
"""A wait that is in vain says what it waited for."""

from __future__ import annotations

import time

import pytest

from localcloud.functions import Invocation
from localcloud.waiting import load_per_core, wait_until, within


def test_returns_what_it_waited_for() -> None:
    answers = iter([None, 0, "there"])
    assert wait_until(lambda: next(answers), "an answer") == "there"


def test_says_what_it_waited_for_in_vain() -> None:
    with pytest.raises(TimeoutError, match=r"waited 0\.1 s in vain for better times"):
        wait_until(lambda: False, "better times", limit=0.1)


def test_a_block_that_takes_too_long_is_named() -> None:
    with within(60, "nothing"):
        pass
    with pytest.raises(AssertionError, match=r"a nap took 0\.\d s"), within(0.0001, "a nap"):
        time.sleep(0.1)


def test_an_error_of_the_block_is_not_hidden() -> None:
    with pytest.raises(KeyError), within(0, "nothing"):
        raise KeyError


def test_the_load_is_at_least_one() -> None:
    assert load_per_core() >= 1


def test_a_failed_invocation_has_no_answer() -> None:
    error = b'{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}'
    failed = Invocation("id", "f", "1", payload=error, function_error="Unhandled", log=["REPORT"])
    with pytest.raises(AssertionError, match=r"Sandbox\.Timedout[^$]*REPORT"):
        _ = failed.answer
    assert Invocation("id", "f", "1", payload=b'{"a": 1}').answer == {"a": 1}
