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
[ -x "$packer" ] || die "there is no $packer: run \`make build\`, or set LAYER_PACKER"

work=$(mktemp -d "$(dirname "$output")/.mirror.XXXXXX")
trap 'rm -rf "$work"' EXIT
shopt -s nullglob
found=
for provider in "$mirror"/*/*/*; do
    name=${provider#"$mirror"/}
    for platform in "$provider"/*/*; do
        [ -d "$platform" ] || continue
        version=${platform#"$provider"/}
        mkdir -p "$work/$name/${version%/*}"
        # Without a copy of their hundreds of megabytes where both are on one file system. Links
        # are followed: the mirror may be a cache's.
        if ! cp -RL --link "$platform" "$work/$name/$version" 2>/dev/null; then
            rm -rf "${work:?}/$name/$version"
            cp -RL "$platform" "$work/$name/$version"
        fi
        found=1
    done
    for zip in "$provider"/terraform-provider-*.zip; do
        # terraform-provider-aws_5.100.0_linux_amd64.zip
        [[ ${zip##*/} =~ ^terraform-provider-[^_]+_([^_]+)_([a-z0-9]+_[a-z0-9]+)\.zip$ ]] ||
            die "$zip is not called terraform-provider-TYPE_VERSION_OS_ARCH.zip"
        folder=$work/$name/${BASH_REMATCH[1]}/${BASH_REMATCH[2]}
        mkdir -p "$folder"
        unzip -q -o "$zip" -d "$folder"
        chmod 0755 "$folder"/terraform-provider-*
        found=1
    done
done
[ -n "$found" ] ||
    die "$mirror has no provider: expected HOST/NAMESPACE/TYPE/terraform-provider-*.zip"
"$packer" pack --json --max-unzipped-size 10737418240 --output "$output" "$work"
