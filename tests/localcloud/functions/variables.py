# SPDX-License-Identifier: Apache-2.0
"""The environment variables that Lambda gives a function of the runtime provided.al2023."""

from __future__ import annotations

from collections.abc import Mapping

# What a function's own variables may override.
OVERRIDABLE = ("AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL", "LANG", "LD_LIBRARY_PATH", "PATH",
               "TZ", "AWS_ENDPOINT_URL")  # fmt: skip


def function_variables(
    *,
    name: str,
    version: str,
    handler: str,
    memory_size: int,
    region: str,
    log_group: str,
    log_stream: str,
    log_format: str,
    log_level: str | None,
    runtime_api: str,
    credentials: Mapping[str, str],
    own: Mapping[str, str],
    extra: Mapping[str, str],
) -> dict[str, str]:
    """The complete environment of a bootstrap."""
    lambdas = {
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
        "/var/task:/var/task/lib:/opt/lib",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": handler,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_size),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        **credentials,
    }
    if log_format == "JSON":
        lambdas["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        lambdas["AWS_LAMBDA_LOG_LEVEL"] = log_level or "INFO"
    allowed = {
        key: value
        for key, value in own.items()
        if not key.startswith("_") and (key not in lambdas or key in OVERRIDABLE)
    }
    return {**lambdas, **extra, **allowed}
