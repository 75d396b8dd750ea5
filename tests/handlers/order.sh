#!/usr/bin/env bash
# Which delivery runs when: chains, order, fairness between handlers, runs that are shared, pauses, and what a changed
# configuration means for what waits.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
instance_open
mkdir -p "$instance/seen"
seen=$instance/seen
bin=$instance/bin

# step NAME: notes the subject, and ends with the code in the first line of seen/NAME.exit, which is used up.
program step <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
echo "$HEADER_SUBJECT" >>"$seen/$1.log"
tail -n 1 >>"$seen/$1.stdin"
code=$(head -n 1 "$seen/$1.exit" 2>/dev/null)
[ -z "$code" ] || sed -i 1d "$seen/$1.exit"
exit "${code:-0}"
SH
program upper <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
echo "$HEADER_SUBJECT" >>"$seen/upper.log"
[ ! -e "$seen/upper.dead" ] || exit 100
tr a-z A-Z
SH
program gather <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
echo "$MAILMILL_COALESCED $MAILMILL_ATTEMPT $HEADER_SUBJECT $(tail -n 1)" >>"$seen/gather.log"
echo "$MAILMILL_DELIVERY" >>"$seen/gather.deliveries"
code=$(head -n 1 "$seen/gather.exit" 2>/dev/null)
[ -z "$code" ] || sed -i 1d "$seen/gather.exit"
exit "${code:-0}"
SH
program slow <<'SH'
#!/bin/sh
exec sleep 0.1
SH
program fragile <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
echo "$HEADER_SUBJECT" >>"$seen/fragile.log"
[ ! -e "$seen/broken" ] || exit 75
SH

config() {
    instance_config <<EOT
max-runs = "2"
route "continue@example.com" {
    handler "one"   { run = {"$bin/step", "one"} continue = "true" }
    handler "two"   { run = {"$bin/step", "two"} }
    handler "three" { run = {"$bin/step", "three"} }
}
route "filter@example.com" {
    handler "upper" { filter = {"$bin/upper"} continue = "true" }
    handler "last"  { run = {"$bin/step", "last"} retry-first = "1s" }
}
route "free@example.com"    { handler "free"    { run = {"$bin/step", "free"} retry-first = "1s" } }
route "ordered@example.com" { handler "ordered" { run = {"$bin/step", "ordered"} retry-first = "1s" ordered = "true" } }
route "gather@example.com" {
    handler "gather" { run = {"$bin/gather"} coalesce = "2s" retry-first = "1s" }
    handler "each"   { run = {"$bin/step", "each"} }
}
route "slow@example.com"    { handler "slow"    { run = {"$bin/slow"} concurrency = "2" } }
route "quick@example.com"   { handler "quick"   { run = {"$bin/step", "quick"} } }
route "fragile@example.com" { handler "fragile" { run = {"$bin/fragile"} pause-after = "3" retry-first = "2s" } }
route "patient@example.com" {
    handler "patient" { run = {"$bin/step", "patient"} pause-after = "0" retry-first = "1s" give-up = "3s" }
}
route "other@example.com"   { handler "fragile" { run = {"$bin/step", "other"} } }
$*
EOT
}
config ''
start_or_finish

# post RECIPIENT SUBJECT [LAST LINE]
post() {
    printf '%s\n' "Subject: $2" '' "${3:-text}" | submit asker@example.org "$1" || fail "$2 is accepted"
}
# words FILE: its lines, as one.
words() { tr '\n' ' ' <"$seen/$1" 2>/dev/null | sed 's/ $//'; }

# ---- chains --------------------------------------------------------------------------------------

echo 100 >"$seen/one.exit"
echo 65 >"$seen/two.exit"
post continue@example.com dead
ended continue@example.com 3
equal "continue lets the later ones run after a dead one; without it they are skipped" \
    "$(states continue@example.com)" 'one=dead two=dead three=skipped'
