#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# terragrunt.sh: prints the path of the pinned terragrunt, which is built here from its Go module
# (helpers/toolchain/terragrunt) for the tests of examples/terragrunt.
set -euo pipefail
. "$(dirname "$0")/common.sh"

modules=$toolchain/terragrunt

build_terragrunt() {
    local folder=$1 program=github.com/gruntwork-io/terragrunt go version
    go=$("$toolchain/go.sh" "$TERRAGRUNT_GO_VERSION")
    version=$(awk -v program="$program" '$2 == program { print $3 }' "$modules/go.mod")
    mkdir "$folder/bin"
    cd "$modules"
    GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS=-mod=readonly "$go" build -trimpath \
        -ldflags "-s -w -buildid= -X $program/internal/version.Version=$version" \
        -o "$folder/bin/terragrunt" "$program"
}

folder=$(cached terragrunt \
    "$(hash_of "$TERRAGRUNT_GO_VERSION" "$0" "$modules/go.mod" "$modules/go.sum")" build_terragrunt)
printf '%s\n' "$folder/bin/terragrunt"
