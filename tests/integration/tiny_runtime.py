# SPDX-License-Identifier: Apache-2.0
"""A custom runtime in shell for tests of the local cloud: each event is a script to run.

The event is a JSON string of shell commands; what they print is the response. Helpers that the
commands may call: `fail TYPE MESSAGE` posts an error for this invocation.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

_RUNTIME = r"""#!/bin/bash
busybox=/var/task/busybox
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
post() { $busybox wget -q -O /dev/null --post-file="$2" "${@:3}" "$api/$1"; }
fail() {
    printf '{"errorType": "%s", "errorMessage": "%s"}' "$1" "$2" >/tmp/error
    post "invocation/$id/error" /tmp/error --header "Lambda-Runtime-Function-Error-Type: $1"
    failed=yes
}
cd /tmp
echo "init of $_HANDLER"
eval "$ON_INIT"
while :; do
    event=$($busybox wget -q -S -O - "$api/invocation/next" 2>/tmp/head) || exit 9
    id=$(sed -n 's/^ *Lambda-Runtime-Aws-Request-Id: *\([^\r]*\).*/\1/Ip' /tmp/head)
    script=${event#\"}
    script=$(printf '%b' "${script%\"}" | sed 's/\\"/"/g')
    failed=
    eval "$script" >/tmp/out 2>&1
    [ -n "$failed" ] || post "invocation/$id/response" /tmp/out
done
"""


def function_zip(folder: Path, runtime: str = _RUNTIME) -> Path:
    """Writes the function's zip into `folder`, with a static busybox for its HTTP."""
    busybox = shutil.which("busybox")
    assert busybox, "busybox-static is missing: run make setup"
    target = folder / "tiny-runtime.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in (
            ("bootstrap", runtime.encode()),
            ("busybox", Path(busybox).read_bytes()),
        ):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
    return target


def layer_zip(target: Path, files: dict[str, str], links: dict[str, str] | None = None) -> Path:
    """Writes a layer: text files by path, and symlinks."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name.startswith("bin/") else 0o100644) << 16
            archive.writestr(entry, content)
        for name, to in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, to)
    return target
