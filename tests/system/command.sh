#!/usr/bin/env bash
# The operator's command against real messages: what each subcommand prints, its JSON, its mistakes, its exit codes.
set -u
# shellcheck source=../command.sh
. "$(dirname "$0")/../command.sh"

first() { sql 'SELECT id FROM message ORDER BY id LIMIT 1'; }
escape=$'\033'

# ---- before there is anything --------------------------------------------------------------------

exits "--version" 0 '^mailmill [0-9.]+$' "$programs/mailmill" --version
exits "--help lists the commands" 0 'check .*status .*list .*show .*reprocess .*cancel ' "$programs/mailmill" --help
exits "--help lists the exit codes" 0 'Exit codes:.* 64 .* 75 .* 78 ' "$programs/mailmill" --help
for command in $("$programs/mailmill" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'); do
    exits "$command --help" 0 "usage: mailmill .*$command.*--config FILE.*--help" "$programs/mailmill" "$command" --help
    equal "help $command says the same" "$("$programs/mailmill" help "$command")" \
        "$("$programs/mailmill" "$command" --help)"
done
equal "the README has the exit codes" "$("$programs/mailmill" --help | sed -n '/^Exit codes:/,$s/^ *\([0-9]*\)  /| \1 | /p' |
    while read -r row; do grep -qF -- "$row" "$top/README.md" || echo "$row"; done)" ''
exits "no command" 64 'a command is missing; see mailmill --help' "$programs/mailmill"
exits "an unknown command" 64 'there is no command frobnicate' "$programs/mailmill" frobnicate
exits "help for an unknown command" 64 'there is no command frobnicate' "$programs/mailmill" help frobnicate
exits "an unknown option" 64 'option.*--frob; see mailmill list --help' "$programs/mailmill" list --frob
exits "an unknown letter" 64 'option.* -x; see mailmill show' "$programs/mailmill" show -x
exits "an option without its argument" 64 'missing behind --limit' "$programs/mailmill" list --limit
exits "a bad number" 64 '--limit is a number from 1' "$programs/mailmill" list -n 5x
exits "an unknown state" 64 'there is no state frob' "$programs/mailmill" list --state frob
exits "an operand too many" 64 'unexpected argument now' "$programs/mailmill" status now
exits "show without an ID" 64 'ID of a message is missing' "$programs/mailmill" show
exits "no configuration" 78 'error: /nonexistent.conf: ' "$programs/mailmill" list -c /nonexistent.conf
exits "a name cannot harm the terminal" 64 'no command a\^\[\[31m' "$programs/mailmill" "a${escape}[31m"

instance_open
rmdir "$instance/spool"
mkdir "$instance/handlers" "$instance/spool"
cat >"$instance/handlers/colourful" <<'HANDLER'
#!/bin/sh
cat >/dev/null
printf 'stop \033[31mred\033[0m \302\233 \377\n\tGr\303\274\303\237e\r\n'
echo 'to stderr' >&2
exit "${1:-0}"
HANDLER
chmod +x "$instance/handlers/colourful"
mkfifo "$instance/gate"
configure() {
    instance_config <<ROUTES
route "a@example.com" {
    handler "first"  { run = {"$instance/handlers/colourful"} timeout = "90s" }
    handler "second" { run = {"$instance/handlers/colourful", "${1:-75}"} }
}
route "dead@example.com" { handler "${2:-bury}" { run = {"$instance/handlers/colourful", "65"} } }
route "slow@example.com" { handler "wait" { run = {"/bin/cat", "$instance/gate"} } }
route "keep@example.com" { }
ROUTES
}
configure
exits "check: a good configuration" 0 ' is good: 4 routes, 4 handlers\.' mailmill check
matches "check: its table" "$(mailmill check 2>/dev/null)" \
    'ROUTE +HANDLER +KIND +USER +TIMEOUT +PROGRAM.*a@example.com +first +run +[^ ]+ +1m30s +/[^ ]*/colourful'
matches "check: a route that keeps" "$(mailmill check 2>/dev/null)" 'keep@example.com +- .* accepted and kept'
exits "--config behind the command" 0 ' is good' "$programs/mailmill" check --config "$instance/mailmill.conf"

