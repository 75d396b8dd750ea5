#!/usr/bin/env bash
# kill -9 in the midst of what happens after mail's handlers: files and rows that go because their time is over, programs
# that are told of what is dead, messages that are called off. After a start without the fault what was to go is gone,
# what is pending is there and runs, and every death has been told.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# held NAME: mail whose handler failed and waits still has its file.
held() {
    local id lost=
    for id in $(sql "SELECT message_id FROM delivery WHERE state IN ('pending', 'retry')"); do
        [ -s "$instance/spool/new/$id" ] || lost+=" $id"
    done
    equal "$1: nothing pending has lost its file" "$lost" ''
}

# ---- retention -----------------------------------------------------------------------------------

for name in retention-removed:1 retention-removed:2 retention-removed:3 retention-forgotten:1 index-before-commit:1 \
    index-committed:1; do
    instance_open
    program work <<'SH'
#!/bin/sh
[ "$LOCAL" = ok ] || exit 75
SH
    instance_config <<EOT
keep-done    = "1d"
keep-history = "30d"
route "ok@example.com" { handler "x" { run = {"$instance/bin/work"} } }
route "later@example.com" { handler "x" { run = {"$instance/bin/work"} retry-first = "1h" } }
EOT
    start_or_finish
    for number in 1 2 3 4; do
        submit asker@example.org ok@example.com <<<"Subject: $number" || fail "$name: mail is accepted"
    done
    submit asker@example.org later@example.com <<<"Subject: later"
    ended ok@example.com 4
    tried later@example.com
    processor_stop
    # Three whose file is to go, and one whose row is, its file being gone long since.
    forgotten=$(sql "SELECT min(message_id) FROM delivery WHERE route = 'ok@example.com'")
    rm "$instance/spool/cur/$forgotten"*
    sqlite3 "$instance/lib/index.db" "
        UPDATE message SET ended_ms = ended_ms - 2 * 86400000 WHERE ended_ms IS NOT NULL;
        UPDATE message SET gone_ms = 1, stored = NULL, ended_ms = ended_ms - 40 * 86400000 WHERE id = '$forgotten'"
    if MAILMILL_FAULT=$name processor_start; then
        processor_wait
        equal "$name: it is killed there" "$?" 137
    else
        processor_forget
    fi
    held "$name"
    start_or_finish
    wait_for "SELECT count(*) = 4 AND sum(gone_ms NOT NULL) = 3 FROM message" ||
        fail "$name: what was to go is gone" "$(sql 'SELECT id, ended_ms, gone_ms, stored FROM message')"
    equal "$name: so are the files" "$(ls "$instance/spool/cur")" ''
    equal "$name: and the count of what there is, is right" "$(sql "SELECT sum(files), sum(bytes) FROM store")" '0|0'
    held "$name"
    equal "$name: what waits is as it was" "$(states later@example.com)" x=retry
    processor_stop
done

# ---- on-dead -------------------------------------------------------------------------------------

# The start and the end of a run are commits of their own, behind the two of each attempt.
for name in runner-before-record:1 runner-recorded:1 on-dead-started:1 on-dead-started:2 on-dead-before-record:1 \
    on-dead-before-record:2 on-dead-recorded:1 on-dead-recorded:2 runner-ended:2 runner-ended:3 index-before-commit:{3..9} \
    index-committed:{3..9}; do
    instance_open
    program work <<'SH'
#!/bin/sh
exit 65
SH
    program tell <<'SH'
#!/bin/sh
grep -q '^the last line$' || exit 100
echo "$MAILMILL_DELIVERY $MAILMILL_REASON" >>"${0%/bin/*}/seen/told"
SH
    instance_config <<EOT
