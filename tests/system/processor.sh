#!/usr/bin/env bash
# The processor as a service: starting, stopping, reading its configuration anew, waking, and taking in what lies in
# the spool.
set -u
# shellcheck source=../handlers/lib.sh
. "$(dirname "$0")/../handlers/lib.sh"
instance_open

program note <<'SH'
#!/bin/sh
echo "$1 $MAILMILL_HANDLER $MAILMILL_ATTEMPT" >>"${0%/bin/*}/seen/$LOCAL.log"
SH
program gate <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
echo "$MAILMILL_ATTEMPT" >>"$seen/$LOCAL.log"
exec cat "$seen/gate"
SH
mkfifo "$instance/seen/gate"
seen=$instance/seen

# config NAME [ROUTE]: the handler of note@ is told NAME. A route of one's own is the first.
config() {
    instance_config <<EOT
max-runs = "100"
${2-}
max-header-size = "2M"
route "note@example.com" { handler "x" { run = {"$instance/bin/note", "$1"} } }
route "ok@example.com"   { handler "x" { run = {"$instance/bin/note", "ok"} } }
route "gate@example.com" { handler "x" { run = {"$instance/bin/gate"} } }
EOT
}
config first

# running_at_gate: a handler waits for someone to write into it.
running_at_gate() { until_true sh -c "ps -o args= --ppid $(launcher_pid) | grep -q '^cat .*/gate'"; }

# ---- telling the service manager -----------------------------------------------------------------

# Keeps each datagram as a line, for as long as the instance lives.
python3 - "$instance" 2>/dev/null <<'PY' &
import os, socket, sys
place = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
os.chdir(place)
s.bind("notify")
s.settimeout(120)
while True:
    data = s.recv(4096).replace(b"\n", b" ")
    with open("notified", "ab") as file:
        file.write(data + b"\n")
    if data == b"STOPPING=1":
        break
PY
until_true test -S "$instance/notify"
NOTIFY_SOCKET=$instance/notify "$programs/mailmill-processor" -c "$instance/mailmill.conf" \
    >>"$instance/processor.err" 2>&1 </dev/null &
processor=$!
until_true grep -q READY=1 "$instance/notified"
equal "READY=1 is the first that is heard" "$(cat "$instance/notified")" READY=1
kill -HUP "$processor"
until_true test "$(wc -l <"$instance/notified")" -ge 3
until_true sh -c "[ \$(wc -l <'$instance/notified') -ge 3 ]"
matches "a reload is announced, with its time" "$(sed -n 2p "$instance/notified")" '^RELOADING=1 MONOTONIC_USEC=[0-9]+$'
equal "its end, too" "$(sed -n 3p "$instance/notified")" READY=1
kill -TERM "$processor"
process_end "$processor"
equal "stopped by SIGTERM it exits with 0" "$?" 0
equal "STOPPING=1 is the last" "$(tail -n 1 "$instance/notified")" STOPPING=1
processor=

# ---- in pieces -----------------------------------------------------------------------------------

# Beside the programs, and where they are installed, a helper is looked for: not found, it would be missed for ever.
for helper in headers mime; do
    mkdir "$instance/no-$helper"
    cp "$programs"/mailmill-{processor,headers,mime} "$instance/no-$helper"
    rm "$instance/no-$helper/mailmill-$helper"
    [ ! -e "/usr/lib/mailmill/mailmill-$helper" ] || continue
    output=$(timeout 20 "$instance/no-$helper/mailmill-processor" -c "$instance/mailmill.conf" 2>&1 </dev/null)
    equal "without mailmill-$helper it does not start" "$?" 75
    matches "it says that it misses mailmill-$helper" "$output$(tail -n 1 "$instance/log")" "/mailmill-$helper: No such file"
done

# ---- one processor a spool -----------------------------------------------------------------------

start_or_finish
second=$(timeout 20 "$programs/mailmill-processor" -c "$instance/mailmill.conf" 2>&1 </dev/null)
equal "a second processor on the spool is refused" "$?" 78
matches "it says which process is in its way" "$second$(cat "$instance/log")" "another mailmill-processor \(process $processor\)"
alive "the first one goes on"

# ---- asleep --------------------------------------------------------------------------------------

# Nothing to do, no system call: what strace sees is the one that each process waits in. The last message's mark is made a
# moment after its end.
wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message" || fail "all messages are marked as ended"
sleep 0.3
if strace -o /dev/null true 2>/dev/null; then
    timeout -s INT 3 strace -f -o "$instance/strace" -p "$processor" -p "$(launcher_pid)" -p "$(headers_pid)" \
        -p "$(mime_pid)" 2>/dev/null
    equal "idle, its four processes make no system call in three seconds" \
        "$(grep -vcE 'unfinished|detached|restart_syscall\(<\.\.\. resuming' "$instance/strace")" 0
    equal "all four were looked at" "$(awk '{ print $1 }' "$instance/strace" | sort -u | wc -l)" 4
