#!/usr/bin/env bash
# What a handler gets and what its exit means, with real programs run by the real processor.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
instance_open

# Each program finds the folder `seen` beside the one that it stands in.
program look <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen/$MAILMILL_ID.$MAILMILL_HANDLER
mkdir "$seen"
tr '\0' '\n' </proc/$$/environ >"$seen/environment"
{
    pwd -P
    stat -c '%a %u %F' .
    find . | wc -l
} >"$seen/folder"
printf '%s\n' "$@" >"$seen/arguments"
awk '/^(SigBlk|SigIgn)/ { print $2 }' /proc/self/status >"$seen/signals"
ps -o sid=,pgid=,pid= -p $$ >"$seen/session"
umask >"$seen/umask"
cat >"$seen/stdin"
SH

# Leaves all that makes a folder hard to remove.
program litter <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
pwd -P >"$seen/litter"
mkdir -p deep/deep && cd deep
i=0
while [ $i -lt 40 ]; do mkdir folder && cd folder && i=$((i + 1)); done
touch bottom
cd "$(cat "$seen/litter")"
mkdir -p locked/inner unreadable
touch locked/file locked/inner/file unreadable/file
chmod 500 locked locked/inner && chmod 0 unreadable
ln -s "$seen/keep" link-to-folder && ln -s "$seen/keep/file" link-to-file && ln -s nowhere dangling
mkfifo pipe && touch "$(printf 'odd\nname')" .hidden && chmod 0 .hidden
chmod 500 .
SH

program says <<'SH'
#!/bin/sh
i=0
while [ $i -lt 3000 ]; do echo "stdout line $i"; i=$((i + 1)); done
printf 'a\000b\377end of stdout'
i=0
while [ $i -lt 3000 ]; do echo "stderr line $i"; i=$((i + 1)); done >&2
printf 'end of stderr' >&2
SH

program code <<'SH'
#!/bin/sh
exit "${EXTENSION:-0}"
SH

# step NAME: notes that it ran, and ends with the code that stands in seen/NAME.exit, which is used up.
program step <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
echo "$1:$MAILMILL_ATTEMPT:$MAILMILL_DELIVERY" >>"$seen/$LOCAL.log"
code=$(cat "$seen/$LOCAL.$1.exit" 2>/dev/null || echo 0)
rm -f "$seen/$LOCAL.$1.exit"
exit "$code"
SH

# Waits for seen/gate, and finds out how many do so at once.
program queue <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
mkdir "$seen/$LOCAL.inside.$$"
ls -d "$seen/$LOCAL.inside."* | wc -l >>"$seen/$LOCAL.peak"
echo "$MAILMILL_ID" >>"$seen/$LOCAL.order"
while [ ! -e "$seen/gate" ]; do sleep 0.02; done
rmdir "$seen/$LOCAL.inside.$$"
SH

program obeys <<'SH'
#!/bin/sh
trap 'echo "was told to end"; exit 0' TERM
while :; do sleep 0.05; done
SH

program ignores <<'SH'
#!/bin/sh
trap '' TERM
date +%s%3N
while :; do sleep 0.1; done
SH

mkdir "$instance/seen/keep"
touch "$instance/seen/keep/file"
bin=$instance/bin
instance_config <<EOT
max-runs = "60"
max-recipients = "100"
route "look@example.com" { handler "first" { run = {"$bin/look", "one word", "\"\$HOME\" *", ""} concurrency = "5" } }
route "*@example.net"    { handler "all"   { run = {"$bin/look"} concurrency = "5" } }
route "descriptors@example.com" { handler "x" { run = {"/bin/ls", "-l", "/proc/self/fd"} } }
route "litter@example.com" { handler "x" { run = {"$bin/litter"} } }
route "says@example.com" { handler "x" { run = {"$bin/says"} } }
route "code@example.com" { handler "x" { run = {"$bin/code"} concurrency = "40" pause-after = "0" } }
route "mine@example.com" {
    handler "x" { run = {"$bin/code"} concurrency = "10" exit-codes = {"0=retry", "1=dead", "3=skip", "75=done", "100=retry"} }
}
route "chain@example.com" {
    handler "one"   { run = {"$bin/step", "one"} }
    handler "two"   { run = {"$bin/step", "two"} retry-first = "1s" }
    handler "three" { run = {"$bin/step", "three"} }
}
route "skip@example.com" { handler "one" { run = {"$bin/step", "one"} } handler "two" { run = {"$bin/step", "two"} } }
route "dead@example.com" { handler "one" { run = {"$bin/step", "one"} } handler "two" { run = {"$bin/step", "two"} } }
route "override@example.com" {
    handler "one" { run = {"$bin/step", "one"} exit-codes = {"3=skip"} }
    handler "two" { run = {"$bin/step", "two"} }
}
route "gives-up@example.com" { handler "x" { run = {"$bin/code"} retry-first = "1s" give-up = "1s" } }
route "single@example.com" { handler "x" { run = {"$bin/queue"} } }
route "triple@example.com" { handler "x" { run = {"$bin/queue"} concurrency = "3" } }
route "obeys@example.com" { handler "x" { run = {"$bin/obeys"} timeout = "1s" } }
route "ignores@example.com" { handler "x" { run = {"$bin/ignores"} timeout = "1s" } }
route "kept@example.com" {}
EOT
start_or_finish 9</dev/null
seen=$instance/seen