on-dead = {"$instance/bin/tell"}
route "dead@example.com" { handler "x" { run = {"$instance/bin/work"} } }
EOT
    if MAILMILL_FAULT=$name processor_start; then
        for number in 1 2; do
            submit asker@example.org dead@example.com <<<"Subject: $number"$'\n\nthe last line' ||
                fail "$name: mail is accepted"
        done
        processor_wait
        equal "$name: it is killed there" "$?" 137
    else
        processor_forget
    fi
    start_or_finish
    for number in 1 2; do
        wait_for "SELECT count(*) = 2 FROM delivery WHERE state = 'dead' AND on_dead_ms IS NULL" || break
    done
    wait_for "SELECT count(DISTINCT message) = 2 AND sum(outcome = 'running') = 0 FROM on_dead_runs" ||
        fail "$name: every death is told" "$(sql 'SELECT * FROM on_dead_runs')"
    equal "$name: and was" "$(sort -u "$instance/seen/told" | wc -l)" 2
    equal "$name: none was given up, and nothing is due" "$(sql "SELECT count(*) FROM on_dead_runs WHERE outcome = 'dead'
        UNION ALL SELECT count(*) FROM delivery WHERE on_dead_ms NOT NULL")" $'0\n0'
    equal "$name: those that were told are done" "$(sql "SELECT count(DISTINCT message) FROM on_dead_runs
        WHERE outcome = 'done'")" 2
    processor_stop
done

# A start that could not be written down runs nothing.
instance_open
program work <<'SH'
#!/bin/sh
exit 65
SH
program tell <<'SH'
#!/bin/sh
echo "$MAILMILL_DELIVERY" >>"${0%/bin/*}/seen/told"
SH
instance_config <<EOT
route "dead@example.com" { handler "x" { run = {"$instance/bin/work"} } }
EOT
start_or_finish
submit asker@example.org dead@example.com <<<"Subject: dead" || fail "mail is accepted"
ended dead@example.com
processor_stop
instance_config <<EOT
on-dead = {"$instance/bin/tell"}
route "dead@example.com" { handler "x" { run = {"$instance/bin/work"} } }
EOT
sqlite3 "$instance/lib/index.db" "UPDATE delivery SET on_dead_ms = 1"
MAILMILL_FAULT=index-settle=ENOSPC processor_start || fail "the processor starts"
until_true grep -q 'nothing could be written down' "$instance/log"
sleep 1
equal "what can't be written down as started is not told" "$(cat "$instance/seen/told" 2>/dev/null)" ''
equal "and still to be told" "$(sql "SELECT on_dead_ms, on_dead_tries, (SELECT count(*) FROM on_dead_run) FROM delivery")" \
    '1|0|0'
processor_stop
start_or_finish
wait_for "SELECT outcome = 'done' FROM on_dead_runs" || fail "it is told then"
equal "once" "$(wc -l <"$instance/seen/told")" 1
processor_stop

# ---- called off ----------------------------------------------------------------------------------

instance_open
program work <<'SH'
#!/bin/sh
exit 75
SH
instance_config <<EOT
route "later@example.com" { handler "x" { run = {"$instance/bin/work"} retry-first = "1h" } }
EOT
start_or_finish
submit asker@example.org later@example.com <<<"Subject: later"
tried later@example.com
before=$(sql 'SELECT * FROM delivery')
MAILMILL_FAULT=index-before-commit mailmill cancel --state retry >/dev/null 2>&1
equal "killed before its commit, cancel has changed nothing" "$(sql 'SELECT * FROM delivery')" "$before"
held "cancel"
MAILMILL_FAULT=index-committed mailmill cancel --state retry >/dev/null 2>&1
equal "killed behind it, all of it" "$(states later@example.com)" x=cancelled
processor_stop
for name in spool-before-finish spool-finished; do
    if MAILMILL_FAULT=$name processor_start; then
        fail "$name: it is killed there"
    fi
    processor_forget
done
start_or_finish
wait_for "SELECT ended_ms NOT NULL FROM message" || fail "the message that was called off is filed away"
equal "into cur/" "$(ls "$instance/spool/new")$(find "$instance/spool/cur" -name '*:2,S' | wc -l)" 1
processor_stop

# It is woken for that while it runs.
MAILMILL_FAULT=filing-moved processor_start || fail "the processor starts"
submit asker@example.org later@example.com <<<"Subject: later still"
wait_for "SELECT count(*) = 1 FROM delivery WHERE state = 'retry'" || fail "the handler failed"
mailmill cancel --state retry >/dev/null
processor_wait
equal "filing-moved: it is killed there" "$?" 137
start_or_finish
wait_for "SELECT sum(ended_ms NOT NULL) = 2 FROM message" || fail "the second one is filed away as well"
equal "into cur/ as well" "$(ls "$instance/spool/new")$(find "$instance/spool/cur" -name '*:2,S' | wc -l)" 2
processor_stop

finish