fi

submit asker@example.org note@example.com <<<"Subject: wake up"
ended note@example.com
matches "mail wakes it" "$(sql "SELECT (started_ms - received_ms) FROM attempt JOIN delivery d ON d.id = delivery_id
    JOIN message m ON m.id = message_id WHERE subject = 'wake up'")" '^[0-9]{1,3}$'

# ---- the configuration, read anew ----------------------------------------------------------------

equal "before: the first configuration" "$(cat "$seen/note.log")" 'first x 1'
config second
succeeds "it is read anew" processor_reload
submit asker@example.org note@example.com <<<"Subject: second"
ended note@example.com 2
equal "after: the second" "$(tail -n 1 "$seen/note.log")" 'second x 1'

echo 'route "broken@example.com" { handler "x" { rnu = {"true"} } }' >>"$instance/mailmill.conf"
succeeds "a broken one is answered, too" processor_reload
matches "the log says what is wrong" "$(cat "$instance/log")" "the old configuration stays: .*mailmill.conf:[0-9]+: .*rnu"
submit asker@example.org note@example.com 2>/dev/null <<<"Subject: third" # the receiver refuses the configuration
config third
submit asker@example.org note@example.com <<<"Subject: third"
ended note@example.com 3
equal "the old one stays" "$(tail -n 1 "$seen/note.log")" 'second x 1'
rm "$instance/mailmill.conf"
succeeds "a missing one is answered, too" processor_reload
config third
alive "after that"

# Handlers are known to the launcher by numbers, which change with the configuration: no message may get to another
# handler than its own.
swapped() {
    local handler
    {
        for handler in $1; do
            echo "route \"$handler@example.com\" { handler \"$handler\" { run = {\"$instance/bin/note\", \"$handler\"} concurrency = \"3\" } }"
        done
        echo "route \"ok@example.com\" { handler \"x\" { run = {\"$instance/bin/note\", \"ok\"} } }"
        echo "route \"gate@example.com\" { handler \"x\" { run = {\"$instance/bin/gate\"} } }"
    } | instance_config
}
swapped 'd c b a'
mv "$instance/mailmill.conf" "$instance/backwards"
swapped 'a b c d'
cp "$instance/mailmill.conf" "$instance/forwards"
processor_reload
for number in 1 2 3; do
    # shellcheck disable=SC2046 # a word for each recipient
    submit asker@example.org $(printf '%s@example.com ' {a,b,c,d}+{1..25}) <<<"Subject: round $number"
done
turn=0
until [ "$(sql "SELECT count(*) FROM delivery WHERE handler IN ('a', 'b', 'c', 'd') AND state <> 'done'")" = 0 ] || [ $turn -ge 200 ]; do
    if [ $((turn % 2)) = 0 ]; then cp "$instance/backwards" "$instance/next"; else cp "$instance/forwards" "$instance/next"; fi
    mv "$instance/next" "$instance/mailmill.conf"
    kill -HUP "$processor"
    turn=$((turn + 1))
done
equal "under reloads all of 300 deliveries are done" \
    "$(sql "SELECT count(*) FROM delivery WHERE handler IN ('a', 'b', 'c', 'd') AND state = 'done'")" 300
equal "each by its own handler" "$(awk '$1 != $2' "$seen"/[abcd]+*.log | wc -l)" 0
config fourth
processor_await; processor_reload

# A message to an address that only the file has makes the processor read it. What starts in the same turn is the
# handler that it was before.
config fourth "route \"new@example.com\" { handler \"y\" { run = {\"$instance/bin/note\", \"new\"} } }"
: >"$seen/ok.log"
headers=$(headers_pid)
kill -STOP "$headers"
submit asker@example.org ok@example.com <<<"Subject: by the old one"
submit asker@example.org new@example.com <<<"Subject: by the new one"
until_true test "$(sql "SELECT count(*) FROM message WHERE queued_ms IS NULL")" = 2
sleep 0.3 # both are asked about by now
kill -STOP "$processor"
kill -CONT "$headers"
sleep 0.3 # both are answered
kill -CONT "$processor"
ended new@example.com
ended ok@example.com
equal "in the turn that asks for a reload, the old one's handler runs" "$(cat "$seen/ok.log")" 'ok x 1'
equal "the new one's after it" "$(cat "$seen/new.log")" 'new y 1'
config fourth
processor_await; processor_reload

# ---- stopping ------------------------------------------------------------------------------------

