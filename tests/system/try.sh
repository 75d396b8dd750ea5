#!/usr/bin/env bash
# mailmill try: handlers run as the processor would run them, and nothing is recorded.
set -u
# shellcheck source=../command.sh
. "$(dirname "$0")/../command.sh"

instance_open
touch "$instance/ran"
configure() {
    instance_config <<ROUTES
route "a@example.com" {
    handler "first"  { filter = {"/bin/sed", "s/word/other/"} }
    handler "second" { run = {"/bin/sh", "-c", "tail -n 1; env; pwd; echo err >&2; echo x >>$instance/ran"} }
}
route "ask@example.com" { handler "answer" { reply = {"/bin/echo", "It is so."} } }
route "skip@example.com" {
    handler "stop" { run = {"/bin/sh", "-c", "exit 99"} }
    handler "never" { run = {"/bin/sh", "-c", "echo never"} }
}
route "bad@example.com" {
    handler "dead" { run = {"/bin/sh", "-c", "exit 65"} }
    handler "later" { run = {"/bin/echo", "not run"} }
}
route "again@example.com" { handler "retry" { run = {"/bin/sh", "-c", "exit 75"} } }
route "slow@example.com" { handler "slow" { run = {"/bin/sleep", "1000"} timeout = "1s" } }
route "wait@example.com" { handler "wait" { run = {"/bin/sh", "-c", "echo begun >>$instance/ran; sleep 1000"} } }
route "*@lists.example.com" { handler "all" { run = {"/bin/sh", "-c", "echo to \$RECIPIENT"} } }
route "keep@example.com" { }
${1-}
ROUTES
}
configure
mail() { printf '%s\n' 'Subject: Gr=?utf-8?q?=C3=BC?=sse' 'Message-ID: <1@example.org>' '' 'a word'; }
# shellcheck disable=SC2317 # exits calls it
try() { mail | mailmill try "$@"; }

output=$(mail | mailmill try --from asker@example.org a+x@example.com 2>&1)
equal "all are done" "$?" 0
matches "in their order" "$output" '^first \(filter\) as [a-z_-]+.*second \(run\) as '
matches "what would be recorded" "$output" 'second[^
]*
  recorded as  done
  took +[0-9]+\.[0-9]{3} s
  standard output
    a other
.*  standard error
    err$'
for value in SENDER=asker@example.org RECIPIENT=a+x@example.com EXTENSION=x CLIENT_ADDRESS=local MAILMILL_ROUTE=a@example.com \
    MAILMILL_HANDLER=second MAILMILL_ATTEMPT=1 MAILMILL_REPLAY=0 MAILMILL_AUTO_REPLY_OK=1 "USER=$(id -un)" SHELL=/bin/sh; do
    equal "environment: $value" "$(grep -cxF "    $value" <<<"$output")" 1
done
matches "in a private folder" "$output" "    $instance/work/mailmill-"
equal "which is gone" "$(find "$instance/work" -mindepth 1 | wc -l)" 0
equal "what it does is done" "$(cat "$instance/ran")" x
succeeds "no index was made" test ! -e "$instance/lib/index.db"
equal "nothing is in the spool" "$(find "$instance/spool" -type f | wc -l)" 0

# The same environment as the processor's, but for what names the message and the run.
processor_start || { fail "the processor starts"; finish; }
mail | submit asker@example.org a+x@example.com
wait_for "SELECT count(*) = 1 FROM message WHERE ended_ms IS NOT NULL" || fail "the processor runs it"
names() { grep -oE '^ *[A-Z_]+=' | tr -d ' ' | sort; }
equal "the names of the processor's environment" "$(names <<<"$output")" \
    "$(sql "SELECT stdout FROM history WHERE handler = 'second'" | names)"
before=$(sql 'SELECT count(*) FROM attempt')
exits "beside a processor that runs" 0 'recorded as  done' try a@example.com
equal "nothing is recorded" "$(sql 'SELECT count(*) FROM attempt')" "$before"
processor_stop

exits "one handler" 0 '^second \(run\).*a word' try second
exits "by its route, too" 0 '^second \(run\)' try a@example.com/second
exits "of a catch-all" 0 'to someone@lists.example.com' try all
exits "none of that name" 1 'there is no handler nothing' try nothing
matches "a letter is shown" "$(mail | mailmill try -f asker@example.org answer)" '  letter, not sent
    .*To: <?asker@example\.org>?.*In-Reply-To: <1@example.org>.*It is so\.'
exits "to the null sender none goes" 0 'answer \(reply\).*recorded as  skipped: no reply: ' try ask@example.com
exits "the rest is skipped" 0 '^stop .*recorded as  done: exit code 99: [^
]*
[^
]*$' try skip@example.com
exits "dead: those after it don't run" 1 'recorded as  dead: exit code 65: [^
]*
[^
]*$' try bad@example.com
exits "retry" 1 'recorded as  retry: exit code 75' try again@example.com
exits "its timeout" 1 'recorded as  retry: stopped after its timeout of 1 s' try slow@example.com
exits "an address without a handler" 1 'keep@example.com has no handler to be tried' try keep@example.com
exits "an address without a route" 1 'no@example.com has no handler to be tried' try no@example.com
exits "no operand" 64 'one address or handler is wanted' try
# shellcheck disable=SC2317 # likewise
empty() { mailmill try second </dev/null; }
exits "no message" 65 'standard input is empty' empty

mail >"$instance/mail"
"$programs/mailmill" -c "$instance/mailmill.conf" try wait <"$instance/mail" >"$instance/out" 2>&1 &
trial=$!
until grep -q begun "$instance/ran"; do sleep 0.02; done
kill -INT $trial
process_end $trial 20
equal "SIGINT ends the handler" "$?:$(grep -c 'recorded as  retry: stopped' "$instance/out")" 1:1
equal "and its folder" "$(find "$instance/work" -mindepth 1 | wc -l)" 0

if [ "$(id -u)" -eq 0 ]; then
    configure 'route "nobody@example.com" { handler "who" { run = {"/bin/sh", "-c", "id -un; test -r /etc/shadow || echo unable"} user = "nobody" } }'
    chmod 711 "$instance" "$instance/work"
    exits "as its user" 0 'as nobody.*    nobody.*    unable' try who
    chmod 644 "$instance/mailmill.conf" "$instance/mail"
    # shellcheck disable=SC2317 # likewise
    other() { setpriv --reuid=65534 --regid=65534 --clear-groups "$programs/mailmill" -c "$instance/mailmill.conf" try second <"$instance/mail"; }
    exits "not root: another's handler" 77 'handler second runs as user root, and you are ' other
fi
finish
