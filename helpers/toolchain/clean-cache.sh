#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clean-cache.sh: removes the cache of slow builds, and says what that frees. What lies in its folder
# and is not ours stays, and is named.
set -euo pipefail
. "$(dirname "$0")/common.sh"

# Go's own caches, where they were put there.
go_caches=()
if command -v go >/dev/null; then
    for folder in $(cd / && go env GOMODCACHE GOCACHE); do
        [[ $folder != "${cache%/build}"/* ]] || go_caches+=("$folder")
    done
fi

is_ours() {
    local folder name=${1##*/}
    for folder in "${go_caches[@]}"; do [ "$folder" != "$1" ] || return 0; done
    case $name in
        apt | zig-cache | .*.lock) return 0 ;;
    esac
    [[ $name =~ ^\.[a-z0-9_-]+\.[A-Za-z0-9]{6}$ || $name =~ ^[a-z0-9_-]+-[0-9a-f]{16}(\.log)?$ ]]
}

megabytes() { printf '%s.%s MB' $(($1 / 1024)) $(($1 % 1024 * 10 / 1024)); }

if [ ! -d "$cache" ]; then
    say "$cache is not there: nothing to free"
    exit 0
fi
shopt -s nullglob dotglob
for lock in "$cache"/.*.lock; do
    exec {held}>"$lock"
    flock -n "$held" || die "a build is running (it holds $lock): wait for it, or stop it"
done

freed=0 others=()
for entry in "${go_caches[@]}" "$cache"/*; do
    [ -e "$entry" ] || continue
    if ! is_ours "$entry"; then
        others+=("$entry")
        continue
    fi
    size=$(du -sk "$entry" | cut -f1)
    # Go keeps its modules read-only.
    [ ! -d "$entry" ] || [ -L "$entry" ] || chmod -R u+w "$entry"
    rm -rf -- "$entry"
    [[ $entry == *.lock ]] || printf '%12s  %s\n' "$(megabytes "$size")" "$entry"
    freed=$((freed + size))
done
printf '%12s  freed in %s\n' "$(megabytes "$freed")" "$cache"
if [ ${#others[@]} -gt 0 ]; then
    die "not ours, and left there: ${others[*]}"
fi
rmdir "$cache"
