#!/usr/bin/env bash
# kill -9 at every named point of the receiver's writer and of the processor: after a start without the fault nothing
# that was acknowledged is lost, and nothing half-written has been run.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Which process passes a point, and how often it is to be killed there: at its first passing, its second, and so on.
# For the writer, "kept" or "gone" is what must have become of a message that was never acknowledged.
declare -A writer=(
    [writer-begun]=gone [spool-created]=gone [spool-before-fsync]=gone [spool-before-rename]=gone
    [spool-after-rename]=kept [spool-committed]=kept [index-before-commit]=kept [index-committed]=kept
    [writer-before-answer]=kept [index-recipient-put]=kept
)
declare -A processor_points=(
    [engine-turn]=8 [intake-parsed]=2 [intake-queued]=2 [runner-started]=4 [runner-ended]=4 [runner-before-record]=3
    [runner-recorded]=3 [outbox-published]=1 [outbox-kept]=1 [spool-before-finish]=2 [spool-finished]=2
    [filing-moved]=2 [index-before-commit]=9 [index-committed]=9 [clerk-before-answer]=2
)

# Points of what happens only long after, or only to what is dead: killed at in life.sh. Those of rejections are tried in
# rejections.sh.
life_points=' retention-removed retention-forgotten on-dead-started on-dead-before-record on-dead-recorded '

for point in $(points FAULT_POINT); do
    [[ -n "${writer[$point]-}${processor_points[$point]-}" || $point = desk-answered || $life_points == *" $point "* || $point == rejection* ]] ||
        fail "there is a test for the fault point $point"
done
for point in "${!writer[@]}" "${!processor_points[@]}"; do
    points FAULT_POINT | grep -qx -- "$point" || fail "the fault point $point is in the sources"
done

# ---- the writer ----------------------------------------------------------------------------------

# Without a processor, which might be the first to give a file its row.
bed_open
start_or_finish
processor_stop
for point in "${!writer[@]}"; do
    MAILMILL_FAULT=$point post "first-$point" && fail "$point: the writer dies before it acknowledges"
    succeeds "$point: the client sends the message again" post "again-$point"
done
starts_again "the writer"
for point in "${!writer[@]}"; do
    wanted=0
    [ "${writer[$point]}" = gone ] || wanted=1
    equal "$point: what was not acknowledged is ${writer[$point]}" "$(grep -cx "first-$point" "$seen/ran")" "$wanted"
    equal "$point: what was is run once" "$(grep -cx "again-$point" "$seen/ran")" 1
done
nothing_lost "the writer"
processor_stop

# The writer beside a processor that gives the rows: the one point that it passes with one alone.
bed_open
start_or_finish
MAILMILL_FAULT=desk-answered post first && fail "desk-answered: the writer dies before it acknowledges"
succeeds "desk-answered: the client sends the message again" post again
processor_stop
starts_again "the writer at the desk"
equal "desk-answered: what was not acknowledged is kept, and run once" "$(grep -cx first "$seen/ran")" 1
nothing_lost "the writer at the desk"
processor_stop

# ---- the processor -------------------------------------------------------------------------------

for point in "${!processor_points[@]}"; do
    for ((passing = 1; passing <= processor_points[$point]; passing++)); do
        name="$point:$passing"
        bed_open
        post before || fail "$name: mail is accepted without a processor"
        if MAILMILL_FAULT=$name processor_start; then
            post while postmaster work@example.com ask@example.com || fail "$name: mail is accepted"
            post other ok@example.com || fail "$name: mail is accepted"
            processor_wait
            equal "$name: it is killed there" "$?" 137
        else
            processor_forget
        fi
        post after || fail "$name: mail is accepted after it"
        starts_again "$name"
        nothing_lost "$name"
        processor_stop
    done
done

# A file without a row gets one, in the middle of which the processor is killed: at its start, and while it has too much
# to do to read the headers at once.
for when in starts works; do
    name="index-recipient-put:$when"
    bed_open
    id=1KADPTED00000001
    [ $when = starts ] || {
        MAILMILL_FAULT=index-recipient-put processor_start || fail "$name: starts"
        rm "$instance/lib/index.db-desk" # receivers give rows to what they bring themselves
        helper=$(headers_pid)
        kill -STOP "$helper"
    }
    for ((number = 1; number <= 16; number++)); do post "message-$number"; done # as many as are in work at once
    mkdir -p "$instance/spool"/{tmp,new}
    cat >"$instance/spool/tmp/$id" <<EOT
Return-Path: <file@example.org>
X-Original-To: work@example.com
X-Original-To: ask@example.com
Received: from client.example.org ([192.0.2.1])
	by mail.example.com with ESMTP id $id;
	Sat, 31 Jan 2026 23:59:59 +0000
Subject: file

the last line
EOT
    mv "$instance/spool/tmp/$id" "$instance/spool/new/$id"
    echo file >>"$seen/acknowledged"
    if [ $when = starts ]; then
        MAILMILL_FAULT=index-recipient-put processor_start && fail "$name: it is killed there"
        processor_forget
    else
        processor_wait
        equal "$name: it is killed there" "$?" 137
        kill -KILL "$helper"
    fi
    starts_again "$name"
    nothing_lost "$name"
    equal "$name: both recipients are there" "$(sql "SELECT count(*) FROM recipient WHERE message_id = '$id'")" 2
    processor_stop
done

# ---- its other processes -------------------------------------------------------------------------

# The launcher, with a handler at work: that goes with it.
bed_open
program filter <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
[ -e "$seen/go" ] || { echo $$ >"$seen/waits.new" && mv "$seen/waits.new" "$seen/waits"; exec sleep 1000; }
cat
SH
start_or_finish
post launcher
until_true test -s "$seen/waits"
kill -KILL "$(launcher_pid)"
processor_wait
matches "without its launcher the processor ends" "$?" '^[1-9]'
succeeds "so does the handler" until_true gone "$(cat "$seen/waits")"
rm -rf "$instance"/work/* # nobody was left to do it
touch "$seen/go"
starts_again "the launcher"
nothing_lost "the launcher"

# mailmill-headers with headers to read, and both programs with a letter to write.
helper=$(headers_pid)
kill -STOP "$helper"
post headers
until_true sh -c "grep -q ' t (stopped\|T (stopped' /proc/$helper/status && sqlite3 -readonly '$instance/lib/index.db' \
    \"SELECT count(*) FROM message WHERE queued_ms IS NULL\" | grep -qx 1"
kill -KILL "$helper"
wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message" || fail "mailmill-headers: all mail comes to its end"
nothing_lost "mailmill-headers"

program answer <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
echo run >>"$seen/answers"
while [ ! -e "$seen/answer" ]; do sleep 0.02; done
echo "Answer"
SH
runs=0
for part in headers mime; do
    rm -f "$seen/answer"
    post letter
    wait_for "SELECT count(*) = 1 FROM delivery WHERE handler = 'answer' AND state = 'running'"
    helper=$("${part}_pid")
    kill -STOP "$helper"
    touch "$seen/answer"
    until_true sh -c "ls '$instance/spool/out' | grep -q 'answer.new\$'"
    kill -KILL "$helper"
    wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message" || fail "mailmill-$part, writing: all mail comes to its end"
    nothing_lost "mailmill-$part, writing"
    runs=$((runs + 1))
    equal "the answer was not asked for a second time" "$(wc -l <"$seen/answers")" $runs
done

finish
