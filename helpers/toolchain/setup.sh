#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what this machine lacks to build and test: Debian packages (as root), the Python
# environment build/venv, the tests' Runtime Interface Emulator and terragrunt, and tofu where there
# is neither terraform nor tofu. Says what it does; where all is there it says nothing and takes no
# time.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$repo"

wanted_packages() {
    sed -e 's/#.*//' -e '/^ *$/d' "$toolchain/debian-packages.txt"
    # Any Go will do: it only fetches the pinned one (go.sh).
    command -v go >/dev/null || echo golang-go
}

missing_packages() {
    local wanted installed
    wanted=$(wanted_packages | sort -u)
    # The state's first letter is what is wanted (h: held back), the second what is there.
    # shellcheck disable=SC2086 # a list of words; dpkg-query fails where it does not know one
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' $wanted 2>/dev/null |
        awk '$2 ~ /^.i/ { print $1 }' | sort -u) || true
    comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed")
}

install_packages() {
    local missing log
    missing=$(missing_packages | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "this is no Debian: install the counterparts of $missing"
    if [ "$(id -u)" != 0 ]; then
        say "Debian packages are missing. As root, run:"
        say "    apt-get update && apt-get install --yes --no-install-recommends $missing"
        exit 1
    fi
    say "installing Debian packages: $missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of words
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes \
        --no-install-recommends $missing; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "apt-get could not install $missing"
    fi
    rm -f "$log"
}

make_venv() {
    local stamp=build/venv/.made-of hash
    hash=$(hash_of tests/requirements.txt "$repo")
    [ "$(cat "$stamp" 2>/dev/null || true)" != "$hash" ] || return 0
    say "making the Python environment build/venv from tests/requirements.txt"
    rm -rf build/venv
    /usr/bin/python3 -m venv build/venv
    build/venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --requirement tests/requirements.txt
    printf '%s\n' "$hash" >"$stamp"
}

install_packages
mkdir -p build
(
    flock 9
    make_venv
) 9>build/.setup.lock

# link NAME SCRIPT: what SCRIPT finds or makes, as build/tools/NAME.
link() {
    local target
    target=$("$2")
    [ "$(readlink "build/tools/$1" || true)" != "$target" ] || return 0
    mkdir -p build/tools
    ln -s "$target" "build/tools/.$1.$$"
    mv -T "build/tools/.$1.$$" "build/tools/$1"
}
link aws-lambda-rie "$toolchain/rie.sh"
if ! command -v terraform >/dev/null && ! PATH=$(path_of_machine) command -v tofu >/dev/null; then
    link tofu "$toolchain/terraform.sh"
fi
link terragrunt "$toolchain/terragrunt.sh"
