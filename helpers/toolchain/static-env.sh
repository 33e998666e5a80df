# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The environment of every static build: compiler, flags, and what makes two builds give the same
# bytes. The caller sets `arch` (x86_64 or arm64) before it reads this file.

: "${toolchain:?}" "${cache:?}"

# shellcheck disable=SC2034 # for those who read this file
case ${arch:?} in
    x86_64) cpu=x86_64 openssl_target=linux-x86_64 ;;
    arm64) cpu=aarch64 openssl_target=linux-aarch64 ;;
    *) die "architecture $arch: expected x86_64 or arm64" ;;
esac
# shellcheck disable=SC2034
host=$cpu-linux-musl

ZIG=$("$toolchain/zig.sh")
ZIG_TARGET=$cpu-linux-musl
SOURCE_ROOT=${SOURCE_ROOT:-/b}
ZIG_GLOBAL_CACHE_DIR=$cache/zig-cache
ZIG_LOCAL_CACHE_DIR=$cache/zig-cache
PATH=$toolchain/bin:$PATH
CC=runlet-cc AR=runlet-ar RANLIB=runlet-ranlib
SOURCE_DATE_EPOCH=315532800 LC_ALL=C TZ=UTC
export ZIG ZIG_TARGET SOURCE_ROOT ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR PATH
export CC AR RANLIB SOURCE_DATE_EPOCH LC_ALL TZ
umask 022

# Position independent for static PIE; no stack check of zig's own (-fno-sanitize is in the wrapper).
# shellcheck disable=SC2034
static_cflags="-O2 -g0 -fPIC -fstack-protector-strong -ffunction-sections -fdata-sections"
