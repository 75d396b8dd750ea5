#!/usr/bin/env bash
# System calls that fail: the client is told to come back, or the mail is safe all the same.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# What the client hears, for each point and error; the last column: whether the message is run although it was refused
# (its file was in new/ already: better twice than not at all).
expected='
spool-create       ENOSPC 452 4.3.1 no
spool-create       EDQUOT 452 4.3.1 no
spool-create       EMFILE 451 4.3.2 no
spool-create       EIO    451 4.3.0 no
spool-create       EACCES 451 4.3.0 no
spool-fsync        ENOSPC 452 4.3.1 no
spool-fsync        EDQUOT 452 4.3.1 no
spool-fsync        EIO    451 4.3.0 no
spool-rename       ENOSPC 452 4.3.1 no
spool-rename       EIO    451 4.3.0 no
spool-fsync-folder EIO    451 4.3.0 yes
spool-fsync-folder ENOSPC 452 4.3.1 yes
index-open         EIO    250 -     yes
index-open         ENOSPC 250 -     yes
index-add          EIO    250 -     yes
index-add          ENOSPC 250 -     yes
'
# These are the processor's, and tried below, and those of rejections.sh.
for point in $(points FAULT_ERRNO); do
    [[ $point == attempt-save || $point == index-settle || $point == spool-remove || $point == rejection* ]] || grep -q "^$point " <<<"$expected" || fail "there is a test for the fault point $point"
done

bed_open
start_or_finish
while read -r point error reply code runs; do
    [ -n "$point" ] || continue
    name="$point=$error"
    subject="$point-$error"
    {
        printf '%s\r\n' 'EHLO client.example.org' "MAIL FROM:<$subject@example.org>" 'RCPT TO:<work@example.com>' DATA
        printf '%s\r\n' "Subject: $subject" '' 'text' 'the last line' . NOOP QUIT
    } | MAILMILL_FAULT=$name receiver >"$instance/smtp.log" 2>&1
    if [ "$reply" = 250 ]; then
        matches "$name: acknowledged" "$(grep -A 1 '^354' "$instance/smtp.log" | tail -n 1)" '^250 '
        echo "$subject" >>"$seen/acknowledged"
    else
        # The reply to DATA, or that to the final dot.
        matches "$name: $reply" "$(grep -E '^(451|452) ' "$instance/smtp.log" | head -n 1)" "^$reply $code "
    fi
    matches "$name: the session goes on" "$(tail -n 1 "$instance/smtp.log")" '^221 '
    equal "$name: nothing is left in tmp/" "$(find "$instance/spool/tmp" -mindepth 1)" ''
    matches "$name: it is in the log" "$(cat "$instance/log")" "mailmill-receiver\[[0-9]+\]: .*"
    [ "$runs" = no ] || wait_for "SELECT count(*) = 1 FROM history WHERE subject = '$subject' AND handler = 'note' AND outcome = 'done'" ||
        fail "$name: it is run"
    [ "$runs" = yes ] || equal "$name: it is nowhere" "$(grep -rlx "Subject: $subject" "$instance/spool")" ''
done <<<"$expected"
wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message"
nothing_lost "all in all"
processor_stop

# The processor without its index says so, and can be started again.
MAILMILL_FAULT=index-open=EIO "$programs/mailmill-processor" -c "$instance/mailmill.conf" >"$instance/out" 2>&1 </dev/null
equal "without an index the processor asks to be tried again" "$?" 75
post later
starts_again "the processor"
nothing_lost "the processor"
processor_stop

# What a filter or an answer printed and there is no room for is printed again later.
MAILMILL_FAULT=attempt-save=ENOSPC processor_start || fail "the processor starts"
post full
tried work@example.com
wait_for "SELECT count(*) = 2 FROM history WHERE subject = 'full' AND outcome = 'retry'"
equal "without room for its output a handler is tried again" \
    "$(sql "SELECT DISTINCT outcome, exit_code, detail FROM history WHERE subject = 'full'")" \
    'retry||its output could not be kept: No space left on device'
processor_stop
starts_again "with room for it"
nothing_lost "with room for it"
processor_stop

# A turn that can't be committed was never made: nothing is run without being written down, the processor says why, and
# waits between one try and the next.
MAILMILL_FAULT=index-settle=ENOSPC processor_start || fail "the processor starts with a full disk"
post unwritten
until_true grep -q 'nothing could be written down: index .*: No space left on device' "$instance/log"
before=$(ticks "$processor")
sleep 2
less "without room for its index the processor rests" $(($(ticks "$processor") - before)) 20
equal "and runs nothing" "$(grep -cx unwritten "$seen/ran")" 0
equal "nor says that anything was queued" "$(sql "SELECT count(*) FROM delivery JOIN message m ON m.id = message_id
    WHERE subject = 'unwritten'")" 0
processor_stop
starts_again "with room for the index"
nothing_lost "with room for the index"
equal "what could not be written down is run once" "$(grep -cx unwritten "$seen/ran")" 1

# Nor is a start that could not be written down: the program of a delivery that waits is not run.
processor_stop
mailmill reprocess "$(sql "SELECT id FROM message WHERE subject = 'unwritten'")" --handler note >/dev/null
MAILMILL_FAULT=index-settle=ENOSPC processor_start || fail "the processor starts with a delivery that waits"
: >"$instance/log"
until_true grep -q 'nothing could be written down' "$instance/log"
sleep 1
equal "what can't be written down as started is not run" "$(grep -cx unwritten "$seen/ran")" 1
processor_stop
starts_again "with room for the index again"
until_true sh -c "[ \"\$(grep -cx unwritten '$seen/ran')\" = 2 ]" || fail "it is run then"

# A file that can't be removed when its time is over stays in the history as one that is there, and goes later.
processor_stop
sqlite3 "$instance/lib/index.db" "UPDATE message SET ended_ms = ended_ms - 40 * 24 * 3600000"
: >"$instance/log"
MAILMILL_FAULT=spool-remove=EACCES processor_start || fail "the processor starts with files that it can't remove"
until_true grep -q 'clearing up what was kept long enough: removing .*: Permission denied' "$instance/log" ||
    fail "it says that it can't remove them"
equal "what can't be removed is not called gone" "$(sql 'SELECT count(*) FROM message WHERE gone_ms IS NOT NULL')" 0
processor_stop
MAILMILL_FAULT='' processor_start || fail "the processor starts once more"
wait_for "SELECT sum(gone_ms IS NULL) = 0 FROM message" || fail "the files are removed then"
equal "they are gone" "$(find "$instance/spool/cur" -type f)" ''

finish
