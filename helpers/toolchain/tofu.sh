#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tofu.sh GOARCH: builds OpenTofu from its pinned Go module (tofu/go.mod, tofu/go.sum) and prints the
# folder that holds bin/tofu, and under share/licenses the licences of every module in it.
set -euo pipefail
. "$(dirname "$0")/common.sh"
modules=$toolchain/tofu
goarch=$1
package=github.com/opentofu/opentofu/cmd/tofu

build_tofu() {
    local folder=$1 go
    go=$("$toolchain/go.sh")
    mkdir "$folder/bin"
    cd "$modules"
    export CGO_ENABLED=0 GOOS=linux GOARCH=$goarch GOAMD64=v1 GOARM64=v8.0 GOTOOLCHAIN=local
    export GOWORK=off GOFLAGS='-mod=readonly -trimpath -buildvcs=false'
    # Without its "-dev": the module has the release's source.
    "$go" build -ldflags '-s -w -buildid= -X github.com/opentofu/opentofu/version.dev=no' \
        -o "$folder/bin/tofu" "$package"
    "$toolchain/go-licenses.sh" "$package" "$folder/share/licenses"
}

hash=$(hash_of "$GO_VERSION" "$modules/go.mod" "$modules/go.sum" "$0" "$toolchain/go-licenses.sh")
cached "tofu-$goarch" "$hash" build_tofu
