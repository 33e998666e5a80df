# SPDX-License-Identifier: Apache-2.0
"""A job that hunts for the runner token and for the function's AWS keys."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from e2e.stage import Stage, StageMaker, output_of

# Runner tokens, access keys of sessions, session tokens. The patterns do not match themselves, so
# that a hit is a find and not the hunter.
SECRETS = "gl[r]t-[A-Za-z0-9_.-]{8,}|AS[I]A[A-Z0-9]{16}|FQ[o]GZXIvYXdz|place[h]older-[0-9a-f]{8,}"

# The prey is what gitlab-runner does hold: its placeholder token. That it is found shows that the
# hunt can find things. In memory other bytes may follow it.
HUNT = rf"""
set +e +o pipefail
runner=$(pidof gitlab-runner | cut -d' ' -f1)
prey=$(tr '\0' '\n' < /proc/$runner/cmdline | sed -n 's/^--token=//p')
test ${{#prey}} -ge 8 || echo "NO PREY"
hits() {{ grep -aoE "{SECRETS}|$prey" | sort -u | while read -r hit; do
  case "$prey" in *"$hit"*) echo "PREY $1"; continue ;; esac
  case "$hit" in "${{prey:0:20}}"*) echo "PREY $1" ;; *) echo "HIT $1 $hit" ;; esac; done; }}