exits "status on a new machine" 0 'processor +not running.*not there yet.*not there yet' mailmill status
equal "status --json on a new machine" "$(json "data['messages']['all'], data['processor']['running']" \
    mailmill status --json)" "(0, False)"
exits "list on a new machine" 1 'no message yet.*no index [^ ]*/index\.db; if it was lost, mailmill reindex makes it anew' mailmill list
exits "list --json on a new machine" 1 '^\[\]$' mailmill list --json
exits "show on a new machine" 1 'no message yet.*no index [^ ]*/index\.db; if it was lost, mailmill reindex makes it anew' mailmill show 1
exits "reprocess on a new machine" 1 'no message yet.*no index [^ ]*/index\.db; if it was lost, mailmill reindex makes it anew' mailmill reprocess 1
exits "pause on a new machine" 1 'nothing to pause yet' mailmill pause wait
succeeds "none of them made an index" test ! -e "$instance/lib/index.db"

# ---- received, and no processor ------------------------------------------------------------------

submit asker@example.org a@example.com \
    <<<$'Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_M=C3=BCnchen_und_=E4=B8=AD=E6=96=87?=\nFrom: A <a@example.org>\n\nx'
submit '' dead@example.com keep@example.com <<<$'Subject: two recipients\n\nx'
exits "list: received" 0 "$(first) +[0-9]{4}-[0-9-]+ [0-9:]{5} +received +asker@example.org +a@example.com" \
    mailmill list
equal "list: two lines and the titles" "$(mailmill list | wc -l)" 3
exits "show: not taken in" 0 'Headers \(not read yet\).*No deliveries: the processor has not taken it in yet' \
    mailmill show "$(first)"
exits "reprocess: not taken in" 1 'has not been processed for the first time' mailmill reprocess "$(first)"
matches "status: new ones" "$(mailmill status)" "messages +2: 2 new, 0 in work, 0 ended"

# ---- processed -----------------------------------------------------------------------------------

processor_start || fail "the processor starts"
wait_for "SELECT count(*) = 3 FROM history WHERE outcome <> 'running'" || fail "all is attempted"
id=$(first)
other=$(sql 'SELECT max(id) FROM message')

matches "list: state and decoded subject" "$(mailmill list)" "$id .* retry +asker@.*Grüße aus München und 中文"
matches "list: the null sender and more recipients" "$(mailmill list)" "$other .* dead +<> +dead@example.com \+1"
equal "list: newest last" "$(mailmill list | tail -n 1 | cut -c1-16)" "$other"
equal "list --limit takes the newest" "$(mailmill list -n 1 | tail -n +2 | cut -c1-16)" "$other"
equal "list: nothing at the ends of lines" "$(mailmill list | grep -c ' $')" 0
listed() { mailmill list "$@" 2>/dev/null | tail -n +2 | cut -c1-16; }
equal "list --state" "$(listed --state dead)" "$other"
equal "list --state of any delivery" "$(listed --state "done")" "$id"
equal "list --handler" "$(listed --handler second)" "$id"
equal "list --route, whatever the case" "$(listed --route DEAD@example.com)" "$other"
equal "list --handler and --state are of one delivery" "$(listed --handler first --state retry)" ""
equal "list --sender" "$(listed --sender Asker@Example.org)" "$id"
equal "list --sender of a domain" "$(listed --sender @example.org)" "$id"
equal "list --sender of another domain" "$(listed --sender @le.org)" ""
equal "list --sender, the null one" "$(listed --sender '<>')" "$other"
exits "list: nothing found" 1 'there is no such message' mailmill list --state cancelled
equal "list --json" \
    "$(json "[(m['id'], m['state'], m['sender'], *m['recipients']) for m in data]" mailmill list --json)" \
    "[('$id', 'retry', 'asker@example.org', 'a@example.com'), \
('$other', 'dead', '', 'dead@example.com', 'keep@example.com')]"
equal "list --json has a line for each" "$(mailmill list --json | grep -c '^{.*}')" 2

