#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check-links.sh SITE: fails where a page links to one that is not there.
set -eu

cd "$1"
broken=0
checked=0
for page in *.html; do
    for target in $(awk -F'href="' '{ for (i = 2; i <= NF; i++) { sub(/".*/, "", $i); print $i } }' "$page"); do
        checked=$((checked + 1))
        if [ ! -f "$target" ]; then
            echo "$page: links to $target, which is not there" >&2
            broken=$((broken + 1))
        fi
    done
done
echo "$checked links checked, $broken broken"
[ "$checked" -gt 0 ] && [ "$broken" -eq 0 ]