for p in /proc/[0-9]*; do
  cat $p/environ 2>/dev/null | tr '\0' '\n' | hits $p/environ
  cat $p/cmdline 2>/dev/null | tr '\0' '\n' | hits $p/cmdline
  for f in $p/fd/*; do
    case "$(readlink $f)" in
      /dev/*|pipe:*|socket:*|anon_inode:*|"") ;;
      *) timeout 5 head -c 10000000 $f 2>/dev/null | hits "$f $(readlink $f)" ;;
    esac
  done
done
find / -xdev -type f \( -path '/proc/*' -o -path '/opt/*' -o -path '/usr/bin/*' \) -prune -o \
  -type f -size -4000k -print 2>/dev/null | while read -r f; do
  cat "$f" 2>/dev/null | hits "$f"
done
find /tmp -type f 2>/dev/null | while read -r f; do cat "$f" 2>/dev/null | hits "$f"; done
echo "own keys: $(env | grep -cE '^AWS_(ACCESS|SECRET|SESSION)')"
for p in /proc/[0-9]*; do
  test "$(cat $p/comm 2>/dev/null)" = bootstrap || continue
  for what in environ maps mem auxv; do
    (head -c 1 $p/$what | od -c) 2>&1 | head -1 | sed "s|^|BOOTSTRAP $what |"
  done
  (ls -l $p/fd/1) 2>&1 | head -1 | sed "s|^|BOOTSTRAP fd |"
done
grep -E '^[0-9a-f]+-[0-9a-f]+ rw' /proc/$runner/maps > $HOME/maps
while read -r range rest; do
  begin=$((16#${{range%-*}})); end=$((16#${{range#*-}}))
  dd if=/proc/$runner/mem bs=4096 skip=$((begin / 4096)) count=$(((end - begin) / 4096)) \
    2>/dev/null | hits mem
done < $HOME/maps
echo "hunt over $(wc -l < $HOME/maps) pieces of memory"
"""


def processes_hide_memory() -> bool:
    """Whether this machine keeps every process from reading its siblings' memory."""
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    return yama.exists() and yama.read_text().strip() != "0"


def test_the_hunt_finds_nothing(stage: Stage) -> None:
    job, invocation = stage.run(HUNT)

    text = output_of(job)
    assert invocation.answer["status"] == "job_succeeded", text
    assert "NO PREY" not in text
    assert re.search(r"^hunt over [1-9]\d* pieces of memory$", text, re.M), text
    assert re.findall(r"^HIT .*", text, re.M) == []
    assert stage.runner.token not in job.trace.decode(errors="replace")
    assert "own keys: 0\n" in text
    prey = set(re.findall(r"^PREY (.*)", text, re.M))
    assert any(place.endswith("/cmdline") for place in prey), text
    assert "mem" in prey or processes_hide_memory(), text
    bootstrap = re.findall(r"^BOOTSTRAP (\w+) (.*)", text, re.M)
    assert {kind for kind, _ in bootstrap} >= {"environ", "maps", "mem", "auxv", "fd"}
    for kind, answer in bootstrap:
        assert "ermission denied" in answer or "can't open" in answer, (kind, answer)


def test_two_runners_share_no_cache(make_stage: StageMaker) -> None:
    """gitlab-runner tells them apart by the short form of their tokens, which GitLab shows, too."""
    for stage in (make_stage(), make_stage()):
        job, _ = stage.run("echo short: $CI_RUNNER_SHORT_TOKEN")

        (short,) = re.findall(r"^short: (.+)$", output_of(job), re.M)
        assert stage.runner.token.removeprefix("glrt-").startswith(short) and len(short) >= 8


def test_the_environment_of_a_job_is_built_from_an_allow_list(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"MY_PASSWORD": "hunter2-of-the-function"})

    job, invocation = stage.run("env -0 | tr '\\n\\0' ' \\n' | sed 's/^/ENV /'")

    assert invocation.answer["status"] == "job_succeeded"
    names = set(re.findall(r"^ENV (\w+)=", output_of(job), re.M))
    assert {"HOME", "PATH", "TMPDIR", "CI_JOB_ID", "AWS_REGION"} <= names
    assert {name for name in names if name.startswith(("RUNLET_", "_HANDLER"))} == set()
    assert "AWS_LAMBDA_RUNTIME_API" not in names
    assert "hunter2-of-the-function" not in output_of(job)


# Speaks to the broker as gitlab-runner does, with the placeholder token from its command line.
ASK_BROKER = r"""
set +e +o pipefail
runner=$(pidof gitlab-runner | cut -d' ' -f1)
url=$(tr '\0' '\n' < /proc/$runner/cmdline | sed -n 's/^--url=//p')
token=$(tr '\0' '\n' < /proc/$runner/cmdline | sed -n 's/^--token=//p')
ask() {  # ask METHOD PATH HEADER BODY
  exec 9<>"/dev/tcp/127.0.0.1/${url##*:}"
  printf '%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n' "$1" "$2" "$3" >&9
  printf 'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#4}" "$4" >&9
  cat <&9 | head -1 | tr -d '\r' | sed "s|^|ANSWER $5 |"
  exec 9>&-
}
ask POST /api/v4/jobs/request 'X: y' '{"token":"'$token'"}' second-job
ask POST /api/v4/jobs/request "RUNNER-TOKEN: $token" '{"token":"'$token'"}' second-job-by-header
ask POST /api/v4/jobs/request 'X: y' '{"token":"wrong"}' wrong-token
ask POST /api/v4/runners/verify 'X: y' '{"token":"'$token'"}' verify
ask DELETE /api/v4/runners 'X: y' '{"token":"'$token'"}' unregister
ask POST /api/v4/runners/reset_authentication_token 'X: y' '{"token":"'$token'"}' reset
ask PUT /api/v4/jobs/$OTHER_JOB "JOB-TOKEN: $CI_JOB_TOKEN" '{"state":"failed"}' other-update
ask PATCH /api/v4/jobs/$OTHER_JOB/trace "JOB-TOKEN: $CI_JOB_TOKEN" 'x' other-trace
ask GET /api/v4/jobs/$OTHER_JOB/artifacts "JOB-TOKEN: $CI_JOB_TOKEN" '' other-artifacts
ask GET /api/v4/projects "JOB-TOKEN: $CI_JOB_TOKEN" '' projects
ask GET /api/v4/jobs/../projects "JOB-TOKEN: $CI_JOB_TOKEN" '' dots
"""


def test_the_broker_gives_no_second_job_and_nothing_else(stage: Stage) -> None:
    other = stage.add_job("echo other", name="other", when="manual")
    job = stage.add_job(ASK_BROKER, name="ask", variables={"OTHER_JOB": str(other.id)})
    waiting = stage.commit({"waiting": {"script": ["echo waiting"]}}).job("waiting")

    invocation = stage.invoke()

    text = output_of(job)
    assert invocation.answer["status"] == "job_succeeded", text
    assert invocation.answer["job"]["id"] == job.id
    answers = dict(re.findall(r"^ANSWER (\S+) HTTP/1.1 (\d+)", text, re.M))
    assert answers.pop("second-job") == answers.pop("second-job-by-header") == "204"
    assert len(answers) == 9, text
    assert set(answers.values()) <= {"400", "403", "404", "405"}, answers
    assert waiting.status == "pending"
    assert stage.invoke().answer["job"]["id"] == waiting.id


def test_the_runner_token_goes_to_job_requests_alone(stage: Stage) -> None:
    before = len(stage.cloud.gitlab.requests)

    job, _ = stage.run("echo ok")

    assert job.status == "success"
    for request in stage.cloud.gitlab.requests[before:]:
        everything = json.dumps([request.headers, request.json, request.path, request.query])
        is_job_request = request.path.endswith("/jobs/request")
        assert (stage.runner.token in everything) == is_job_request, request.path


def test_the_logs_hold_no_secret(stage: Stage) -> None:
    stage.reconfigure(AWS_LAMBDA_LOG_LEVEL="TRACE")

    job, invocation = stage.run("echo this goes to GitLab alone")

    assert invocation.answer["status"] == "job_succeeded"
    assert stage.runner.token not in stage.logs
    assert re.search(SECRETS, stage.logs) is None
    assert job.token not in stage.logs
    assert "this goes to GitLab alone" not in stage.logs


@pytest.mark.parametrize(("credentials", "count"), [("none", 0), ("inherit", 3)])
def test_job_credentials(make_stage: StageMaker, credentials: str, count: int) -> None:
    stage = make_stage(environment={"RUNLET_JOB_CREDENTIALS": credentials})

    job, invocation = stage.run(
        "env | grep -cE '^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)=..' || true"
    )

    assert invocation.answer["status"] == "job_succeeded"
    assert f"\n{count}\n" in output_of(job)