# The one that takes eleven seconds goes first; what became of it is looked at in the end.
submit a@example.org ignores@example.com obeys@example.com <<<"Subject: you have a second"

# ---- standard input, folder, descriptors, arguments ----------------------------------------------

{
    printf 'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus\n =?utf-8?q?M=C3=BCnchen?=\nFrom: "A. Sker" <asker@example.org>\n'
    printf 'To: look@example.com\nDate: Sat, 31 Jan 2026 23:59:59 +0100\nReply-To: other@example.org\n'
    printf 'Message-ID: <1@example.org>\nList-Id: Things <things.example.org>\n\n.stuffed\nbody \xff\xfe\nlast\n'
} >"$instance/mail"
succeeds "a message is accepted" submit asker@example.org 'look+more.of-it@example.com' <"$instance/mail"
ended look+more.of-it@example.com
equal "it is done" "$(states look+more.of-it@example.com)" first=done
id=$(sql "SELECT message FROM history WHERE recipient LIKE 'look+%'")
at=$seen/$id.first
succeeds "standard input is the message's file, byte for byte" until_true cmp "$at/stdin" "$instance/spool/cur/$id:2,S"
equal "the file is the trace block and what was sent" "$(sed '1,/^Subject:/{/^Subject:/!d}' "$at/stdin" | md5sum)" \
    "$(md5sum <"$instance/mail")"
matches "the folder is private and in workdir" "$(sed -n 1p "$at/folder")" "^$(readlink -f "$instance/work")/mailmill-[^/]+$"
equal "it is the user's own" "$(sed -n 2p "$at/folder")" "700 $(id -u) directory"
equal "it is empty" "$(sed -n 3p "$at/folder")" 1
succeeds "it is removed" [ ! -e "$(sed -n 1p "$at/folder")" ]
# shellcheck disable=SC2016 # that it is not expanded is the point
equal "arguments come as they are written" "$(cat "$at/arguments"; echo .)" 'one word
"$HOME" *

.'
equal "no signal is blocked or ignored" "$(tr '\n' ' ' <"$at/signals")" '0000000000000000 0000000000000000 '
equal "it has a session of its own" "$(tr -s ' ' '\n' <"$at/session" | sort -u | grep -c .)" 1
equal "files it makes can be read by others" "$(cat "$at/umask")" 0022

# The processor itself was started with one more; the last is that of ls for the folder which it lists.
submit asker@example.org descriptors@example.com <<<"Subject: which?"
ended descriptors@example.com
equal "there are three descriptors and no other" \
    "$(attempts descriptors@example.com stdout | sed -nE 's/.* ([0-9]+) -> .*/\1/p' | tr '\n' ' ')" '0 1 2 3 '

# ---- environment ---------------------------------------------------------------------------------

# value NAME: in the environment of the run that is looked at.
value() { sed -n "s/^$1=//p" "$at/environment"; }

documented='SENDER RECIPIENT ORIGINAL_RECIPIENT LOCAL EXTENSION EXT DOMAIN HOST CLIENT_ADDRESS CLIENT_HELO CLIENT_PROTOCOL
USER LOGNAME HOME SHELL PATH LANG TZ HEADER_SUBJECT HEADER_FROM HEADER_TO HEADER_DATE HEADER_REPLY_TO HEADER_MESSAGE_ID
HEADER_LIST_ID MAILMILL_ID MAILMILL_DELIVERY MAILMILL_ROUTE MAILMILL_HANDLER MAILMILL_ATTEMPT MAILMILL_REPLAY
MAILMILL_COALESCED MAILMILL_TLS MAILMILL_AUTO_REPLY_OK MAILMILL_RUN'
equal "the environment holds the documented names and no other" "$(cut -d= -f1 "$at/environment" | sort)" \
    "$(tr -s ' ' '\n' <<<"$documented" | sort)"
