#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tofu.sh GOARCH: builds OpenTofu from its pinned Go module (tofu/go.mod, tofu/go.sum) and prints the
# folder that holds bin/tofu, and under share/licenses the licences of every module in it.
set -euo pipefail
. "$(dirname "$0")/common.sh"
modules=$toolchain/tofu
goarch=$1

build_tofu() {
    local package=github.com/opentofu/opentofu
    cd "$modules"
    # Without its "-dev": the module has the release's source.
    "$toolchain/go-build.sh" "$goarch" "$package/cmd/tofu" "$1" -X "$package/version.dev=no"
}

"$toolchain/go.sh" >/dev/null
hash=$(hash_of "$GO_VERSION" "$modules/go.mod" "$modules/go.sum" "$0" "$toolchain/go-build.sh")
cached "tofu-$goarch" "$hash" build_tofu built go
