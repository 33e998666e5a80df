# SPDX-License-Identifier: Apache-2.0
"""Runs moto's server in a process of its own: `python -m localcloud.moto_process PORT`.

Beside moto's own API it gives out what moto stores but no AWS call returns: the zips of functions
and layers, at `/_localcloud/code?arn=ARN`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.awslambda.models import lambda_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

from localcloud.aws import STORED_CODE_PATH


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


def with_code(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != STORED_CODE_PATH:
            return application(environ, start_response)
        content = stored_code(parse_qs(environ["QUERY_STRING"])["arn"][0])
        status = "404 Not Found" if content is None else "200 OK"
        start_response(status, [("Content-Length", str(len(content or b"")))])
        return [content or b""]

    return serve


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), with_code(application), threaded=True)


if __name__ == "__main__":
    main()
