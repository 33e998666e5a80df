#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh ARCH: builds tofu from its pinned Go module (helpers/toolchain/tofu) and prints the folder
# that holds the layer's content: bin/tofu, and the licences of every module in it.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
here=$(cd "$(dirname "$0")" && pwd)

goarch=$(goarch_of "${1:-}")
version=$(jq -r .version "$here/layer.json")
grep -qxF "require github.com/opentofu/opentofu v$version" "$toolchain/tofu/go.mod" ||
    die "layers/opentofu/layer.json has the version $version, helpers/toolchain/tofu/go.mod another"
"$toolchain/tofu.sh" "$goarch"
