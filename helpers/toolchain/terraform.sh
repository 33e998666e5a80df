#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# terraform.sh: prints the path of the machine's terraform, else of its tofu, else of a tofu that is
# built here from its Go module (helpers/toolchain/tofu).
set -euo pipefail
. "$(dirname "$0")/common.sh"

modules=$toolchain/tofu

build_tofu() {
    local folder=$1 go
    go=$("$toolchain/go.sh")
    mkdir "$folder/bin"
    cd "$modules"
    GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS=-mod=readonly "$go" build -trimpath \
        -ldflags '-s -w -buildid=' -o "$folder/bin/tofu" github.com/opentofu/opentofu/cmd/tofu
}

PATH=$(path_of_machine)
program=$(command -v terraform || command -v tofu || true)
if [ -z "$program" ]; then
    folder=$(cached tofu "$(hash_of "$GO_VERSION" "$0" "$modules/go.mod" "$modules/go.sum")" build_tofu)
    program=$folder/bin/tofu
fi
printf '%s\n' "$program"
