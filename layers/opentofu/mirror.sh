#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mirror.sh MIRROR ZIP: packs a provider mirror for RUNLET_PROVIDER_MIRROR, unpacked.
#
# MIRROR is what `terraform providers mirror` or `tofu providers mirror` wrote, or a mirror whose
# providers are unpacked already (HOST/NAMESPACE/TYPE/VERSION/OS_ARCH/). Prints layer-packer's JSON,
# which has the SHA-256. LAYER_PACKER names another layer-packer than the one `make build` makes.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
[ $# -eq 2 ] || die "usage: mirror.sh MIRROR ZIP"
mirror=$1
output=$2
packer=${LAYER_PACKER:-$repo/build/bin/layer-packer}
[ -d "$mirror" ] || die "$mirror: expected the folder that \`terraform providers mirror\` wrote"
[ -d "$(dirname "$output")" ] || die "$output: there is no folder $(dirname "$output")"
[ -x "$packer" ] || die "there is no $packer: run \`make build\`, or set LAYER_PACKER"

shopt -s nullglob
zips=("$mirror"/*/*/*/terraform-provider-*.zip)
unpacked=("$mirror"/*/*/*/*/*/terraform-provider-*)
[ ${#zips[@]} -gt 0 ] || [ ${#unpacked[@]} -gt 0 ] ||
    die "$mirror has no provider: expected HOST/NAMESPACE/TYPE/terraform-provider-*.zip"

sources=()
if [ ${#unpacked[@]} -gt 0 ]; then
    sources+=("$mirror")
fi
if [ ${#zips[@]} -gt 0 ]; then
    [ ${#unpacked[@]} -eq 0 ] || die "$mirror has packed and unpacked providers: expected one kind"
    work=$(mktemp -d "$(dirname "$output")/.mirror.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    sources=("$work")
fi
for zip in "${zips[@]}"; do
    # terraform-provider-aws_5.100.0_linux_amd64.zip
    [[ ${zip##*/} =~ ^terraform-provider-[^_]+_([^_]+)_([a-z0-9]+_[a-z0-9]+)\.zip$ ]] ||
        die "$zip is not called terraform-provider-TYPE_VERSION_OS_ARCH.zip"
    provider=${zip%/*}
    folder=$work/${provider#"$mirror"/}/${BASH_REMATCH[1]}/${BASH_REMATCH[2]}
    mkdir -p "$folder"
    unzip -q -o "$zip" -d "$folder" || die "$zip cannot be unpacked: fetch it anew"
    programs=("$folder"/terraform-provider-*)
    [ ${#programs[@]} -gt 0 ] || die "$zip holds no terraform-provider-*: fetch it anew"
    chmod 0755 "${programs[@]}"
done
"$packer" pack --json --max-unzipped-size 10737418240 --output "$output" "${sources[@]}"
