#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# source.sh NAME FOLDER: unpacks the Debian source package NAME (versions.env) into FOLDER.
#
# The archive's address comes from this machine's own apt configuration, the package is checked by
# apt against Debian's signatures, and the upstream tarball against the pinned SHA-256. apt's own
# lists are left alone.
set -euo pipefail
. "$(dirname "$0")/common.sh"

name=$1 folder=$2
key=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
versions_key=${key}_VERSIONS sha256_key=${key}_SHA256
[ -n "${!versions_key:-}" ] || die "versions.env names no ${versions_key}"

apt_state=$cache/apt
mkdir -p "$apt_state/lists/partial" "$apt_state/archives/partial"
apt_options=(
    -o "Dir::Etc::sourcelist=$apt_state/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt_state/lists" -o "Dir::Cache=$apt_state"
    -o APT::Sandbox::User=root -o Acquire::Retries=3
)

update_lists() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg label uri
    # shellcheck disable=SC2016 # apt replaces these
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sort -u |
        while read -r label uri; do
            case $label in
                Debian) printf "deb-src [signed-by=$keyring] $uri %s main\n" \
                    trixie trixie-updates bookworm bookworm-updates ;;
                Debian-Security) printf "deb-src [signed-by=$keyring] $uri %s main\n" \
                    trixie-security bookworm-security ;;
            esac
        done >"$apt_state/sources.list"
    [ -s "$apt_state/sources.list" ] ||
        die "this machine's apt knows no Debian archive: add one to its sources and run apt-get update"
    apt-get "${apt_options[@]}" -q update
}

download() {
    local version
    IFS=, read -ra versions <<<"${!versions_key}"
    for version in "${versions[@]}"; do
        if apt-get "${apt_options[@]}" -q source --download-only "$name=$version"; then return 0; fi
        # The mirror may serve the tarball and not the description: the pinned hash proves it alone.
        rm -f -- *.dsc
        if apt-get "${apt_options[@]}" -q source --download-only --tar-only "$name=$version"; then
            return 0
        fi
    done
    return 1
}

mkdir -p "$folder"
cd "$folder"
(
    flock 9
    find "$apt_state/sources.list" -mmin -600 2>/dev/null | grep -q . || update_lists
) 9>"$apt_state/lock"
download || { rm -f "$apt_state/sources.list"; die "none of $name=${!versions_key} can be had from this machine's Debian archive"; }

tarball=$(find . -maxdepth 1 -name '*.orig.tar.*' ! -name '*.asc')
[ -n "$tarball" ] || die "the source package $name has no upstream tarball"
check_sha256 "$tarball" "${!sha256_key}"
if compgen -G '*.dsc' >/dev/null; then
    dpkg-source --no-check -x ./*.dsc source
else
    mkdir source
    tar -xf "$tarball" -C source --strip-components=1
fi
