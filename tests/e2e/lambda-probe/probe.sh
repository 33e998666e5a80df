#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prints a table in Markdown of what this execution environment of Lambda is and allows. README.md
# says how to run it; `probe` is what build.sh makes of probe.c, beside this file. Nothing is needed
# that bash does not have.

probe=${BASH_SOURCE[0]%/*}/probe

# A row of what the command prints.
row() {
    local question=$1 answer
    shift
    answer=$("$@" 2>&1)
    answer=${answer//|/\\|}
    printf '| %s | %s |\n' "$question" "${answer//$'\n'/ / }"
}

substitution() {
    bash -c 'read -r line < <(echo yes) && echo "$line"'
}

login_path() {
    echo "PATH $PATH becomes $(bash -l -c 'echo "$PATH"')"
}

umask_and_folder() {
    echo "umask $(umask), folder $PWD"
}

# What jobs and their tools take for granted, found as a shell finds it.
usual() {
    local name found='' missing=''
    for name in awk bzip2 cat chmod cp curl cut date df diff dirname env find flock git grep gzip \
        head hostname id jq less ln ls make md5sum microdnf mkdir mkfifo mktemp mv nproc nslookup \
        openssl patch perl ping ps python3 readlink realpath rm rpm sed seq setpriv setsid sha256sum \
        sleep sort ssh stat strace strings sudo tail tar taskset tee timeout top touch tr uname unzip \
        wget which xargs xz zip zstd; do
        if type -P "$name" >/dev/null; then found+=" $name"; else missing+=" $name"; fi
    done
    echo "found:$found; not found:$missing"
}

echo '| question | answer |'
echo '| --- | --- |'
row 'bash' echo "$BASH_VERSION"
row 'process substitution works' substitution
row 'PATH of a login shell' login_path
row 'umask and folder' umask_and_folder
row 'usual programs' usual
"$probe" rows
