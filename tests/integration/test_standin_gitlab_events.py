# SPDX-License-Identifier: Apache-2.0
"""The stand-in GitLab tells others: job webhooks, and id_tokens that can be verified."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from localcloud.gitlab import Job, Project, StandInGitLab, new_signing_token


class Receiver:
    """An endpoint that keeps what it is sent and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[StandInGitLab]:
    with StandInGitLab(folder=tmp_path) as running:
        running.create_runner(description="the runner", tags=["lambda"])
        yield running


@pytest.fixture
def project(gitlab: StandInGitLab) -> Project:
    return gitlab.create_project("group/project")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def take(gitlab: StandInGitLab) -> dict[str, Any]:
    with requests.Session() as web:
        web.trust_env = False
        answer = web.post(
            f"{gitlab.url}/api/v4/jobs/request", json={"token": gitlab.runners[0].token}
        )
    assert answer.status_code == 201
    return answer.json()


def make_job(project: Project, text: str = "job: {script: x}", ref: str = "main") -> Job:
    pipeline = project.commit({".gitlab-ci.yml": text}, ref=ref)
    assert pipeline
    return pipeline.job("job")


# Webhooks


def test_each_change_of_a_job_is_delivered_in_order(
    gitlab: StandInGitLab, project: Project, receiver: Receiver
) -> None:
    gitlab.webhooks.add(project, receiver.url)
    other = gitlab.create_project("group/other")
    make_job(other).cancel()

    job = make_job(project)
    take(gitlab)
    job.cancel()
    gitlab.webhooks.flush()

    events = [json.loads(body) for _, body in receiver.received]
    assert [one["build_status"] for one in events] == ["created", "pending", "running", "canceled"]
    assert {one["object_kind"] for one in events} == {"build"}
    assert {one["build_id"] for one in events} == {job.id}
    assert {one["project_id"] for one in events} == {project.id}
    assert [one["runner"] and one["runner"]["tags"] for one in events] == [
        None, None, ["lambda"], ["lambda"],
    ]  # fmt: skip
    assert events[0]["project_name"] == "group / project"
    assert "tag_list" not in receiver.received[0][1].decode()


