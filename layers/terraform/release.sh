#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# release.sh VERSION: writes the recipe of a layer with HashiCorp's own release of Terraform.
#
# The release's SHA256SUMS is fetched once, and its hashes are written into layer.json, to be
# committed: from then on the recipe says which bytes are meant, whatever the server serves.
# TERRAFORM_RELEASES names another server with the same layout.
set -euo pipefail
. "$(dirname "$0")/../../helpers/toolchain/common.sh"
[ $# -eq 1 ] || die "usage: release.sh VERSION"
here=$(cd "$(dirname "$0")" && pwd)
version=$1
releases=${TERRAFORM_RELEASES:-https://releases.hashicorp.com/terraform}

[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
    die "$version: expected a release of Terraform such as 1.13.5"
sums=$(mktemp)
written=$(mktemp "$here/.layer.json.XXXXXX")
trap 'rm -f "$sums" "$written"' EXIT
url=$releases/$version/terraform_${version}_SHA256SUMS
curl --fail --silent --show-error --location --proto-redir =https \
    --max-time 120 --retry 3 --output "$sums" "$url" ||
    die "cannot fetch $url: is Terraform $version a release?"

sha256_of() {
    local name=terraform_${version}_linux_$1.zip sum
    sum=$(awk -v name="$name" '$2 == name { print $1 }' "$sums")
    [[ $sum =~ ^[0-9a-f]{64}$ ]] || die "$url names no SHA-256 of $name"
    printf '%s' "$sum"
}
x86_64=$(sha256_of amd64)
arm64=$(sha256_of arm64)

jq -n --arg version "$version" --arg x86_64 "$x86_64" --arg arm64 "$arm64" \
    --arg url "$releases/{version}/terraform_{version}_linux_{goarch}.zip" '
    {url: $url, sha256: {x86_64: $x86_64, arm64: $arm64}} as $zip
    | {
        name: "terraform",
        version: $version,
        description: "Terraform \($version), the release by HashiCorp",
        license: "BUSL-1.1",
        architectures: ["x86_64", "arm64"],
        files: [
            {path: "bin/terraform", mode: "0755", source: ($zip + {member: "terraform"})},
            {
                path: "share/licenses/terraform-{version}/LICENSE.txt",
                source: ($zip + {member: "LICENSE.txt"})
            }
        ]
    }' >"$written"
chmod 0644 "$written"
mv -T "$written" "$here/layer.json"
say "layers/terraform/layer.json takes Terraform $version: commit it"
