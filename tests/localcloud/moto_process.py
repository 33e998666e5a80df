# SPDX-License-Identifier: Apache-2.0
"""Runs moto's server in a process of its own: `python -m localcloud.moto_process PORT`.

Beside moto's own API it gives out what moto stores but no AWS call returns: the zips of functions
and layers, at `/_localcloud/code?arn=ARN`, and what IAM holds of a role, a key or an identity
provider of any account, at `/_localcloud/iam` (see sts/moto_iam.py).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.awslambda.models import lambda_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

from localcloud.aws import IAM_PATH, STORED_CODE_PATH
from localcloud.sts.moto_iam import look_up


def stored_code(arn: str) -> bytes | None:
    """The zip that moto has for the ARN of a layer version, or of a function with a qualifier."""
    fields = arn.split(":")
    region, account, kind, name = fields[3], fields[4], fields[5], fields[6]
    backend = lambda_backends[account][region]
    if kind == "layer":
        layer = backend.layers_versions_by_arn(arn)
        return layer.code_bytes if layer else None
    function = backend.get_function(name, fields[7] if len(fields) > 7 else None)
    return function.code_bytes


def stored_iam(query: dict[str, list[str]]) -> bytes | None:
    found = look_up({name: values[0] for name, values in query.items()})
    return None if found is None else json.dumps(found).encode()


def with_stored(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in (STORED_CODE_PATH, IAM_PATH):
            return application(environ, start_response)
        query = parse_qs(environ["QUERY_STRING"])
        content = (
            stored_iam(query) if environ["PATH_INFO"] == IAM_PATH else stored_code(query["arn"][0])
        )
        status = "404 Not Found" if content is None else "200 OK"
        start_response(status, [("Content-Length", str(len(content or b"")))])
        return [content or b""]

    return serve


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), with_stored(application), threaded=True)


if __name__ == "__main__":
    main()
