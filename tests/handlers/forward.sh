#!/usr/bin/env bash
# forward: mail by swaks, through the receiver, the handler and msmtp, to the receiver again; then what stays here.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
instance_open
handler=$programs/handlers/forward

# by_hand ARGUMENT...: the message in $instance/mail, to a sendmail that keeps what it gets; $code and $said.
by_hand() {
    # shellcheck disable=SC2031 # set before a call, for that call
    (cd "$instance/work" && timeout 20 env -i PATH="$PATH" RECIPIENT="${recipient-sales@example.com}" \
        SENDER="${sender-asker@example.net}" MAILMILL_DELIVERY="06DK3T9Q2B7XH0VA.1.pass on" \
        "$handler" --sendmail "$instance/bin/keep" "$@") <"$instance/mail" >"$instance/said" 2>&1
    code=$?
    said=$(<"$instance/said")
}
program keep <<'SHELL'
#!/bin/sh
seen=${0%/bin/*}/seen
cat >"$seen/sent"
printf '%s\n' "$@" >"$seen/arguments"
exit "$(cat "$seen/exit" 2>/dev/null || echo 0)"
SHELL
arguments() { tr '\n' ' ' <"$instance/seen/arguments"; }

# ---- on its way ----------------------------------------------------------------------------------

instance_config <<EOT
sendmail = {"$instance/sendmail", "-t", "-i", "-f", "<>"}
route "sales@example.com" { handler "pass-on" {
    run = {"forward", "--sendmail=$instance/sendmail", "anna@example.org", "bert@example.org"} } }
route "named@example.com" { handler "pass-on" {
    run = {"forward", "--from", "bounces@example.net", "--sendmail", "$instance/sendmail", "anna@example.org"} } }
route "one@example.com" { handler "pass-on" { run = {"forward", "--sendmail=$instance/sendmail", "two@example.com"} } }
route "two@example.com" { handler "pass-on" { run = {"forward", "--sendmail=$instance/sendmail", "ONE@example.com"} } }
route "broken@example.com" { handler "pass-on" { run = {"forward", "--sendmail=$instance/sendmail", "nobody@elsewhere.example"} } }
route "anna@example.org" {}
route "bert@example.org" {}
route "other@example.org" {}
EOT
start_or_finish
xinetd_start || fail "xinetd starts"
sendmail_config

# file RECIPIENT: its message's file, the newest.
file() {
    local id
    id=$(sql "SELECT message_id FROM recipient WHERE address = '$1' ORDER BY message_id DESC LIMIT 1")
    printf '%s\n' "$instance"/spool/{new,cur}/"$id"* | grep -v '\*' | head -n 1
}
arrived() { wait_for "SELECT count(*) = $2 FROM recipient WHERE address = '$1'" || fail "mail for $1 arrives"; }

{
    printf 'DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x;\n\th=from:subject; bh=x; b=y\n'
    printf 'Return-Path: <other@example.org>\nX-Original-To: other@example.org\n'
    printf 'From: Asker <asker@example.net>\nTo: other@example.org\nCc: other@example.org\nBcc: other@example.org\n'
    printf 'Resent-To: other@example.org\nReply-To: other@example.org\nDate: Sat, 31 Jan 2026 23:59:59 +0100\nMessage-ID: <1@example.net>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\n'
    printf 'body\n\n.\n..\nFrom here\nX-Original-To: stays\n\xff\xfe  \nGr\xc3\xbc\xc3\x9fe\n%s\n' "$(head -c 900 /dev/zero | tr '\0' x)"
} >"$instance/mail"
equal "swaks sends" "$(send --from asker@example.net --to sales@example.com --data "$instance/mail"; echo $?)" 0
ended sales@example.com
equal "the handler is done" "$(states sales@example.com)" pass-on=done
arrived anna@example.org 1
arrived bert@example.org 1
at=$(file anna@example.org)
equal "one message for both" "$at" "$(file bert@example.org)"
equal "its sender is ours" "$(sql "SELECT sender FROM message WHERE id = (SELECT message_id FROM recipient WHERE address = 'anna@example.org')")" \
    sales+forwarded@example.com
equal "nobody that the message names gets it" "$(sql "SELECT count(*) FROM recipient WHERE address = 'other@example.org'")" 0
matches "what comes before it" "$(sed '1,/^\t.*[+]0000$/d; /^DKIM/,$d' "$at")" '^Delivered-To: sales@example\.com
Resent-Date: [A-Z][a-z]{2}, [^
]*
Resent-From: sales@example\.com
Resent-To: anna@example\.org,
	bert@example\.org
Resent-Message-ID: <[0-9A-Z]{16}\.1\.pass-on@example\.com>
Received: from client\.example\.org [^
]*
	by mail\.example\.com [^
]*
	[^
]*$'
succeeds "the message itself is what came, byte for byte" \
    cmp <(sed -n '/^DKIM/,$p' "$at") <(sed -n '/^DKIM/,$p' "$(file sales@example.com)")
equal "and that is what was sent" "$(sed -n '/^DKIM/,$p' "$at" | head -c "$(wc -c <"$instance/mail")" | md5sum)" \
    "$(md5sum <"$instance/mail")"
equal "the trace block of before is not passed on" "$(grep -c '^X-Original-To: sales' "$at"):$(grep -c '^Return-Path: <asker' "$at")" 0:0

send --from asker@example.net --to named@example.com --header 'Subject: named'
arrived anna@example.org 2
equal "--from" "$(sql "SELECT sender FROM message WHERE subject = 'named' ORDER BY id DESC LIMIT 1")" bounces@example.net
send --from '<>' --to sales@example.com --header 'Subject: a bounce'
arrived anna@example.org 3
equal "the null sender stays" "$(sql "SELECT group_concat(sender, '|') FROM message WHERE subject = 'a bounce'")" '|'

# Two that forward to each other: each has it once, and the loop ends where it would begin again.
send --from asker@example.net --to one@example.com --header 'Subject: round and round'
ended ONE@example.com
equal "a loop ends" "$(states one@example.com) $(states two@example.com) $(states ONE@example.com)" \
    'pass-on=done pass-on=done pass-on=dead'
matches "and says so" "$(attempts ONE@example.com stderr)" 'forward: a loop: it was here before'

send --from asker@example.net --to broken@example.com --header 'Subject: nobody there'
ended broken@example.com
matches "what the sendmail command says is in the history" "$(attempts broken@example.com 'outcome, exit_code, stderr' | tr '\n' ' ')" \
    '^dead\|6[0-9]\|.*550.*does not take it, with exit code 6'
submit '' sales+Forwarded@example.com <<<'Subject: undelivered'
ended sales+Forwarded@example.com
equal "a bounce to the address for bounces is dead" "$(attempts sales+Forwarded@example.com outcome,exit_code)" 'dead|100'
arrived anna@example.org 3
xinetd_stop
processor_stop

# ---- by itself -----------------------------------------------------------------------------------

printf 'Return-Path: <a@example.net>\nX-Original-To: sales@example.com\nX-Original-To: secret@example.com\nReceived: from x\n\tby y\nX-Original-To: theirs\nSubject: x\n\nNUL \000 and no end' >"$instance/mail"
by_hand anna@example.org
equal "it hands on" "$code:$said" '0:handed on to anna@example.org as from sales+forwarded@example.com'
equal "to the command, with its arguments" "$(arguments)" '-i -f sales+forwarded@example.com -- anna@example.org '
succeeds "any byte, and an end without a line's end" \
    cmp <(sed -n '/^Received/,$p' "$instance/seen/sent") <(tail -n +4 "$instance/mail")
equal "other recipients are not told" "$(grep -c secret "$instance/seen/sent")" 0
equal "nothing is left in the folder" "$(find "$instance/work" -mindepth 1 | wc -l)" 0
first=$(grep -a '^Resent-Message-ID' "$instance/seen/sent")
by_hand anna@example.org
equal "a retry has the same Resent-Message-ID" "$(grep -a '^Resent-Message-ID' "$instance/seen/sent")" "$first"
for exit in 75 67 1; do
    echo $exit >"$instance/seen/exit"
    by_hand anna@example.org
    equal "the command's exit code $exit passes" "$code" $exit
done
rm "$instance/seen/exit" "$instance/seen/arguments"

# none EXIT NAME ARGUMENT...: ends so, and the command is not run.
none() {
    local exit=$1 name=$2
    shift 2
    by_hand "$@"
    equal "$name" "$code:$(arguments 2>/dev/null)" "$exit:"
}
printf 'DELIVERED-TO:  Sales@EXAMPLE.com \nSubject: x\n\n' >"$instance/mail"
none 100 "a loop in any letter case" anna@example.org
{ yes 'Received: from x' | head -n 51; printf 'Subject: x\n\n'; } >"$instance/mail"
none 100 "too many Received lines" anna@example.org
printf 'Delivered-To: sales@example.com\r\nSubject: x\r\n\r\n' >"$instance/mail"
none 100 "a loop where lines end with CR LF" anna@example.org
{ printf 'Subject: x\r\n\r\n'; yes $'Received: from x\r' | head -n 51; } >"$instance/mail"
by_hand anna@example.org
equal "there, too, the header has its end" "$code" 0
rm "$instance/seen/arguments"
printf 'Subject: x\n\nDelivered-To: sales@example.com\n' >"$instance/mail"
by_hand anna@example.org
equal "in the body it is no loop" "$code" 0
rm "$instance/seen/arguments"
none 78 "to itself" anna@example.org SALES@example.com
for wrong in '' -oQ/tmp@x --nonsense anna anna@ @example.org 'a b@example.org' '<anna@example.org>' 'a@b@c' 'a@x,b@x' $'a@x\nb@x' \
    --from --from=anna --sendmail=relative; do
    if [ -n "$wrong" ]; then none 64 "wrong usage: ${wrong//$'\n'/ }" "$wrong"; else none 64 "no address"; fi
done
recipient='' none 64 "without RECIPIENT" anna@example.org
for recipient in $'a@example.com\nBcc: x@example.net' $'a\r@example.com' $'a@example.com\n' 'a example.com'; do
    none 64 "a RECIPIENT that is no address: ${recipient//[$'\r\n']/ }" --from b@example.com anna@example.org
done
unset recipient
recipient=Postmaster none 78 "postmaster without a domain needs --from" anna@example.org
recipient=Postmaster sender='' none 78 "for a bounce, too" anna@example.org
recipient='"john doe"@example.com' none 78 "a quoted recipient needs --from" anna@example.org
recipient="$(head -c 60 /dev/zero | tr '\0' x)@example.com" none 78 "so does a long one" anna@example.org
recipient='"john doe"@example.com' by_hand --from bounces@example.com anna@example.org
equal "and has it" "$code:$(arguments)" '0:-i -f bounces@example.com -- anna@example.org '
printf 'Subject: x\n\nbody\n' >"$instance/mail"
recipient=Postmaster by_hand --from bounces@example.com postmaster@example.com
equal "postmaster without a domain has it" "$code:$(arguments)" '0:-i -f bounces@example.com -- postmaster@example.com '
equal "as one of that domain" "$(grep -E '^(Delivered-To|Resent-From)' "$instance/seen/sent" | paste -s -d ' ')" \
    'Delivered-To: Postmaster@example.com Resent-From: Postmaster@example.com'
cp "$instance/seen/sent" "$instance/mail"
rm "$instance/seen/arguments"
recipient=postmaster none 100 "and once only" --from bounces@example.com postmaster@example.com
rm "$instance/bin/keep"
none 75 "no sendmail command is tried again" anna@example.org
matches "--help says what it is" "$("$handler" --help)" 'Usage: forward .*ADDRESS\.\.\.'

finish