id=$(sql "SELECT id FROM message WHERE subject = 'dead'")
succeeds "the file is marked with F all the same" until_true [ -f "$instance/spool/cur/$id:2,F" ]
echo 99 >"$seen/one.exit"
post continue@example.com skip
ended continue@example.com 6
equal "99 still skips the rest" "$(states continue@example.com)" \
    'one=dead two=dead three=skipped one=done two=skipped three=skipped'

printf '75\n75\n' >"$seen/last.exit"
post filter@example.com filtered 'soft words'
ended filter@example.com 2
equal "a filter that is done is not run again by a retry behind it" "$(words upper.log)" filtered
equal "what it made is what each attempt behind it reads" "$(words last.stdin)" 'SOFT WORDS SOFT WORDS SOFT WORDS'
touch "$seen/upper.dead"
post filter@example.com unfiltered 'soft words'
ended filter@example.com 4
equal "behind a dead filter with continue is the message as it was" "$(tail -n 1 "$seen/last.stdin")" 'soft words'

# ---- order ---------------------------------------------------------------------------------------

echo 75 >"$seen/free.exit"
echo 75 >"$seen/ordered.exit"
for name in free ordered; do
    post $name@example.com first
    tried $name@example.com
    post $name@example.com second
    post $name@example.com third
    ended $name@example.com 3
done
equal "what waits for a retry does not block those behind it" "$(words free.log)" 'first second third first'
equal "but where it is ordered" "$(words ordered.log)" 'first first second third'

# ---- shared runs ---------------------------------------------------------------------------------

post gather@example.com alone 'by itself'
ended gather@example.com 2
equal "one message in its time has a run of its own" "$(words gather.log)" '1 1 alone by itself'
echo 75 >"$seen/gather.exit"
for number in 1 2 3 4; do post gather+$number@example.com "burst $number" "line $number"; done
wait_for "SELECT count(*) = 8 AND sum(state = 'done') = 8 FROM delivery d JOIN message m ON m.id = d.message_id
    WHERE subject LIKE 'burst%'" || fail "all four come to their end"
equal "a burst shares one run, which reads the newest; what failed is tried again together" \
    "$(tail -n +2 "$seen/gather.log" | tr '\n' ';')" '4 1 burst 4 line 4;4 2 burst 4 line 4;'
newest=$(sql "SELECT id FROM message WHERE subject = 'burst 4'")
equal "it is the newest's delivery" "$(tail -n 1 "$seen/gather.deliveries")" "$newest.1.gather"
equal "each has its row and its attempts" \
    "$(sql "SELECT subject, attempt, outcome, exit_code, detail FROM history WHERE handler = 'gather' AND
        subject IN ('burst 1', 'burst 4') ORDER BY subject, attempt")" \
    "burst 1|1|retry|75|in one run with $newest.1.gather: exit code 75: try again later
burst 1|2|done|0|in one run with $newest.1.gather
burst 4|1|retry|75|exit code 75: try again later
burst 4|2|done|0|"
equal "the handler behind runs for each" "$(grep burst "$seen/each.log" | sort | tr '\n' ';')" 'burst 1;burst 2;burst 3;burst 4;'
wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message WHERE subject LIKE 'burst %'"
equal "all are filed away" "$(grep -lx 'Subject: burst [1-4]' "$instance"/spool/cur/*:2,S | wc -l)" 4

# ---- turns ---------------------------------------------------------------------------------------

for number in 1 2 3 4 5 6 7 8 9 10; do
    # shellcheck disable=SC2046 # a word for each recipient
    submit asker@example.org $(printf 'slow+%s@example.com ' {1..100}) <<<"Subject: slow $number" ||
        fail "slow mail is accepted"
