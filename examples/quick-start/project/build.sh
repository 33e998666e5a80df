#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh PAGES SITE: makes a page of HTML from each Markdown file, stamped with the commit.
set -eu

pages=$1
site=$2
version=$(git rev-parse --short HEAD)

mkdir -p "$site"
for page in "$pages"/*.md; do
    name=$(basename "$page" .md)
    {
        printf '<!doctype html>\n<title>%s</title>\n' "$name"
        sed -E \
            -e 's|\[([^]]*)\]\(([^)]*)\.md\)|<a href="\2.html">\1</a>|g' \
            -e 's|`([^`]*)`|<code>\1</code>|g' \
            -e 's|^# (.*)|<h1>\1</h1>|' \
            -e 's|^- (.*)|<li>\1</li>|' \
            -e 's|^$|<p>|' \
            "$page"
        printf '<footer>%s</footer>\n' "$version"
    } >"$site/$name.html"
    echo "built $site/$name.html"
done
