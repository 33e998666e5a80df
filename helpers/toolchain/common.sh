# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share: versions, messages, parts that are built side by side, and
# the cache of slow builds.

shopt -s inherit_errexit

toolchain=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$toolchain/../.." && pwd)
# shellcheck disable=SC2034 # the scripts that read this file use them
jobs=$(nproc)
# shellcheck source=versions.env
. "$toolchain/versions.env"

# One write, so that lines of several scripts do not mix; at a terminal over the line of show_parts.
say() {
    local clear=
    [ -z "${RUNLET_PARTS:-}" ] || [ ! -t 2 ] || clear=$'\r\e[K'
    printf '%s%s\n' "$clear" "$*" >&2
}
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

# duration SECONDS: as people say it.
duration() {
    if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}

# Parts. While one is built it is a file SECONDS.NAME in the folder $RUNLET_PARTS that names its log.

# The parts that are built at this moment, each with its time, and the last line of the newest log.
describe_parts() {
    local file name text='' log=
    for file in "$RUNLET_PARTS"/*; do
        [ -f "$file" ] || continue
        name=${file##*/}
        text+="${text:+, }${name#*.} $(duration $((EPOCHSECONDS - ${name%%.*})))"
        log=$(cat "$file" 2>/dev/null) || true
    done
    [ -z "$text" ] || printf '%s' "building $text | $(tail -c 500 -- "$log" 2>/dev/null |
        tr '\r\t' '\n ' | LC_ALL=C tr -cd '\n -~' | grep . | tail -n 1)"
}

# paint_parts OWNER: rewrites one line of the terminal in place, as long as the process OWNER lives.
paint_parts() {
    local text columns tick
    exec {tick}<> <(:)
    set +e
    while lives "$1"; do
        text=$(describe_parts)
        columns=$(stty size <&2 2>/dev/null)
        columns=${columns#* }
        [ "${columns:-0}" -gt 1 ] || columns=80
        printf '\r\e[K%s' "${text:0:columns-1}" >&2
        read -r -t 1 -u "$tick"
    done
}

# show_parts: at a terminal, one line says what is being built until this subshell ends. The first
# script to call it does so for all that it calls.
show_parts() {
    [ -z "${RUNLET_PARTS:-}" ] || return 0
    RUNLET_PARTS=$(mktemp -d)
    export RUNLET_PARTS
    trap 'hide_parts' EXIT
    painter=
    if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${CI:-}" ]; then
        paint_parts "$BASHPID" </dev/null >/dev/null &
        painter=$!
    fi
}

hide_parts() {
    if [ -n "$painter" ]; then
        kill "$painter" 2>/dev/null || true
        wait "$painter" 2>/dev/null || true
        printf '\r\e[K' >&2
    fi
    rm -rf "$RUNLET_PARTS"
}

# lives PROCESS: whether it is there, and not dead with nobody having waited for it.
lives() {
    local line
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    [[ ${line##*) } != [ZX]* ]]
}

# group_lives GROUP: whether it has a process that lives.
group_lives() {
    local file line state group
    for file in /proc/[0-9]*/stat; do
        { read -r line <"$file"; } 2>/dev/null || continue
        # What follows the name, which may hold anything: state, parent, group.
        read -r state _ group _ <<<"${line##*) }"
        [ "$group" != "$1" ] || [[ $state == [ZX] ]] || return 0
    done
    return 1
}

# end_groups GROUP...: ends these process groups, and returns when nothing is left of them.
end_groups() {
    local group left
    for group in "$@"; do kill -TERM -- "-$group" 2>/dev/null || true; done
    for group in "$@"; do
        for ((left = 200; left > 0; left--)); do
            group_lives "$group" || break
            sleep 0.05
        done
        kill -KILL -- "-$group" 2>/dev/null || true
    done
}

# reported DID NAME LOG COMMAND...: runs a command as the part NAME, with its output in LOG, and says
# what it DID (built, fetched; nothing is said where it is empty) and how long it took, or shows the
# end of LOG and fails. Whatever it started ends with us.
reported() (
    did=$1 name=$2 log=$3 group=''
    shift 3
    show_parts
    started=$EPOCHSECONDS
    part=$RUNLET_PARTS/$started.$name
    trap 'trap "" INT TERM HUP; end_groups $group; rm -f "$part"; exit 143' INT TERM HUP
    printf '%s\n' "$log" >"$part"
    # In the background, because bash ignores `set -e` in what a condition calls; and with job
    # control, so that it is a process group of its own.
    set -m
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null &
    group=$!
    set +m
    status=0
    wait "$group" || status=$?
    rm -f "$part"
    if [ "$status" != 0 ]; then
        case $did in
            fetched) doing=fetching ;;
            installed) doing=installing ;;
            *) doing=building ;;
        esac
        say "$(tail -n 30 "$log")
error: $doing $name failed; the whole log is $log"
        exit 1
    fi
    rm -f "$log"
    [ -z "$did" ] || say "$did $name in $(duration $((EPOCHSECONDS - started)))"
)

# together COMMAND...: runs commands, each a line of shell, side by side. Where one fails the others
# are ended, and it fails, too.
together() (
    declare -A groups=()
    exec {tick}<> <(:)
    show_parts
    end_with() {
        trap '' INT TERM HUP
        end_groups "${!groups[@]}"
        exit "$1"
    }
    trap 'end_with 143' INT TERM HUP
    for command in "$@"; do
        set -m
        (
            trap - INT TERM HUP EXIT
            set -e
            eval "$command"
        ) </dev/null >/dev/null &
        groups[$!]=1
        set +m
    done
    # Looked at ten times a second: `wait -n` knows nothing of one that ended before it was called.
    while [ ${#groups[@]} -gt 0 ]; do
        read -r -t 0.1 -u "$tick" || true
        for group in "${!groups[@]}"; do
            ! kill -0 "$group" 2>/dev/null || continue
            status=0
            wait "$group" || status=$?
            unset "groups[$group]"
            [ "$status" = 0 ] || end_with "$status"
        done
        # A signal to the script alone.
        lives "$$" || end_with 143
    done
)

# cached NAME HASH FUNCTION [DID [LANE]]: prints the folder of this build; where it is not there yet,
# FUNCTION is called with the absolute path of an empty folder to fill. Two callers never build the
# same twice. DID is a word for `reported`. Of the parts of one LANE one is built at a time.
cached() {
    local name=$1 hash=$2 build=$3 did=${4-built} lane=${5:-}
    local folder=$cache/$name-$hash
    if [ ! -d "$folder" ]; then
        mkdir -p "$cache"
        (
            flock 9
            [ ! -d "$folder" ] || exit 0
            if [ -n "$lane" ]; then
                exec {lane_lock}>"$cache/.lane-$lane.lock"
                flock "$lane_lock"
            fi
            # What a build that was killed left behind: nobody else is at it while we hold the lock.
            rm -rf -- "$cache/.$name".??????
            temporary=$(mktemp -d "$cache/.$name.XXXXXX")
            trap 'rm -rf "$temporary"' EXIT
            trap 'exit 143' INT TERM HUP
            chmod 0755 "$temporary"
            reported "$did" "$(sed -E 's/-(x86_64|arm64|amd64)$/ \1/' <<<"$name")" \
                "$cache/$name-$hash.log" "$build" "$temporary"
            # shellcheck disable=SC2181 # a condition would take `set -e` from what it calls
            [ $? = 0 ] || exit 1
            mv -T "$temporary" "$folder"
        ) 9>"$cache/.$name.lock"
    fi
    printf '%s\n' "$folder"
}
