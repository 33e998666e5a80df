#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every benchmark of tests/bench, one after another, so that they do not disturb each other.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$repo"

# The peers are built with the pinned Go, and with the Rust of this machine.
go=$("$toolchain/go.sh")
PATH=$(dirname "$go"):$PATH
export PATH GOTOOLCHAIN=local
command -v cargo >/dev/null || die "the benchmarks compare with a program in Rust: install cargo"

failed=()
for benchmark in tests/bench/*.py; do
    [ -f "$benchmark" ] || continue
    say "== $benchmark"
    build/venv/bin/python "$benchmark" || failed+=("$benchmark")
done
[ ${#failed[@]} = 0 ] || die "failed: ${failed[*]}"
