#!/usr/bin/env bash
# What becomes of mail after its handlers: messages called off and run again by the operator, many at a time; and how
# long all of it is kept.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# exits NAME CODE PATTERN COMMAND...
exits() {
    local name=$1 code=$2 pattern=$3 output status
    shift 3
    output=$("$@" 2>&1)
    status=$?
    equal "$name: exit code" "$status" "$code"
    matches "$name: output" "$output" "$pattern"
}

# ---- many at a time ------------------------------------------------------------------------------

instance_open
program work <<'SH'
#!/bin/sh
echo "$MAILMILL_REPLAY $HEADER_SUBJECT" >>"${0%/bin/*}/seen/work"
[ -e "${0%/bin/*}/seen/mended" ] || exit "$1"
SH
program after <<'SH'
#!/bin/sh
echo "$MAILMILL_REPLAY $HEADER_SUBJECT" >>"${0%/bin/*}/seen/after"
SH
instance_config <<EOT
route "dead@example.com" {
    handler "work"  { run = {"$instance/bin/work", "65"} }
    handler "after" { run = {"$instance/bin/after"} }
}
route "later@example.com" {
    handler "wait"   { run = {"$instance/bin/work", "75"} retry-first = "1h" }
    handler "behind" { run = {"$instance/bin/after"} }
}
route "ok@example.com" { handler "x" { run = {"$instance/bin/after"} } }
EOT
start_or_finish
for number in 1 2 3; do
    submit asker@example.org dead@example.com ok@example.com <<<"Subject: dead $number"
done
submit other@example.net dead@example.com <<<"Subject: dead of another"
ended dead@example.com 8

exits "reprocess without IDs and filters" 64 'say which messages' mailmill reprocess
exits "cancel without IDs and filters" 64 'say which messages' mailmill cancel
exits "reprocess: an ID and a time" 64 'not for messages given by their IDs' mailmill reprocess --since 2d 1KADPT
exits "reprocess: a bad duration" 64 '--since is digits and s, m, h or d' mailmill reprocess --since yesterday
exits "reprocess: what runs" 64 'has to end before' mailmill reprocess --state running
exits "reprocess: what is kept" 64 'what is kept has no delivery' mailmill reprocess --state kept
exits "cancel: what is dead" 64 'only what is pending or to be retried' mailmill cancel --state dead
exits "reprocess: nothing passes" 1 'there is no such message' mailmill reprocess --state dead --until 1d

before=$(sql 'SELECT * FROM delivery')
exits "a dry run" 0 '3 deliveries would be run again' \
    mailmill reprocess --state dead --handler work --since 2d --sender @example.org --dry-run
plain=$(mailmill reprocess --state dead --sender @example.org -n)
equal "a dry run shows a line for each, titles and the sum" "$(wc -l <<<"$plain")" 5
matches "a dry run is aligned" "$plain" 'ID +RECEIVED \(UTC\) +RECIPIENT +HANDLER +STATE'
matches "a dry run says what it is" "$plain" 'dead@example.com +work +dead'
equal "a dry run changes nothing" "$(sql 'SELECT * FROM delivery')" "$before"

touch "$instance/seen/mended"
exits "reprocess by filters" 0 '^3 deliveries of 3 messages queued$' \
    mailmill reprocess --state dead --handler work --since 2d --sender asker@example.org
wait_for "SELECT count(*) = 3 FROM delivery WHERE handler = 'after' AND state = 'done'" ||
    fail "what was skipped runs when it is done" "$(sql "SELECT handler, state FROM delivery")"
equal "those that were done did not run again" "$(sql "SELECT sum(attempts) FROM delivery WHERE handler = 'x'")" 3
equal "nor did that of another sender" "$(sql "SELECT attempts FROM delivery d JOIN message m ON m.id = d.message_id
    WHERE m.sender = 'other@example.net' AND handler = 'work'")" 1
equal "they were told so" "$(grep -c '^1 dead [123]' "$instance/seen/work")" 3
rm "$instance/seen/mended"

# ---- calling off ---------------------------------------------------------------------------------