done
wait_for "SELECT count(*) = 1000 FROM delivery WHERE handler = 'slow'" || fail "a thousand deliveries wait"
before=$(sql "SELECT count(*) FROM attempt a JOIN delivery d ON d.id = a.delivery_id WHERE handler = 'slow'")
for number in 1 2 3; do post quick@example.com "quick $number"; done
ended quick@example.com 3
after=$(sql "SELECT count(*) FROM attempt a JOIN delivery d ON d.id = a.delivery_id WHERE handler = 'slow'")
matches "a handler with a thousand slow deliveries does not starve another (it ran $((after - before)) of them)" \
    "$((after - before))" '^[0-9]?[0-9]$'
equal "none of the few waited for more than a place" "$(sql "SELECT count(*) FROM history WHERE handler = 'quick' AND
    (julianday(time) - julianday((SELECT strftime('%Y-%m-%dT%H:%M:%fZ', received_ms / 1000.0, 'unixepoch') FROM message
        WHERE id = history.message))) * 86400 > 2")" 0
succeeds "the slow one is paused by its name" mailmill pause --reason "too slow" slow
wait_for "SELECT count(*) = 0 FROM delivery WHERE state = 'running'" || fail "what ran comes to its end"
count=$(sql "SELECT count(*) FROM delivery WHERE handler = 'slow' AND state = 'pending'")
post quick@example.com "quick 4"
ended quick@example.com 4
equal "nothing of it is started any more" \
    "$(sql "SELECT count(*) FROM delivery WHERE handler = 'slow' AND state = 'pending'")" "$count"
matches "status says so" "$(mailmill status)" 'slow@example.com +slow .* paused'
matches "and by whom, and why" "$(mailmill status)" 'slow@example.com +slow +operator +20[0-9: -]+ +when resumed +too slow'
matches "also for programs" "$(mailmill status --json)" '"paused": ?\{"by": ?"operator", ?"since": ?"20[^"]*", ?"until": ?null, ?"failures": ?0, ?"reason": ?"too slow"'

# ---- pauses --------------------------------------------------------------------------------------

touch "$seen/broken"
for number in 1 2 3 4 5 6; do post fragile@example.com "message $number"; done
wait_for "SELECT count(*) = 1 FROM pauses WHERE handler = 'fragile'" || fail "it is paused"
equal "after three failures in a row it is paused" "$(words fragile.log)" 'message 1 message 2 message 3'
matches "status says so" "$(mailmill status)" \
    'fragile@example.com +fragile +failures .* in [0-9]+s +3 failures in a row: exit code 75'
processor_kill
start_or_finish
equal "it is still paused after the processor was killed" \
    "$(sql "SELECT route, paused_by, failures FROM pauses WHERE handler = 'fragile'")" 'fragile@example.com|failures|3'
wait_for "SELECT failures = 4 FROM pauses WHERE handler = 'fragile'" || fail "one run tries whether it works again"
equal "one that was not tried yet, and only one" "$(words fragile.log)" 'message 1 message 2 message 3 message 4'
matches "the next pause is twice as long" \
    "$(sql "SELECT until_ms - max(a.ended_ms) FROM handler_state s, attempt a WHERE s.paused_by = 'failures'")" '^4000$'
equal "the other handlers run" "$(post other@example.com hello; ended other@example.com; words other.log)" hello
rm "$seen/broken"
ended fragile@example.com 6
equal "a success resumes all of them" "$(sql "SELECT count(*) FROM pauses WHERE handler = 'fragile'")" 0
equal "all are done" "$(states fragile@example.com | tr ' ' '\n' | sort -u)" fragile=done
equal "the one that showed it was again one that was not tried yet" "$(sed -n 5p "$seen/fragile.log")" 'message 5'

# ---- the operator's word -------------------------------------------------------------------------

refused() { # NAME STATUS PATTERN COMMAND...
    local name=$1 wanted=$2 pattern=$3 output
    shift 3
    output=$("$@" 2>&1)
    equal "$name: exit code" "$?" "$wanted"
    matches "$name: says why" "$output" "$pattern"
}
refused "a name of two handlers" 1 'fragile is the name of several handlers; say which: fragile@example.com/fragile, other@example.com/fragile' \
    mailmill pause fragile
