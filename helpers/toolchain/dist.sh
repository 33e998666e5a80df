#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dist.sh [--layers|--parts PART,...] ARCH...: builds the Lambda artifacts of each architecture into
# dist/, or its layers alone, or those that are named (`bootstrap`, or a layer), and describes them in
# dist/artifacts.json and dist/SHA256SUMS.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$repo"

parts=(bootstrap)
for recipe in layers/*/layer.json; do parts+=("$(basename "$(dirname "$recipe")")"); done
case ${1:-} in
    --layers)
        parts=("${parts[@]:1}")
        shift
        ;;
    --parts)
        IFS=, read -ra parts <<<"${2:-}"
        shift 2
        ;;
esac
[ $# -gt 0 ] || die "name an architecture: x86_64 or arm64"
for arch in "$@"; do
    case $arch in
        x86_64 | arm64) ;;
        *) die "ARCH=$arch: expected x86_64, arm64 or all" ;;
    esac
done
for part in "${parts[@]}"; do
    [ "$part" = bootstrap ] || [ -f "layers/$part/layer.json" ] || die "layers/$part has no layer.json"
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
    mkdir -p "dist/$arch"
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
    # Whose file cannot be read, that process is hidden from its first moment: confine/entry.c.
    install -m 0711 "build/static/$arch/bin/bootstrap" "$content/bootstrap"
    cp LICENSE "$content/licenses/runlet/LICENSE"
    printf 'Runlet %s\n' "$version" >"$content/licenses/runlet/VERSION"
    for library in cjson curl libmicrohttpd libzip openssl zlib; do
        cp -R "$prefix/licenses/$library" "$content/licenses/"
    done
    musl_license "$content/licenses"
    pack "$arch" bootstrap "$version" "$content"
}

# A recipe may take all of its content by URL.
is_built() { grep -qF "build/layers/$1/" "layers/$1/layer.json"; }

pack_layer() {
    local arch=$1 name=$2 recipe=layers/$2/layer.json built content
    if is_built "$name"; then
        built=$("layers/$name/build.sh" "$arch")
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

# All that takes long, side by side; what then comes finds it in the cache.
commands=("$(printf '%q ' "$toolchain/static-helpers.sh" "$machine")")
for arch in "$@"; do
    for part in "${parts[@]}"; do
        if [ "$part" = bootstrap ]; then
            [ "$arch" = "$machine" ] || commands+=("$(printf '%q ' "$toolchain/static-helpers.sh" "$arch")")
        elif is_built "$part"; then
            commands+=("layers/$part/build.sh $arch")
        fi
    done
done
together "${commands[@]}"

for arch in "$@"; do
    for part in "${parts[@]}"; do
        if [ "$part" = bootstrap ]; then pack_bootstrap "$arch"; else pack_layer "$arch" "$part"; fi
    done
done
/usr/bin/python3 "$toolchain/artifacts.py" sums