for number in 1 2 3; do submit asker@example.org later@example.com <<<"Subject: later $number"; done
tried later@example.com 3
id=$(sql "SELECT message_id FROM delivery WHERE handler = 'wait' ORDER BY message_id LIMIT 1")
exits "cancel" 0 "^$id: 2 deliveries cancelled$" mailmill cancel "$id"
wait_for "SELECT ended_ms NOT NULL FROM message WHERE id = '$id'" || fail "what was called off has ended"
succeeds "its file is filed away" test -e "$instance/spool/cur/$id:2,S"
exits "cancel: twice" 1 "$id: no delivery of it waits" mailmill cancel "$id"
exits "cancel by filters" 0 '^2 deliveries of 2 messages cancelled$' mailmill cancel --state retry --handler wait
equal "the handlers after it are skipped" "$(sql "SELECT group_concat(DISTINCT state || ': ' || detail)
    FROM delivery WHERE handler = 'behind' AND message_id <> '$id'")" "skipped: handler wait was cancelled"
wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message" || fail "all have ended"
equal "new/ is empty" "$(ls "$instance/spool/new")" ''

submit asker@example.org later@example.com <<<"Subject: while it is away"
tried later@example.com 4
processor_stop
exits "cancel without a processor" 0 '2 deliveries of 1 message cancelled.*will act on its next start' \
    mailmill cancel --route later@example.com
start_or_finish
wait_for "SELECT sum(ended_ms IS NULL) = 0 FROM message" || fail "it is filed away at the next start"
equal "new/ is empty then" "$(ls "$instance/spool/new")" ''
equal "it was not tried again" "$(attempts later@example.com outcome | wc -l)" 4

program work <<'SH'
#!/bin/sh
touch "${0%/bin/*}/seen/runs"
while [ ! -e "${0%/bin/*}/seen/go" ]; do sleep 0.02; done
SH
submit asker@example.org later@example.com <<<"Subject: running"
until_true test -e "$instance/seen/runs"
exits "cancel: what runs" 1 'handler wait is running; wait until it has ended' mailmill cancel --route later@example.com
touch "$instance/seen/go"
ended later@example.com 10
processor_stop

# ---- programs that are told of what is dead ------------------------------------------------------

instance_open
program work <<'SH'
#!/bin/sh
[ -e "${0%/bin/*}/seen/mended" ] || exit "$1"
SH
program tell <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
[ ! -e "$seen/hold" ] || { touch "$seen/held"; while [ -e "$seen/hold" ]; do sleep 0.02; done; }
printf '%s|%s|%s|%s|%s|%s\n' "$1" "$MAILMILL_REASON" "$MAILMILL_HANDLER" "$MAILMILL_ATTEMPT" "$MAILMILL_DELIVERY" \
    "$(sed -n 's/^Subject: //p')" >>"$seen/told"
echo "told"
exit "${2:-0}"
SH
program cut <<'SH'
#!/bin/sh
sed 's/^Subject: .*/Subject: cut/'
SH
mkdir "$instance/handlers"
ln -s "$instance/bin/tell" "$instance/handlers/tell"
sed "s|/bin/\*}|/handlers/*}|" "$instance/bin/tell" >"$instance/handlers/tell.new"
chmod 755 "$instance/handlers/tell.new"
mv "$instance/handlers/tell.new" "$instance/handlers/tell"
instance_config <<EOT
on-dead = {"tell", "all"}
route "dead@example.com" {
    handler "cut"  { filter = {"$instance/bin/cut"} }
    handler "work" { run = {"$instance/bin/work", "65"} }
}
route "own@example.com" { handler "work" { run = {"$instance/bin/work", "65"} on-dead = {"$instance/bin/tell", "own"} } }
route "none@example.com" { handler "work" { run = {"$instance/bin/work", "65"} on-dead = {} } }
route "trouble@example.com" {
    handler "work" { run = {"$instance/bin/work", "65"} on-dead = {"$instance/bin/tell", "trouble", "75"}
                     retry-first = "1s" }
}
route "hopeless@example.com" {
    handler "work" { run = {"$instance/bin/work", "65"} on-dead = {"$instance/bin/tell", "hopeless", "100"} }
}
route "ok@example.com" { handler "x" { run = {"/bin/true"} } }
EOT
sed -i "s|^handlers = .*|handlers = \"$instance/handlers\"|" "$instance/mailmill.conf"
exits "check finds the program by its bare name" 0 ' is good' mailmill check
mv "$instance/handlers/tell" "$instance/handlers/moved"
exits "check misses it" 78 'mailmill.conf:8: on-dead: .*/handlers/tell.*install it, or mend its name' mailmill check
mv "$instance/handlers/moved" "$instance/handlers/tell"
start_or_finish
# told TEXT: that much has been told, a line each.
told() { until_true grep -qxF -- "$1" "$instance/seen/told" || fail "told: $1" "$(cat "$instance/seen/told")"; }

