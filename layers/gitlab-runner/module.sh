#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# module.sh ARCH: builds gitlab-runner from its pinned Go module (go.mod, go.sum) and prints the
# folder that holds it: bin/gitlab-runner, and the licences of every module in share/licenses.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
here=$(cd "$(dirname "$0")" && pwd)

goarch=$(goarch_of "${1:-}")
version=$(jq -r .version "$here/layer.json")
package=gitlab.com/gitlab-org/gitlab-runner

build_runner() {
    local revision
    revision=$(sed -nE "s|^require $package .*-([0-9a-f]{12})\$|\1|p" "$here/go.mod")
    cd "$here"
    "$toolchain/go-build.sh" "$goarch" "$package" "$1" -X "$package/common.VERSION=$version" \
        -X "$package/common.REVISION=$revision" -X "$package/common.BRANCH=source"
}

"$toolchain/go.sh" >/dev/null
hash=$(hash_of "$version $GO_VERSION" "$here/go.mod" "$here/go.sum" "$0" "$toolchain/go-build.sh")
cached "gitlab-runner-$1" "$hash" build_runner built go
