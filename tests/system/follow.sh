#!/usr/bin/env bash
# What shows one message, or many, as they come: list by subject and page by page, show --raw, log, tail.
set -u
# shellcheck source=../command.sh
. "$(dirname "$0")/../command.sh"

configure() {
    instance_config <<'ROUTES'
route "a@example.com" { handler "good" { run = {"/bin/true"} } handler "bad" { run = {"/bin/sh", "-c", "exit 65"} } }
route "slow@example.com" { handler "slow" { run = {"/bin/sleep", "1"} } }
ROUTES
}
# shellcheck disable=SC2317 # succeeds calls it
# lines_are N: the tail has printed so many.
lines_are() {
    local deadline=$((SECONDS + 20))
    until [ "$(wc -l <"$instance/tail")" -ge "$1" ]; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.02
    done
    [ "$(wc -l <"$instance/tail")" -eq "$1" ]
}

instance_open
configure
exits "log on a new machine" 1 'no message yet' mailmill log 1
exits "show --raw on a new machine" 1 'no message yet' mailmill show --raw 1

# ---- tail, from before there is an index ---------------------------------------------------------

"$programs/mailmill" -c "$instance/mailmill.conf" tail --json >"$instance/tail" 2>"$instance/tail.err" &
tail=$!
processor_start || { fail "the processor starts"; finish; }
submit friend@example.org a@example.com <<<"Subject: Some Thing to find" || fail "a message is accepted"
succeeds "tail sees an index that comes into being, and its attempts" lines_are 2
equal "one object a line" "$(python3 -c '
import json, sys
print([(d["handler"], d["outcome"], d["exit_code"], d["attempt"]) for d in map(json.loads, open(sys.argv[1]))])' "$instance/tail")" \
    "[('good', 'done', 0, 1), ('bad', 'dead', 65, 1)]"
