#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# zig.sh: prints the path of the pinned zig executable, taken from its Python wheel.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ "$(uname -m)" != aarch64 ] || ZIGLANG_SHA256=$ARM64_ZIGLANG_SHA256

unpack_wheel() {
    cd "$1"
    pip download --no-deps --only-binary :all: "ziglang==$ZIGLANG_VERSION" -d wheel
    check_sha256 wheel/*.whl "$ZIGLANG_SHA256"
    unzip -q wheel/*.whl 'ziglang/*'
    rm -r wheel
    chmod +x ziglang/zig
}

folder=$(cached zig "$(hash_of "$ZIGLANG_VERSION" "$ZIGLANG_SHA256")" unpack_wheel fetched)
printf '%s\n' "$folder/ziglang/zig"
