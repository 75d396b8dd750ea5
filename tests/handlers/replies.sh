#!/usr/bin/env bash
# Automatic replies, from what a handler prints to what the sendmail command is given, and when there is none.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
instance_open

# Notes that it ran, and answers something else each time.
program answer <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
echo "$MAILMILL_ATTEMPT $MAILMILL_AUTO_REPLY_OK" >>"$seen/$LOCAL.runs"
code=$(cat "$seen/$LOCAL.exit" 2>/dev/null || echo 0)
rm -f "$seen/$LOCAL.exit"
echo "Answer $(wc -l <"$seen/$LOCAL.runs") to: $HEADER_SUBJECT"
exit "$code"
SH
program silent <<'SH'
#!/bin/sh
exit 0
SH
program long <<'SH'
#!/bin/sh
yes 'a line of a long answer' | head -c 3000
SH
program ran <<'SH'
#!/bin/sh
echo ran >>"${0%/bin/*}/seen/$LOCAL.ran"
SH
# Keeps what it is given, and its environment, and ends with the code that stands in seen/sendmail.exit, line by line.
program sendmail <<'SH'
#!/bin/sh
seen=${0%/bin/*}/seen
cat >"$seen/sent.$MAILMILL_DELIVERY.new"
number=$(ls "$seen" | grep -c "^sent\.$MAILMILL_DELIVERY\.[0-9]")
mv "$seen/sent.$MAILMILL_DELIVERY.new" "$seen/sent.$MAILMILL_DELIVERY.$((number + 1))"
printf '%s\n' "$@" >"$seen/arguments"
# As Exim does: it has the letter, and delivers it when nobody waits any more.
[ ! -e "$seen/later" ] || { rm "$seen/later"; { sleep 2; echo delivered >"$seen/delivered"; } & }
code=$(head -n 1 "$seen/sendmail.exit" 2>/dev/null)
sed -i 1d "$seen/sendmail.exit" 2>/dev/null
echo "sendmail says $code"
exit "${code:-0}"
SH

mkdir -p "$instance/seen"
seen=$instance/seen
instance_config <<EOT
sendmail = {"$instance/bin/sendmail", "-t", "-i", "-f", "<>"}
max-message-size = "2K"
reply-limit = "2"
route "ask@example.com"    { handler "answer" { reply = {"$instance/bin/answer"} retry-first = "1s" } }
route "limit@example.com"  { handler "answer" { reply = {"$instance/bin/answer"} } }
route "behind@example.com" { handler "answer" { reply = {"$instance/bin/answer"} } }
route "silent@example.com" { handler "answer" { reply = {"$instance/bin/silent"} } }
route "long@example.com"   { handler "answer" { reply = {"$instance/bin/long"} } handler "after" { run = {"$instance/bin/ran"} } }
route "then@example.com" {
    handler "answer" { reply = {"$instance/bin/answer"} retry-first = "1s" }
    handler "after" { run = {"$instance/bin/ran"} }
}
route "dead@example.com"  { handler "answer" { reply = {"$instance/bin/answer"} } handler "after" { run = {"$instance/bin/ran"} } }
route "skip@example.com"  { handler "answer" { reply = {"$instance/bin/answer"} retry-first = "1s" } handler "after" { run = {"$instance/bin/ran"} } }
route "fails@example.com" { handler "answer" { reply = {"$instance/bin/answer"} retry-first = "1s" } }
EOT
start_or_finish

# letters RECIPIENT: the files that sendmail was given for it, a line each.
letters() { sql "SELECT message_id || '.' || d.recipient FROM $(deliveries_to "$1") d" | sort -u | while read -r key; do
    printf '%s\n' "$seen/sent.$key".*.[0-9]* | grep -v '\*'
done; }
# field NAME FILE: of its header, unfolded.
field() { sed -n '1,/^$/p' "$2" | sed -e ':a' -e 'N;$!ba' -e 's/\n[ \t]/ /g' | sed -n "s/^$1: //p"; }

# ---- an answer -----------------------------------------------------------------------------------

printf '%s\n' 'Subject: Grüße aus München?' 'From: Asker <asker@example.org>' 'Message-ID: <q1@example.org>' \
    'References: <q0@example.org>' '' 'text' | submit asker@example.org ask@example.com
ended ask@example.com
letter=$(letters ask@example.com)
equal "one letter goes out" "$(wc -l <<<"$letter")" 1
equal "the delivery is done and says to whom" "$(attempts ask@example.com outcome,exit_code,detail)" \
    'done|0|replied to asker@example.org'
equal "sendmail gets its arguments" "$(tr '\n' ' ' <"$seen/arguments")" '-t -i -f <> '
equal "To" "$(field To "$letter")" asker@example.org
equal "From" "$(field From "$letter")" ask@example.com
equal "Auto-Submitted" "$(field Auto-Submitted "$letter")" auto-replied
equal "In-Reply-To" "$(field In-Reply-To "$letter")" '<q1@example.org>'
equal "References" "$(field References "$letter")" '<q0@example.org> <q1@example.org>'
matches "Subject" "$(field Subject "$letter" | python3 -c '
import email.header, sys
print(email.header.make_header(email.header.decode_header(sys.stdin.read().strip())))')" '^Re: Grüße aus München\?$'
equal "the answer is whole" "$(python3 -c '
import email, email.policy, sys
print(email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default).get_content().strip())' "$letter")" \
    'Answer 1 to: Grüße aus München?'
equal "nothing is left in the outbox" "$(find "$instance/spool/out" -type f | wc -l)" 0

# ---- sendmail that goes on behind our back ------------------------------------------------------

touch "$seen/later"
submit slow@example.org behind@example.com <<<"Subject: in the background"
ended behind@example.com
equal "a sendmail that has the letter is not waited for" "$(cat "$seen/delivered" 2>/dev/null)" ''
succeeds "and what it does in the background is left alone" timeout 20 sh -c "until [ -s '$seen/delivered' ]; do sleep 0.1; done"

# ---- sendmail in trouble -------------------------------------------------------------------------

printf '75\n' >"$seen/sendmail.exit"
submit first@example.org then@example.com <<<"Subject: later"
ended then@example.com 2
equal "the letter is sent again" "$(letters then@example.com | wc -l)" 2
mapfile -t both < <(letters then@example.com)
succeeds "it is the very same letter" cmp "${both[0]}" "${both[1]}"
equal "its handler did not run a second time" "$(cat "$seen/then.runs")" '1 1'
equal "the history says so" "$(attempts then@example.com handler,attempt,outcome,detail)" \
    $'answer|1|retry|sendmail: exit code 75: try again later\nanswer|2|done|replied to first@example.org\nafter|1|done|'
equal "the handler behind it waited" "$(cat "$seen/then.ran")" ran
equal "nothing is left in the outbox" "$(find "$instance/spool/out" -type f | wc -l)" 0

printf '75\n77\n' >"$seen/sendmail.exit"
submit second@example.org then@example.com <<<"Subject: never"
ended then@example.com 4
equal "a code that means never: dead, the rest is skipped" \
    "$(sql "SELECT group_concat(state, ' ') FROM (SELECT state FROM $(deliveries_to then@example.com) LIMIT 2 OFFSET 2)")" \
    'dead skipped'
matches "and says whose it was" "$(details then@example.com)" 'sendmail: exit code 77: permission denied'
equal "nothing is left in the outbox" "$(find "$instance/spool/out" -type f | wc -l)" 0

mv "$instance/bin/sendmail" "$instance/bin/elsewhere"
submit third@example.org ask@example.com <<<"Subject: no sendmail"
wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'no sendmail' AND seconds IS NOT NULL"
equal "a sendmail that is missing: to be tried again" \
    "$(sql "SELECT outcome, detail FROM history WHERE subject = 'no sendmail'")" \
    'retry|sendmail: could not be started: No such file or directory'
equal "the letter waits in the outbox" "$(find "$instance/spool/out" -type f | wc -l)" 1
processor_stop
equal "over a restart, too" "$(find "$instance/spool/out" -type f | wc -l)" 1
mv "$instance/bin/elsewhere" "$instance/bin/sendmail"
touch "$instance/spool/out/0123456789ABCDEF.1.answer" "$instance/spool/out/0123456789ABCDEF.1.answer.new"
start_or_finish
ended ask@example.com 2
equal "then it is sent" "$(sql "SELECT outcome FROM history WHERE subject = 'no sendmail' ORDER BY attempt DESC LIMIT 1")" "done"
equal "its handler has run once for it" "$(wc -l <"$seen/ask.runs")" 2
equal "nothing is left in the outbox, nor what no delivery waits for" "$(find "$instance/spool/out" -type f | wc -l)" 0

# ---- the handler's own word ----------------------------------------------------------------------

echo 75 >"$seen/fails.exit"
submit fourth@example.org fails@example.com <<<"Subject: twice"
ended fails@example.com
equal "what a failed run printed is not sent" "$(letters fails@example.com | wc -l)" 1
equal "but what the next one did" "$(grep -c 'Answer 2' "$(letters fails@example.com)")" 1

echo 99 >"$seen/skip.exit"
submit fifth@example.org skip@example.com <<<"Subject: enough"
ended skip@example.com 2
equal "99: the reply is sent, the rest skipped" "$(states skip@example.com) $(letters skip@example.com | wc -l)" \
    'answer=done after=skipped 1'
echo 99 >"$seen/skip.exit"
echo 75 >"$seen/sendmail.exit"
submit sixth@example.org skip@example.com <<<"Subject: enough for now"
ended skip@example.com 4
equal "also when the reply is sent later" "$(states skip@example.com)" \
    'answer=done after=skipped answer=done after=skipped'

echo 100 >"$seen/dead.exit"
submit seventh@example.org dead@example.com <<<"Subject: broken"
ended dead@example.com 2
equal "dead: no reply" "$(states dead@example.com) $(letters dead@example.com | wc -l)" 'answer=dead after=skipped 0'

submit eighth@example.org silent@example.com <<<"Subject: silence"
ended silent@example.com
equal "no output, no letter" "$(states silent@example.com) $(letters silent@example.com | wc -l)" 'answer=done 0'
equal "which is simply done" "$(details silent@example.com)" ''

submit ninth@example.org long@example.com <<<"Subject: tell me"
ended long@example.com 2
equal "a letter larger than a message may be: dead" "$(attempts long@example.com outcome,detail)" \
    'dead|its output is larger than max-message-size'
equal "it is not sent" "$(states long@example.com) $(letters long@example.com | wc -l)" 'answer=dead after=skipped 0'

# ---- who gets none -------------------------------------------------------------------------------

# no_reply NAME SENDER PATTERN, with header lines on standard input.
no_reply() {
    local before
    before=$(sql "SELECT count(*) FROM message")
    { cat; printf '\ntext\n'; } | submit "$2" long@example.com || fail "$1: accepted"
    wait_for "SELECT count(*) = $before + 1 AND sum(ended_ms IS NULL) = 0 FROM message"
    local id
    id=$(sql "SELECT max(id) FROM message")
    equal "$1: no reply" "$(sql "SELECT state, attempts FROM delivery WHERE message_id = '$id' AND handler = 'answer'")" 'skipped|0'
    matches "$1: says why" "$(sql "SELECT detail FROM delivery WHERE message_id = '$id' AND handler = 'answer'")" "^no reply: .*$3"
    equal "$1: the handler behind it runs" \
        "$(sql "SELECT state FROM delivery WHERE message_id = '$id' AND handler = 'after'")" "done"
}
no_reply "the null sender" '' 'null sender' <<<'Subject: x'
no_reply "Auto-Submitted" asker@example.org 'Auto-Submitted' <<<'Auto-Submitted: auto-generated'
no_reply "Precedence" asker@example.org 'Precedence' <<<'Precedence: bulk'
no_reply "List-Id" asker@example.org 'List-' <<<'List-Id: <things.example.org>'
no_reply "an address of ours that replies" ask@example.com 'address of ours' <<<'Subject: x'
no_reply "a mailer-daemon" MAILER-DAEMON@example.org 'mailer-daemon' <<<'Subject: x'
equal "of all this nothing was sent" "$(letters long@example.com | wc -l)" 0

number=0
for sender in often@example.org Often@example.org OFTEN+more@example.org; do
    number=$((number + 1))
    submit "$sender" limit@example.com <<<"Subject: question $number"
    ended limit@example.com $number
done
equal "no more replies to one address, in whatever spelling, than the limit" "$(states limit@example.com)" \
    'answer=done answer=done answer=skipped'
matches "which says why" "$(details limit@example.com)" 'no reply: .*reply-limit'
submit other@example.org limit@example.com <<<"Subject: question 4"
ended limit@example.com 4
equal "others still get theirs" "$(letters limit@example.com | wc -l)" 3

# What is skipped on a later attempt must leave the earlier ones as they were.
echo 75 >"$seen/fails.exit"
submit '"Patient"@example.org' fails@example.com <<<"Subject: once more"
wait_for "SELECT count(*) = 1 FROM history WHERE subject = 'once more' AND seconds IS NOT NULL"
rm -f "$instance"/spool/new/"$(sql "SELECT message FROM history WHERE subject = 'once more'")"
wait_for "SELECT ended_ms IS NOT NULL FROM message WHERE subject = 'once more'"
equal "a message whose file is gone: dead" \
    "$(sql "SELECT d.state, d.detail LIKE '%is not in the spool%' FROM delivery d JOIN message m ON m.id = message_id WHERE subject = 'once more'")" \
    'dead|1'
equal "the attempt that was made is left as it was" \
    "$(sql "SELECT outcome, exit_code, detail, stdout LIKE 'Answer %' FROM history WHERE subject = 'once more'")" \
    'retry|75|exit code 75: try again later|1'

finish
