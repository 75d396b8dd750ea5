#!/usr/bin/env bash
# The shape of the tree: what may stand at the top, how long lines may be, no stray white space, no marks of
# unfinished work.
set -u
# shellcheck source=report.sh
. "$(dirname "$0")/report.sh"

top=' receiver processor common schema tests systemd Makefile README.md build '
report "the top level holds the rooms, Makefile, README.md and dot-files" \
    "$(for name in *; do [[ $top == *" $name "* ]] || echo "$name"; done)"

mapfile -t files < <(find Makefile README.md .ci common receiver processor schema systemd tests \
    -path tests/fuzz/corpus -prune -o -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.sql' -o -name '*.awk' \
    -o -name Makefile -o -path './.ci/*' -o -path 'systemd/*' -o -path 'processor/handlers/*' \) -print 2>/dev/null)

# In tests a line is often a command and what is expected of it, which are read best side by side.
report "no line is longer than 118 characters" \
    "$(grep -nHE '.{119}' "${files[@]}" | grep -v '^tests/[^:]*\.sh:' | cut -c1-150)"
report "no white space at the end of a line" "$(grep -nHE '[[:blank:]]+$' "${files[@]}")"
report "no file of C is longer than 400 lines" \
    "$(wc -l "${files[@]}" | awk '$2 ~ /\.[ch]$/ && $2 !~ /^tests\// && $1 > 400 { print $2 ": " $1 }')"
report "what begins with #! can be run" "$(
    find tests .ci processor/handlers systemd/debian/{package.sh,rules} -type f ! -perm -1 -exec \
        awk 'FNR == 1 && /^#!/ { print FILENAME } { nextfile }' {} +
)"
report "no mark of unfinished work" "$(grep -nHE '\b(TO''DO|FIX''ME|XX''X)\b' "${files[@]}")"
report "no function that cannot be bounded" \
    "$(grep -nHE '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets)\(' "${files[@]}" | grep '\.[ch]:')"

exit "$failed"
