#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# terraform.sh: prints the path of the machine's terraform, else of its tofu, else of a tofu that is
# built from its Go module (tofu.sh).
set -euo pipefail
. "$(dirname "$0")/common.sh"

PATH=$(path_of_machine)
program=$(command -v terraform || command -v tofu || true)
if [ -z "$program" ]; then
    goarch=$(goarch_of "$(uname -m)")
    folder=$("$toolchain/tofu.sh" "$goarch")
    program=$folder/bin/tofu
fi
printf '%s\n' "$program"