refused "a name of none" 1 'there is no handler frog; there are: continue@example.com/one, ' mailmill pause frog
refused "no name" 64 'the name of a handler is missing' mailmill resume
refused "names and --all" 64 '--all and handlers exclude each other' mailmill resume --all slow
refused "a reason without bounds" 64 'the reason has more than 200 bytes' mailmill pause -r "$(printf '%0300d' 0)" quick
refused "one that is not paused" 0 'quick@example.com/quick: was not paused' mailmill resume quick
succeeds "a handler is named with its route, too" mailmill pause Other@Example.com/fragile
equal "it is that one" "$(sql "SELECT group_concat(route, ' ') FROM (SELECT route FROM pauses ORDER BY route)")" \
    'other@example.com slow@example.com'
post other@example.com paused
wait_for "SELECT count(*) = 1 FROM message WHERE subject = 'paused' AND queued_ms IS NOT NULL" ||
    fail "mail for a paused handler is accepted and queued"
post quick@example.com meanwhile
ended quick@example.com 5
equal "it waits" "$(sql "SELECT state FROM delivery d JOIN message m ON m.id = message_id WHERE subject = 'paused'")" pending
processor_stop
matches "without a processor it is written down for the next start" "$(mailmill resume other@example.com/fragile)" \
    'resumed.*not running: it will act on its next start'
start_or_finish
succeeds "which goes on with it" wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'paused' AND outcome = 'done'"
succeeds "all can be paused" mailmill pause --all
equal "they are" "$(sql "SELECT count(*) FROM pauses")" 14
succeeds "and resumed" mailmill resume --all
equal "they are, too" "$(sql "SELECT count(*) FROM pauses")" 0
succeeds "the slow one goes on" wait_for "SELECT count(*) > 0 FROM delivery WHERE handler = 'slow' AND state = 'running'"

# A pause that is longer than the give-up time: what was tried before it, and what was never tried, have their time yet.
printf '75\n75\n75\n' >"$seen/patient.exit"
post patient@example.com tried
tried patient@example.com
mailmill pause patient >/dev/null
post patient@example.com untried
sleep 3.5
mailmill resume patient >/dev/null
ended patient@example.com 2
equal "no message dies of a pause" "$(states patient@example.com)" 'patient=done patient=done'
equal "each was tried again after it" "$(sql "SELECT group_concat(subject || attempt || outcome, ' ') FROM (SELECT * FROM history
    WHERE handler = 'patient' ORDER BY subject, attempt)")" \
    'tried1retry tried2retry tried3done untried1retry untried2done'

# ---- a changed configuration ---------------------------------------------------------------------

mailmill pause slow quick >/dev/null
post quick@example.com "before the change"
sed -i 's/^route "quick.*/route "quick@example.com" { }/' "$instance/mailmill.conf"
succeeds "a handler is removed while mail waits for it" processor_reload
mailmill resume --all >/dev/null
mailmill pause slow >/dev/null
matches "what waits for it is held, and status says why" "$(mailmill status)" \
    'quick@example.com +quick +1 +0 .* held: no longer configured'
matches "also for programs" "$(mailmill status --json)" \
    '"route": ?"quick@example.com", ?"handler": ?"quick", ?"configured": ?false, ?"pending": ?1'
post other@example.com "something else"
wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'something else' AND outcome = 'done'"
equal "it is not lost" "$(sql "SELECT state FROM delivery d JOIN message m ON m.id = message_id
    WHERE subject = 'before the change'")" pending
config ''
sed -i 's|"quick"} }|"anew"} }|' "$instance/mailmill.conf"
processor_reload
mailmill resume quick >/dev/null
succeeds "with its handler back it runs" \
    wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'before the change' AND outcome = 'done'"
equal "as the handler is now" "$(words anew.log)" 'before the change'

finish
