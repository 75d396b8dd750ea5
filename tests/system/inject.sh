#!/usr/bin/env bash
# mailmill inject: what it writes is what the receiver would have written, and what it refuses leaves nothing.
set -u
# shellcheck source=../command.sh
. "$(dirname "$0")/../command.sh"

configure() {
    { printf '%s\n' "$@" && cat; } <<ROUTES | instance_config
route "a@example.com" { handler "keep" { run = {"/bin/sh", "-c", "cat; echo \$CLIENT_ADDRESS \$CLIENT_PROTOCOL \$EXTENSION"} } }
route "b@example.com" { }
ROUTES
}
files() { find "$instance/spool" -type f ! -name processor.lock | wc -l; }
inject() { mailmill inject "$@"; }

instance_open
configure
printf 'Subject: hello\r\n\r\nfirst\r\n.\r\nlast' >"$instance/mail"
rmdir "$instance/spool"
exits "without a spool" 75 'there is no spool [^ ]*/spool yet; mailmill-processor makes it when it starts' inject --to a@example.com <"$instance/mail"
mkdir -m 2770 "$instance/spool"
mkdir -m 2770 "$instance"/spool/{tmp,new,cur}

# ---- without a processor -------------------------------------------------------------------------

id=$(inject --to '<A+x@Example.com>' -t b@example.com --to a+x@EXAMPLE.com --from asker@example.org <"$instance/mail")
equal "its ID is printed" "$?:${#id}" 0:16
equal "the file is whole, lines end with LF" "$(sed -e 's/^\t.*+0000$/\tDATE/' "$instance/spool/new/$id")" \
    "Return-Path: <asker@example.org>
X-Original-To: A+x@example.com
X-Original-To: b@example.com
Received: from mail.example.com (local)
$(printf '\t')by mail.example.com with local id $id;
$(printf '\t')DATE
Subject: hello

first
.
last"
equal "its mode is what the receiver gives" "$(stat -c %a "$instance/spool/new/$id")" 640
equal "nothing else lies about" "$(files)" 1
succeeds "no index was made" test ! -e "$instance/lib/index.db"
processor_start || { fail "the processor starts"; finish; }
wait_for "SELECT count(*) = 1 FROM message WHERE ended_ms IS NOT NULL" || fail "the processor adopts it"
matches "the handler gets it" "$(sql 'SELECT stdout FROM history')" $'\nfirst\n.\nlast\nlocal local x\n?$'

# ---- with one ------------------------------------------------------------------------------------

second=$(inject --to a@example.com <<<$'Subject: second\n')
wait_for "SELECT count(*) = 2 FROM message WHERE ended_ms IS NOT NULL" || fail "the processor is woken"
equal "the null sender, where none is given" "$(sql "SELECT sender, client_address, client_protocol, subject FROM message
    WHERE id = '$second'")" '|local|local|second'
rebuilt=$(sql "SELECT * FROM message JOIN recipient ON id = message_id ORDER BY id, position" | wc -l)
equal "its recipients have rows" "$rebuilt" 3
processor_stop
third=$(inject --to a@example.com --from '<>' <<<$'Subject: third\n')
equal "a row is there at once" "$(sql "SELECT queued_ms IS NULL FROM message WHERE id = '$third'")" 1
equal "with the file's size" "$(sql "SELECT size_bytes FROM message WHERE id = '$third'")" \
    "$(stat -c %s "$instance/spool/new/$third")"
processor_start || fail "the processor starts again"
wait_for "SELECT count(*) = 3 FROM message WHERE ended_ms IS NOT NULL" || fail "the third is done"
processor_stop

# ---- what is refused -----------------------------------------------------------------------------

before=$(files)
mail() { printf 'Subject: x\n\n%s\n' "$1"; }
exits "no recipient" 64 '--to is missing' inject </dev/null
exits "no such thing as an address" 64 'not an address' inject --to 'a b' </dev/null
exits "a sender that is none" 64 'not an address' inject --to a@example.com --from x </dev/null
exits "an operand" 64 'unexpected argument file' inject --to a@example.com file
exits "one without a route" 1 'none@example\.com has no route; see mailmill explain.*c@example\.org has no route' \
    inject --to a@example.com --to none@example.com --to c@example.org < <(mail x)
exits "an empty file" 65 'standard input is empty.*nothing was injected' inject --to a@example.com </dev/null
exits "a bare CR" 65 'a CR by itself' inject --to a@example.com < <(mail $'x\ry')
exits "standard input that can't be read" 75 'reading standard input' inject --to a@example.com <"$instance"
configure 'max-message-size = "1K"'
exits "too much, without an end" 65 'larger than max-message-size' inject --to a@example.com </dev/zero
configure 'max-recipients = "100"'
mapfile -t many < <(printf -- '--to=a+%s@example.com\n' {1..101})
exits "too many recipients" 1 '101 recipients are more than max-recipients, 100' inject "${many[@]}" < <(mail x)
configure 'reserve = "1000G"'
exits "no room" 75 'no room in ' inject --to a@example.com < <(mail x)
configure
# shellcheck disable=SC2317 # exits calls it
too_large() (ulimit -f 1 && trap '' XFSZ && inject --to a@example.com)
exits "a file that can't be written" 75 'writing the message: File too large' too_large < <(mail "$(seq 1000)")
equal "nothing of it is left" "$(files)" "$before"

# An index that can't be written: the message is safe all the same.
mv "$instance/lib/index.db" "$instance/lib/away"
mkdir "$instance/lib/index.db"
exits "without an index to write to" 0 '[0-9A-Z]{16}$' inject --to a@example.com < <(mail x)
equal "the file is there" "$(files)" $((before + 1))
rmdir "$instance/lib/index.db"
mv "$instance/lib/away" "$instance/lib/index.db"
processor_start || fail "the processor starts a last time"
wait_for "SELECT count(*) = 4 FROM message WHERE ended_ms IS NOT NULL" || fail "the processor adopts it as well"
finish
