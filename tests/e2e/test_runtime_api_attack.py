# SPDX-License-Identifier: Apache-2.0
"""A job that plays against the Runtime API: what the README's "what it cannot stop" promises."""

from __future__ import annotations

import json
import threading

from e2e.conftest import StageMaker, wait_until

API = "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
# The runner's environment does not name the Runtime API; the attacker finds it all the same.
FIND_API = (
    "for port in $(awk 'NR > 1 && $4 == \"0A\" {print $2}' /proc/net/tcp | cut -d: -f2); do "
    "port=$((16#$port)); "
    'id=$(wget -q -T 2 -S -O /tmp/event "http://127.0.0.1:$port/2018-06-01/runtime/invocation/next"'
    " 2>&1 | tr -d '\\r' | awk 'tolower($1) == \"lambda-runtime-aws-request-id:\" {print $2}'); "
    'if test -n "$id"; then AWS_LAMBDA_RUNTIME_API=127.0.0.1:$port; break; fi; done; '
    "echo found request $id"
)


def test_a_job_answers_in_our_place(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=60)
    # A process that waits for the following event, out of the runner's process group.
    steal = (
        f"(setsid bash -c 'wget -q -O /tmp/stolen {API}/next; sleep 1000' &) ; "
        f"wget -q -O- --post-data '{{\"status\":\"job_succeeded\"}}' {API}/$id/response; "
    )
    job = stage.add_job(FIND_API, "export AWS_LAMBDA_RUNTIME_API", steal, "sleep 5", name="attack")

    first = stage.invoke()
    following = []
    other = make_stage(timeout=60)  # the same function serves another project's job
    victim = other.project.commit(
        {
            ".gitlab-ci.yml": json.dumps(
                {"victim": {"tags": [stage.tag], "script": ["ls -A /tmp", "echo victim is fine"]}}
            )
        },
        ref="main",
        message="Victim",
    ).job("victim")
    thread = threading.Thread(target=lambda: following.append(stage.invoke()), daemon=True)
    thread.start()
    thread.join(90)
    assert not thread.is_alive()

    assert b"found request" in job.trace
    if victim.status == "pending":
        # The event was taken by the attacker: nothing ran, nothing is lost, the sweep comes again.
        stage.invoke()
    wait_until(lambda: victim.status == "success", 60, "the other project's job")
    last = stage.cloud.functions.invocations(stage.function)[-1]
    assert last.environment_id != first.environment_id
    assert b"stolen" not in victim.trace
    assert stage.runner.token.encode() not in job.trace
    dropped = [one for one in stage.environments if one.id == first.environment_id]
    assert not any(one.alive for one in dropped)
