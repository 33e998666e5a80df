# SPDX-License-Identifier: Apache-2.0
"""The local cloud's sandboxes do to a function what Lambda would do to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import REPO
from integration.tiny_runtime import function_zip, layer_zip
from localcloud import LocalCloud
from localcloud.waiting import wait_until

Deploy = Callable[..., str]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(folder=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def zip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return function_zip(tmp_path_factory.mktemp("zip"))


@pytest.fixture
def deploy(cloud: LocalCloud, zip_file: Path) -> Iterator[Deploy]:
    made: list[str] = []

    def make(on_init: str = "", **settings: Any) -> str:
        name = f"f-{uuid.uuid4().hex[:8]}"
        cloud.deploy_function(
            name,
            zip=settings.pop("zip", zip_file),
            environment={"ON_INIT": on_init, **settings.pop("environment", {})},
            **{"timeout": 300, **settings},
        )
        made.append(name)
        return name

    yield make
    for name in made:
        cloud.functions.drop_environments(name)
    cloud.functions.keep_tmp_after_crash = False
    cloud.functions.keep_sandbox_after_crash = False


def at_work(cloud: LocalCloud, name: str) -> list[Any]:
    """The function's environments that were handed an event and are not done with it."""
    environments = cloud.functions.environments(name)
    return [one for one in environments if one.current and one.current.delivered_at]


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


# Environments


