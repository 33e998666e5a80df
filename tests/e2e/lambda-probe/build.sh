#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh ARCH FOLDER: makes lambda-probe.zip, a function (x86_64 or arm64), in the folder, and
# beside it what a job needs: probe and probe.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
arch=$1 folder=$2
mkdir -p "$folder/function"
"$here/../../../helpers/toolchain/static-program.sh" "$arch" "$here/probe.c" "$folder/probe"
cp "$here/probe.sh" "$folder/probe.sh"
chmod 0755 "$folder/probe" "$folder/probe.sh"
cp -p "$folder/probe" "$folder/probe.sh" "$folder/function"
cp "$folder/probe" "$folder/function/bootstrap"
# Whether Lambda keeps a mode that others may not read is one of the questions.
chmod 0711 "$folder/function/bootstrap"
rm -f "$folder/lambda-probe.zip"
(cd "$folder/function" && python3 -m zipfile -c ../lambda-probe.zip bootstrap probe probe.sh)
rm -r "$folder/function"
printf '%s\n' "$folder/lambda-probe.zip"
