# SPDX-License-Identifier: Apache-2.0
"""The local cloud: AWS endpoint, Lambda sandboxes and stand-in GitLab on one machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from localcloud.aws import Aws
from localcloud.credentials import RoleCredentials
from localcloud.functions import FunctionService, Invocation
from localcloud.functions.asynchronous import AsynchronousInvoker
from localcloud.functions.destinations import Destinations
from localcloud.functions.store import FunctionStore
from localcloud.gateway import Gateway
from localcloud.gateway.code_from_s3 import CodeFromS3
from localcloud.gateway.event_invoke_config import EventInvokeConfigs
from localcloud.gateway.kept_settings import KeptFunctionSettings
from localcloud.gateway.lambda_invoke import LambdaInvoke
from localcloud.gateway.sqs_attributes import QueueAttributes
from localcloud.gitlab import CertificateAuthority, StandInGitLab
from localcloud.moto_start import Moto
from localcloud.rie import emulator
from localcloud.sandbox import CodeStore, bare_root, build_enter
from localcloud.sts import StrictSts
from localcloud.waiting import wait_until

TESTS = Path(__file__).resolve().parents[1]
TOOLS = TESTS.parent / "build" / "tools"
EXECUTION_ROLE = "local-cloud-function"


class LocalCloud:
    """Everything up on loopback and free ports, until the `with` block ends.

    `folder` takes all that is written. `replacing_profile` gives sandboxes an /etc/profile that
    replaces PATH, as other distributions do.
    """

    def __init__(self, folder: Path, *, replacing_profile: bool = False, tls: bool = True) -> None:
        self.folder = folder.resolve()
        self._replacing_profile = replacing_profile
        self._tls = tls
        self._stack = ExitStack()
        # What stands for EFS: the ARN of an access point, and the folder that it shows.
        self.file_systems: dict[str, Path] = {}
        self.gitlab: StandInGitLab
        self.aws: Aws
        self.sts: StrictSts
        self.functions: FunctionService
        self.queue: AsynchronousInvoker

    def __enter__(self) -> LocalCloud:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        moto = Moto(stack, self.folder / "moto.log")
        gateway = Gateway(moto.port)
        stack.callback(gateway.close)
        self.sts = StrictSts(moto.url)
        self.aws = Aws(gateway.url)
        authority = CertificateAuthority(self.folder / "certificates") if self._tls else None
        self.sts.issuers.ca_file = authority.file if authority else None
        self.gitlab = stack.enter_context(
            StandInGitLab(ca=authority, folder=self.folder / "gitlab")
        )
        rie, enter = emulator(TOOLS), build_enter(TOOLS)
        root = bare_root(
            self.folder / ("root-replacing-profile" if self._replacing_profile else "root"),
            replacing_profile=self._replacing_profile,
        )
        moto.wait()
        store = FunctionStore(
            self.aws.client("lambda"),
            moto.url,
            CodeStore(self.folder / "code"),
            root,
            self.file_systems,
        )
        self.functions = FunctionService(
            folder=self.folder / "environments",
            rie=rie,
            enter=enter,
            store=store,
            region=self.aws.region,
            credentials=RoleCredentials(self.sts),
            extra_environment={"AWS_ENDPOINT_URL": gateway.url},
        )
        self.queue = AsynchronousInvoker(self.functions, Destinations(self.aws))
        gateway.parts += [
            self.sts,
            LambdaInvoke(self.functions, self.queue),
            EventInvokeConfigs(),
            CodeFromS3(self.aws.client("s3")),
            KeptFunctionSettings(),
            QueueAttributes(),
        ]
        stack.callback(self.functions.close)
        stack.callback(self.queue.close)

    # Shortcuts for tests

    def deploy_function(
        self,
        name: str,
        *,
        zip: Path,
        layers: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        timeout: int = 60,
        memory_size: int = 512,
        ephemeral_storage: int = 512,
        handler: str = "run",
        **settings: Any,
    ) -> str:
        """Creates a function straight by the Lambda API, and returns its ARN."""
        client = self.aws.client("lambda")
        arns = [
            client.publish_layer_version(
                LayerName=f"{name}-{number}", Content={"ZipFile": layer.read_bytes()}
            )["LayerVersionArn"]
            for number, layer in enumerate(layers)
        ]
        created = client.create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Role=self.execution_role(),
            Handler=handler,
            Code={"ZipFile": zip.read_bytes()},
            Layers=arns,
            Environment={"Variables": dict(environment or {})},
            Timeout=timeout,
            MemorySize=memory_size,
            EphemeralStorage={"Size": ephemeral_storage},
            **settings,
        )
        return str(created["FunctionArn"])

    def execution_role(self) -> str:
        """The ARN of a role that functions deployed by `deploy_function` run as."""
        client = self.aws.client("iam")
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        try:
            role = client.get_role(RoleName=EXECUTION_ROLE)
        except client.exceptions.NoSuchEntityException:
            role = client.create_role(
                RoleName=EXECUTION_ROLE,
                AssumeRolePolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": [statement]}
                ),
            )
        return str(role["Role"]["Arn"])

    def invoke(
        self,
        name: str,
        event: Any = None,
        asynchronous: bool = False,
        qualifier: str | None = None,
    ) -> Invocation:
        """Invokes by the Lambda API; asynchronously: returns when the first attempt has ended."""
        arguments = {"Qualifier": qualifier} if qualifier else {}
        answer = self.aws.client("lambda").invoke(
            FunctionName=name,
            InvocationType="Event" if asynchronous else "RequestResponse",
            Payload=json.dumps({} if event is None else event),
            **arguments,
        )
        request_id = answer["ResponseMetadata"]["RequestId"]
        found: list[Invocation] = []

        def ended() -> bool:
            found[:] = [
                one for one in self.functions.invocations(name) if one.request_id == request_id
            ]
            return bool(found)

        wait_until(ended, f"the end of invocation {request_id} of {name}", limit=960)
        return found[0]
