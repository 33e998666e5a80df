#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# go-build.sh GOARCH PACKAGE FOLDER [LDFLAG...]: builds a program, static, with the pinned Go and the
# pinned modules (go.mod, go.sum) of the folder that it is called in: FOLDER/bin/NAME, and under
# FOLDER/share/licenses the licences of Go and of every module in it, with their versions.
set -euo pipefail
. "$(dirname "$0")/common.sh"
goarch=$1
package=$2
folder=$3
shift 3
go=$("$toolchain/go.sh")
export CGO_ENABLED=0 GOOS=linux GOARCH=$goarch GOAMD64=v1 GOARM64=v8.0 GOTOOLCHAIN=local
export GOWORK=off GOFLAGS='-mod=readonly -trimpath -buildvcs=false'

# settings_of GO_MOD: what counts in the main module's go.mod alone, which here is ours.
settings_of() {
    "$go" mod edit -json "$1" |
        jq --compact-output --sort-keys '{
            replace: (.Replace // [] | map({ (.Old.Path): .New }) | add),
            godebug: (.GoDebug // [] | map({ (.Key): .Value }) | add)
        }'
}

copy_licenses() {
    local folder=$1 template modules module source version module_folder
    mkdir -p "$folder/go"
    cp "$(dirname "$go")/../LICENSE" "$folder/go/LICENSE"
    printf 'Go %s\n' "$GO_VERSION" >"$folder/go/VERSION"
    # shellcheck disable=SC2016 # a Go template
    template='{{with .Module}}{{$m := .}}{{with .Replace}}{{$m = .}}{{end}}{{.Path}} {{$m.Path}} {{$m.Version}} {{$m.Dir}}{{end}}'
    modules=$("$go" list -deps -f "$template" "$package" | sort -u)
    while read -r module source version module_folder; do
        mkdir -p "$folder/$module"
        printf '%s %s\n' "$source" "$version" >"$folder/$module/VERSION"
        find "$module_folder" -maxdepth 1 -type f \
            ! -name '*.go' \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) \
            -exec cp --no-preserve=mode {} "$folder/$module/" ';'
    done <<<"$modules"
}

theirs=$("$go" list -f '{{.Module.GoMod}}' "$package")
ours_set=$(settings_of go.mod)
theirs_set=$(settings_of "$theirs")
[ "$ours_set" = "$theirs_set" ] ||
    die "$PWD/go.mod: expected \`replace\` and \`godebug\` as in $theirs: $theirs_set"
mkdir -p "$folder/bin"
"$go" build -ldflags "-s -w -buildid= $*" -o "$folder/bin/${package##*/}" "$package"
copy_licenses "$folder/share/licenses"