submit asker@example.org dead@example.com <<<"Subject: as it came"
ended dead@example.com 2
key=$(sql "SELECT message_id || '.1.work' FROM delivery WHERE route = 'dead@example.com' AND handler = 'work'")
told "all|exit code 65: the message is not what it wants|work|1|$key|as it came"
wait_for "SELECT outcome = 'done' AND stdout = 'told' || char(10) AND reason = 'exit code 65: the message is not what it wants'
            FROM on_dead_runs" || fail "its run is written down" "$(sql 'SELECT * FROM on_dead_runs')"
equal "and is no attempt" "$(attempts dead@example.com "handler || ' ' || attempt || ' ' || outcome" | tr '\n' ',')" \
    'cut 1 done,work 1 dead,'
matches "show tells of it" "$(mailmill show "${key%%.*}")" 'on-dead run 1, .* UTC: done, .*stdout:.*told'
equal "show --json too" "$(mailmill show --json "${key%%.*}" | python3 -c 'import json, sys
print([run["outcome"] for d in json.load(sys.stdin)[0]["deliveries"] for run in d["on_dead_runs"]])')" "['done']"

submit asker@example.org own@example.com none@example.com <<<"Subject: own"
ended own@example.com
ended none@example.com
told "own|exit code 65: the message is not what it wants|work|1|$(
    sql "SELECT message_id || '.1.work' FROM delivery WHERE route = 'own@example.com'")|own"
equal "a handler that wants none has none" "$(sql "SELECT on_dead_ms IS NULL FROM delivery
    WHERE route = 'none@example.com'")" 1

# Run again, and dead again, it is told again; what is done is not.
id=$(sql "SELECT message_id FROM delivery WHERE route = 'own@example.com'")
mailmill reprocess "$id" --route own@example.com >/dev/null
told "own|exit code 65: the message is not what it wants|work|2|$id.1.work|own"
touch "$instance/seen/mended"
mailmill reprocess "$id" --route own@example.com >/dev/null
wait_for "SELECT state = 'done' FROM delivery WHERE route = 'own@example.com'" || fail "it is done"
rm "$instance/seen/mended"
equal "each death is told once" "$(sql "SELECT count(*) FROM on_dead_runs WHERE route = 'own@example.com'")" 2

# One that hangs keeps nobody waiting: neither other handlers, nor its own.
touch "$instance/seen/hold"
submit asker@example.org own@example.com <<<"Subject: held"
until_true test -e "$instance/seen/held"
submit asker@example.org own@example.com <<<"Subject: second"
wait_for "SELECT count(*) = 2 FROM delivery WHERE route = 'own@example.com' AND state = 'dead'" ||
    fail "its handler goes on meanwhile"
alive "an on-dead program that hangs"
equal "it runs once at a time" "$(sql "SELECT count(*) FROM on_dead_runs WHERE outcome = 'running'")" 1
# Stopped with the processor, it runs again at the next start.
processor_stop
rm "$instance/seen/hold"
start_or_finish
wait_for "SELECT count(*) = 2 FROM on_dead_runs o JOIN message m ON m.id = o.message
           WHERE m.subject IN ('held', 'second') AND outcome = 'done'" ||
    fail "one that was interrupted runs again" "$(sql 'SELECT * FROM on_dead_runs')"

submit asker@example.org trouble@example.com hopeless@example.com <<<"Subject: trouble"
wait_for "SELECT count(*) >= 2 FROM on_dead_runs WHERE route = 'trouble@example.com' AND outcome = 'retry'" ||
    fail "one that fails is tried again" "$(sql 'SELECT * FROM on_dead_runs')"
wait_for "SELECT outcome = 'dead' FROM on_dead_runs WHERE route = 'hopeless@example.com'" || fail "or given up"
matches "the log says so" "$(<"$instance/log")" 'on-dead given up.*exit code 100'
sqlite3 "$instance/lib/index.db" "UPDATE delivery SET on_dead_tries = 9, on_dead_ms = 1 WHERE on_dead_ms NOT NULL"
mailmill cancel --state retry >/dev/null 2>&1
processor_stop
start_or_finish
wait_for "SELECT count(*) = 1 FROM on_dead_runs WHERE route = 'trouble@example.com' AND outcome = 'dead'" ||
    fail "after ten runs it is given up" "$(sql 'SELECT * FROM on_dead_runs')"
equal "nothing is due any more" "$(sql 'SELECT count(*) FROM delivery WHERE on_dead_ms NOT NULL')" 0
processor_stop

# ---- copies --------------------------------------------------------------------------------------