shown=$(mailmill show "$id")
matches "show: envelope" "$shown" \
    'sender +asker@example.org.*recipient +a@example.com.*client +local.*client.example.org'
matches "show: headers" "$shown" 'Subject +Grüße aus München und 中文.*From +A <a@example.org>'
matches "show: its file" "$shown" "file +$instance/spool/new/$id"
matches "show: deliveries" "$shown" 'handler first: done.*attempt 1, .* UTC: done.*handler second: retry, due in '
matches "show: output, made harmless" "$shown" 'stop \^\[\[31mred\^\[\[0m <U\+009B> <FF>.*Grüße.*stderr:.*to stderr'
matches "show: a file that was filed" "$(mailmill show "$other")" "file +$instance/spool/cur/$other:2,F"
equal "show: no escape reaches the terminal" "$(mailmill show "$id" "$other" | grep -c "$escape")" 0
equal "show: a small beginning, in lower case" "$(mailmill show "${other,,}" | head -n 1)" "$other  dead"
equal "show --json" "$(json "[a['stdout'] for d in data[0]['deliveries'] for a in d['attempts']][0]" \
    mailmill show --json "$id" | cat -v)" \
    "$(printf 'stop \033[31mred\033[0m \302\233 \357\277\275\n\tGrüße\r\n' | cat -v)"
equal "show --json of two" "$(json "[m['id'] for m in data]" mailmill show --json "$id" "$other")" "['$id', '$other']"
exits "show: ambiguous" 1 "${id:0:2} is the beginning of more than one.*$id, $other" mailmill show "${id:0:2}"
exits "show: unknown" 1 'there is no message 7ZZZ' mailmill show 7zzz
exits "show: not an ID" 1 '"u!" can.t be the ID' mailmill show 'u!'
exits "show: nothing for an ID" 1 '"" can.t be the ID' mailmill show ''
exits "show: the good ones are shown beside the bad" 1 "there is no message 7ZZZ.*$id|$id.*no message 7ZZZ" \
    mailmill show 7zzz "$id"

matches "status: alive" "$(mailmill status)" "processor +running, process $processor"
matches "status: counts" "$(mailmill status)" '0 pending, 0 running, 1 retry, 1 done, 1 dead'
matches "status: handlers" "$(mailmill status)" 'a@example.com +second +0 +0 +1 +0 +0 +in '
matches "status: failures" "$(mailmill status)" "last failures.*$other +dead@example.com +bury +dead "
matches "status: disk" "$(mailmill status)" "spool +$instance/spool: 1 file in new/, [0-9.]+ [KMGTP]iB free"
matches "status: sizes" "$(mailmill status)" 'in it +[0-9.]+ B that wait or run, [0-9.]+ B in 1 file that have ended'
equal "status --json: sizes" "$(json "data['spool']['waiting_bytes'], data['spool']['kept_bytes']" mailmill status --json)" \
    "($(cat "$instance"/spool/new/* | wc -c), $(cat "$instance"/spool/cur/* | wc -c))"
equal "status --json" "$(json "data['processor'], data['deliveries']['dead'], data['oldest_waiting']['id'], \
[h['handler'] for h in data['handlers']]" mailmill status --json)" \
    "({'running': True, 'pid': $processor}, 1, '$id', ['first', 'second', 'bury', 'wait'])"

# ---- on a terminal -------------------------------------------------------------------------------

coloured=$(TERM=xterm on_terminal 80 "$programs/mailmill" -c "$instance/mailmill.conf" list)
matches "colours on a terminal" "$coloured" "$escape\\[33mretry$escape\\[0m"
plain=$(NO_COLOR=1 TERM=xterm on_terminal 80 "$programs/mailmill" -c "$instance/mailmill.conf" list)
equal "NO_COLOR" "$(grep -c "$escape" <<<"$plain")" 0
equal "lines fit the terminal" \
    "$(python3 -c '
import sys, unicodedata
print(max(sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in line.rstrip("\n"))
          for line in sys.stdin))' \
        <<<"$plain")" 80
