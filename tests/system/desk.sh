#!/usr/bin/env bash
# A receiver with one connection and the processor's desk: the row is there with the 250, whoever has put it; and what
# has become of the processor costs a client a second at the most.
set -u
# shellcheck source=../handlers/lib.sh
. "$(dirname "$0")/../handlers/lib.sh"

rows() { sql "SELECT count(*) FROM message" 2>/dev/null || echo 0; }
# shellcheck disable=SC2317 # `succeeds` calls it
take() { printf 'Subject: x\n\nx\n' | submit s@example.org a@example.com b@example.com; }

# takes NAME: a message is acknowledged, soon, and has its row and its recipients at that moment.
takes() {
    local before began=$EPOCHREALTIME
    before=$(rows)
    succeeds "$1: a message is taken" take
    equal "$1: and has its row by then" "$(($(rows) - before))" 1
    matches "$1: within three seconds" "$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))" '^[0-2]?[0-9]{1,3}$'
    equal "$1: none is without its recipients" "$(sql "SELECT count(*) FROM message WHERE 2 <> (SELECT count(*)
        FROM recipient WHERE message_id = id)")" 0
}

# traced NAME: what the receiver opens and asks on the way.
traced() {
    printf '%s\r\n' 'EHLO c.example.org' 'MAIL FROM:<s@example.org>' 'RCPT TO:<a@example.com>' 'RCPT TO:<b@example.com>' \
        DATA 'Subject: x' '' x . QUIT |
        strace -f -o "$instance/strace" -e trace=%file,connect "$programs/mailmill-receiver" -c "$instance/mailmill.conf" |
        grep -q '^250 2.0.0 accepted' || fail "$1: a message is taken"
}

instance_open
printf 'route "%s@example.com" {}\n' a b | instance_config
takes "without a processor"

processor_start || { fail "the processor starts"; finish; }
kill -STOP "$(headers_pid)" # which the processor's own rows wait for
takes "beside a processor"
kill -CONT "$(headers_pid)"
if strace -o /dev/null true 2>/dev/null; then
    traced "beside a processor"
    equal "which it asks, once" "$(grep -c 'connect.*index\.db-desk' "$instance/strace")" 1
    equal "it does not open the index" "$(grep -cE 'index\.db"|index\.db-(wal|shm)' "$instance/strace")" 0
    rm "$instance/lib/index.db-desk"
    traced "without a desk"
    matches "it does" "$(grep -cE 'index\.db"' "$instance/strace")" '^[1-9]'
    processor_stop
    processor_start || fail "the processor starts again"
else
    pass "strace (left out: it can't be used here)"
fi
printf '%s\r\n' 'EHLO c.example.org' 'MAIL FROM:<s@example.org>' 'RCPT TO:<a@example.com>' 'RCPT TO:<b@example.com>' DATA x . \
    'MAIL FROM:<s@example.org>' 'RCPT TO:<a@example.com>' 'RCPT TO:<b@example.com>' DATA x . QUIT | receiver >"$instance/smtp.log"
equal "two messages of one connection" "$(grep -c '^250 2.0.0 accepted' "$instance/smtp.log") $(sql \
    "SELECT count(DISTINCT message_id) FROM (SELECT * FROM recipient ORDER BY message_id DESC LIMIT 4)")" "2 2"

# At rest, so that it holds no lock.
wait_for "SELECT count(*) = sum(ended_ms IS NOT NULL) FROM message" || fail "all of it comes to its end"
until_true sh -c "! ls '$instance/spool/new' | grep -q ."
kill -STOP "$processor"
takes "beside a processor that does not answer"
kill -CONT "$processor"
succeeds "which comes to each of them, late as it is" wait_for \
    "SELECT count(*) = sum(ended_ms IS NOT NULL) FROM message"
equal "none is there twice" "$(rows)" "$(find "$instance/spool/cur" -type f | wc -l)"

processor_kill
succeeds "a processor that was killed leaves its desk" test -S "$instance/lib/index.db-desk"
takes "behind a processor that was killed"
processor_start || fail "the processor starts again"
takes "beside the next one"
processor_stop
takes "behind one that was stopped"

finish
