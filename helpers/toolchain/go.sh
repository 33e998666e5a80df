#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# go.sh: prints the path of the pinned `go`. Equal bytes on two machines need one Go, so the one of
# this machine, whichever it is, only fetches the module golang.org/toolchain, from where it is told
# to fetch modules and with its own check against the checksum database.
set -euo pipefail
. "$(dirname "$0")/common.sh"

goarch=$(goarch_of "$(uname -m)")

unpack_go() {
    local folder=$1 module=golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$goarch work
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of this moment
    trap "rm -rf '$work'" EXIT
    cd "$work"
    GO111MODULE=on GOTOOLCHAIN=local GOFLAGS=-modcacherw GOMODCACHE=$work/modules \
        go mod download "$module"
    cp -R "$work/modules/$module" "$folder/go"
    chmod -R u+w "$folder/go"
    # As the go command does it with a toolchain of its own: modules cannot hold these.
    find "$folder/go" -name _go.mod -execdir mv _go.mod go.mod ';'
    chmod +x "$folder"/go/bin/* "$folder"/go/pkg/tool/linux_"$goarch"/*
    "$folder/go/bin/go" version
}

folder=$(cached go "$(hash_of "$GO_VERSION" "$goarch")" unpack_go fetched)
# What the wrapper's environment must not change: neither the toolchain nor the target's details.
mkdir -p "$folder"
printf '%s\n' "$folder/go/bin/go"