matches "a subject is cut between characters" "$plain" '  Grüße aus München…'
listed_on() { NO_COLOR=1 on_terminal "$1" "$programs/mailmill" -c "$instance/mailmill.conf" list "${@:2}"; }
today=$(sql "SELECT strftime('%m-%d', min(received_ms) / 1000, 'unixepoch') FROM message")
matches "80 columns: as much of an ID as it takes, the time of this year" "$(listed_on 80)" \
    "^ID +UTC +STATE +SENDER +RECIPIENT +SUBJECT
${id:0:10}  $today [0-9]{2}:[0-9]{2}  retry  asker@[a-z.]*…? +a@exampl[a-z.]*…? +Grüße aus München"
matches "and it will do" "$(mailmill show "$(listed_on 80 -n 1 | tail -n 1 | cut -d' ' -f1)")" "^$other"
matches "60 columns: without time and recipient" "$(listed_on 60)" \
    "^ID +STATE +SENDER +SUBJECT
${id:0:10}  retry  asker@example.org  Grüße aus München"
matches "40 columns: without the sender" "$(listed_on 40)" "^ID +STATE +SUBJECT
${id:0:10}  retry  Grüße aus München"
matches "100 columns: all of it" "$(listed_on 100)" "^ID +RECEIVED \\(UTC\\) +STATE +SENDER +RECIPIENT +SUBJECT
$id  [0-9]{4}-$today [0-9:]{5}  retry "
equal "none of them is too wide" "$(for columns in 40 60 80 99 100; do
    listed_on "$columns" | COLUMNS=$columns python3 -c '
import os, sys, unicodedata
width = lambda line: sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in line.rstrip("\n"))
print(*[line for line in sys.stdin if width(line) > int(os.environ["COLUMNS"])])'; done | grep -v '^$')" ""
# What came in the same moment, or in another year: a copy of a row, beside the processor.
neighbour=${id:0:12}$([ "${id:12:1}" = Z ] && echo Y || echo Z)ZZZ
beside() { python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.execute(sys.argv[2], sys.argv[3:])
db.commit()' "$instance/lib/index.db" "$@"; }
beside "INSERT INTO message (id, received_ms, sender, client_address, client_helo, client_protocol, size_bytes,
    queued_ms, ended_ms) SELECT ?, 0, '', 'local', 'x', 'SMTP', 1, 1, 1" "$neighbour"
matches "an ID is shown as far as it is alone" "$(listed_on 80)" "(^|
)${id:0:13}  $today"
matches "a message of another year has its day" "$(listed_on 80)" "${neighbour:0:13}  1970-01-01  +kept"
beside "DELETE FROM message WHERE id = ?" "$neighbour"
equal "no colours in a pipe" "$(TERM=xterm mailmill list | grep -c "$escape")" 0

# ---- reprocess -----------------------------------------------------------------------------------

exits "reprocess: all handlers" 0 "^$id: 2 deliveries queued$" mailmill reprocess "$id"
wait_for "SELECT count(*) = 4 FROM history WHERE message = '$id' AND outcome <> 'running'" || fail "both ran again"
exits "reprocess: one handler" 0 "^$other: 1 delivery queued$" mailmill reprocess "$other" --handler bury
wait_for "SELECT count(*) = 2 FROM history WHERE message = '$other' AND outcome = 'dead'" || fail "it ran again"
exits "show: asked for again" 0 'handler bury: dead, asked for again 1 time' mailmill show "$other"
exits "reprocess: a handler that is nowhere" 1 \
    'no route in .* has a handler frob; there are: first, second, bury, wait' mailmill reprocess --handler frob "$id"
exits "reprocess: a handler that is elsewhere" 1 "$id: no route has a handler bury" mailmill reprocess -H bury "$id"
exits "reprocess: unknown" 1 'there is no message 7ZZZ' mailmill reprocess 7zzz
exits "reprocess: ambiguous" 1 'more than one' mailmill reprocess "${id:0:2}"
equal "reprocess: what was refused changed nothing" "$(sql 'SELECT count(*) FROM attempt')" 6

