#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# auth-provider.sh: what TG_AUTH_PROVIDER_CMD names. Terragrunt calls it in the folder of each unit;
# it prints a session of the role_arn in the account.hcl above, asked for with the external_id there,
# which assume-role starts with the credentials that it finds outside the environment's keys: in a job
# on Runlet the job role's, else those of AWS_PROFILE.
set -eu

folder=$PWD
until [ -f "$folder/account.hcl" ]; do
    if [ "$folder" = / ]; then
        echo "auth-provider.sh: no account.hcl in $PWD or above: run terragrunt below live/" >&2
        exit 1
    fi
    folder=$(dirname "$folder")
done

value_of() {
    sed -n "s/^ *$1 *= *\"\([^\"]*\)\"\$/\1/p" "$folder/account.hcl"
}
role_arn=$(value_of role_arn)
external_id=$(value_of external_id)
if [ -z "$role_arn" ]; then
    echo "auth-provider.sh: $folder/account.hcl has no role_arn: write role_arn = \"arn:aws:iam::...\"" >&2
    exit 1
fi
# Where a unit asks for another's outputs, terragrunt has put the first one's session here: it is not
# for the second account.
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
exec assume-role --role-arn "$role_arn" ${external_id:+--external-id "$external_id"} \
    --format terragrunt
