#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dist.sh [--layers] ARCH...: builds the Lambda artifacts of each architecture into dist/, or its
# layers alone, and describes them in dist/artifacts.json and dist/SHA256SUMS.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$repo"

layers_only=
if [ "${1:-}" = --layers ]; then
    layers_only=1
    shift
fi
[ $# -gt 0 ] || die "name an architecture: x86_64 or arm64"
for arch in "$@"; do
    case $arch in
        x86_64 | arm64) ;;
        *) die "ARCH=$arch: expected x86_64, arm64 or all" ;;
    esac
done
case $(uname -m) in
    aarch64) machine=arm64 ;;
    *) machine=x86_64 ;;
esac

# pack ARCH NAME VERSION SOURCE...: the zip of one artifact and its description for artifacts.py.
# The packer is the static one of this machine: with its libraries, the same bytes come anywhere.
pack() {
    local arch=$1 name=$2 version=$3 file
    shift 3
    file=dist/$arch/$name-layer.zip
    [ "$name" != bootstrap ] || file=dist/$arch/bootstrap.zip
    "build/static/$machine/bin/layer-packer" pack --json --arch "$arch" --output "$file" "$@" |
        /usr/bin/python3 "$toolchain/artifacts.py" add "$arch" "$name" "$version" "$file"
    say "  $file"
}

pack_bootstrap() {
    local arch=$1 prefix content=build/dist/$1/bootstrap library
    prefix=$("$toolchain/static-libs.sh" "$arch")
    rm -rf "$content"
    mkdir -p "$content/licenses/runlet" "dist/$arch/bin"
    local program
    for program in "build/static/$arch/bin"/*; do
        cp "$program" "dist/$arch/bin/.new"
        mv "dist/$arch/bin/.new" "dist/$arch/bin/${program##*/}"
    done
    cp "build/static/$arch/bin/bootstrap" "$content/bootstrap"
    cp LICENSE "$content/licenses/runlet/LICENSE"
    printf 'Runlet %s\n' "$version" >"$content/licenses/runlet/VERSION"
    for library in cjson curl libmicrohttpd libzip openssl zlib; do
        cp -R "$prefix/licenses/$library" "$content/licenses/"
    done
    musl_license "$content/licenses"
    pack "$arch" bootstrap "$version" "$content"
}

pack_layer() {
    local arch=$1 recipe=$2 folder name built content
    folder=$(dirname "$recipe")
    name=$(basename "$folder")
    # A recipe may take all of its content by URL.
    if grep -qF "build/layers/$name/" "$recipe"; then
        built=$("$folder/build.sh" "$arch")
        content=build/layers/$name/$arch
        # A copy, because recipes name files below their own repository.
        if [ "$(cat "$content.made-of" 2>/dev/null || true)" != "$built" ] || [ ! -d "$content" ]; then
            rm -rf "$content"
            mkdir -p "build/layers/$name"
            cp -R "$built" "$content"
            printf '%s\n' "$built" >"$content.made-of"
        fi
    fi
    pack "$arch" "$name" "$(/usr/bin/python3 "$toolchain/artifacts.py" version "$recipe")" \
        --recipe "$recipe"
}

mkdir -p build dist
exec 8>build/.dist.lock
flock 8
version=$(sed -nE 's/^#define RUNLET_VERSION "(.*)"$/\1/p' helpers/common/version.h)
[ -n "$version" ] || die "helpers/common/version.h names no RUNLET_VERSION"
say "building the Lambda artifacts: $*"
"$toolchain/static-helpers.sh" "$machine" >/dev/null
for arch in "$@"; do
    mkdir -p "dist/$arch"
    if [ -z "$layers_only" ]; then
        [ "$arch" = "$machine" ] || "$toolchain/static-helpers.sh" "$arch" >/dev/null
        pack_bootstrap "$arch"
    fi
    for recipe in layers/*/layer.json; do
        [ ! -f "$recipe" ] || pack_layer "$arch" "$recipe"
    done
done
/usr/bin/python3 "$toolchain/artifacts.py" sums