submit other@example.org slow@example.com <<<"Subject: slow" || fail "a slow one is accepted"
succeeds "one that ran when it was looked at comes when it ends" lines_are 3
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
before=$(ticks $tail)
sleep 1.5
succeeds "nothing is done while nothing happens" [ $(($(ticks $tail) - before)) -le 1 ]
checkpoint() { sqlite3 "$instance/lib/index.db" 'PRAGMA wal_checkpoint(TRUNCATE)'; }
equal "and nothing holds up a checkpoint" "$(checkpoint)" '0|0|0'
processor_stop
mkdir "$instance/old"
mv "$instance"/lib/* "$instance/old/"
processor_start || fail "the processor starts again"
submit third@example.org a@example.com <<<"Subject: third" || fail "a third is accepted"
succeeds "tail turns to an index in its place" lines_are 5
kill -TERM $tail
process_end $tail 5
equal "tail says nothing else" "$(<"$instance/tail.err")" ''

submit friend@example.org a@example.com <<<"Subject: Some Thing to find" || fail "a fourth is accepted"
wait_for "SELECT count(*) = 2 FROM message WHERE ended_ms IS NOT NULL" || fail "all come to their ends"

# ---- tail, for people ----------------------------------------------------------------------------

"$programs/mailmill" -c "$instance/mailmill.conf" tail -n 1 >"$instance/tail" 2>&1 &
tail=$!
succeeds "it begins with the last ones" lines_are 1
matches "in words" "$(<"$instance/tail")" \
    '^20[-0-9]{8} [0-9:]{8} [0-9A-Z]{16} dead a@example\.com bad attempt 1, [^ ]+: exit code 65: '
kill $tail
wait $tail 2>/dev/null
timeout 20 "$programs/mailmill" -c "$instance/mailmill.conf" tail -n 1 | head -n 1 >"$instance/head"
equal "it ends when nobody reads" "${PIPESTATUS[0]}:$(wc -l <"$instance/head")" 0:1
exits "a bad number" 64 '--lines is a number' mailmill tail -n x
exits "an operand" 64 'unexpected argument x' mailmill tail x

# ---- list ----------------------------------------------------------------------------------------

equal "by a part of the subject" "$(json "[m['subject'] for m in data]" mailmill list --json --subject 'THING to')" \
    "['Some Thing to find']"
equal "and a state" "$(json 'len(data)' mailmill list --json --subject thing --state "done")" 1
exits "no such subject" 1 'no such message' mailmill list --subject nothing
exits "but not beside IDs" 64 'by' mailmill reprocess --dry-run --subject thing 0
equal "reprocess has it, too" "$(mailmill reprocess --dry-run --subject thing | tail -n 1 | grep -c '[0-9]')" 1
pages() { PAGER=$1 on_terminal 100 "$programs/mailmill" -c "$instance/mailmill.conf" list "${@:2}"; }
matches "page by page on a terminal" "$(pages 'sed s/^/page:/')" 'page:.*RECEIVED.*page:.*third'
equal "all at once with --no-pager" "$(pages 'sed s/^/page:/' --no-pager | grep -c page:)" 0
equal "JSON is for no pager" "$(pages 'sed s/^/page:/' --json | grep -c page:)" 0
equal "none elsewhere than on a terminal" "$(PAGER='sed s/^/page:/' mailmill list | grep -c page:)" 0
equal "PAGER may be empty" "$(pages '' | grep -c third)" 1
equal "a pager that ends early" "$(pages 'head -n 1' -n 1000 | wc -l)" 1

# ---- show --raw ----------------------------------------------------------------------------------

id=$(sql "SELECT id FROM message WHERE subject = 'third'")
mailmill show --raw "$id" >"$instance/raw"
succeeds "show --raw is the file" cmp "$instance/raw" "$instance"/spool/cur/"$id":2,F
exits "show --raw of none" 1 'there is no message 0000' mailmill show --raw 0000
exits "--raw and --json" 64 'exclude each other' mailmill show --raw --json "$id"
rm "$instance"/spool/cur/"$id":2,F
exits "show --raw of a file that is gone" 1 "$id.*spool" mailmill show --raw "$id"

# ---- log -----------------------------------------------------------------------------------------

# Sorted: the processor may be done with a message before the receiver has said that it was accepted.
equal "the receiver's line and the processor's" \
    "$(mailmill log "$id" | grep -oE '(accepted|done|dead) id='"$id" | sort)" \
    "accepted id=$id
dead id=$id
done id=$id"
unique=$(sql "SELECT substr('$id', 1, n.value) FROM generate_series(1, 16) AS n
    WHERE (SELECT count(*) FROM message WHERE id LIKE substr('$id', 1, n.value) || '%') = 1 LIMIT 1")
equal "by the beginning of an ID" "$(mailmill log "$unique" | wc -l)" 3
printf 'a line about id=%sX and one with a\033[31m colour id=%s\n' "$id" "$id" >>"$instance/log"
printf 'not id=%sX\n' "$id" >>"$instance/log"
matches "as a word of its own, and harmless" "$(mailmill log "$id" | tail -n 1)" 'a\^\[\[31m colour id='
exits "nothing about it" 1 'the log says nothing of 0000000000000000; it is ' mailmill log 0000000000000000
exits "no ID" 64 'the ID of one message' mailmill log

# Rotated: what is this message's stands in three files, and of another one that is compressed.
head -n 1 "$instance/log" >"$instance/log.3"
echo "third id=$id" >"$instance/log.2"
echo "second id=$id" >"$instance/log.1"
echo "first id=$id" >"$instance/log"
echo "last id=$id" >>"$instance/log.3"
equal "rotated log files, the oldest first" "$(mailmill log "$id" 2>&1 | sed 's/ .*//' | tail -n 4)" "last
third
second
first"
: >"$instance/log.4.gz"
: >"$instance/log.5.xz"
exits "a compressed one is named" 0 'log\.4\.gz may say more of it, and is not read, as it is compressed' mailmill log "$id"
exits "and so is the one before it" 0 'log\.5\.xz may say more of it' mailmill log "$id"
touch -d '2001-01-01' "$instance/log.5.xz"
equal "but none that ends before the message" "$(mailmill log "$id" 2>&1 | grep -c compressed)" 1
touch -d '2001-01-01' "$instance/log.4.gz" "$instance/log.3"
equal "those that end before the message are not read" "$(mailmill log "$id" 2>&1 | sed 's/ .*//')" "third
second
first"
exits "nothing about it in any of them" 1 'nothing of 0000000000000000; it is [^ ]*/log, and 3 older' \
    mailmill log 0000000000000000
# The moment between the rotation and the next line; and a file that was met under its old name.
rm "$instance/log"
equal "the newest is not there yet" "$(mailmill log "$id" | sed 's/ .*//')" "third
second"
ln "$instance/log.1" "$instance/log"
equal "a file that has two names is read once" "$(mailmill log "$id" | sed 's/ .*//')" "third
second"
rm "$instance/log" "$instance"/log.[1-5]*
exits "a log file that is not there" 75 'log file .*No such file' mailmill log "$id"
grep -v '^log-file' "$instance/mailmill.conf" >"$instance/no-log.conf"
mkdir "$instance/bin"
printf '#!/bin/sh\necho "$@"\necho "host mailmill-receiver[1]: accepted id=%s"\necho "other id=0"\n' "$id" >"$instance/bin/journalctl"
chmod +x "$instance/bin/journalctl"
journal() { PATH=$1 "$programs/mailmill" -c "$instance/no-log.conf" log "$2"; }
equal "out of the journal" "$(journal "$instance/bin:$PATH" "$id")" "host mailmill-receiver[1]: accepted id=$id"
printf '#!/bin/sh\necho "id=%s $*"\n' "$id" >"$instance/bin/journalctl"
matches "which is asked for both programs, and not from its beginning" "$(journal "$instance/bin:$PATH" "$id")" \
    '--identifier=mailmill-receiver --identifier=mailmill-processor --since=@[0-9]{10}$'
printf '#!/bin/sh\nexit 3\n' >"$instance/bin/journalctl"
exits "a journal that fails" 75 'journalctl failed' journal "$instance/bin:$PATH" "$id"
exits "no journalctl" 1 "there is no journalctl.*id=$id" journal /nonexistent "$id"
finish
