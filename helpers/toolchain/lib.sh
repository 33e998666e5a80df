# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts of the toolchain share; sourced, with `set -euo pipefail` on.

REPO=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
TOOLCHAIN=$REPO/helpers/toolchain
CACHE=${RUNLET_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/runlet}/build

# shellcheck source=helpers/toolchain/versions.env
. "$TOOLCHAIN/versions.env"

umask 022
export LC_ALL=C TZ=UTC
# The date of everything that is built: no file may carry the time of its build.
export SOURCE_DATE_EPOCH=315532800

say() {
    printf '  %-7s %s\n' "$1" "$2" >&2
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# hash_of TEXT FILE…: the name of a cache entry, from all that goes into it.
hash_of() {
    local text=$1
    shift
    {
        printf '%s\n' "$text"
        local file
        for file in "$@"; do
            sha256sum <"$file"
        done
    } | sha256sum | cut -c1-16
}

# cached NAME HASH FUNCTION [ARGUMENT…]: prints the folder NAME-HASH of the cache. Where it is not
# there, FUNCTION fills a new folder ($1), in a scratch folder ($2, removed afterwards). Two runs do
# not build the same thing twice: the second waits for the first.
cached() {
    local name=$1 hash=$2
    shift 2
    local folder=$CACHE/$name-$hash
    if [ ! -d "$folder" ]; then
        mkdir -p "$CACHE/locks" "$CACHE/logs"
        (
            flock 9
            if [ ! -d "$folder" ]; then
                build_entry "$folder" "$CACHE/logs/$name-$hash.log" "$@"
            fi
        ) 9>"$CACHE/locks/$name-$hash" || exit 1
    fi
    printf '%s\n' "$folder"
}

build_entry() {
    local folder=$1 log=$2
    shift 2
    local scratch
    scratch=$(mktemp -d "$CACHE/scratch-XXXXXXXX")
    mkdir "$scratch/out" "$scratch/work"
    local begun=$SECONDS
    say BUILD "${folder##*/} (log: $log)"
    # A subshell of its own with -e: a failing step must end the build, whatever calls us.
    set +e
    (
        set -e
        cd "$scratch/work"
        "$@" "$scratch/out" "$scratch/work"
    ) >"$log" 2>&1
    local status=$?
    set -e
    if [ "$status" != 0 ]; then
        tail -n 25 "$log" >&2
        rm -rf "$scratch"
        die "cannot build ${folder##*/}; the whole log is $log"
    fi
    mv "$scratch/out" "$folder"
    chmod -R u+w "$scratch" && rm -rf "$scratch"
    say DONE "${folder##*/}: $((SECONDS - begun)) s"
}

# keep_link TARGET LINK: makes or moves a symlink, atomically, and only where it has to change.
keep_link() {
    if [ "$(readlink -- "$2" || true)" != "$1" ]; then
        mkdir -p "$(dirname -- "$2")"
        ln -s -- "$1" "$2.$$"
        mv -T -- "$2.$$" "$2"
    fi
}
