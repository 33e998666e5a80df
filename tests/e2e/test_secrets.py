# SPDX-License-Identifier: Apache-2.0
"""A job that hunts for the runner token and for the function's AWS keys."""

from __future__ import annotations

import re

from e2e.conftest import Stage, StageMaker

# The patterns do not match themselves, so that a hit is a find and not the hunter.
TOKEN = "gl[r]t-[A-Za-z0-9_.-]*"
KEY = "AS[I]A[A-Z0-9]{16}"

HUNT = rf"""
hits() {{ grep -aoE "{TOKEN}|{KEY}" | sort -u | sed "s|^|HIT $1 |"; }}
env | hits environment
for p in /proc/[0-9]*; do
  cat $p/environ 2>/dev/null | tr '\0' '\n' | hits $p/environ
  cat $p/cmdline 2>/dev/null | tr '\0' '\n' | hits $p/cmdline
  for f in $p/fd/*; do
    case "$(readlink $f)" in
      /dev/*|pipe:*|socket:*|anon_inode:*|"") ;;
      *) timeout 5 head -c 10000000 $f 2>/dev/null | hits $f ;;
    esac
  done
done
find / -xdev -type f \( -path '/proc/*' -o -path '/opt/*' -o -path '/bin/*' \) -prune -o \
  -type f -size -2000k -print 2>/dev/null | while read -r f; do
  cat "$f" 2>/dev/null | hits "$f"
done
echo "own environment: $(env | grep -cE '^AWS_(ACCESS|SECRET|SESSION)')"
for p in /proc/[0-9]*; do
  test "$(cat $p/comm 2>/dev/null)" = bootstrap || continue
  (cat $p/environ) 2>&1 | sed "s|^|BOOTSTRAP environ |"
  (cat $p/maps) 2>&1 | sed "s|^|BOOTSTRAP maps |"
  (head -c 1 $p/mem) 2>&1 | sed "s|^|BOOTSTRAP mem |"
  (ls $p/fd) 2>&1 | sed "s|^|BOOTSTRAP fd |"
done
for p in /proc/[0-9]*; do
  test "$(cat $p/comm 2>/dev/null)" = gitlab-runner || continue
  grep -E '^[0-9a-f]+-[0-9a-f]+ rw' $p/maps | while read -r range rest; do
    begin=$((16#${{range%-*}})); end=$((16#${{range#*-}}))
    test $((end - begin)) -le 67108864 || continue
    dd if=$p/mem bs=4096 skip=$((begin / 4096)) count=$(((end - begin) / 4096)) 2>/dev/null |
      hits $p/mem
  done
  echo "searched the memory of $p"
done
echo hunt done
"""


def test_the_hunt_finds_nothing(stage: Stage) -> None:
    pipeline = stage.commit({"hunt": {"script": [HUNT]}})

    invocation = stage.invoke()

    job = pipeline.job("hunt")
    trace = job.trace.decode(errors="replace")
    assert invocation.response["status"] == "job_succeeded", trace
    assert "hunt done" in trace and "searched the memory of" in trace
    assert "own environment: 0" in trace
    assert re.findall(r"^HIT .*", trace, re.M) == []
    assert stage.runner.token not in trace
    bootstrap = re.findall(r"^BOOTSTRAP (\w+) (.*)", trace, re.M)
    assert {kind for kind, _ in bootstrap} >= {"environ", "maps", "mem", "fd"}
    assert all("ermission denied" in text or "can't open" in text for _, text in bootstrap)


def test_the_broker_gives_no_second_job(stage: Stage) -> None:
    ask = (
        "args=$(tr '\\0' ' ' < /proc/$(pidof gitlab-runner | cut -d' ' -f1)/cmdline); "
        'url=$(echo "$args" | grep -oE "http://127.0.0.1:[0-9]+" | head -1); '
        'token=$(echo "$args" | sed -E "s/.*--token[ =]([^ ]+).*/\\1/"); '
        "wget -q -S -O /tmp/answer --header 'Content-Type: application/json' "
        '--post-data "{\\"token\\":\\"$token\\"}" $url/api/v4/jobs/request 2>&1 '
        '| grep HTTP/ | tr -d "\\r"; echo "answer: $(cat /tmp/answer 2>/dev/null)"'
    )
    pipeline = stage.commit({"ask": {"script": [ask]}, "other": {"script": ["echo other"]}})

    invocation = stage.invoke()

    job, other = pipeline.job("ask"), pipeline.job("other")
    assert invocation.response["status"] == "job_succeeded", job.trace.decode()
    assert b"answer: \n" in job.trace.replace(b"\r", b"")
    assert b" 204" in job.trace or b" 403" in job.trace
    assert other.status == "pending"


def test_the_logs_hold_no_secret(stage: Stage) -> None:
    stage.reconfigure(AWS_LAMBDA_LOG_LEVEL="TRACE")

    job, invocation = stage.run("echo ok")

    assert invocation.response["status"] == "job_succeeded"
    assert stage.runner.token not in stage.logs
    assert "ASIA" not in stage.logs and job.token not in stage.logs


def test_inherit_gives_the_execution_role(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_JOB_CREDENTIALS": "inherit"})

    job, invocation = stage.run("env | grep -cE '^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)='")

    assert invocation.response["status"] == "job_succeeded"
    assert b"\n2\n" in job.trace.replace(b"\r", b"")