def test_a_warm_environment_is_used_again(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()

    first = cloud.invoke(name, "echo left > /tmp/left; echo one")
    second = cloud.invoke(name, "cat /tmp/left")

    assert (first.response, second.response) == ("one\n", "left\n")
    assert first.cold_start and not second.cold_start
    assert first.init_ms > 0 and second.init_ms == 0
    assert first.environment_id == second.environment_id
    (environment,) = cloud.functions.environments(name)
    assert environment.alive and environment.invocations == 2
    assert (environment.tmp / "left").read_text() == "left\n"
    assert environment.pid not in environment.processes() != []


def test_init_is_billed(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(on_init="sleep 1")

    invocation = cloud.invoke(name, "sleep 0.5")

    assert 1000 <= invocation.init_ms < 8000
    assert 500 <= invocation.duration_ms < 8000
    assert invocation.billed_ms >= 1500
    assert invocation.billed_ms - 2 <= invocation.init_ms + invocation.duration_ms


def test_at_one_time_one_environment_an_event(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()
    results: list[Any] = []

    def run() -> None:
        results.append(cloud.invoke(name, "until [ -e /tmp/go ]; do sleep 0.1; done; echo done"))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(at_work(cloud, name)) == 2, "two environments at work")
    for environment in at_work(cloud, name):
        (environment.tmp / "go").touch()
    for thread in threads:
        thread.join()

    assert [one.answer for one in results] == ["done\n", "done\n"]
    assert len({one.environment_id for one in results}) == 2
    assert all(one.cold_start for one in results)


def test_changed_settings_need_a_new_environment(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(environment={"COLOUR": "red"})
    assert cloud.invoke(name, "echo $COLOUR").response == "red\n"

    cloud.aws.client("lambda").update_function_configuration(
        FunctionName=name, Environment={"Variables": {"COLOUR": "blue"}}
    )

    assert cloud.invoke(name, "echo $COLOUR").response == "blue\n"
    assert [one.alive for one in cloud.functions.environments(name)] == [False, True]


def test_dropped_environments_leave_no_process(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()
    cloud.invoke(name, "setsid sleep 1000 & (setsid sleep 1000 &) & echo")
    (environment,) = cloud.functions.environments(name)
    pids = [environment.pid, *environment.processes()]
    assert len(pids) >= 4

    cloud.functions.drop_environments(name)

    assert gone(pids)
    assert not environment.alive


def test_an_internal_extension_gets_sigterm_first(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(
        on_init="""
        printf '{"events": []}' > /tmp/register
        base=http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension
        identifier=$($busybox wget -q -S -O /dev/null --post-file=/tmp/register \\
            --header 'Lambda-Extension-Name: internal' $base/register 2>&1 |
            sed -n 's/^ *Lambda-Extension-Identifier: *//Ip')
        $busybox wget -q -O /dev/null --header "Lambda-Extension-Identifier: $identifier" \\
            $base/event/next &
        trap 'echo got TERM; exit 0' TERM
        """
    )
    cloud.invoke(name, "echo")

    cloud.functions.drop_environments(name)

    # bash runs a trap when the command it waits for has ended; wget ends by the same signal.
    assert "got TERM" in cloud.functions.logs(name)


# The ends of an invocation


def test_a_posted_error_is_a_function_error(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()

    invocation = cloud.invoke(name, "fail Function.Sad because")

    assert invocation.function_error == "Unhandled"
    assert invocation.response == {"errorType": "Function.Sad", "errorMessage": "because"}
    assert cloud.functions.environments(name)[0].alive


def test_the_time_limit_ends_all_processes(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(timeout=2)

    invocation = cloud.invoke(name, "trap '' TERM; setsid sleep 1000 & kill -STOP $$")

    assert invocation.function_error == "Unhandled"
    assert invocation.response["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 2.00 seconds" in invocation.response["errorMessage"]
    assert invocation.duration_ms == 2000
    (environment,) = cloud.functions.environments(name)
    assert not environment.alive and environment.processes() == []
    assert cloud.invoke(name, "echo again").cold_start


def test_too_much_memory_ends_the_environment(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(memory_size=128)

    # Three processes, each below the limit.
    invocation = cloud.invoke(
        name, "for i in 1 2 3; do (x=$(printf %060000000d 1); sleep 10) & done; wait"
    )

    assert invocation.response["errorType"] == "Runtime.ExitError"
    assert "signal: killed" in invocation.response["errorMessage"]
    assert invocation.max_memory_mb > 128
    assert not cloud.functions.environments(name)[0].alive


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "Runtime exited with error: exit status 3"),
        ("exit 0", "Runtime exited without providing a reason"),
        ("kill -9 $$", "Runtime exited with error: signal: killed"),
        ("bash -c 'kill -9 -1'; sleep 1", "Runtime exited with error: signal: killed"),
    ],
)
def test_a_runtime_that_ends(cloud: LocalCloud, deploy: Deploy, script: str, message: str) -> None:
    name = deploy()

    invocation = cloud.invoke(name, f"sleep 1000 & {script}")

    assert invocation.function_error == "Unhandled"
    assert invocation.response["errorType"] == "Runtime.ExitError"
    assert invocation.response["errorMessage"].endswith(message)
    (environment,) = cloud.functions.environments(name)
    assert not environment.alive and environment.processes() == []
    assert cloud.invoke(name, "echo again").response == "again\n"


def test_a_runtime_that_ends_after_its_response(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()

    invocation = cloud.invoke(name, "echo said >/tmp/out; post invocation/$id/response /tmp/out; "
                              "exit 0")  # fmt: skip

    assert invocation.function_error is None
    assert invocation.response == "said\n"
    assert not cloud.functions.environments(name)[0].alive


def test_an_init_error_is_the_answer(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(
        on_init="""
        printf '{"errorType": "Runtime.ConfigInvalid", "errorMessage": "no"}' > /tmp/error
        post init/error /tmp/error
        exit 1
        """
    )

    invocation = cloud.invoke(name, "echo never")

    assert invocation.function_error == "Unhandled"
    assert invocation.response == {"errorType": "Runtime.ConfigInvalid", "errorMessage": "no"}
    assert not cloud.functions.environments(name)[0].alive


def test_a_slow_init_is_tried_again(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(on_init="[ -e /tmp/second ] || { touch /tmp/second; sleep 1000; }", timeout=60)

    invocation = cloud.invoke(name, "echo at last")

    assert invocation.response == "at last\n"
    assert any("Status: timeout" in line for line in cloud.functions.logs(name))


def test_no_bootstrap(cloud: LocalCloud, deploy: Deploy, tmp_path: Path) -> None:
    name = deploy(zip=layer_zip(tmp_path / "empty.zip", {"readme": "nothing here"}))

    invocation = cloud.invoke(name)

    assert invocation.response["errorType"] == "Runtime.InvalidEntrypoint"
    assert "bootstrap" in invocation.response["errorMessage"]


def test_a_zip_that_is_not_in_s3_is_refused(
    cloud: LocalCloud, deploy: Deploy, zip_file: Path
) -> None:
    client, s3 = cloud.aws.client("lambda"), cloud.aws.client("s3")
    bucket, name = f"code-{uuid.uuid4().hex[:8]}", deploy()
    s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.aws.region}
    )
    missing = {"S3Bucket": bucket, "S3Key": "missing.zip"}
    function = {
        "FunctionName": f"{name}-more",
        "Runtime": "provided.al2023",
        "Role": cloud.execution_role(),
        "Handler": "run",
    }
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=r"missing\.zip"):
        client.create_function(**function, Code=missing)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=r"missing\.zip"):
        client.update_function_code(FunctionName=name, **missing)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=r"missing\.zip"):
        client.publish_layer_version(LayerName=name, Content=missing)
    s3.upload_file(str(zip_file), bucket, "missing.zip")
    assert client.create_function(**function, Code=missing)["CodeSize"] == zip_file.stat().st_size


def test_tmp_after_a_crash_is_new_or_used(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()
    leave_and_crash = "echo used > /tmp/left; kill -9 $$"

    cloud.invoke(name, leave_and_crash)
    assert cloud.invoke(name, "cat /tmp/left || echo new").response.endswith("new\n")

    cloud.functions.keep_tmp_after_crash = True
    cloud.invoke(name, leave_and_crash)
    after = cloud.invoke(name, "cat /tmp/left; ls -d /proc/[0-9]* | wc -l")
    assert after.cold_start
    assert after.response.startswith("used\n")


def test_a_sandbox_after_a_crash_is_new_or_has_what_was_left(
    cloud: LocalCloud, deploy: Deploy
) -> None:
    name = deploy()
    leave = "echo used > /tmp/left; (setsid sleep 1234 &); kill -9 $$"
    find = "cat /tmp/left; pidof sleep; echo found"

    cloud.invoke(name, leave)
    assert cloud.invoke(name, find).response.endswith("No such file or directory\nfound\n")

    cloud.functions.keep_sandbox_after_crash = True
    cloud.functions.drop_environments(name)
    for _ in range(2):
        crash = cloud.invoke(name, leave)
        assert crash.response["errorType"] == "Runtime.ExitError"
        after = cloud.invoke(name, find)
        assert after.cold_start
        used, pids, _ = after.response.splitlines()
        assert used == "used"
    assert len(pids.split()) == 2

    left = [int(pid) for pid in subprocess.check_output(["pgrep", "-f", "^sleep 1234$"]).split()]
    assert len(left) == 2
    cloud.functions.drop_environments(name)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), "their end")


# The sandbox


def test_what_a_function_finds(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(ephemeral_storage=600)

    seen = cloud.invoke(
        name,
        """
        id -u; id -un; ls -d /home/sbx_user1051 2>&1 | tail -1; ulimit -n; ulimit -u
        for program in git curl wget python3 ld.so; do type $program 2>/dev/null; done
        ls -d /dev/shm /dev/fd 2>/dev/null
        df -m /tmp | tail -1 | awk '{print $2}'
        for folder in / /opt /var/task /usr/bin /proc /etc; do : 2>/dev/null > $folder/x; done
        find / -xdev -name '*.so*' | head
        grep -c BEGIN /etc/pki/tls/certs/ca-bundle.crt
        grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr -s '\\t ' ' '
        """.replace("\n        ", "\n"),
    ).response.splitlines()

    assert seen[0] == "993"
    assert seen[1] == "sbx_user1051"
    assert "No such file" in seen[2]
    assert seen[3:5] == ["1024", "1024"]
    assert seen[5] == "600"
    assert int(seen[-4]) > 50
    assert seen[6:-4] == []
    assert seen[-3:] == ["CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1"]


def test_tmp_has_its_size(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(ephemeral_storage=512)

    said = cloud.invoke(
        name,
        "head -c 600000000 /dev/zero >/tmp/big; size=$(wc -c </tmp/big); rm /tmp/big; echo $size",
    )

    assert 500 << 20 < said.answer <= 512 << 20


def test_layers_are_unpacked_in_order(cloud: LocalCloud, deploy: Deploy, tmp_path: Path) -> None:
    first = layer_zip(tmp_path / "1.zip", {"bin/tool": "#!/bin/sh\necho one\n", "a": "first"})
    second = layer_zip(tmp_path / "2.zip", {"a": "second"}, {"bin/shortcut": "tool"})
    name = deploy(layers=[first, second])

    said = cloud.invoke(name, "cat /opt/a; echo; shortcut; readlink /opt/bin/shortcut")

    assert said.response == "second\none\ntool\n"


def test_the_environment_is_lambdas(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(handler="some.handler", memory_size=256, environment={"OWN": "1", "_NO": "2"})

    said = cloud.invoke(name, "env; pwd -P").response
    variables = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    assert variables["PATH"] == "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
    assert variables["_HANDLER"] == "some.handler"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert variables["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert variables["AWS_REGION"] == cloud.aws.region
    assert variables["AWS_ENDPOINT_URL"] == cloud.aws.endpoint_url
    assert variables["AWS_SESSION_TOKEN"]
    assert variables["OWN"] == "1"
    for absent in ("_NO", "HOME", "USER", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_TIMEOUT"):
        assert absent not in variables


def test_the_event_comes_with_lambdas_headers(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(timeout=30)

    invocation = cloud.invoke(name, "cat /tmp/head")

    assert invocation.request_id in invocation.response
    arn = f"arn:aws:lambda:{cloud.aws.region}:{cloud.aws.account_id}:function:{name}"
    assert f"Lambda-Runtime-Invoked-Function-Arn: {arn}" in invocation.response
    assert "Lambda-Runtime-Trace-Id: Root=1-" in invocation.response
    assert invocation.delivered_at is not None
    deadline = int(invocation.response.split("Lambda-Runtime-Deadline-Ms: ")[1].split()[0])
    assert deadline == int((invocation.delivered_at + 30) * 1000)


def test_the_keys_are_in_no_other_process(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()

    said = cloud.invoke(
        name,
        """
        for process in /proc/[0-9]*; do
            [ ${process#/proc/} = $$ ] && continue
            [ $(sed -n 's/^PPid:.//p' $process/status) = $$ ] && continue
            for file in environ mem maps fd/0 root/etc/passwd; do
                ( : < $process/$file ) && echo can open $process/$file
            done
            tr '\\0' ' ' < $process/cmdline | grep $AWS_SECRET_ACCESS_KEY
        done 2>/dev/null
        kill -9 1 2>/dev/null
        echo end
        """.replace("\n        ", "\n"),
    )

    assert said.response == "end\n"


def test_a_profile_may_replace_path(tmp_path: Path, zip_file: Path, cloud: LocalCloud,
                                    deploy: Deploy) -> None:  # fmt: skip
    name = deploy()
    assert "/opt/bin" in cloud.invoke(name, "bash -lc 'echo $PATH'").response

    with LocalCloud(folder=tmp_path / "cloud", replacing_profile=True) as other:
        other.deploy_function("f", zip=zip_file)
        assert "/opt/bin" not in other.invoke("f", "bash -lc 'echo $PATH'").response


# The command that started it


def test_nothing_outlives_a_killed_command(tmp_path: Path, zip_file: Path) -> None:
    program = """
import sys
from pathlib import Path
from localcloud import LocalCloud
folder, zip_file = map(Path, sys.argv[1:])
with LocalCloud(folder=folder) as cloud:
    cloud.deploy_function("f", zip=zip_file)
    cloud.invoke("f", "setsid sleep 1000 & echo")
    (environment,) = cloud.functions.environments("f")
    print(environment.pid, *environment.processes(), flush=True)
    sys.stdin.read()
"""
    command = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "cloud", zip_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPO / "tests")},
    )
    assert command.stdout is not None
    inside = [int(pid) for pid in command.stdout.readline().split()]
    own = [int(pid) for pid in _children(command.pid)]
    assert len(inside) >= 3 and len(own) >= 2

    command.send_signal(signal.SIGKILL)
    command.communicate()

    wait_until(lambda: gone(inside + own), "the end of all its processes")


def _children(pid: int) -> list[str]:
    answer = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True)
    return answer.stdout.decode().split()


def _may_become_a_user() -> bool:
    probe = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "true"]
    return os.geteuid() == 0 and subprocess.run(probe, capture_output=True).returncode == 0


@pytest.mark.skipif(
    not _may_become_a_user(), reason="these are an ordinary user's tests already, or may not be"
)
def test_all_of_this_as_an_ordinary_user(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    assert unshare
    answer = subprocess.run(
        [
            unshare, "--user", "--map-user=1000", "--map-group=1000",
            sys.executable, "-m", "pytest", "-c", REPO / "tests" / "pyproject.toml", "-x", "-q",
            "-n", "0", "--basetemp", tmp_path / "as-user", __file__,
        ],
        cwd=REPO,
        capture_output=True,
        text=True,
    )  # fmt: skip

    assert answer.returncode == 0, answer.stdout[-6000:] + answer.stderr[-2000:]
    assert "0 failed" in answer.stdout
