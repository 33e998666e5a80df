# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share: versions, messages, and the cache of slow builds.

shopt -s inherit_errexit

toolchain=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$toolchain/../.." && pwd)
# shellcheck disable=SC2034 # the scripts that read this file use them
jobs=$(nproc)
# shellcheck source=versions.env
. "$toolchain/versions.env"

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

cache=${RUNLET_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/runlet}/build
[[ $cache != /.cache/* ]] || die "no place for the cache: set HOME or RUNLET_CACHE_DIR"
# The scripts work in folders of their own, and flags of compilers and of configure are words.
[[ $cache == /* ]] || cache=$repo/$cache
[[ $cache != *[[:space:]]* ]] ||
    die "the cache $cache has a blank in its path: set RUNLET_CACHE_DIR to a folder without one"

# hash_of FILE|TEXT...: one hash over the contents of files and the words that are none.
hash_of() {
    local input
    for input in "$@"; do
        if [ -f "$input" ]; then cat "$input"; else printf '%s\n' "$input"; fi
    done | sha256sum | cut -c1-16
}

check_sha256() {
    local file=$1 wanted=$2 got
    got=$(sha256sum "$file" | cut -d' ' -f1)
    [ "$got" = "$wanted" ] || die "$file has the SHA-256 $got instead of $wanted"
}

# goarch_of ARCH|MACHINE: an architecture, or what `uname -m` says, by Go's name.
goarch_of() {
    case $1 in
        x86_64) echo amd64 ;;
        arm64 | aarch64) echo arm64 ;;
        *) die "architecture $1: expected x86_64 or arm64" ;;
    esac
}

# PATH without what `make` adds to it.
path_of_machine() { printf '%s\n' "${PATH//:"$repo/build/tools"/}"; }

# pip ARGUMENT...: pip, of build/venv where there is one, else of an environment made for this call.
pip() {
    local python=$repo/build/venv/bin/python environment=
    if [ ! -x "$python" ]; then
        environment=$(mktemp -d)
        /usr/bin/python3 -m venv "$environment"
        python=$environment/bin/python
    fi
    local status=0
    "$python" -m pip --quiet --disable-pip-version-check "$@" || status=$?
    [ -z "$environment" ] || rm -rf "$environment"
    return "$status"
}

# musl_license FOLDER: every static executable holds the C library that zig brings.
musl_license() {
    local ziglang
    ziglang=$(dirname "$("$toolchain/zig.sh")")
    mkdir -p "$1/musl"
    cp "$ziglang/lib/libc/musl/COPYRIGHT" "$1/musl/LICENSE"
    printf 'musl as zig %s brings it\n' "$ZIGLANG_VERSION" >"$1/musl/VERSION"
}

# cached NAME HASH FUNCTION: prints the folder of this build; where it is not there yet, FUNCTION is
# called with the absolute path of an empty folder to fill. Two callers never build the same twice.
cached() {
    local name=$1 hash=$2 build=$3
    local folder=$cache/$name-$hash
    if [ ! -d "$folder" ]; then
        mkdir -p "$cache"
        (
            flock 9
            [ ! -d "$folder" ] || exit 0
            # What a build that was killed left behind: nobody else is at it while we hold the lock.
            rm -rf -- "$cache/.$name".??????
            local temporary
            temporary=$(mktemp -d "$cache/.$name.XXXXXX")
            chmod 0755 "$temporary"
            say "building $name (kept in $folder)"
            local log=$cache/$name-$hash.log
            # In the background, because bash ignores `set -e` in what a condition calls.
            (
                set -e
                "$build" "$temporary"
            ) >"$log" 2>&1 </dev/null &
            if ! wait $!; then
                tail -n 30 "$log" >&2
                rm -rf "$temporary"
                die "building $name failed; the whole log is $log"
            fi
            mv -T "$temporary" "$folder"
            rm -f "$log"
        ) 9>"$cache/.$name.lock"
    fi
    printf '%s\n' "$folder"
}