equal "SENDER" "$(value SENDER)" asker@example.org
equal "RECIPIENT" "$(value RECIPIENT)" look+more.of-it@example.com
equal "ORIGINAL_RECIPIENT" "$(value ORIGINAL_RECIPIENT)" look+more.of-it@example.com
equal "LOCAL is the whole local part" "$(value LOCAL)" look+more.of-it
equal "EXTENSION" "$(value EXTENSION)" more.of-it
equal "EXT" "$(value EXT)" more.of-it
equal "DOMAIN" "$(value DOMAIN)" example.com
equal "HOST" "$(value HOST)" example.com
equal "CLIENT_ADDRESS" "$(value CLIENT_ADDRESS)" local
equal "CLIENT_HELO" "$(value CLIENT_HELO)" client.example.org
equal "CLIENT_PROTOCOL" "$(value CLIENT_PROTOCOL)" ESMTP
equal "USER" "$(value USER)" "$(id -un)"
equal "LOGNAME" "$(value LOGNAME)" "$(id -un)"
equal "HOME" "$(value HOME)" "$(getent passwd "$(id -u)" | cut -d: -f6)"
equal "SHELL" "$(value SHELL)" /bin/sh
equal "PATH" "$(value PATH)" /usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
equal "LANG" "$(value LANG)" C.UTF-8
equal "TZ is the processor's" "$(value TZ)" UTC
equal "HEADER_SUBJECT is decoded" "$(value HEADER_SUBJECT)" 'Grüße aus München'
matches "HEADER_FROM" "$(value HEADER_FROM)" 'A\. Sker.*asker@example\.org'
equal "HEADER_TO" "$(value HEADER_TO)" look@example.com
matches "HEADER_DATE" "$(value HEADER_DATE)" '31 Jan 2026 23:59:59'
equal "HEADER_REPLY_TO" "$(value HEADER_REPLY_TO)" other@example.org
matches "HEADER_MESSAGE_ID" "$(value HEADER_MESSAGE_ID)" '1@example\.org'
matches "HEADER_LIST_ID" "$(value HEADER_LIST_ID)" 'things\.example\.org'
equal "MAILMILL_ID" "$(value MAILMILL_ID)" "$id"
equal "MAILMILL_DELIVERY" "$(value MAILMILL_DELIVERY)" "$id.1.first"
equal "MAILMILL_ROUTE" "$(value MAILMILL_ROUTE)" look@example.com
equal "MAILMILL_HANDLER" "$(value MAILMILL_HANDLER)" first
equal "MAILMILL_ATTEMPT" "$(value MAILMILL_ATTEMPT)" 1
equal "MAILMILL_REPLAY" "$(value MAILMILL_REPLAY)" 0
equal "MAILMILL_COALESCED: it is alone" "$(value MAILMILL_COALESCED)" 1
equal "MAILMILL_TLS" "$(value MAILMILL_TLS)" ''
equal "MAILMILL_AUTO_REPLY_OK: not for a list" "$(value MAILMILL_AUTO_REPLY_OK)" 0

succeeds "a message from the null sender" submit '' look@example.com <<<"Subject: a bounce"
ended look@example.com
at=$seen/$(sql "SELECT message FROM history WHERE recipient = 'look@example.com'").first
equal "SENDER is there and empty" "$(grep -x 'SENDER=.*' "$at/environment")" SENDER=
equal "EXTENSION is empty without one" "$(grep -x 'EXTENSION=.*' "$at/environment")" EXTENSION=
equal "MAILMILL_AUTO_REPLY_OK: not for the null sender" "$(value MAILMILL_AUTO_REPLY_OK)" 0
equal "a header that is not there is empty" "$(grep -x 'HEADER_FROM=.*' "$at/environment")" HEADER_FROM=

succeeds "a quoted local part" submit '"the asker"@example.org' '"john \"the\" doe"@example.net' <<<"Subject: hello"
ended '"john \"the\" doe"@example.net'
at=$seen/$(sql "SELECT message FROM history WHERE route = '*@example.net'").all
equal "RECIPIENT is quoted" "$(value RECIPIENT)" '"john \"the\" doe"@example.net'
equal "LOCAL is not" "$(value LOCAL)" 'john "the" doe'
equal "the catch-all's route" "$(value MAILMILL_ROUTE)" '*@example.net'
equal "MAILMILL_AUTO_REPLY_OK: for a person" "$(value MAILMILL_AUTO_REPLY_OK)" 1

