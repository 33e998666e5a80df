#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh ARCH: prints the folder that holds the layer's content: gitlab-runner (module.sh), and in
# shell/ the bash of its jobs (bash.sh). Where the recipe takes a release, it is the bash alone.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
arch=$1

scripts=("$here/bash.sh")
! grep -qF 'build/layers/gitlab-runner/{arch}/bin/' "$here/layer.json" ||
    scripts+=("$here/module.sh")
commands=()
for script in "${scripts[@]}"; do commands+=("$(printf '%q ' "$script" "$arch")"); done
together "${commands[@]}"

folders=()
for script in "${scripts[@]}"; do folders+=("$("$script" "$arch")"); done

join_folders() {
    local folder
    for folder in "${folders[@]}"; do cp -R "$folder/." "$1/"; done
}
cached "gitlab-runner-layer-$arch" "$(hash_of "${folders[@]##*/}" "$0")" join_folders ''
