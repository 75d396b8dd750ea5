#!/usr/bin/env bash
# clang-tidy (.clang-tidy) and cppcheck over the sources; `make lint` has run gcc -fanalyzer before.
set -u
cd "$(dirname "$0")/.." || exit 1
status=0

# Not the tests: what an assertion of cmocka rules out is not ruled out for clang.
mapfile -t sources < <(find common receiver processor tests/bench -name '*.c' | sort)
read -ra gmime < <(pkg-config --cflags gmime-3.0 | sed 's/-I/-isystem /g')
flags=(-std=c17 -D_GNU_SOURCE -DMAILMILL_VERSION='""' -DMAILMILL_LIBEXECDIR='""' -DMAILMILL_CONFIG='""' -I. -Ibuild/gen "${gmime[@]}")

echo "# clang-tidy"
printf '%s\0' "${sources[@]}" |
    xargs -0 -P "$(nproc)" -I '{}' clang-tidy --quiet --warnings-as-errors='*' '{}' -- "${flags[@]}" 2>&1 |
    grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -' && status=1

echo "# cppcheck"
cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
    --suppress=missingIncludeSystem -D_GNU_SOURCE -I. -Ibuild/gen common receiver processor || status=1

[ $status -eq 0 ] && echo "lint: clean"
exit $status