{
    printf 'From: =?utf-8?q?one=0Atwo=00three=1Bfour?= <asker@example.org>\nSubject: '
    head -c 9000 /dev/zero | tr '\0' x
    printf '\n\n'
} >"$instance/mail"
submit asker@example.org big@example.net <"$instance/mail"
ended big@example.net
at=$seen/$(sql "SELECT message FROM history WHERE recipient = 'big@example.net'").all
equal "a long header is cut at 4 KiB" "$(value HEADER_SUBJECT | tr -d '\n' | wc -c)" 4096
matches "control characters become spaces" "$(value HEADER_FROM)" 'one two.*three four'

# ---- the folder ----------------------------------------------------------------------------------

submit asker@example.org litter@example.com <<<"Subject: a mess"
ended litter@example.com
equal "it is done" "$(states litter@example.com)" x=done
succeeds "the folder is removed with all that was in it" [ ! -e "$(cat "$seen/litter")" ]
succeeds "what links in it pointed at is not" [ -f "$seen/keep/file" ]
equal "nothing is said of it in the log" "$(grep -c 'removing' "$instance/log")" 0

# ---- output --------------------------------------------------------------------------------------

submit asker@example.org says@example.com <<<"Subject: speak"
ended says@example.com
equal "stdout: the last 16 KiB" "$(sql "SELECT length(stdout) FROM attempt WHERE length(stdout) > 1000")" 16384
equal "they are the last ones, any byte" \
    "$(sql "SELECT hex(substr(stdout, -19)) FROM attempt WHERE length(stdout) > 1000")" \
    "$(printf '9\na\000b\377end of stdout' | od -An -tx1 | tr -d ' \n' | tr a-f A-F | tail -c 38)"
equal "stderr: the same" \
    "$(sql "SELECT length(stderr), substr(stderr, -13) FROM history WHERE recipient = 'says@example.com'")" \
    '16384|end of stderr'

# ---- exit codes ----------------------------------------------------------------------------------

done_codes='0 99'
retry_codes='71 73 74 75 111 1 2 3 42 126 127 255'
dead_codes='64 65 66 67 68 69 70 72 76 77 78 100 112'
# shellcheck disable=SC2046,SC2086 # one word a code
submit asker@example.org $(printf 'code+%s@example.com ' $done_codes $retry_codes $dead_codes) <<<"Subject: codes"
wait_for "SELECT count(*) = 27 FROM history WHERE recipient LIKE 'code+%' AND seconds IS NOT NULL"
for code in $done_codes; do equal "exit code $code: done" "$(states "code+$code@example.com")" x=done; done
for code in $retry_codes; do equal "exit code $code: retry" "$(states "code+$code@example.com")" x=retry; done
for code in $dead_codes; do equal "exit code $code: dead" "$(states "code+$code@example.com")" x=dead; done
equal "the code is in the history" "$(attempts code+77@example.com exit_code,signal,outcome,detail)" \
    '77||dead|exit code 77: permission denied'
equal "success needs no words" "$(attempts code+0@example.com exit_code,signal,outcome,detail)" '0||done|'
matches "a retry comes after a minute, more or less" \
    "$(sql "SELECT (due_ms - queued_ms) / 1000 FROM $(deliveries_to code+75@example.com)")" '^(5[4-9]|6[0-9])$'

submit asker@example.org mine+{0,1,3,75,100,77}@example.com <<<"Subject: my own codes"
wait_for "SELECT count(*) = 6 FROM history WHERE recipient LIKE 'mine+%' AND seconds IS NOT NULL"
for pair in 0=retry 1=dead 3=done 75=done 100=retry 77=dead; do
    equal "exit-codes ${pair%=*}" "$(states "mine+${pair%=*}@example.com")" "x=${pair#*=}"
done
equal "the history says where the meaning is from" "$(attempts mine+1@example.com detail)" \
    'exit code 1: as set by exit-codes'

submit asker@example.org gives-up+75@example.com <<<"Subject: in vain"
ended gives-up+75@example.com
equal "after the give-up time it is dead" "$(states gives-up+75@example.com)" x=dead
matches "and says so" "$(details gives-up+75@example.com)" '^given up after [12] attempts: exit code 75: try again later$'

# ---- several handlers ----------------------------------------------------------------------------

echo 75 >"$seen/chain.two.exit"
submit asker@example.org chain@example.com <<<"Subject: one after the other"
ended chain@example.com 3
key=$(sql "SELECT message_id || '.1.' FROM $(deliveries_to chain@example.com) LIMIT 1")
equal "only the one that failed runs again, in order" "$(cat "$seen/chain.log")" \
    "one:1:${key}one"$'\n'"two:1:${key}two"$'\n'"two:2:${key}two"$'\n'"three:1:${key}three"
