#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rie.sh: prints the path of the Lambda Runtime Interface Emulator for this machine, which AWS ships
# in its aws-sam-cli wheel. Only tests use it.
set -euo pipefail
. "$(dirname "$0")/common.sh"

case $(uname -m) in
    aarch64) member=aws-lambda-rie-arm64 ;;
    *) member=aws-lambda-rie-x86_64 ;;
esac

unpack_emulator() {
    local folder=$1 work
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of this moment
    trap "rm -rf '$work'" EXIT
    pip download --no-deps --only-binary :all: -d "$work" "aws-sam-cli==$SAM_CLI_VERSION"
    check_sha256 "$work"/*.whl "$SAM_CLI_SHA256"
    unzip -q -p "$work"/*.whl "samcli/local/rapid/$member" >"$folder/aws-lambda-rie"
    chmod 0755 "$folder/aws-lambda-rie"
}

folder=$(cached rie "$(hash_of "$SAM_CLI_VERSION $SAM_CLI_SHA256 $member")" unpack_emulator fetched)
printf '%s\n' "$folder/aws-lambda-rie"
