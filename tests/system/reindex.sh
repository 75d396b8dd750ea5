#!/usr/bin/env bash
# The index, damaged, locked, and made anew from the spool.
set -u
# shellcheck source=../handlers/lib.sh
. "$(dirname "$0")/../handlers/lib.sh"

# scribble: overwrites all of the index but its first page, and leaves nothing beside it that would mend it.
scribble() {
    rm -f "$instance/lib"/index.db-*
    dd if=/dev/urandom of="$instance/lib/index.db" bs=4096 seek=1 count=200 conv=notrunc status=none
}

# post SUBJECT RECIPIENT
post() { printf '%s\n' "Subject: $1" '' 'text' | submit asker@example.org "$2"; }

instance_open
program note <<'SH'
#!/bin/sh
echo "$HEADER_SUBJECT" >>"${0%/bin/*}/ran"
SH
program bury <<'SH'
#!/bin/sh
echo "$HEADER_SUBJECT" >>"${0%/bin/*}/ran"
exit 100
SH
instance_config <<EOT
route "work@example.com" { handler "note" { run = {"$instance/bin/note"} } }
route "bad@example.com" { handler "bury" { run = {"$instance/bin/bury"} } handler "after" { run = {"$instance/bin/note"} } }
route "kept@example.com" { }
EOT
: >"$instance/ran"
start_or_finish
post done-1 work@example.com
post done-2 work@example.com
post dead bad@example.com
post kept kept@example.com
wait_for "SELECT count(*) = 4 AND sum(ended_ms IS NULL) = 0 FROM message" || fail "all comes to its end"

# ---- while the processor runs --------------------------------------------------------------------

# Locked by somebody: it says so, waits, and takes the mail in as soon as it can.
python3 -c '
import sqlite3, sys
index = sqlite3.connect(sys.argv[1], isolation_level=None)
index.execute("BEGIN EXCLUSIVE")
print(flush=True)
sys.stdin.read()' "$instance/lib/index.db" < <(exec sleep 6) >"$instance/locker" &
locker=$!
until [ -s "$instance/locker" ]; do sleep 0.02; done
post locked work@example.com
until_true grep -q 'database is locked' "$instance/log"
equal "a locked index: nothing is run" "$(grep -cx locked "$instance/ran")" 0
process_end $locker
wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'locked' AND outcome = 'done'" ||
    fail "a locked index: the mail is run when it is free"
equal "a locked index: it is run once" "$(grep -cx locked "$instance/ran")" 1

output=$(mailmill reindex 2>&1)
equal "reindex: not while the processor runs" "$?" 1
matches "reindex: it says who is in its way" "$output" "another mailmill-processor \(process $processor\) works on the spool"

# Damaged while it runs: what it has in memory may be enough for a while, but it never ends and never spins.
for file in index.db index.db-wal; do
    dd if=/dev/urandom of="$instance/lib/$file" bs=4096 seek=1 count=50 conv=notrunc status=none
done
post damage work@example.com
before=$(ticks "$processor")
sleep 2
less "a damaged index: the processor rests" $(($(ticks "$processor") - before)) 40
succeeds "a damaged index: it lives on" kill -0 "$processor"
processor_stop

# ---- at its start --------------------------------------------------------------------------------

post waits work@example.com
scribble
"$programs/mailmill-processor" -c "$instance/mailmill.conf" >"$instance/out" 2>&1 </dev/null
equal "a damaged index: the processor asks to be started later" "$?" 75
matches "a damaged index: it says what to do" "$(cat "$instance/out" "$instance/log")" \
    'file is damaged: stop the processor and run mailmill reindex'
matches "the service manager waits in between" "$(cat "$top/systemd/mailmill-processor.service")" 'RestartSec=[5-9]'

# ---- made anew -----------------------------------------------------------------------------------

echo rubbish >"$instance/spool/new/rubbish"
done=$(find "$instance/spool/cur" -name '*:2,S' | wc -l)
output=$(mailmill reindex 2>&1)
equal "reindex: done" "$?" 0
matches "reindex: says what it found" "$output" "made anew: [0-9]+ wait, $done are done, 1 dead, 1 only kept"
matches "reindex: says what could not be read any more" "$output" \
    'pauses of handlers are lost: .*mailmill pause HANDLER'
matches "reindex: names what is no message" "$output" 'new/rubbish is left where it is: .*1 files are no messages'
succeeds "reindex: keeps the old one" ls "$instance/lib"/index.db.old-*
rm "$instance/spool/new/rubbish"
equal "reindex: nothing half-made stays" "$(find "$instance/lib" -name '*rebuilt*')" ''
equal "reindex: states are those of the files' flags" \
    "$(sql "SELECT handler || ' ' || state || ' ' || count(*) FROM delivery GROUP BY handler, state" | tr '\n' ' ')" \
    "after dead 1 bury dead 1 note done $done "
equal "reindex: the index is whole" "$(sql 'PRAGMA integrity_check')" ok
matches "reindex: the list shows them" "$(mailmill list)" 'dead.*bad@example.com'
start_or_finish
wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message" || fail "what waited comes to its end"
equal "reindex: what waited is run, once" "$(grep -cx waits "$instance/ran")" 1
equal "reindex: what had ended is not" "$(grep -cxE 'done-1|done-2|dead|locked' "$instance/ran")" 4
processor_stop

# Once more, with an index that is well: the same comes out, and who was paused stays so.
succeeds "a handler is paused" mailmill pause --reason 'being mended' bury
sqlite3 "$instance/lib/index.db" "INSERT INTO handler_state VALUES ('work@example.com', 'note', 10, 'failures', 1000, 2000, 1000, 'it failed')"
pauses=$(sql "SELECT * FROM handler_state ORDER BY route")
before=$(sql "SELECT id, sender, size_bytes FROM message ORDER BY id; SELECT message_id, handler, state FROM delivery ORDER BY 1, 2")
output=$(mailmill reindex 2>&1)
equal "reindex again" "$?" 0
matches "reindex: it says who is still paused" "$output" '2 handlers are paused, as before'
equal "reindex: pauses are kept" "$(sql "SELECT * FROM handler_state ORDER BY route")" "$pauses"
equal "reindex: an index that is well says the same afterwards" "$before" \
    "$(sql "SELECT id, sender, size_bytes FROM message ORDER BY id; SELECT message_id, handler, state FROM delivery ORDER BY 1, 2")"

# Somebody has the old one open: nothing is exchanged under them.
python3 -c '
import sqlite3, sys
index = sqlite3.connect(sys.argv[1], isolation_level=None)
index.execute("SELECT count(*) FROM message").fetchall()
print(flush=True)
sys.stdin.read()' "$instance/lib/index.db" < <(exec sleep 30) >"$instance/holder" &
holder=$!
until [ -s "$instance/holder" ]; do sleep 0.02; done
before=$(sql "SELECT message_id, handler, state FROM delivery ORDER BY 1, 2")
output=$(mailmill reindex 2>&1)
equal "reindex: not while the index is open elsewhere" "$?" 75
matches "reindex: it says whose process that is" "$output" "process $holder has the index .* open"
equal "reindex: refused, it changes nothing" "$(sql "SELECT message_id, handler, state FROM delivery ORDER BY 1, 2")" \
    "$before"
kill "$holder"

finish
