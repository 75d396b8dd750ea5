#!/usr/bin/env bash
# `tests/layers.sh BUILD`: who may see whom. Includes are read from the compiler's own lists of a build (the .d
# files), so what comes in through another header counts too.
set -u
# shellcheck source=report.sh
. "$(dirname "$0")/report.sh"
objects=${1:-build}/obj

# The headers of the tree that an object's source sees, itself left out.
headers_of() {
    tr -s ' ' '\n' <"$1" | grep -E '^(common|receiver|processor|schema)/.*\.h$' | sort -u
}

# seen ROOM PATTERN: the objects of a room that see a header that matches, with the header.
seen() {
    local list
    find "$objects/$1" -name '*.d' 2>/dev/null | sort | while read -r list; do
        headers_of "$list" | grep -E "$2" | sed "s|^|${list#"$objects"/}: |; s|\.d: |.c sees |"
    done
}

report "the receiver does not see the processor" "$(seen receiver '^processor/')"
report "the processor does not see the receiver" "$(seen processor '^receiver/')"
report "common sees neither" "$(seen common '^(receiver|processor)/')"
report "only common sees the schema" "$(seen receiver '^schema/'; seen processor '^schema/')"
report "in the receiver only the writer and main see the spool and the index" \
    "$(seen receiver '^common/(spool|index)\.h$' | grep -vE '^receiver/(writer[a-z_]*|main)\.c ')"
report "the message parsers see neither the index nor the spool" \
    "$(seen processor/headers '^common/(spool|index)\.h$'; seen processor/mime '^common/(spool|index)\.h$')"
report "plain headers are read without GMime" "$(seen processor/headers '^processor/mime/')"
report "handlers see neither, and no more of the processor than they need" \
    "$(seen processor/handlers '^common/(spool|index|config|route|envelope)\.h$|^processor/command/' |
        cat - <(seen processor/handlers '^processor/[a-z_]*\.h$' |
            grep -vE 'processor/(deposit|filename|json|message|parts|parts_json|scratch|text)\.h$'))"

# Includes are by full path; a generated header goes by its name.
rooms='common|receiver|receiver/starttls|processor|processor/command|processor/headers|processor/mime|processor/handlers|schema|tests/unit|tests/bench'
report "headers are included by their full path" \
    "$(grep -rnE '^#include "' --include='*.[ch]' common receiver processor schema tests |
        grep -vE "\"(($rooms)/[a-z0-9_]+|statements|session_filter)\.h\"( |\$)")"

# The SMTP machine: bytes in, bytes and events out. What its objects ask for from outside is either one of the pure
# modules or one of these functions of the C library, none of which makes a system call or reads a clock.
machine='smtp smtp_verbs smtp_body smtp_refuse command path content reply pace proxy'
pure_libc='mem(cpy|move|set|cmp|chr|rchr|mem)|str(len|nlen|cmp|ncmp|casecmp|ncasecmp|chr|rchr|spn|cspn|str)
malloc|calloc|realloc|free|v?snprintf|abort|__stack_chk_fail|__assert_fail|_GLOBAL_OFFSET_TABLE_
__(mem(cpy|move|set)|v?snprintf|strn?cpy|strn?cat)_chk|explicit_bzero|__explicit_bzero_chk|__ctype_[a-z_]+'
pure_own='(buf|span|address|networks?|envelope|id|route|state)_[a-z0-9_]+|err_(set|prefix)|clock_(iso8601|rfc5322)'
report "the SMTP machine makes no system call" \
    "$(own=$(for name in $machine; do
        nm --defined-only "$objects/receiver/$name.o" | awk 'NF == 3 { print $3 }'
    done)
    for name in $machine; do
        nm -u "$objects/receiver/$name.o" | awk '{ print $2 }' | grep -vxE "$(tr '\n' '|' <<<"$pure_libc")$pure_own" |
            grep -vxF "$own" | sed "s/^/receiver\/$name.c asks for /"
    done)"

exit "$failed"
