#!/usr/bin/env bash
# kill -9 between any two steps of runs that several messages share, of chains with filters and `continue`, and of pauses:
# after a start without the fault nothing is lost, nothing finished is run again, and the index says what happened.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The points at which the processor is killed, and at which of their passings.
shared_points='runner-started:1 runner-ended:1 runner-before-record:1 runner-recorded:1 spool-before-finish:2
    filing-moved:1 index-before-commit:4 index-before-commit:5 index-before-commit:6 index-before-commit:7
    index-before-commit:8 index-committed:5 index-committed:6 index-committed:7'
chain_points='runner-started:1 runner-started:2 runner-started:3 runner-ended:1 runner-ended:2 runner-before-record:1
    outbox-kept:1 runner-recorded:1 runner-recorded:2 runner-recorded:3 spool-finished:1 filing-moved:1
    index-before-commit:4 index-before-commit:5 index-before-commit:6 index-before-commit:7 index-before-commit:8
    index-before-commit:9 index-committed:5 index-committed:7 index-committed:9'
# Every commit of the two failures, so that the attempt and what is counted can't part.
pause_points='runner-started:3 runner-recorded:2 runner-recorded:3 index-before-commit:5 index-before-commit:6
    index-before-commit:7 index-before-commit:8 index-before-commit:9 index-before-commit:10'

# killed NAME: starts the processor with the fault and waits for its end by it. A point that is not passed so often is no
# failure: the processor is killed when there is nothing left to do, which is a point, too.
killed() {
    if ! MAILMILL_FAULT=$1 processor_start; then
        processor_forget
        return
    fi
    local deadline=$((SECONDS + 10))
    while kill -0 "$processor" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
        [ "$(sql "SELECT sum(ended_ms IS NULL) = 0 FROM message")" != 1 ] || break
        sleep 0.05
    done
    processor_kill
}

# ---- a run that several messages share -----------------------------------------------------------

shared() {
    bed_open
    program gather <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
tail -n 1 | grep -qx 'the last line' || echo "$MAILMILL_DELIVERY" >>"$seen/broken"
echo "$MAILMILL_COALESCED $HEADER_SUBJECT" >>"$seen/gathered"
SH
    instance_config <<EOT
route "work@example.com" {
    handler "gather" { run = {"$instance/bin/gather"} coalesce = "2s" }
    handler "note"   { run = {"$instance/bin/note"} }
}
EOT
    for number in 1 2 3; do post "message-$number" work@example.com || fail "mail is accepted"; done
}

for point in $shared_points; do
    name="shared run, $point"
    shared
    killed "$point"
    starts_again "$name"
    nothing_lost "$name"
    matches "$name: the run was shared, once or, interrupted, once more" "$(tr '\n' ' ' <"$seen/gathered")" \
        '^(3 message-3 ){1,2}$'
    equal "$name: what is behind it ran for each, none more than once more" \
        "$(sort "$seen/ran" | uniq -c | awk '$1 > 2 { print }'; sort -u "$seen/ran" | tr '\n' ' ')" \
        'message-1 message-2 message-3 '
    processor_stop
done

# A start that could not be written down was none, of none of those that share the run.
name="shared run, no room for its start"
shared
start_or_finish
mailmill pause gather >/dev/null
wait_for "SELECT count(*) = 3 FROM delivery WHERE handler = 'gather' AND state = 'pending'" || fail "$name: all wait"
processor_stop
mailmill resume gather >/dev/null
sqlite3 "$instance/lib/index.db" "UPDATE delivery SET due_ms = 1 WHERE handler = 'gather'"
MAILMILL_FAULT=index-settle=ENOSPC processor_start || fail "$name: the processor starts"
until_true grep -q 'nothing could be written down' "$instance/log"
sleep 1
equal "$name: it is not run" "$(cat "$seen/gathered" 2>/dev/null)" ''
equal "$name: all wait as before" "$(sql "SELECT count(*), sum(attempts) FROM delivery
    WHERE handler = 'gather' AND state = 'pending'")" '3|0'
processor_stop
starts_again "$name"
nothing_lost "$name"
equal "$name: it is run then, for all" "$(cat "$seen/gathered")" '3 message-3'
processor_stop

# An end that could not be written down is written down later, of all that shared the run.
name="shared run, its end is late"
shared
program gather <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
: >"$seen/running"
while [ ! -e "$seen/go" ]; do sleep 0.1; done
echo "$MAILMILL_COALESCED $HEADER_SUBJECT" >>"$seen/gathered"
SH
start_or_finish
until_true test -e "$seen/running"
sqlite3 "$instance/lib/index.db" 'BEGIN IMMEDIATE' ".shell touch '$seen/go'; sleep 4" COMMIT &
locker=$!
until_true grep -q 'gather .*not written down yet\|nothing could be written down' "$instance/log"
equal "$name: nothing is said of what has not been written down" "$(grep -c 'done .*handler=gather' "$instance/log")" 0
wait "$locker"
wait_for "SELECT count(*) = 6 AND sum(state <> 'done') = 0 FROM delivery" || fail "$name: all are done"
equal "$name: it ran once" "$(cat "$seen/gathered")" '3 message-3'
equal "$name: each has its line in the log" "$(grep -c 'done .*handler=gather' "$instance/log")" 3
nothing_lost "$name"
processor_stop

