#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup.sh [PURPOSE]: installs what this machine lacks for one purpose (build, dist, publish, demo,
# test or bench), or for all of them: Debian packages (as root), the Python environment build/venv,
# the Runtime Interface Emulator, the tests' terragrunt, and tofu where there is neither terraform
# nor tofu. Says what it does; where all is there it says nothing and takes no time.
#
# setup.sh --packages [PURPOSE]: prints the Debian packages alone.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$repo"

packages_only=
if [ "${1:-}" = --packages ]; then
    packages_only=1
    shift
fi
purposes=(build dist publish demo test bench)
purpose=${1:-all}
[[ " all ${purposes[*]} " == *" $purpose "* ]] ||
    die "setup for $purpose: expected one of ${purposes[*]}"

# is_for PURPOSE...: whether we install for one of these.
is_for() { [[ $purpose == all || " $* " == *" $purpose "* ]]; }

# Each section of the list begins with the purposes that it is for, in brackets.
wanted_packages() {
    sed -e 's/ *#.*//' -e '/^$/d' "$toolchain/debian-packages.txt" |
        awk -v purpose="$purpose" '
            /^\[/ { wanted = purpose == "all" || $0 ~ "[[ ]" purpose "[] ]"; next }
            wanted { print }'
    # Any Go will do: it only fetches the pinned one (go.sh).
    ! is_for dist demo test bench || command -v go >/dev/null || echo golang-go
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
    local missing
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
    mkdir -p build
    # shellcheck disable=SC2086 # a list of words
    if ! (reported installed "the Debian packages" build/apt.log apt_install $missing); then
        die "apt-get could not install $missing"
    fi
}

apt_install() {
    apt-get update &&
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

# The demo needs a fraction of what the tests need, so the rest is added when it is wanted.
make_venv() {
    local wanted=$1 stamp=build/venv/.made-of had demo all
    demo="demo $(hash_of tests/requirements-demo.txt "$repo")"
    all="all $(hash_of tests/requirements-demo.txt tests/requirements.txt "$repo")"
    had=$(cat "$stamp" 2>/dev/null || true)
    [ "$had" != "$all" ] || return 0
    if [ "$had" != "$demo" ]; then
        reported built "the Python environment" build/venv.log new_venv
        printf '%s\n' "$demo" >"$stamp"
    fi
    [ "$wanted" = all ] || return 0
    reported installed "the Python packages of the tests" build/venv.log install_python requirements
    printf '%s\n' "$all" >"$stamp"
}

new_venv() {
    rm -rf build/venv
    /usr/bin/python3 -m venv build/venv
    install_python requirements-demo
}

# What is imported is compiled then, which is a fraction of all of it.
install_python() {
    build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
        --requirement "tests/$1.txt"
}

# link NAME SCRIPT: what SCRIPT finds or makes, as build/tools/NAME.
link() {
    local target
    target=$("$2")
    [ "$(readlink "build/tools/$1" || true)" != "$target" ] || return 0
    mkdir -p build/tools
    ln -s "$target" "build/tools/.$1.$$"
    mv -T "build/tools/.$1.$$" "build/tools/$1"
}

if [ -n "$packages_only" ]; then
    wanted_packages
    exit 0
fi
install_packages
mkdir -p build
commands=()
if is_for publish demo test bench; then
    wanted=all
    is_for test bench || wanted=demo
    (
        flock 9
        make_venv "$wanted"
    ) 9>build/.setup.lock
fi
! is_for demo test bench || commands+=('link aws-lambda-rie "$toolchain/rie.sh"')
! is_for test || commands+=('link terragrunt "$toolchain/terragrunt.sh"')
if is_for demo test && ! command -v terraform >/dev/null &&
    ! PATH=$(path_of_machine) command -v tofu >/dev/null; then
    commands+=('link tofu "$toolchain/terraform.sh"')
fi
[ ${#commands[@]} = 0 ] || together "${commands[@]}"
