#!/usr/bin/env bash
# Trouble that passes: nothing acknowledged is left lying, and what is not concerned goes on.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

routes() {
    instance_config <<ROUTES
route "a@example.com" { handler "x" { run = {"/bin/true"} } }
route "b@example.com" { handler "x" { run = {"/bin/true"} retry-first = "1s" } }
$*
ROUTES
}

# ---- an index that is locked for longer than anybody waits ---------------------------------------

instance_open
routes
processor_start || fail "the processor starts"
submit asker@example.org a@example.com <<<$'Subject: first\n\nx' || fail "a message is accepted"
wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'first' AND outcome = 'done'"
coproc holder { python3 -c '
import sqlite3, sys
index = sqlite3.connect(sys.argv[1], isolation_level=None)
index.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
index.execute("ROLLBACK")' "$instance/lib/index.db"; }
# shellcheck disable=SC2154 # coproc sets it, and takes it away when it ends
holding=$holder_PID
read -r <&"${holder[0]}"
(submit asker@example.org a@example.com <<<$'Subject: second\n\nx') || fail "the index being locked, mail is accepted"
matches "the receiver says that it has no row" "$(cat "$instance/log")" 'has no index row yet'
deadline=$((SECONDS + 30))
until grep -q 'is not queued yet' "$instance/log" || [ $SECONDS -ge $deadline ]; do sleep 0.1; done
echo >&"${holder[1]}"
wait "$holding" 2>/dev/null
wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'second' AND outcome = 'done'" 30
equal "when the lock is gone, it is run" "$(sql "SELECT outcome FROM history WHERE subject = 'second'")" "done"

# ---- a route that the processor has not read yet -------------------------------------------------

routes 'route "new@example.com" { handler "x" { run = {"/bin/true"} } }'
submit asker@example.org new@example.com <<<$'Subject: new\n\nx' || fail "a new route is the receiver's at once"
wait_for "SELECT count(*) = 1 FROM history WHERE route = 'new@example.com' AND outcome = 'done'"
equal "and the processor's, without being told" "$(sql "SELECT outcome FROM history WHERE subject = 'new'")" "done"

# ---- a message that can't be read now ------------------------------------------------------------

if [ "$(id -u)" -ne 0 ]; then
    submit asker@example.org b@example.com <<<$'Subject: closed\n\nx'
    wait_for "SELECT count(*) = 1 FROM message WHERE subject = 'closed' AND ended_ms IS NOT NULL"
    chmod 0 "$instance"/spool/cur/*"$(sql "SELECT id FROM message WHERE subject = 'closed'")"*
    mailmill reprocess "$(sql "SELECT id FROM message WHERE subject = 'closed'")" >/dev/null
    submit asker@example.org a@example.com <<<$'Subject: open\n\nx'
    wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'open' AND outcome = 'done'"
    equal "another message does not wait for it" "$(sql "SELECT outcome FROM history WHERE subject = 'open'")" "done"
    wait_for "SELECT count(*) > 0 FROM history WHERE subject = 'closed' AND outcome = 'retry'"
    matches "it is tried again by itself" "$(sql "SELECT detail FROM delivery WHERE state = 'retry'")" 'Permission denied'
    chmod 600 "$instance"/spool/cur/*
    wait_for "SELECT count(*) = 0 FROM pending" 30
    equal "and done when it can be read" "$(sql "SELECT count(*) FROM pending")" 0
fi

finish