# ---- a chain of a filter, one that dies, and others ----------------------------------------------

chain() {
    bed_open
    program count-filter <<'SH'
#!/bin/sh
echo run >>"${0%/bin/*}/seen/filtered"
sed 's/soft/HARD/'
SH
    program bury <<'SH'
#!/bin/sh
echo run >>"${0%/bin/*}/seen/buried"
exit 100
SH
    program later <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
grep -qx 'HARD' || echo "$MAILMILL_DELIVERY" >>"$seen/broken"
[ -e "$seen/once" ] || { : >"$seen/once"; exit 75; }
echo "$HEADER_SUBJECT" >>"$seen/ran"
SH
    instance_config <<EOT
route "work@example.com" {
    handler "filter" { filter = {"$instance/bin/count-filter"} }
    handler "bury"   { run = {"$instance/bin/bury"} continue = "true" }
    handler "later"  { run = {"$instance/bin/later"} retry-first = "1s" }
}
EOT
    printf '%s\n' 'Subject: soft' '' 'soft' | submit asker@example.org work@example.com || fail "mail is accepted"
}
lines() { wc -l 2>/dev/null <"$seen/$1" || echo 0; }

for point in $chain_points; do
    name="chain, $point"
    chain
    killed "$point"
    finished=$(sql "SELECT group_concat(handler, ' ') FROM (SELECT handler FROM delivery
        WHERE state IN ('done', 'dead') ORDER BY position)" 2>/dev/null)
    filtered=$(lines filtered)
    buried=$(lines buried)
    starts_again "$name"
    [[ $finished != *filter* ]] || equal "$name: a filter that was done is not run again" "$(lines filtered)" "$filtered"
    [[ $finished != *bury* ]] || equal "$name: one that was dead is not run again" "$(lines buried)" "$buried"
    equal "$name: each handler came to its end" \
        "$(sql "SELECT group_concat(handler || '=' || state, ' ') FROM (SELECT * FROM delivery ORDER BY position)")" \
        'filter=done bury=dead later=done'
    equal "$name: what the filter made was all that was read behind it" "$(cat "$seen/broken" 2>/dev/null)" ''
    equal "$name: it ran" "$(sort -u "$seen/ran")" soft
    equal "$name: the message is filed away as one with a dead handler" "$(find "$instance"/spool/cur -name '*:2,F' | wc -l)" 1
    equal "$name: nothing lies about" \
        "$(find "$instance/spool/out" "$instance/work" -mindepth 1 -not -name '.mailmill-spare-*')" ''
    processor_stop
done

# ---- pauses --------------------------------------------------------------------------------------

fragile() {
    bed_open
    program fragile <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
[ -e "$seen/mended" ] || exit 75
echo "$HEADER_SUBJECT" >>"$seen/ran"
SH
    instance_config <<EOT
route "work@example.com" { handler "x" { run = {"$instance/bin/fragile"} pause-after = "2" retry-first = "1s" } }
EOT
    for number in 1 2 3 4; do post "message-$number" work@example.com || fail "mail is accepted"; done
}

# What the attempts say, and what is known of the handler, are one.
consistent() {
    equal "$1: its failures are those that were written down" "$(sql "SELECT coalesce(sum(failures), 0) =
        (SELECT count(*) FROM attempt WHERE outcome = 'retry' AND exit_code = 75) FROM handler_state")" 1
    equal "$1: it is paused when there were two" \
        "$(sql "SELECT count(*) FROM handler_state WHERE (failures >= 2) <> (paused_by IS NOT NULL)")" 0
}

for point in $pause_points; do
    name="pause, $point"
    fragile
    if MAILMILL_FAULT=$point processor_start; then
        wait_for "SELECT failures >= 3 FROM handler_state" 4
        processor_kill
    else
        processor_forget
    fi
    [ ! -e "$instance/lib/index.db" ] || [ "$(sql 'PRAGMA user_version')" = 0 ] || consistent "$name"
    paused=$(sql "SELECT paused_ms FROM handler_state WHERE paused_by IS NOT NULL" 2>/dev/null)
    processor_start || fail "$name: starts again"
    [ -z "$paused" ] || equal "$name: a pause outlives it" "$(sql "SELECT paused_ms FROM handler_state")" "$paused"
    wait_for "SELECT count(*) = 1 FROM pauses" || fail "$name: it is paused"
    consistent "$name, once more"
    touch "$seen/mended"
    processor_stop
    starts_again "$name"
    equal "$name: the pause is over" "$(sql "SELECT count(*) FROM pauses")" 0
    nothing_lost "$name"
    processor_stop
done

finish
