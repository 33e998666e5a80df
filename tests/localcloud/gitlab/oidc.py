# SPDX-License-Identifier: Apache-2.0
"""GitLab as an OpenID Connect provider: the id_tokens of jobs, and the keys to check them."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from localcloud.gitlab.web import Request, Response, Routes, json_response

if TYPE_CHECKING:
    from localcloud.gitlab.jobs import Job
    from localcloud.gitlab.server import StandInGitLab

KEYS_PATH = "/oauth/discovery/keys"
CONFIGURATION_PATH = "/.well-known/openid-configuration"


class OidcProvider:
    """Signs id_tokens with a key of its own. `rotate` makes another; old keys stay published."""

    def __init__(self, gitlab: StandInGitLab, routes: Routes) -> None:
        self._gitlab = gitlab
        self.issuer: str | None = None  # another than the server's URL, as `issuer_url` sets it
        self._keys: list[rsa.RSAPrivateKey] = []  # made when first wanted: it takes a moment
        routes.add("GET", KEYS_PATH, self._publish_keys)
        routes.add("GET", CONFIGURATION_PATH, self._publish_configuration)
        gitlab.variable_sources.append(self.tokens)

    def rotate(self) -> None:
        self._all_keys().append(_new_key())

    def _all_keys(self) -> list[rsa.RSAPrivateKey]:
        with self._gitlab.lock:
            if not self._keys:
                self._keys.append(_new_key())
            return self._keys

    def tokens(self, job: Job) -> dict[str, str]:
        """The id_tokens that the job asks for, by the names of their variables."""
        return {
            name: self.sign(self.claims(job, audience))
            for name, audience in job.config.id_tokens.items()
        }

    def claims(self, job: Job, audience: tuple[str, ...]) -> dict[str, Any]:
        project, pipeline = job.project, job.pipeline
        now = int(self._gitlab.now())
        kind = "tags" if pipeline.ref_type == "tag" else "heads"
        own = {
            "namespace_id": str(project.namespace_id),
            "namespace_path": project.namespace,
            "project_id": str(project.id),
            "project_path": project.path,
            "user_id": "1",
            "user_login": "root",
            "user_email": "admin@example.com",
            "user_access_level": "owner",
            "pipeline_id": str(pipeline.id),
            "pipeline_source": pipeline.source,
            "job_id": str(job.id),
            "ref": pipeline.ref,
            "ref_type": pipeline.ref_type,
            "ref_path": f"refs/{kind}/{pipeline.ref}",
            "ref_protected": str(pipeline.protected).lower(),
            "runner_id": job.runner.id if job.runner else None,
            "runner_environment": "self-hosted",
            "sha": pipeline.sha,
            "project_visibility": "private",
            "ci_config_ref_uri": (
                f"{self._gitlab.host}/{project.path}//.gitlab-ci.yml@refs/{kind}/{pipeline.ref}"
            ),
            "ci_config_sha": pipeline.sha,
        }
        if job.config.environment:
            own |= {"environment": job.config.environment, "environment_protected": "false"}
        return {
            **own,
            "jti": str(uuid.uuid4()),
            "iss": self.issuer or self._gitlab.url,
            "iat": now,
            "nbf": now - 5,
            "exp": now + (job.timeout or 300),
            "sub": ":".join(f"{name}:{own[name]}" for name in project.id_token_sub_components),
            "aud": audience[0] if len(audience) == 1 else list(audience),
        }

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT (RS256) of these claims by the newest key."""
        key = self._all_keys()[-1]
        header = {"typ": "JWT", "alg": "RS256", "kid": _key_id(key)}
        signed = f"{_encoded(json.dumps(header))}.{_encoded(json.dumps(claims))}"
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"

    def _publish_keys(self, request: Request) -> Response:
        return json_response({"keys": [_jwk(key) for key in self._all_keys()]})

    def _publish_configuration(self, request: Request) -> Response:
        issuer = self.issuer or self._gitlab.url
        return json_response(
            {
                "issuer": issuer,
                "jwks_uri": f"{issuer}{KEYS_PATH}",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "claims_supported": ["iss", "sub", "aud", "exp", "iat"],
            }
        )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _jwk(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {
        "kty": "RSA",
        "kid": _key_id(key),
        "use": "sig",
        "alg": "RS256",
        "n": _encoded(_bytes(numbers.n)),
        "e": _encoded(_bytes(numbers.e)),
    }


def _key_id(key: rsa.RSAPrivateKey) -> str:
    return _encoded(hashlib.sha256(_bytes(key.public_key().public_numbers().n)).digest())


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _encoded(content: str | bytes) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