equal "all are done" "$(states chain@example.com)" 'one=done two=done three=done'
succeeds "the file is in cur/, marked as seen" until_true [ -f "$instance/spool/cur/${key%%.*}:2,S" ]

echo 99 >"$seen/skip.one.exit"
submit asker@example.org skip@example.com <<<"Subject: enough"
ended skip@example.com 2
equal "99 skips the rest" "$(states skip@example.com)" 'one=done two=skipped'
equal "which says why" "$(details skip@example.com)" \
    $'exit code 99: done, skip the handlers after it\nhandler one said to skip the rest'
equal "it did not run" "$(cut -d: -f1 "$seen/skip.log")" one

echo 3 >"$seen/override.one.exit"
submit asker@example.org override@example.com <<<"Subject: enough"
ended override@example.com 2
equal "so does a code that exit-codes makes one" "$(states override@example.com)" 'one=done two=skipped'

echo 100 >"$seen/dead.one.exit"
submit asker@example.org dead@example.com <<<"Subject: broken"
ended dead@example.com 2
equal "a dead handler skips the rest" "$(states dead@example.com)" 'one=dead two=skipped'
equal "which says why" "$(details dead@example.com)" $'exit code 100: failed for good\nhandler one is dead'
id=$(sql "SELECT message_id FROM $(deliveries_to dead@example.com) LIMIT 1")
succeeds "the file is in cur/, marked with F" until_true [ -f "$instance/spool/cur/$id:2,F" ]
succeeds "the dead one alone is asked for again" mailmill reprocess "$id" --handler one
wait_for "SELECT count(*) = 2 AND sum(state = 'done') = 2 FROM $(deliveries_to dead@example.com)" 10
equal "it is done, and the one that it took with it, too" "$(states dead@example.com)" 'one=done two=done'
succeeds "the file is marked as seen" until_true [ -f "$instance/spool/cur/$id:2,S" ]

# ---- recipients ----------------------------------------------------------------------------------

submit asker@example.org says@example.com Says@Example.COM says@example.com LOOK@example.com any@example.net \
    <<<"Subject: again and again"
ended any@example.net
wait_for "SELECT count(*) = 3 FROM history WHERE subject = 'again and again' AND outcome = 'done'"
equal "the same recipient twice is one delivery, letter case or not" \
    "$(sql "SELECT group_concat(r, ' ') FROM (SELECT lower(recipient) AS r FROM history WHERE subject = 'again and again'
             ORDER BY 1)")" 'any@example.net look@example.com says@example.com'

submit asker@example.org postmaster <<<"Subject: to bare postmaster"
submit asker@example.org postmaster@example.com <<<"Subject: to postmaster"
submit asker@example.org kept@example.com <<<"Subject: to a route without a handler"
wait_for "SELECT count(*) = 3 FROM message WHERE subject LIKE 'to %' AND ended_ms IS NOT NULL" ||
    fail "mail that nothing is run for comes to its end"
equal "it is kept in cur/ without a flag" \
    "$(grep -l '^Subject: to ' "$instance"/spool/cur/* | grep -c ':2,$')" 3
equal "it has no delivery" "$(sql "SELECT count(*) FROM message JOIN delivery ON message_id = message.id
                                     WHERE subject LIKE 'to %'")" 0

# ---- order and concurrency -----------------------------------------------------------------------

for number in 1 2 3 4 5; do submit asker@example.org single@example.com triple@example.com <<<"Subject: $number"; done
wait_for "SELECT count(*) = 4 FROM delivery WHERE state = 'running' AND route IN ('single@example.com', 'triple@example.com')" ||
    fail "one of the one handler runs, three of the other" "$(states single@example.com) $(states triple@example.com)"
touch "$seen/gate"
ended single@example.com 5
ended triple@example.com 5
equal "one at a time" "$(sort -n "$seen/single.peak" | tail -n 1)" 1
equal "the oldest first" "$(cat "$seen/single.order")" "$(sort "$seen/single.order")"
equal "with concurrency, no more than that" "$(sort -n "$seen/triple.peak" | tail -n 1)" 3

# ---- time's up -----------------------------------------------------------------------------------

tried obeys@example.com
equal "a run over its time is told to end" "$(attempts obeys@example.com outcome,exit_code,signal,detail,stdout)" \
    'retry|||stopped after its timeout of 1 s|was told to end'
tried ignores@example.com
equal "one that does not is killed" "$(attempts ignores@example.com outcome,exit_code,signal,detail)" \
    'retry|||stopped after its timeout of 1 s'
matches "ten seconds later" "$(attempts ignores@example.com 'CAST(seconds AS INTEGER)')" '^1[01]$'

finish
