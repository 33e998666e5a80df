#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh ARCH: builds git and its https helper as static executables from Debian's source package,
# and prints the folder that holds the layer's content (bin/, libexec/, share/).
#
# git finds its own files relative to its executable (RUNTIME_PREFIX), so the layer works under /opt.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
arch=$1
# shellcheck source=../../helpers/toolchain/static-env.sh
. "$toolchain/static-env.sh"
libs=$("$toolchain/static-libs.sh" "$arch")

# What a checkout needs, beside `git` itself. Each of these is a program or a shell script of its
# own; everything else that `git --exec-path` usually holds is the one executable under other names.
programs=(git-remote-http git-sh-i18n--envsubst)
scripts=(git-sh-setup git-sh-i18n git-submodule)

build_git() {
    local folder=$1 work
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of this moment
    trap "rm -rf '$work'" EXIT
    SOURCE_ROOT=$work
    export SOURCE_ROOT
    "$toolchain/source.sh" git "$work/git"
    cd "$work/git/source"
    make -j"$jobs" "${programs[@]}" "${scripts[@]}" git \
        prefix=/opt gitexecdir=libexec/git-core template_dir=share/git-core/templates \
        sysconfdir=/etc RUNTIME_PREFIX=YesPlease NO_PERL=1 NO_PYTHON=1 NO_TCLTK=1 NO_GETTEXT=1 \
        NO_EXPAT=1 NO_ICONV=1 NO_REGEX=NeedsStartEnd INSTALL_SYMLINKS=1 NO_INSTALL_HARDLINKS=1 \
        uname_S=Linux uname_M="$cpu" uname_O=GNU/Linux HOST_CPU="$cpu" \
        CC="$CC" AR="$AR" CFLAGS="$static_cflags -I$libs/include" CHARSET_LIB= \
        HAVE_SYNC_FILE_RANGE= CSPRNG_METHOD=getrandom SHELL_PATH=/bin/sh PAGER_ENV= \
        CURL_CFLAGS="-I$libs/include" \
        CURL_LDFLAGS="-L$libs/lib -lcurl -lssl -lcrypto -lz -lpthread" \
        LDFLAGS="-static -pie -s -L$libs/lib -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections" \
        GIT_VERSION="${GIT_VERSIONS##*:}"
    make -C templates SHELL_PATH=/bin/sh
    mkdir -p "$folder/bin" "$folder/libexec/git-core" "$folder/share/git-core"
    cp git "$folder/bin/git"
    cp "${programs[@]}" "${scripts[@]}" "$folder/libexec/git-core/"
    # What a clone of or a push to another folder starts by name.
    local name
    for name in git-upload-pack git-receive-pack git-upload-archive; do
        ln -s git "$folder/bin/$name"
    done
    ln -s ../../bin/git "$folder/libexec/git-core/git"
    ln -s git-remote-http "$folder/libexec/git-core/git-remote-https"
    cp -R templates/blt "$folder/share/git-core/templates"
    chmod -R u=rwX,go=rX "$folder"

    local licenses=$folder/share/licenses
    mkdir -p "$licenses/git"
    cp COPYING "$licenses/git/LICENSE"
    cp LGPL-2.1 "$licenses/git/LICENSE.xdiff"
    printf 'Debian source package git %s\n' "$(cat "$work/git/version")" >"$licenses/git/VERSION"
    musl_license "$licenses"
    local library
    for library in curl openssl zlib; do
        cp -R "$libs/licenses/$library" "$licenses/"
    done
}

cached "git-$arch" "$(hash_of "$GIT_VERSIONS $GIT_SHA256" "$0" "$toolchain/static-env.sh" \
    "$(basename "$libs")")" build_git
