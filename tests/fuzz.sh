#!/usr/bin/env bash
# `tests/fuzz.sh NAME`: the fuzz target over its seeds, then over new inputs for FUZZ_SECONDS. New inputs that reach
# further, and any that break something, are kept in build/fuzz/.
set -eu
cd "$(dirname "$0")/.."
target=$PWD/build/fuzz/fuzz_$1
seeds=tests/fuzz/corpus/$1
found=build/fuzz/corpus/$1
mkdir -p "$found" "build/fuzz/broken/$1"
options=(-timeout=10 -rss_limit_mb=2048 -artifact_prefix="build/fuzz/broken/$1/" -verbosity=0 -print_final_stats=1)
if [ -d "$seeds" ]; then
    "$target" "${options[@]}" -runs=0 "$seeds"
    echo "ok the seeds"
    set -- "$seeds"
else
    set --
fi
"$target" "${options[@]}" -max_total_time="${FUZZ_SECONDS:-60}" "$found" "$@"
echo "ok new inputs"
