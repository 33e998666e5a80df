#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""publish.py BUCKET [PREFIX]: puts what `make dist` made into S3, each zip under its hash.

The key is PREFIX (by default `runlet/`), the zip's SHA-256, and its name: what the Terraform module
reads with `artifacts_s3`. A key never changes its content, so what is there is left alone.
Credentials, region and AWS_ENDPOINT_URL are found as the AWS SDKs find them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

REPO = Path(__file__).resolve().parents[2]


def is_there(s3: Any, bucket: str, key: str, size: int) -> bool:
    try:
        return s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == size
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return False
        raise


def publish(s3: Any, bucket: str, prefix: str, dist: Path) -> None:
    index = json.loads((dist / "artifacts.json").read_text())
    for artifacts in index.values():
        for artifact in artifacts.values():
            file = dist / artifact["path"]
            content = file.read_bytes()
            digest = hashlib.sha256(content)
            if digest.hexdigest() != artifact["sha256"]:
                sys.exit(f"error: {file} is not what artifacts.json describes: run `make dist`")
            key = f"{prefix}{artifact['sha256']}/{file.name}"
            if is_there(s3, bucket, key, len(content)):
                print(f"  is there  s3://{bucket}/{key}  ({artifact['path']})")
                continue
            # S3 refuses the upload where the checksum does not fit.
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=content,
                ContentType="application/zip",
                ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            )
            print(f"  uploaded  s3://{bucket}/{key}  ({artifact['path']})")


def main() -> None:
    bucket = sys.argv[1] if len(sys.argv) > 1 else ""
    prefix = sys.argv[2] if len(sys.argv) > 2 else "runlet/"
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        sys.exit("error: name the bucket: make publish BUCKET=my-artifacts")
    if prefix and not re.fullmatch(r"[^/].*/", prefix):
        sys.exit(
            f"error: PREFIX={prefix}: end it with a slash and begin it with none, as in runlet/"
        )
    dist = REPO / "dist"
    if not (dist / "artifacts.json").exists():
        sys.exit("error: dist/artifacts.json is not there: run `make dist` first")
    try:
        publish(boto3.client("s3"), bucket, prefix, dist)
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename} is not there: run `make dist` again")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"error: cannot publish to {bucket}: {error}")


if __name__ == "__main__":
    main()
