# SPDX-License-Identifier: Apache-2.0
"""How the outside talks to the local cloud's AWS endpoint."""

from __future__ import annotations

import os
import threading
from typing import Any

import boto3
from botocore.config import Config

REGION = "eu-central-1"
ACCOUNT_ID = "123456789012"
ACCESS_KEY = "AKIALOCALCLOUD000000"
SECRET_KEY = "local-cloud-secret-key"
STORED_CODE_PATH = "/_localcloud/code"  # served by our moto process beside the AWS API
IAM_PATH = "/_localcloud/iam"  # served there too


class Aws:
    """The endpoint, and clients for it."""

    def __init__(self, endpoint_url: str, region: str = REGION) -> None:
        self.endpoint_url = endpoint_url
        self.region = region
        self.account_id = ACCOUNT_ID
        self._session = boto3.session.Session(
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=region
        )
        self._lock = threading.Lock()

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client against the gateway; it waits as long as a function may run."""
        config = Config(
            read_timeout=1000,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            max_pool_connections=64,
        )
        with self._lock:  # boto3 sessions are not safe to share between threads
            return self._session.client(
                service, endpoint_url=self.endpoint_url, config=config, **options
            )

    def variables(self) -> dict[str, str]:
        """What points an AWS client at the local cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }

    def environ(self) -> dict[str, str]:
        """This process's environment with no AWS settings but the local cloud's."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return {
            **kept,
            **self.variables(),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
