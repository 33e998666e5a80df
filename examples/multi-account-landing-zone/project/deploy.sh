#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Deploys to the account of AWS_PROFILE. No key is given to tofu: it finds the profile's role.
set -eu
echo "deploying $CI_COMMIT_SHORT_SHA to $AWS_PROFILE"
tofu init -no-color -input=false
tofu apply -no-color -input=false -auto-approve -var "app_version=$CI_COMMIT_SHA"
