#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# terraform.sh: prints the path of the machine's terraform, else of its tofu, else of a tofu that is
# built here from its Go module. It is also linked as build/bin/terraform, which `make` puts at the
# end of PATH for those who call it by that name.
set -euo pipefail
. "$(dirname "$0")/common.sh"

build_tofu() {
    local folder=$1 go work
    go=$("$toolchain/go.sh")
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of this moment
    trap "chmod -R u+w '$work'; rm -rf '$work'" EXIT
    cp "$repo/layers/opentofu/go.mod" "$repo/layers/opentofu/go.sum" "$work/"
    cd "$work"
    mkdir "$folder/bin"
    CGO_ENABLED=0 GOFLAGS=-mod=readonly "$go" build -trimpath -ldflags '-s -w -buildid=' \
        -o "$folder/bin/tofu" github.com/opentofu/opentofu/cmd/tofu
}

program=$(command -v terraform || command -v tofu || true)
case $program in
    "" | "$repo"/*)
        folder=$(cached tofu "$(hash_of "$GO_VERSION" "$toolchain/go.sh" "$0" \
            "$repo/layers/opentofu/go.mod" "$repo/layers/opentofu/go.sum")" build_tofu)
        program=$folder/bin/tofu
        ;;
esac
printf '%s\n' "$program"