submit asker@example.org gate@example.com <<<"Subject: wait for me"
running_at_gate || fail "a handler runs"
pid=$processor
kill -TERM "$processor"
until_true grep -q 'note@example.com' <(sleep 0.2; echo note@example.com)
submit asker@example.org note@example.com <<<"Subject: too late"
echo >"$seen/gate"
processor_wait
equal "told to stop while a handler runs, it exits with 0" "$?" 0
equal "the handler came to its end" "$(attempts gate@example.com outcome,exit_code,attempt)" 'done|0|1'
equal "what came meanwhile is left for the next start" "$(sql "SELECT queued_ms IS NULL FROM message ORDER BY id DESC LIMIT 1")" 1
start_or_finish
wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'too late' AND outcome = 'done'" ||
    fail "the next start takes it up"

submit asker@example.org gate@example.com <<<"Subject: do not wait for me"
running_at_gate || fail "a handler runs"
pid=$(pgrep -P "$(launcher_pid)" -x cat)
kill -TERM "$processor"
kill -TERM "$processor"
processor_wait
equal "told twice, it exits with 0" "$?" 0
succeeds "the handler is gone" gone "$pid"
equal "its attempt was stopped" \
    "$(sql "SELECT outcome, exit_code, signal, detail FROM history WHERE subject = 'do not wait for me'")" \
    'retry|||stopped together with the processor'
equal "no folder is left" "$(find "$instance/work" -mindepth 1 | wc -l)" 0
start_or_finish
running_at_gate || fail "the next start runs it again, at once"
echo >"$seen/gate"
ended gate@example.com 2
equal "then it is done" "$(sql "SELECT outcome FROM history WHERE subject = 'do not wait for me' AND attempt = 2")" "done"

submit asker@example.org gate@example.com <<<"Subject: no last words"
running_at_gate || fail "a handler runs"
launcher=$(launcher_pid)
pid=$(pgrep -P "$launcher" -x cat)
processor_kill
succeeds "when the processor is killed, its handler ends" until_true gone "$pid"
succeeds "its launcher, too" until_true gone "$launcher"
equal "no folder is left" "$(find "$instance/work" -mindepth 1 | wc -l)" 0
start_or_finish
running_at_gate || fail "the next start runs it again"
echo >"$seen/gate"
ended gate@example.com 3
equal "the history has both attempts" \
    "$(sql "SELECT attempt, outcome, detail FROM history WHERE subject = 'no last words' ORDER BY attempt")" \
    $'1|retry|interrupted: the processor ended while it ran\n2|done|'

# Without the one half the other can do nothing.
launcher=$(launcher_pid)
kill -KILL "$launcher"
processor_wait
status=$?
matches "when its launcher is killed, the processor ends and says so" "$status" '^[1-9]'
start_or_finish

# The helpers that read headers are started again: the one for plain ones, and the one for all others.
kill -KILL "$(headers_pid)"
submit asker@example.org note@example.com <<<"Subject: without a helper"
ended note@example.com 5
equal "when the helper is killed, the next message has its headers all the same" \
    "$(sql "SELECT count(*) FROM message WHERE subject = 'without a helper'")" 1
kill -KILL "$(mime_pid)"
submit asker@example.org note@example.com <<<"Subject: =?utf-8?q?without_the_other=2C_n=C3=A4mlich?="
ended note@example.com 6
equal "so it has when the one behind it is killed" \
    "$(sql "SELECT count(*) FROM message WHERE subject = 'without the other, nämlich'")" 1

# Started without standard descriptors, its own files must not take their places.
processor_stop
"$programs/mailmill-processor" -c "$instance/mailmill.conf" <&- >&- 2>&- &
processor=$!
submit asker@example.org note@example.com <<<"Subject: in the dark"
ended note@example.com 7
equal "started with no descriptors it works" "$(sql "SELECT outcome FROM history WHERE subject = 'in the dark'")" "done"
processor_stop
start_or_finish

# ---- what the receiver left, and a spool that goes -----------------------------------------------

processor_stop
touch -d '3 days ago' "$instance/spool/tmp/unfinished"
touch "$instance/spool/tmp/young"
start_or_finish
equal "an old file in tmp/ is cleared away, a young one stays" "$(ls "$instance/spool/tmp")" young
matches "the log says so" "$(cat "$instance/log")" 'cleared 1 old files'
rm "$instance/spool/tmp/young"

mv "$instance/spool/new" "$instance/spool/elsewhere"
processor_wait
equal "when new/ is taken away, the processor ends, for a restart to find it" "$?" 75
matches "it says why" "$(tail -n 3 "$instance/log")" '/new was removed or replaced; a restart is needed'
mv "$instance/spool/elsewhere" "$instance/spool/new"
start_or_finish

# ---- taking in what lies in the spool ------------------------------------------------------------