instance_open
program work <<'SH'
#!/bin/sh
echo "$MAILMILL_ID $MAILMILL_REPLAY" >>"${0%/bin/*}/seen/work"
SH
instance_config <<EOT
route "once@example.com" { dedupe = "1d" handler "x" { run = {"$instance/bin/work"} } }
route "each@example.com" { handler "x" { run = {"$instance/bin/work"} } }
EOT
start_or_finish
mail=$'Message-ID: <1@example.org>\nSubject: copy\n\ntext'
submit asker@example.org once@example.com each@example.com <<<"$mail"
submit bounces@list.example.net once@example.com each@example.com <<<$'Received: from elsewhere\n by here\n'"$mail"
submit asker@example.org once@example.com <<<"$mail."
ended once@example.com 3
ended each@example.com 2
original=$(sql 'SELECT min(id) FROM message')
copy=$(sql "SELECT id FROM message WHERE sender = 'bounces@list.example.net'")
equal "a copy is recorded and not run" "$(states once@example.com)" 'x=done x=skipped x=done'
equal "it says of what it is one" "$(sql "SELECT detail FROM delivery WHERE state = 'skipped'")" "duplicate of $original"
matches "show says so" "$(mailmill show "$copy")" "skipped.*because +duplicate of $original"
equal "where nobody asked, each copy runs" "$(states each@example.com)" 'x=done x=done'
mailmill reprocess "$copy" --route once@example.com >/dev/null
wait_for "SELECT state = 'done' FROM delivery WHERE message_id = '$copy' AND route = 'once@example.com'" ||
    fail "the operator may have it run"
equal "it is told so" "$(grep -c "^$copy 1$" "$instance/seen/work")" 1
processor_stop

# ---- what is kept --------------------------------------------------------------------------------

instance_open
program work <<'SH'
#!/bin/sh
exit "$1"
SH
configure() {
    instance_config <<EOT
$1
route "ok@example.com" { handler "x" { run = {"$instance/bin/work", "0"} } }
route "dead@example.com" { handler "x" { run = {"$instance/bin/work", "65"} } }
route "later@example.com" { handler "x" { run = {"$instance/bin/work", "75"} } }
route "kept@example.com" { }
EOT
}
configure ''
start_or_finish
for to in ok dead later kept; do submit asker@example.org "$to@example.com" <<<"Subject: $to"; done
tried later@example.com
ended ok@example.com
ended dead@example.com
touch "$instance/spool/cur/$(sql 'SELECT max(id) FROM message'):2,X" # of nobody's
old=$(sql "SELECT message_id FROM delivery WHERE route = 'ok@example.com'")
processor_stop
# A month later.
sqlite3 "$instance/lib/index.db" "UPDATE message SET ended_ms = ended_ms - 31 * 86400000 WHERE ended_ms IS NOT NULL"
mv "$instance/spool/cur/$old:2,S" "$instance/spool/cur/$old:2,PS"
start_or_finish
wait_for "SELECT gone_ms NOT NULL FROM message WHERE id = '$old'" || fail "what was done goes"
equal "its file does, whatever its flags" "$(find "$instance/spool/cur" -name "$old*")" ''
equal "all others stay" "$(grep -lx 'Subject: [a-z]*' -r "$instance/spool/cur" "$instance/spool/new" |
    xargs sed -n 's/^Subject: //p' | sort | tr '\n' ' ')" 'dead kept later '
matches "the log says so" "$(<"$instance/log")" 'removed 1 file of what was done'
exits "show: the file is gone" 0 'file removed *[0-9-]+ [0-9:]+ UTC' mailmill show "$old"
exits "reprocess: the file is gone" 1 'its file was removed, as its time to be kept was over' mailmill reprocess "$old"
equal "the history still tells of it" "$(sql "SELECT outcome FROM history WHERE message = '$old'")" 'done'
configure 'keep-size = "0" keep-history = "1d"'
processor_reload
wait_for "SELECT count(*) = 0 FROM message WHERE id = '$old'" || fail "a shorter time is heeded at once, and rows go too"
submit asker@example.org ok@example.com <<<"Subject: too much"
processor_stop
start_or_finish
wait_for "SELECT count(*) = 1 FROM message WHERE gone_ms NOT NULL" || fail "with no room for it, what is done goes"
dead=$(sql "SELECT message_id FROM delivery WHERE route = 'dead@example.com'")
succeeds "the dead stay, whatever the room" test -e "$instance/spool/cur/$dead:2,F"

finish
