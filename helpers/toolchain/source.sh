#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# source.sh NAME FOLDER: unpacks the Debian source package NAME (versions.env) into FOLDER/source,
# and writes the version that was had into FOLDER/version.
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
IFS=, read -ra pinned <<<"${!versions_key}"

apt_state=$cache/apt
mkdir -p "$apt_state"/{lists,machine-lists,archives}/partial
apt_common=(-o "Dir::Cache=$apt_state" -o APT::Sandbox::User=root -o Acquire::Retries=3)
apt_options=(
    "${apt_common[@]}" -o "Dir::Etc::sourcelist=$apt_state/sources.list"
    -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$apt_state/lists"
)

# The Debian archives that this machine's apt uses, as lines of label and address.
archives() {
    # shellcheck disable=SC2016 # apt replaces these
    apt-get "$@" indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        grep -E '^Debian(-Security)? ' | sort -u
}

update_lists() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg found label uri
    local machine=("${apt_common[@]}" -o "Dir::State::lists=$apt_state/machine-lists")
    # apt knows its archives by name only once it has their lists.
    if ! found=$(archives); then
        apt-get "${machine[@]}" -q update >&2 || true
        found=$(archives "${machine[@]}") ||
            die "this machine's apt knows no Debian archive: add one to its sources"
    fi
    while read -r label uri; do
        case $label in
            Debian) printf "deb-src [signed-by=$keyring] $uri %s main\n" \
                trixie trixie-updates bookworm bookworm-updates ;;
            Debian-Security) printf "deb-src [signed-by=$keyring] $uri %s main\n" \
                trixie-security bookworm-security ;;
        esac
    done <<<"$found" >"$apt_state/sources.list"
    # One archive may be down; what is then missing is named below.
    apt-get "${apt_options[@]}" -q update >&2 || say "not every Debian archive could be read"
}

# The pinned versions, and then what the archive has of the same upstream version, whose tarball
# must have the pinned hash too: a security upload takes the place of the one before.
candidates() {
    printf '%s\n' "${pinned[@]}"
    apt-cache "${apt_options[@]}" showsrc --only-source "$name" 2>/dev/null |
        sed -n 's/^Version: //p' | grep -F "${pinned[0]%-*}-" | sort -rV || true
}

# The mirror may serve a tarball and not its description: the pinned hash proves it alone, but then
# Debian's own patches are missing, so that is the last resort.
download() {
    local version versions part
    mapfile -t versions < <(candidates | awk '!seen[$0]++')
    tried=("${versions[@]}")
    for part in "" --tar-only; do
        for version in "${versions[@]}"; do
            if apt-get "${apt_options[@]}" -q source --download-only $part "$name=$version"; then
                printf '%s%s\n' "$version" "${part:+ (the upstream tarball alone)}" >version
                return 0
            fi
            rm -f -- ./*_*
        done
    done
    return 1
}

mkdir -p "$folder"
cd "$folder"
tried=()
(
    flock 9
    find "$apt_state/sources.list" -mmin -600 2>/dev/null | grep -q . || update_lists
) 9>"$apt_state/lock"
if ! download; then
    (flock 9 && update_lists) 9>"$apt_state/lock"
    download || die "no source of $name can be had. Tried the versions ${tried[*]} in:
$(sed 's/^deb-src \[.*\]/   /' "$apt_state/sources.list")
Name a version that the archive has, with its hash, in helpers/toolchain/versions.env."
fi

tarball=$(find . -maxdepth 1 -name '*.orig.tar.*' ! -name '*.asc')
[ -n "$tarball" ] || die "the source package $name has no upstream tarball"
check_sha256 "$tarball" "${!sha256_key}"
if compgen -G '*.dsc' >/dev/null; then
    dpkg-source --no-check -x ./*.dsc source
else
    mkdir source
    tar -xf "$tarball" -C source --strip-components=1
fi
