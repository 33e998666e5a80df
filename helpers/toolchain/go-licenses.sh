#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# go-licenses.sh PACKAGE FOLDER: copies the licences of Go and of every module that is in a program
# of Go modules, with their versions, to FOLDER. To be called where the program's go.mod is, with
# the target's settings in the environment.
set -euo pipefail
. "$(dirname "$0")/common.sh"
package=$1
folder=$2
go=$("$toolchain/go.sh")

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