submit asker@example.org slow@example.com <<<$'Subject: slow\n\nx'
wait_for "SELECT count(*) = 1 FROM history WHERE handler = 'wait'" || fail "the slow one runs"
slow=$(sql 'SELECT max(id) FROM message')
exits "reprocess: while it runs" 1 "$slow: handler wait is running" mailmill reprocess "$slow"
exits "show: while it runs" 0 'handler wait: running.*attempt 1, .* UTC: running for [0-9]+s' mailmill show "$slow"
echo go >"$instance/gate"
wait_for "SELECT count(*) = 1 FROM history WHERE handler = 'wait' AND outcome = 'done'" || fail "the slow one ends"

processor_stop
matches "status: stopped" "$(mailmill status)" 'processor +not running'
configure 0
exits "reprocess without a processor" 0 "$id: 2 deliveries queued.*not running: it will act on its next start" \
    mailmill reprocess "$id"
processor_start || fail "the processor starts again"
wait_for "SELECT state = 'done' FROM delivery WHERE message_id = '$id' AND handler = 'second'" || fail "it acted"
wait_for "SELECT ended_ms NOT NULL FROM message WHERE id = '$id'" || fail "the message has ended"
processor_stop
equal "it acted on its next start" "$(mailmill list | grep -c "$id .* done ")" 1

rm "$instance/spool/cur/$other"*
exits "show: the file is gone" 0 'file +no longer in the spool' mailmill show "$other"
before=$(sql 'SELECT * FROM delivery')
exits "reprocess: the file is gone" 1 "$other: its file is no longer in the spool" mailmill reprocess "$other"
equal "and nothing is changed" "$(sql 'SELECT * FROM delivery')" "$before"
exits "reprocess: some refused, the others done" 1 "$id: 2 deliveries queued" mailmill reprocess "$other" "$id"

sqlite3 "$instance/lib/index.db" "UPDATE delivery SET state = 'retry', due_ms = 1 WHERE handler = 'bury'"
configure 0 inter
matches "status: held deliveries" "$(mailmill status)" 'dead@example.com +bury .* held: no longer configured'
equal "status --json: held deliveries" \
    "$(json "[h['handler'] for h in data['handlers'] if not h['configured']]" mailmill status --json)" "['bury']"

# ---- trouble -------------------------------------------------------------------------------------

# shellcheck disable=SC2317 # called by name, as the next one is
full() { "$@" >/dev/full; }
exits "a full disk is no success" 74 'writing the output: ' full mailmill list
# Root may read everything, unless it gives up that.
# shellcheck disable=SC2317
cautious() {
    local without=()
    [ "$(id -u)" -ne 0 ] || without=(setpriv "--bounding-set=-dac_override,-dac_read_search")
    "${without[@]}" "$programs/mailmill" -c "$instance/mailmill.conf" "$@"
}
chmod 000 "$instance/lib/index.db"
exits "list without rights" 77 'Permission denied; you need to be root or in group mailmill' cautious list
chmod 440 "$instance/lib/index.db"
exits "reprocess without rights" 77 'you need to be root or in group mailmill' cautious reprocess "$id"
chmod 660 "$instance/lib/index.db"
rm -f "$instance"/lib/index.db-*
echo 'this is no database, and that for more than a hundred bytes ...................................' \
    >"$instance/lib/index.db"
exits "a damaged index" 75 'the file is damaged' mailmill list
cat >>"$instance/mailmill.conf" <<'ROUTES'
frob = 1
route "a@example.com" { handler "x" { run = {"/nonexistent/program"} } }
ROUTES
exits "check: all mistakes" 78 \
    'error: .*mailmill.conf:[0-9]+: .*frob.*error: .*mailmill.conf:[0-9]+: .*a@example.com' mailmill check
exits "other commands say them too" 78 'mailmill.conf:[0-9]+: .*frob' mailmill status
configure
sed -i 's/colourful", "65"/missing"/' "$instance/mailmill.conf"
exits "check: a missing program" 78 'error: .*mailmill.conf:[0-9]+: .*missing' mailmill check
finish
