#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh ARCH: builds gitlab-runner from its pinned Go module (go.mod, go.sum) and prints the
# folder that holds the layer's content: bin/gitlab-runner, and the licences of every module in it.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
here=$(cd "$(dirname "$0")" && pwd)

case $1 in
    x86_64) goarch=amd64 ;;
    arm64) goarch=arm64 ;;
    *) die "architecture $1: expected x86_64 or arm64" ;;
esac
version=$(jq -r .version "$here/layer.json")
package=gitlab.com/gitlab-org/gitlab-runner

build_runner() {
    local folder=$1 go revision
    go=$("$toolchain/go.sh")
    revision=$(sed -nE "s|^require $package .*-([0-9a-f]{12})\$|\1|p" "$here/go.mod")
    cd "$here"
    export CGO_ENABLED=0 GOOS=linux GOARCH=$goarch GOAMD64=v1 GOTOOLCHAIN=local
    export GOFLAGS='-mod=readonly -trimpath -buildvcs=false'
    mkdir -p "$folder/bin" "$folder/share/licenses"
    "$go" build -o "$folder/bin/gitlab-runner" -ldflags "-s -w -buildid= \
        -X $package/common.VERSION=$version -X $package/common.REVISION=$revision \
        -X $package/common.BRANCH=source" "$package"
    mkdir -p "$folder/share/licenses/go"
    cp "$(dirname "$go")/../LICENSE" "$folder/share/licenses/go/LICENSE"
    printf 'Go %s\n' "$GO_VERSION" >"$folder/share/licenses/go/VERSION"
    local module module_version module_folder
    # shellcheck disable=SC2016 # a Go template
    "$go" list -deps -f '{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}' "$package" |
        sort -u | while read -r module module_version module_folder; do
        mkdir -p "$folder/share/licenses/$module"
        printf '%s %s\n' "$module" "$module_version" >"$folder/share/licenses/$module/VERSION"
        find "$module_folder" -maxdepth 1 -type f \
            ! -name '*.go' \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) \
            -exec cp --no-preserve=mode {} "$folder/share/licenses/$module/" ';'
    done
}

cached "gitlab-runner-$1" "$(hash_of "$version $GO_VERSION" "$here/go.mod" "$here/go.sum" "$0")" \
    build_runner
