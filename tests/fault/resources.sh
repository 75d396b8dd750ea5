#!/usr/bin/env bash
# Too little of it: no descriptors, no disk, a clock that is set back, and nothing to do at all.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
open_bed() {
    instance_open
    program note <<'SH'
#!/bin/sh
echo "$HEADER_SUBJECT" >>"${0%/bin/*}/ran"
SH
    instance_config <<EOT
route "work@example.com" { handler "note" { run = {"$instance/bin/note"} retry-first = "1s" } }
EOT
    : >"$instance/ran"
    seen=$instance
    start_or_finish
}

# run NAME SUBJECT: that message is run, and once.
run_once() {
    wait_for "SELECT count(*) = 1 FROM history WHERE subject = '$2' AND outcome = 'done'" 60 ||
        fail "$1: the mail is run" "$(tail -n 5 "$instance/log")"
    equal "$1: once" "$(grep -cx "$2" "$instance/ran")" 1
}

# ---- nothing to do -------------------------------------------------------------------------------

open_bed
post first work@example.com
run_once "idle" first
wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message"
sleep 0.5
equal "idle, it makes no system call" "$(calls 4 "$processor" "$(launcher_pid)" "$(headers_pid)" "$(mime_pid)")" ""

# Neither does one with all sorts of things that wait for their time, or for somebody.
processor_stop
program fail <<'SH'
#!/bin/sh
exit 75
SH
program bury <<'SH'
#!/bin/sh
exit 100
SH
cp "$instance/mailmill.conf" "$instance/mailmill.conf.plain"
instance_config <<EOT
keep-done = "30d"
keep-dead = "60d"
keep-size = "1G"
keep-history = "365d"
dedupe = "1d"
route "work@example.com" { handler "note" { run = {"$instance/bin/note"} } }
route "retry@example.com" { handler "fail" { run = {"$instance/bin/fail"} retry-first = "1h" } }
route "tripped@example.com" { handler "tripped" { run = {"$instance/bin/fail"} pause-after = "1" retry-first = "1h" } }
route "paused@example.com" { handler "paused" { run = {"$instance/bin/note"} } }
route "ordered@example.com" { handler "ordered" { run = {"$instance/bin/fail"} ordered = "true" retry-first = "1h" } }
route "gather@example.com" { handler "gather" { run = {"$instance/bin/note"} coalesce = "1h" } }
route "dead@example.com" { handler "bury" { run = {"$instance/bin/bury"} on-dead = {"$instance/bin/fail"} retry-first = "1h" } }
EOT
start_or_finish
succeeds "a handler is paused" mailmill pause paused
number=0
for address in work retry tripped tripped paused ordered ordered gather dead; do
    post "waiting-$((++number))" "$address@example.com"
done
wait_for "SELECT (SELECT count(*) FROM delivery WHERE state = 'retry') = 3 AND
    (SELECT count(*) FROM on_dead_run WHERE outcome = 'retry') = 1 AND
    (SELECT count(*) FROM delivery WHERE state = 'pending') = 4" || fail "all sorts of things wait" "$(sql 'SELECT * FROM pending')"
wait_for "SELECT count(*) = 7 FROM message WHERE ended_ms IS NULL"
sleep 0.5
equal "with much that waits, it makes no system call" "$(calls 5 "$processor" "$(launcher_pid)" "$(headers_pid)" "$(mime_pid)")" ""
mv "$instance/mailmill.conf.plain" "$instance/mailmill.conf"
processor_stop
start_or_finish

# ---- no descriptors ------------------------------------------------------------------------------

prlimit --pid "$processor" --nofile="$(find "/proc/$processor/fd" -mindepth 1 | wc -l):" 2>/dev/null ||
    fail "prlimit works"
post descriptors work@example.com
sleep 1
before=$(ticks "$processor")
sleep 3
less "without descriptors it rests" $(($(ticks "$processor") - before)) 30
succeeds "without descriptors it lives on" kill -0 "$processor"
matches "without descriptors it says so" "$(cat "$instance/log")" 'Too many open files'
prlimit --pid "$processor" --nofile=1024:
run_once "with descriptors again" descriptors

# ---- a clock that is set back --------------------------------------------------------------------

