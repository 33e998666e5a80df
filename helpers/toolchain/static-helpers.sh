#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# static-helpers.sh ARCH: compiles the helpers for Lambda, and prints the folder that holds them.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$repo"
arch=$1
prefix=$("$toolchain/static-libs.sh" "$arch")
# shellcheck source=static-env.sh
. "$toolchain/static-env.sh"
export SOURCE_ROOT=$repo
# make's own settings of a caller are not for this build.
unset MAKEFLAGS MAKEOVERRIDES SANITIZE FUZZ ONLY
mkdir -p build
exec 9>"build/.static-$arch.lock"
flock 9
compile() {
    make --silent --no-print-directory -j"$jobs" -f "$toolchain/helpers.mk" STATIC="$arch" \
        PREFIX="$prefix" binaries "$@"
}
# Nothing is said where nothing is to be done.
if ! compile --question >/dev/null 2>&1; then
    reported built "helpers $arch" "build/static-$arch.log" compile
fi
printf '%s\n' "build/static/$arch/bin"
