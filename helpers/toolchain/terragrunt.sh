#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# terragrunt.sh: prints the path of the pinned terragrunt, which is built here from its Go module
# (helpers/toolchain/terragrunt) for the tests of examples/terragrunt.
set -euo pipefail
. "$(dirname "$0")/common.sh"
modules=$toolchain/terragrunt

build_terragrunt() {
    local package=github.com/gruntwork-io/terragrunt goarch version
    goarch=$(goarch_of "$(uname -m)")
    version=$(awk -v package="$package" '$2 == package { print $3 }' "$modules/go.mod")
    cd "$modules"
    "$toolchain/go-build.sh" "$goarch" "$package" "$1" -X "$package/internal/version.Version=$version"
}

"$toolchain/go.sh" >/dev/null
hash=$(hash_of "$GO_VERSION" "$modules/go.mod" "$modules/go.sum" "$0" "$toolchain/go-build.sh")
folder=$(cached terragrunt "$hash" build_terragrunt built go)
printf '%s\n' "$folder/bin/terragrunt"
