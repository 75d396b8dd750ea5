# shellcheck shell=bash disable=SC2119,SC2120 # functions with arguments that may be left out
# What the fault tests share: a mailmill whose every part has something to do, mail whose fate is kept track of, and
# the question that all of them end with. Sourced, by bash; $programs is a build with fault points.

# shellcheck source=../handlers/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../handlers/lib.sh"

# Without a build that has the points every test here would pass, and show nothing.
if ! grep -q MAILMILL_FAULT "$programs/mailmill-processor"; then
    fail "$programs was built with fault points"
    finish
fi

# points MACRO [FILE...]: the names that the sources pass to FAULT_POINT or FAULT_ERRNO; without a file all but those of
# deposit.c, which deposit.sh is about.
points() {
    local macro=$1
    shift
    [ $# -gt 0 ] || set -- "$top"/common/*.c "$top"/receiver/*.c "$top"/processor/*.c "$top"/processor/*/*.c
    grep -hoE "$macro\(\"[a-z-]+\"\)" "$@" --exclude="${2:+deposit.c}" | sed -E 's/.*"(.*)".*/\1/' | sort -u
}

# A new instance: a chain of a filter and a program, an answer, and mail that is only kept. The programs see to it that
# what they are given is whole.
bed_open() {
    instance_open
    seen=$instance/seen
    program note <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
tail -n 1 | grep -qx 'the last line' || echo "$MAILMILL_DELIVERY" >>"$seen/broken"
echo "$HEADER_SUBJECT" >>"$seen/ran"
SH
    program filter <<'SH'
#!/bin/sh
cat
SH
    program answer <<'SH'
#!/bin/sh
tail -n 1 | grep -qx 'the last line' || echo "$MAILMILL_DELIVERY" >>"${0%/bin/*}/seen/broken"
echo "Answer"
SH
    program sendmail <<'SH'
#!/bin/sh
grep -qx 'Answer' || echo "letter $MAILMILL_DELIVERY" >>"${0%/bin/*}/seen/broken"
echo "$MAILMILL_DELIVERY" >>"${0%/bin/*}/seen/sent"
SH
    instance_config <<EOT
sendmail = {"$instance/bin/sendmail"}
route "work@example.com" {
    handler "cut"  { filter = {"$instance/bin/filter"} retry-first = "1s" }
    handler "note" { run = {"$instance/bin/note"} retry-first = "1s" }
}
route "ask@example.com" { handler "answer" { reply = {"$instance/bin/answer"} retry-first = "1s" } }
route "ok@example.com" { handler "x" { run = {"$instance/bin/note"} } }
EOT
    : >"$seen/acknowledged"
}

# post SUBJECT [RECIPIENT ...]: a message; its subject is noted when it was acknowledged. Fails when it was not.
post() {
    local subject=$1
    shift
    [ $# -gt 0 ] || set -- work@example.com ask@example.com
    printf '%s\n' "Subject: $subject" 'From: asker@example.org' '' 'text' 'the last line' |
        submit "$subject@example.org" "$@" && echo "$subject" >>"$seen/acknowledged"
}

# starts_again NAME: without a fault; the processor comes up and everything comes to its end.
starts_again() {
    MAILMILL_FAULT='' processor_start || fail "$1: starts again" "$(tail -n 5 "$instance/processor.err" "$instance/log")"
    wait_for "SELECT count(*) >= $(sort -u "$seen/acknowledged" | wc -l) AND sum(ended_ms IS NULL) = 0 FROM message" 30 ||
        fail "$1: all mail comes to its end" "$(sql "SELECT * FROM pending")$(ls "$instance/spool/new")"
}

# nothing_lost NAME: what was acknowledged is there and was run; nothing half-written ever was; nothing lies about.
nothing_lost() {
    local subject lost=
    while read -r subject; do
        grep -qxF "$subject" "$seen/ran" 2>/dev/null || lost+=" $subject (not run)"
        grep -lqx "Subject: $subject" "$instance"/spool/cur/*:2,S 2>/dev/null || lost+=" $subject (no file)"
    done < <(sort -u "$seen/acknowledged")
    equal "$1: nothing acknowledged is lost" "$lost" ''
    equal "$1: nothing half-written was run" "$(cat "$seen/broken" 2>/dev/null)" ''
    equal "$1: every delivery is done" "$(sql "SELECT DISTINCT state FROM delivery WHERE state <> 'done'")" ''
    equal "$1: each has as many attempts as it counts" "$(sql "SELECT id FROM delivery WHERE attempts <>
        (SELECT count(*) FROM attempt WHERE delivery_id = delivery.id AND ended_ms IS NOT NULL)")" ''
    equal "$1: new/, out/ and the folders of runs are empty" \
        "$(find "$instance/spool/new" "$instance/spool/out" "$instance/work" -mindepth 1 -not -name '.mailmill-spare-*' \
            2>/dev/null)" ''
}

# calls SECONDS PID...: the system calls that processes make within that time, one a line. What they slept in when strace
# came, and sleep in when it goes, is none.
calls() {
    local options=() seconds=$1 pid
    shift
    for pid in "$@"; do options+=(-p "$pid"); done
    timeout -s INT "$seconds" strace -qq -f -o "$instance/strace" "${options[@]}" 2>/dev/null
    grep -vE '(resuming interrupted|<detached \.\.\.>$)' "$instance/strace"
}
