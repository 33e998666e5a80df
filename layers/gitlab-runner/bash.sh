#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bash.sh ARCH: builds the shell of gitlab-runner's jobs as a static executable from Debian's source
# package, and prints the folder that holds it (shell/bash, shell/licenses/).
#
# Lambda has no /dev/fd, which the image's bash needs for process substitution: this one uses
# /proc/self/fd, and opens /dev/stdin, /dev/stdout and /dev/stderr by itself.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
arch=$1
# shellcheck source=../../helpers/toolchain/static-env.sh
. "$toolchain/static-env.sh"

build_bash() {
    local folder=$1 work licenses=$1/shell/licenses
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of this moment
    trap "rm -rf '$work'" EXIT
    SOURCE_ROOT=$work
    export SOURCE_ROOT
    "$toolchain/source.sh" bash "$work/bash"
    cd "$work/bash/source"
    # Its C is old: what compilers of today say of it is not for us (-w), or an error otherwise.
    # musl has no sbrk, which bash's own allocator needs. Scripts ask $OSTYPE for what the image is.
    # Readline is there for `complete`, which completion scripts call when they are sourced.
    ./configure --build="$(uname -m)-linux-gnu" --host="$host" --prefix=/usr \
        --without-bash-malloc --disable-nls --disable-rpath --without-curses --enable-static-link \
        bash_cv_dev_fd=whacky bash_cv_dev_stdin=absent \
        CC="$CC" AR="$AR" RANLIB="$RANLIB" \
        CC_FOR_BUILD="env ZIG_TARGET=$(uname -m)-linux-musl $CC -O2 -fPIC" \
        CFLAGS="$static_cflags -w -Wno-implicit-function-declaration" \
        LDFLAGS="-static -pie -s -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections"
    make -j"$jobs" bash OS=linux-gnu MACHTYPE="$cpu-amazon-linux-gnu"
    mkdir -p "$licenses/bash"
    cp bash "$folder/shell/bash"
    cp COPYING "$licenses/bash/LICENSE"
    printf 'Debian source package bash %s\n' "$(cat "$work/bash/version")" >"$licenses/bash/VERSION"
    musl_license "$licenses"
    chmod -R u=rwX,go=rX "$folder"
}

cached "bash-$arch" "$(hash_of "$BASH_VERSIONS $BASH_SHA256" "$0" "$toolchain/static-env.sh")" \
    build_bash
