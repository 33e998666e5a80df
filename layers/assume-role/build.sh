#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh ARCH: puts assume-role, its man page and the licences of what is linked into it together,
# and prints the folder that holds the layer's content (bin/, share/).
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
cd "$repo"
arch=$1
libs=$("$toolchain/static-libs.sh" "$arch")
program=$("$toolchain/static-helpers.sh" "$arch")/assume-role
manual=helpers/assume-role/assume-role.1
version=$("$toolchain/artifacts.py" version "${BASH_SOURCE[0]%/*}/layer.json")

build_layer() {
    local folder=$1 licenses=$1/share/licenses library
    mkdir -p "$folder/bin" "$folder/share/man/man1" "$licenses/runlet"
    cp "$program" "$folder/bin/assume-role"
    cp "$manual" "$folder/share/man/man1/assume-role.1"
    cp LICENSE "$licenses/runlet/LICENSE"
    printf 'Runlet %s\n' "$version" >"$licenses/runlet/VERSION"
    for library in cjson curl openssl zlib; do
        cp -R "$libs/licenses/$library" "$licenses/"
    done
    musl_license "$licenses"
    chmod -R u=rwX,go=rX "$folder"
}

cached "assume-role-$arch" "$(hash_of "$program" "$manual" LICENSE "$0" "$version" \
    "$(basename "$libs")")" build_layer
