#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every benchmark of tests/bench, one after another, so that they do not disturb each other.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$repo"

failed=()
for benchmark in tests/bench/*.py; do
    [ -f "$benchmark" ] || continue
    say "== $benchmark"
    build/venv/bin/python "$benchmark" || failed+=("$benchmark")
done
[ ${#failed[@]} = 0 ] || die "failed: ${failed[*]}"
