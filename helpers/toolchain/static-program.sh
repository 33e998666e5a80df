#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# static-program.sh ARCH SOURCE OUTPUT: compiles one C file to a static program for Lambda (x86_64 or
# arm64), which needs nothing of the image.
set -euo pipefail
. "$(dirname "$0")/common.sh"
arch=$1 source=$2 output=$3
# shellcheck source=static-env.sh
. "$toolchain/static-env.sh"
export SOURCE_ROOT=$repo
# shellcheck disable=SC2154,SC2086 # words of static-env.sh
runlet-cc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror $static_cflags -static "$source" -o "$output"