processor_stop
shim=$instance/clock.so
gcc -shared -fPIC -o "$shim" "$top/tests/fault/clock.c" || fail "the clock is made"
# One handler at a time: the second message waits, due since it was queued.
program slow <<'SH'
#!/bin/sh
echo "$HEADER_SUBJECT" >>"${0%/bin/*}/ran"
while [ -e "${0%/bin/*}/hold" ]; do sleep 0.05; done
case $HEADER_SUBJECT in again*) [ "$MAILMILL_ATTEMPT" -gt 1 ] ;; esac
SH
instance_config <<EOT
route "slow@example.com" { handler "slow" { run = {"$instance/bin/slow"} retry-first = "2s" } }
route "work@example.com" { handler "note" { run = {"$instance/bin/note"} } }
EOT
touch "$instance/hold"
LD_PRELOAD=$shim MAILMILL_CLOCK=$instance/back processor_start || fail "the processor starts with a clock of its own"
post one slow@example.com
until_true grep -qx one "$instance/ran"
post two slow@example.com
post again slow@example.com
wait_for "SELECT count(*) = 2 FROM delivery WHERE state = 'pending'"
echo 3600 >"$instance/back.new" && mv "$instance/back.new" "$instance/back"
rm "$instance/hold"
run_once "the clock set back" one
run_once "the clock set back: what waited for its turn" two
wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'again' AND outcome = 'done'" 30 ||
    fail "the clock set back: what failed is tried again soon" "$(sql 'SELECT * FROM pending')"
post three work@example.com
run_once "the clock set back: what comes later" three
matches "it says that the clock was set back" "$(cat "$instance/log")" 'the clock was set back by 3[56][0-9]{2} s'
before=$(ticks "$processor")
sleep 2
less "the clock set back, it rests" $(($(ticks "$processor") - before)) 20
processor_stop

# Set back while none ran: what was never tried is not held up.
post four work@example.com
sqlite3 "$instance/lib/index.db" "UPDATE message SET queued_ms = received_ms + 3600000 WHERE subject IS NULL;
    INSERT INTO delivery (message_id, recipient, route, handler, position, state, due_ms, queued_ms)
        SELECT id, 1, 'work@example.com', 'note', 1, 'pending', queued_ms, queued_ms FROM message WHERE subject IS NULL"
start_or_finish
wait_for "SELECT count(*) = 1 FROM delivery JOIN message m ON m.id = message_id WHERE m.subject IS NULL AND state = 'done'" ||
    fail "set back before the start: what waited is run" "$(sql 'SELECT * FROM pending')"

# ---- no disk -------------------------------------------------------------------------------------

if [ "$(id -u)" -eq 0 ] && { processor_stop; mkdir -p "$instance/small" && mount -t tmpfs -o size=8M none "$instance/small"; } 2>/dev/null; then
    trap 'umount -l "$instance/small" 2>/dev/null; instance_close' EXIT
    sed -i "s|lib/index.db|small/index.db|" "$instance/mailmill.conf"
    mv "$instance/lib" "$instance/lib.before"
    ln -s small "$instance/lib" # where queries look
    sed -i 's/retry-first = "2s"/retry-first = "5s"/' "$instance/mailmill.conf"
    LD_PRELOAD=$shim MAILMILL_CLOCK=$instance/back processor_start || fail "the processor starts with a little disk"
    post before work@example.com
    run_once "with a little disk" before
    post again-later slow@example.com
    wait_for "SELECT count(*) = 1 FROM delivery WHERE state = 'retry'"
    dd if=/dev/zero of="$instance/small/filler" bs=4096 2>/dev/null
    for number in 1 2 3 4 5 6 7 8; do post "full-$number" work@example.com; done
    until_true grep -qE 'database or disk is full|No space left|disk I/O error' "$instance/log"
    # What can't be written down now is not forgotten.
    echo 7200 >"$instance/back.new" && mv "$instance/back.new" "$instance/back"
    before=$(ticks "$processor")
    sleep 3
    less "with a full disk it rests" $(($(ticks "$processor") - before)) 60
    succeeds "with a full disk it lives on" kill -0 "$processor"
    rm "$instance/small/filler"
    wait_for "SELECT count(*) = 8 FROM history WHERE subject LIKE 'full-%' AND outcome = 'done'" 60 ||
        fail "with room again all mail is run" "$(tail -n 5 "$instance/log")"
    equal "with room again each is run once" "$(grep -c '^full-' "$instance/ran")" 8
    wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'again-later' AND outcome = 'done'" 30 ||
        fail "the clock set back with a full disk: what failed is tried again soon" "$(sql 'SELECT * FROM pending')"
    processor_stop
    umount "$instance/small"
else
    echo "ok with a full disk # SKIP a small file system takes root"
fi

finish