def test_deliveries_carry_gitlabs_headers_and_the_token(
    gitlab: StandInGitLab, project: Project, receiver: Receiver
) -> None:
    hook = gitlab.webhooks.add(project, receiver.url, token="a secret")

    make_job(project)
    gitlab.webhooks.flush()

    headers = receiver.received[0][0]
    assert headers["x-gitlab-event"] == "Job Hook"
    assert headers["x-gitlab-token"] == "a secret"
    assert headers["x-gitlab-webhook-uuid"] == hook.identifier
    assert headers["x-gitlab-instance"] == gitlab.url
    assert headers["idempotency-key"] == headers["webhook-id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert "webhook-signature" not in headers


def test_a_signing_token_signs_id_time_and_body(
    gitlab: StandInGitLab, project: Project, receiver: Receiver
) -> None:
    signing_token = new_signing_token()
    gitlab.webhooks.add(project, receiver.url, signing_token=signing_token)

    make_job(project)
    gitlab.webhooks.flush()

    headers, body = receiver.received[0]
    key = base64.b64decode(signing_token.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert "x-gitlab-token" not in headers


def test_a_failed_delivery_is_not_repeated_but_can_be_resent(
    gitlab: StandInGitLab, project: Project, receiver: Receiver
) -> None:
    hook = gitlab.webhooks.add(project, receiver.url)
    receiver.status = 500
    make_job(project)
    gitlab.webhooks.flush()
    assert [one.status for one in hook.deliveries] == [500, 500]

    receiver.status = 202
    again = gitlab.webhooks.resend(hook, hook.deliveries[0])

    assert again.status == 202
    assert receiver.received[0][1] == receiver.received[2][1]
    assert receiver.received[0][0]["idempotency-key"] == receiver.received[2][0]["idempotency-key"]


def test_a_webhook_that_keeps_failing_is_left_alone_for_a_while(
    gitlab: StandInGitLab, project: Project, receiver: Receiver
) -> None:
    hook = gitlab.webhooks.add(project, receiver.url)
    receiver.status = 404
    for _ in range(3):
        make_job(project)
    gitlab.webhooks.flush()
    assert len(hook.deliveries) == 4

    receiver.status = 200
    gitlab.advance(61)
    make_job(project)
    gitlab.webhooks.flush()

    assert [one.status for one in hook.deliveries] == [404] * 4 + [200] * 2
    assert hook.failures == 0


def test_nobody_there_is_noted(gitlab: StandInGitLab, project: Project, receiver: Receiver) -> None:
    hook = gitlab.webhooks.add(project, "http://127.0.0.1:1/hook")
    make_job(project)
    gitlab.webhooks.flush()

    assert hook.deliveries[0].status is None
    assert hook.deliveries[0].error
    gitlab.webhooks.remove(hook)
    make_job(project)
    gitlab.webhooks.flush()
    assert len(hook.deliveries) == 2


# id_tokens


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified(token: str, gitlab: StandInGitLab) -> dict[str, Any]:
    """The claims, checked as anybody would who knows but the issuer. Raises InvalidSignature."""
    header, claims, signature = token.split(".")
    with requests.Session() as web:
        web.trust_env = False
        configuration = web.get(f"{gitlab.url}/.well-known/openid-configuration").json()
        keys = web.get(configuration["jwks_uri"]).json()["keys"]
    (jwk,) = (key for key in keys if key["kid"] == json.loads(decoded(header))["kid"])
    numbers = (int.from_bytes(decoded(jwk[name]), "big") for name in ("e", "n"))
    rsa.RSAPublicNumbers(*numbers).public_key().verify(
        decoded(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    return json.loads(decoded(claims))


def id_token(gitlab: StandInGitLab, name: str = "TOKEN") -> str:
    (variable,) = (one for one in take(gitlab)["variables"] if one["key"] == name)
    assert variable["masked"]
    assert not variable["public"]
    return variable["value"]


JOB = "job: {script: x, timeout: 15m, id_tokens: {TOKEN: {aud: sts.amazonaws.com}}}"


def test_an_id_token_says_who_the_job_is(gitlab: StandInGitLab, project: Project) -> None:
    job = make_job(project, JOB)

    claims = verified(id_token(gitlab), gitlab)

    assert claims["iss"] == gitlab.url
    assert claims["aud"] == "sts.amazonaws.com"
    assert claims["sub"] == "project_path:group/project:ref_type:branch:ref:main"
    assert claims["job_id"] == str(job.id)
    assert claims["project_id"] == str(project.id)
    assert claims["ref_protected"] == "true"
    assert claims["exp"] - claims["iat"] == 900
    assert abs(claims["iat"] - time.time()) < 60


def test_an_id_token_says_the_environment_of_the_job(
    gitlab: StandInGitLab, project: Project
) -> None:
    make_job(project, JOB.replace("{", "{environment: eu/production, ", 1))

    answer = take(gitlab)

    values = {one["key"]: one["value"] for one in answer["variables"]}
    assert values["CI_ENVIRONMENT_NAME"] == "eu/production"
    claims = verified(values["TOKEN"], gitlab)
    assert (claims["environment"], claims["environment_protected"]) == ("eu/production", "false")


def test_a_project_chooses_the_components_of_sub(gitlab: StandInGitLab, project: Project) -> None:
    project.id_token_sub_components = ("project_id", "ref", "ref_protected")
    make_job(project, JOB, ref="feature/x")

    claims = verified(id_token(gitlab), gitlab)

    assert claims["sub"] == f"project_id:{project.id}:ref:feature/x:ref_protected:false"


def test_several_audiences_and_another_issuer(gitlab: StandInGitLab, project: Project) -> None:
    gitlab.oidc.issuer = gitlab.url + "/elsewhere"
    gitlab.routes.add("GET", "/elsewhere/oauth/discovery/keys", gitlab.oidc._publish_keys)
    make_job(project, "job: {script: x, id_tokens: {ONE: {aud: a}, TWO: {aud: [a, b]}}}")

    claims = verified(id_token(gitlab, "TWO"), gitlab)

    assert claims["iss"] == gitlab.url + "/elsewhere"
    assert claims["aud"] == ["a", "b"]


def test_old_tokens_verify_after_a_new_key_and_forged_ones_never(
    gitlab: StandInGitLab, project: Project
) -> None:
    make_job(project, JOB)
    token = id_token(gitlab)
    gitlab.oidc.rotate()

    assert verified(token, gitlab)["project_path"] == "group/project"
    header, claims, signature = token.split(".")
    changed = decoded(claims).replace(b"group/project", b"group/proceed")
    forged = f"{header}.{base64.urlsafe_b64encode(changed).rstrip(b'=').decode()}.{signature}"
    with pytest.raises(InvalidSignature):
        verified(forged, gitlab)
