#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# release.sh VERSION: makes the recipe take GitLab's own release of gitlab-runner.
#
# The release's release.sha256 is fetched once, and its hashes are written into layer.json, to be
# committed: from then on the recipe says which bytes are meant, whatever the server serves.
# RUNNER_RELEASES names another server with the same layout.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
[ $# -eq 1 ] || die "usage: release.sh VERSION"
here=$(cd "$(dirname "$0")" && pwd)
version=$1
releases=${RUNNER_RELEASES:-https://gitlab-runner-downloads.s3.amazonaws.com}

[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
    die "RUNNER_VERSION=$version: expected a release of gitlab-runner such as 18.5.0"
recipe=$here/layer.json
source_url=$releases'/v{version}/binaries/gitlab-runner-linux-{goarch}'
if [ "$(jq -r .version "$recipe")" = "$version" ] &&
    [ "$(jq -r '.files[] | select(.path == "bin/gitlab-runner").source.url' "$recipe")" = \
        "$source_url" ]; then
    exit 0
fi

sums=$(mktemp)
written=$(mktemp "$here/.layer.json.XXXXXX")
trap 'rm -f "$sums" "$written"' EXIT
url=$releases/v$version/release.sha256
curl --fail --silent --show-error --location --proto-redir =https \
    --max-time 120 --retry 3 --output "$sums" "$url" ||
    die "cannot fetch $url: is gitlab-runner $version a release?"

sha256_of() {
    local sum
    sum=$(awk -v name="binaries/gitlab-runner-linux-$1" \
        '{ sub(/^\*/, "", $2) } $2 == name { print $1 }' "$sums")
    [[ $sum =~ ^[0-9a-f]{64}$ ]] || die "$url names no SHA-256 of binaries/gitlab-runner-linux-$1"
    printf '%s' "$sum"
}
x86_64=$(sha256_of amd64)
arm64=$(sha256_of arm64)

jq --arg version "$version" --arg url "$source_url" --arg x86_64 "$x86_64" --arg arm64 "$arm64" '
    .version = $version
    | .description = "GitLab Runner \($version), the release by GitLab"
    | .files |= map(select(.path != "share/licenses"))
    | (.files[] | select(.source.path == "LICENSE")).path =
        "share/licenses/gitlab-runner-{version}/LICENSE"
    | (.files[] | select(.path == "bin/gitlab-runner")).source =
        {url: $url, sha256: {x86_64: $x86_64, arm64: $arm64}}' "$recipe" >"$written"
chmod 0644 "$written"
mv -T "$written" "$recipe"
say "layers/gitlab-runner/layer.json takes gitlab-runner $version now: commit it"
