#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Yours: `tofu apply`, `terraform apply`, `aws s3 sync`: whatever reads AWS_PROFILE.
set -eu
echo "deploying $CI_COMMIT_SHORT_SHA to $AWS_PROFILE"
