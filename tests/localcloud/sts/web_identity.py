# SPDX-License-Identifier: Apache-2.0
"""Checks OpenID Connect tokens against the keys that their issuer publishes."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from localcloud.sts.errors import StsError
from localcloud.waiting import LIMIT

LEEWAY = 300


def invalid_token(message: str) -> StsError:
    return StsError("InvalidIdentityToken", message, 400)


@dataclass
class Token:
    """A token, taken apart and not yet believed."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> Token:
        try:
            header, claims, signature = text.split(".")
            token = cls(
                json.loads(_decoded(header)),
                json.loads(_decoded(claims)),
                f"{header}.{claims}".encode(),
                _decoded(signature),
            )
        except ValueError as error:
            raise invalid_token(
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an"
                " Access Token)"
            ) from error
        for claim in ("iss", "sub", "aud", "exp", "iat"):
            if claim not in token.claims:
                raise invalid_token(f"Missing a required claim: {claim}")
        return token

    @property
    def audiences(self) -> list[str]:
        audience = self.claims["aud"]
        return list(audience) if isinstance(audience, list) else [str(audience)]


@dataclass
class Issuers:
    """Where the keys of issuers are to be had.

    `urls` maps an issuer (https://gitlab.com) to the URL that plays it; an issuer that is not
    there is asked itself. `ca_file` is a private authority to trust.
    """

    ca_file: Path | None = None
    urls: dict[str, str] = field(default_factory=dict)

    def verify(self, token: Token, client_ids: list[str], now: float) -> str:
        """Raises unless the token is good now; returns which audience matched."""
        if token.header.get("alg") != "RS256":
            raise invalid_token("The ID Token is not signed with RS256")
        key = self._key(str(token.claims["iss"]), token.header.get("kid"))
        try:
            key.verify(token.signature, token.signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as error:
            raise invalid_token(
                "Couldn't retrieve verification key from your identity provider, please reference"
                " AssumeRoleWithWebIdentity documentation for requirements"
            ) from error
        if float(token.claims["exp"]) <= now:
            raise StsError("ExpiredTokenException", "Token expired", 400)
        if float(token.claims.get("nbf", 0)) > now + LEEWAY:
            raise invalid_token("Token is not yet valid: its nbf is in the future")
        if float(token.claims["iat"]) > now + LEEWAY:
            raise invalid_token("Token was issued in the future: see its iat")
        for audience in token.audiences:
            if audience in client_ids:
                return audience
        raise invalid_token("Incorrect token audience")

    def _key(self, issuer: str, key_id: Any) -> rsa.RSAPublicKey:
        base = self.urls.get(issuer, issuer).rstrip("/")
        configuration = self._fetch(f"{base}/.well-known/openid-configuration")
        if configuration.get("issuer") != issuer:
            raise invalid_token(f"The configuration of {issuer} names another issuer")
        keys_url = str(configuration["jwks_uri"])
        if keys_url.startswith(issuer):
            keys_url = base + keys_url[len(issuer.rstrip("/")) :]
        for key in self._fetch(keys_url).get("keys", []):
            if key.get("kid") == key_id and key.get("kty") == "RSA":
                return rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
        raise invalid_token("No OpenIDConnect key of the issuer matches the token's kid")

    def _fetch(self, url: str) -> Mapping[str, Any]:
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        try:
            with urllib.request.urlopen(url, timeout=LIMIT, context=context) as answer:
                document: dict[str, Any] = json.load(answer)
                return document
        except (OSError, ValueError) as error:
            raise StsError(
                "IDPCommunicationError", f"cannot read {url} of the issuer: {error}", 400
            ) from error


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")