# message ID SUBJECT: a spool file on standard output, as the receiver writes it.
message() {
    cat <<EOT
Return-Path: <asker@example.org>
X-Original-To: note@example.com
Received: from client.example.org ([192.0.2.1])
	by mail.example.com with ESMTP id $1;
	Sat, 31 Jan 2026 23:59:59 +0000
Subject: $2

text
EOT
}
# identifier NUMBER: an ID of our own.
identifier() { printf '1KADPTED%08d' "$1"; }
# adopted SUBJECT: it has been run.
# shellcheck disable=SC2317 # called by `succeeds`
adopted() { wait_for "SELECT count(*) = 1 FROM history WHERE subject = '$1' AND outcome = 'done'"; }

spool=$instance/spool
message "$(identifier 1)" "moved in" >"$spool/tmp/$(identifier 1)"
mv "$spool/tmp/$(identifier 1)" "$spool/new/$(identifier 1)"
succeeds "a file moved into new/ without a row is adopted" adopted "moved in"
message "$(identifier 2)" "written there" >"$spool/new/$(identifier 2)"
succeeds "one written there, too" adopted "written there"
equal "with what its trace block says" \
    "$(sql "SELECT sender, client_address, client_protocol, client_helo, size_bytes FROM message WHERE subject = 'moved in'")" \
    "asker@example.org|192.0.2.1|ESMTP|client.example.org|$(message "$(identifier 1)" "moved in" | wc -c)"

# Everything else is left where it is, and named in the log.
message "$(identifier 90)" "another ID" >"$spool/new/$(identifier 10)"
message "$(identifier 11)" "cut off" | head -c 100 >"$spool/new/$(identifier 11)"
: >"$spool/new/$(identifier 12)"
head -c 100000 /dev/urandom >"$spool/new/$(identifier 13)"
message "$(identifier 14)" "bad name" >"$spool/new/message.txt"
printf 'Subject: no trace\n\ntext\n' >"$spool/new/$(identifier 15)"
mkdir "$spool/new/$(identifier 16)"
ln -s "$instance/mailmill.conf" "$spool/new/$(identifier 17)"
ln -s nowhere "$spool/new/$(identifier 18)"
mkfifo "$spool/new/$(identifier 19)"
message "$(identifier 20)" "unreadable" >"$spool/tmp/unreadable"
chmod 0 "$spool/tmp/unreadable"
mv "$spool/tmp/unreadable" "$spool/new/$(identifier 20)"
message "$(identifier 21)" "hidden" >"$spool/new/.hidden"
alive "with files in new/ that are no messages"
processor_stop
: >"$instance/log"
message "$(identifier 3)" "while nobody looked" >"$spool/new/$(identifier 3)"
succeeds "it starts with them, too" processor_start
succeeds "what came while it was not running is adopted" adopted "while nobody looked"
for number in 10 11 12 13 15 16 17 18 19; do
    matches "the log names $number" "$(grep -F "new/$(identifier $number) is left" "$instance/log")" 'left where it is: '
    equal "it stays: $number" "$(find "$spool/new" -name "$(identifier $number)" | wc -l)" 1
done
matches "the log names the bad name" "$(cat "$instance/log")" 'new/message\.txt is left where it is'
equal "none of them has a row" "$(sql "SELECT count(*) FROM message WHERE id LIKE '1KADPTED0000001%'")" 0
if [ "$(id -u)" -ne 0 ]; then
    matches "the log names the unreadable" "$(grep -F "new/$(identifier 20)" "$instance/log")" 'Permission denied'
fi

# Headers that no message should have.
{ for ((i = 0; i < 20000; i++)); do echo "X-Header-$i: value of a header that nobody needs"; done; printf 'Subject: after many\n\ntext\n'; } |
    submit asker@example.org note@example.com || fail "a message with 20000 header fields is accepted"
{ printf 'Subject: '; head -c 900000 /dev/zero | tr '\0' x | fold -w 900 | sed '2,$s/^/ /'; printf '\n\ntext\n'; } |
    submit asker@example.org note@example.com || fail "a message with a header of a million bytes is accepted"
{ printf 'From: '; for ((i = 0; i < 5000; i++)); do printf 'a%d@example.org,\n ' $i; done; printf 'z@example.org\n\ntext\n'; } |
    submit asker@example.org note@example.com || fail "a message with 5000 authors is accepted"
printf '\n' | submit asker@example.org note@example.com || fail "a message without headers is accepted"
wait_for "SELECT count(*) = 0 FROM message WHERE ended_ms IS NULL"
equal "whatever its headers, a message is run" \
    "$(sql "SELECT count(*), sum(state = 'done') FROM (SELECT state FROM $(deliveries_to note@example.com) ORDER BY message_id DESC LIMIT 4)")" '4|4'

finish
