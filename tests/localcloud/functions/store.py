# SPDX-License-Identifier: Apache-2.0
"""Asks the AWS endpoint what it stores of a function: settings, code, role, limits."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import botocore.exceptions
from botocore.client import BaseClient

from localcloud.aws import STORED_CODE_PATH
from localcloud.functions.errors import ApiError
from localcloud.functions.settings import EnvironmentSettings
from localcloud.sandbox import CodeStore


@dataclass(frozen=True)
class Function:
    """A function as one invocation sees it: the version is resolved."""

    name: str
    settings: EnvironmentSettings
    role: str
    variables: dict[str, str]
    log_group: str
    log_format: str
    log_level: str | None
    dead_letter_arn: str | None

    @property
    def arn(self) -> str:
        """The ARN without a qualifier."""
        return ":".join(self.settings.function_arn.split(":")[:7])


class FunctionStore:
    """Reads functions from the AWS endpoint, and unpacks their code once."""

    def __init__(
        self,
        client: BaseClient,
        moto_url: str,
        code: CodeStore,
        root: Path,
        file_systems: Mapping[str, Path],
    ) -> None:
        self._file_systems = file_systems
        self._client = client
        self._moto_url = moto_url
        self._code = code
        self._unpacked: dict[str, Path] = {}
        self.root = root

    def find(self, name: str, qualifier: str | None, extra: dict[str, str]) -> Function:
        """The function of this name and qualifier (version, alias or none)."""
        arguments = {"FunctionName": name}
        version = qualifier
        if qualifier and not qualifier.isdigit() and qualifier != "$LATEST":
            version = self._call("get_alias", FunctionName=name, Name=qualifier)["FunctionVersion"]
        if version and version != "$LATEST":
            arguments["Qualifier"] = version
        found = self._call("get_function_configuration", **arguments)
        arn = ":".join(found["FunctionArn"].split(":")[:7])
        code_arn = arn if found["Version"] == "$LATEST" else f"{arn}:{found['Version']}"
        variables = found.get("Environment", {}).get("Variables", {})
        logging = found.get("LoggingConfig", {})
        settings = EnvironmentSettings(
            function_name=found["FunctionName"],
            function_arn=f"{arn}:{qualifier}" if qualifier else arn,
            version=found["Version"],
            handler=found.get("Handler") or "",
            timeout=found["Timeout"],
            memory_size=found["MemorySize"],
            ephemeral_storage=found.get("EphemeralStorage", {}).get("Size", 512),
            root=self.root,
            task=self._unpack([code_arn], found["CodeSha256"]),
            opt=self._unpack([layer["Arn"] for layer in found.get("Layers", [])]),
            file_system=self._file_system(found.get("FileSystemConfigs", [])),
            variables_key=hashlib.sha256(
                json.dumps([variables, extra, logging], sort_keys=True).encode()
            ).hexdigest(),
        )
        return Function(
            name=found["FunctionName"],
            settings=settings,
            role=found["Role"],
            variables=variables,
            log_group=logging.get("LogGroup", f"/aws/lambda/{found['FunctionName']}"),
            log_format=logging.get("LogFormat", "Text"),
            log_level=logging.get("ApplicationLogLevel"),
            dead_letter_arn=found.get("DeadLetterConfig", {}).get("TargetArn"),
        )

    def _file_system(self, configs: list[dict[str, str]]) -> tuple[Path, str] | None:
        """The folder that stands for the function's access point; Lambda mounts one at most."""
        if not configs:
            return None
        (config,) = configs
        try:
            return self._file_systems[config["Arn"]], config["LocalMountPath"]
        except KeyError:
            raise ApiError(
                400,
                "EFSMountFailureException",
                f"The function couldn't mount the EFS file system with access point "
                f"{config['Arn']}: the local cloud's `file_systems` does not have it",
            ) from None

    def reserved_concurrency(self, name: str) -> int | None:
        answer = self._call("get_function_concurrency", FunctionName=name)
        return answer.get("ReservedConcurrentExecutions")

    def asynchronous_settings(self, name: str, qualifier: str | None) -> dict[str, Any]:
        """Retries, event age and destinations, `{}` where none were set."""
        arguments = {"FunctionName": name}
        if qualifier:
            arguments["Qualifier"] = qualifier
        try:
            return self._client.get_function_event_invoke_config(**arguments)
        except botocore.exceptions.ClientError:
            return {}

    def _call(self, operation: str, **arguments: str) -> dict[str, Any]:
        try:
            return getattr(self._client, operation)(**arguments)
        except botocore.exceptions.ClientError as error:
            answer = error.response
            raise ApiError(
                answer["ResponseMetadata"]["HTTPStatusCode"],
                answer["Error"]["Code"],
                answer["Error"]["Message"],
            ) from error

    def _unpack(self, arns: list[str], digest: str = "") -> Path:
        """The folder with this code; a layer's content never changes, a function's digest tells."""
        key = "|".join([*arns, digest])
        if key not in self._unpacked:
            self._unpacked[key] = self._code.folder_of([self._download(arn) for arn in arns])
        return self._unpacked[key]

    def _download(self, arn: str) -> bytes:
        url = f"{self._moto_url}{STORED_CODE_PATH}?arn={quote(arn)}"
        with urllib.request.urlopen(url, timeout=120) as answer:
            content: bytes = answer.read()
        return content
