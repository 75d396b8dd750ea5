#!/usr/bin/env bash
# Rejections in the history: which get there, by whom they are seen, what they cost, and what happens when they can't be
# written.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
here=$top/tests/system

configure() {
    printf '%s\n' "$@" 'route "a@example.com" {}' | instance_config
}
columns='client_address, client_helo, sender, recipient, reply'
journal() { echo "$instance/lib/index.db-rejections"; }

# recorded: what the processor has brought in, once that is N rows.
recorded() {
    wait_for "SELECT count(*) = $1 FROM rejections" 10 || return 1
    sql "SELECT $columns FROM rejections"
}

# ---- which ---------------------------------------------------------------------------------------

instance_open
configure 'max-errors = "5"' 'max-message-size = "1K"'
processor_start || { fail "the processor starts"; finish; }
smtp 'EHLO c.example.org' 'FOO' 'STARTTLS' 'VRFY x' 'QUIT' >/dev/null
smtp 'EHLO bad name' 'QUIT' >/dev/null
smtp 'EHLO c.example.org' 'MAIL FROM:<big@example.org> SIZE=99999' 'QUIT' >/dev/null
smtp 'EHLO c.example.org' 'MAIL FROM:<s@example.org>' 'RCPT TO:<a@example.com>' 'RCPT TO:<No.One+x@Example.COM>' DATA x . \
    'MAIL FROM:<again@example.org>' 'RCPT TO:<none@example.com>' QUIT >/dev/null
smtp 'EHLO c.example.org' 'MAIL FROM:<>' 'RCPT TO:<b@example.net>' 'DATA' QUIT >/dev/null
smtp 'EHLO c.example.org' 'MAIL FROM:<lf@example.org>' 'RCPT TO:<a@example.com>' DATA $'bare\nline' . QUIT >/dev/null
smtp 'HELO guesser' 'MAIL FROM:<s@example.org>' 'RCPT TO:<a1@example.com>' FOO FOO FOO FOO >/dev/null
equal "refused mail is recorded, noise is not" "$(recorded 7)" \
    'local|c.example.org|big@example.org||552 5.3.4 the message is larger than is allowed here
local|c.example.org|s@example.org|No.One+x@example.com|550 5.1.1 <No.One+x@example.com>: no such address here
local|c.example.org|again@example.org|none@example.com|550 5.1.1 <none@example.com>: no such address here
local|c.example.org||b@example.net|550 5.7.1 <b@example.net>: relaying denied
local|c.example.org|lf@example.org||550 5.6.0 the message has a CR or LF by itself; lines must end with CR LF
local|guesser|s@example.org|a1@example.com|550 5.1.1 <a1@example.com>: no such address here
local|guesser|s@example.org||421 4.7.0 mail.example.com too many errors, closing'
equal "the accepted one is not among them" "$(sql "SELECT count(*) FROM message")" 1
matches "times are as in the other views" "$(sql "SELECT min(time) FROM rejections")" '^20[0-9-]{8}T[0-9:]{8}\.[0-9]{3}Z$'
equal "the log has the noise, too" "$(grep -c ' rejected .*command not recognised' "$instance/log")" 5

configure 'greet-delay = "1s"'
printf 'EHLO early.example.org\r\n' | receiver >"$instance/smtp.log" 2>&1
matches "who speaks first is sent away" "$(cat "$instance/smtp.log")" '^554 5\.5\.1 '
recorded 8 >/dev/null
equal "and recorded" "$(sql "SELECT $columns FROM rejections ORDER BY time DESC LIMIT 1")" \
    'local||||554 5.5.1 mail.example.com wait for the greeting before you speak, closing'

configure 'record-rejections = "false"'
smtp 'EHLO c.example.org' 'MAIL FROM:<s@example.org>' 'RCPT TO:<nobody@example.com>' 'QUIT' >/dev/null
equal "record-rejections = false: no journal" "$(ls "$(journal)" 2>/dev/null)" ''
equal "but a line in the log" "$(grep -c 'to=nobody@example.com' "$instance/log")" 1

# ---- asleep --------------------------------------------------------------------------------------

configure
smtp 'EHLO c.example.org' 'MAIL FROM:<s@example.org>' 'RCPT TO:<nobody@example.com>' 'QUIT' >/dev/null
recorded 9 >/dev/null || fail "another one is recorded"
if strace -o /dev/null true 2>/dev/null; then
    sleep 2 # a second after the last it looks once more
    timeout -s INT 2 strace -f -o "$instance/strace" -p "$processor" 2>/dev/null
    equal "when all is written down the processor sleeps" \
        "$(grep -vcE 'unfinished|detached|restart_syscall\(<\.\.\. resuming' "$instance/strace")" 0

    # What a connection opens that was refused, and one that did not come so far.
    traced() { printf '%s\r\n' "$@" | strace -f -o "$instance/strace" -e trace=%file,flock "$programs/mailmill-receiver" \
        -c "$instance/mailmill.conf" >/dev/null; }
    traced 'EHLO c.example.org' 'MAIL FROM:<s@example.org>' 'RCPT TO:<nobody@example.com>' QUIT
    equal "a refused client opens no SQLite and no index" \
        "$(grep -cE "sqlite|index\.db\"|index\.db-(wal|shm)|$instance/spool" "$instance/strace")" 0
    equal "but the journal, once" "$(grep -c 'open.*index\.db-rejections"' "$instance/strace")" 1
    traced 'EHLO c.example.org' FOO QUIT
    equal "one that brings no mail not even that" "$(grep -cE "sqlite|$instance/(lib|spool)" "$instance/strace")" 0
else
    pass "strace (left out: it can't be used here)"
fi

# ---- hostile words -------------------------------------------------------------------------------

before=$(sql "SELECT count(*) FROM rejections")
[ ! -e "$(journal)" ] || wait_for "SELECT count(*) > $before FROM rejections" 5
before=$(sql "SELECT count(*) FROM rejections")
smtp 'EHLO c.example.org' 'MAIL FROM:<s@example.org> SMTPUTF8' $'RCPT TO:<x\t1\xc2\x9b31m@example.com>' \
    $'RCPT TO:<gr\xc3\xbcn@example.com>' $'RCPT TO:<\xff@example.com>' "RCPT TO:<'); DROP TABLE rejection; --@example.com>" \
    QUIT >/dev/null
wait_for "SELECT count(*) >= $before + 3 FROM rejections" 10 || fail "strange recipients are recorded"
equal "no control character gets into the history" "$(sql "SELECT count(*) FROM rejections WHERE recipient GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'")" 0
equal "letters that are not ASCII do" "$(sql "SELECT count(*) FROM rejections WHERE recipient = 'grün@example.com'")" 1
equal "no line was damaged" "$(grep -c 'damaged lines' "$instance/log")" 0

# ---- without a processor, and without a journal --------------------------------------------------

processor_stop
smtp 'EHLO c.example.org' 'MAIL FROM:<late@example.org>' 'RCPT TO:<nobody@example.com>' QUIT >/dev/null
processor_start || fail "the processor starts again"
succeeds "what was refused while none ran is taken in at the next start" \
    wait_for "SELECT count(*) = 1 FROM rejections WHERE sender = 'late@example.org'" 10
processor_stop

truncate -s 16777215 "$(journal)"
for number in 1 2 3; do
    smtp 'EHLO c.example.org' "MAIL FROM:<full$number@example.org>" 'RCPT TO:<nobody@example.com>' 'RCPT TO:<a@example.com>' \
        DATA x . QUIT >/dev/null
done
equal "a full journal is said once" "$(grep -c 'index.db-rejections is full' "$instance/log")" 1
equal "and does not grow" "$(($(stat -c %s "$(journal)") < 16777216 + 2048))" 1
equal "mail goes on" "$(sql "SELECT count(*) FROM message WHERE sender LIKE 'full%'")" 3

rm "$(journal)"
mkdir "$(journal)"
smtp 'EHLO c.example.org' 'MAIL FROM:<none@example.org>' 'RCPT TO:<nobody@example.com>' 'RCPT TO:<nobody@example.com>' \
    'RCPT TO:<a@example.com>' DATA x . QUIT >/dev/null
equal "a journal that can't be written is a line in the log" "$(grep -c 'a rejection is not in the history: ' "$instance/log")" 2
equal "and mail goes on" "$(sql "SELECT count(*) FROM message WHERE sender = 'none@example.org'")" 1
rmdir "$(journal)"

# ---- a listener ----------------------------------------------------------------------------------

instance_open
configure 'max-sessions = "100"' 'max-sessions-per-client = "100"'
processor_start || fail "the processor starts"
python3 "$here/listen.py" "$instance/ports" stdin "$programs/mailmill-receiver" -c "$instance/mailmill.conf" &
listener=$!
until [ -s "$instance/ports" ]; do sleep 0.02; done
port=$(head -n 1 "$instance/ports")
clients=()
for number in 1 2 3 4 5 6 7 8 9 10; do
    (
        exec 3<>"/dev/tcp/127.0.0.1/$port"
        printf '%s\r\n' 'EHLO c.example.org' "MAIL FROM:<s$number@example.org>" 'RCPT TO:<nobody@example.com>' \
            'RCPT TO:<a@example.com>' DATA x . 'MAIL FROM:<again@example.org>' 'RCPT TO:<none@example.com>' QUIT >&3
        cat <&3 >/dev/null
    ) &
    clients+=($!)
done
wait "${clients[@]}"
recorded 20 >/dev/null
equal "with a listener, before and after a message, each is recorded once" \
    "$(sql "SELECT count(DISTINCT sender), count(*), client_address FROM rejections GROUP BY recipient ORDER BY 1")" \
    $'1|10|127.0.0.1\n10|10|127.0.0.1'
process_stop "$listener"

# ---- two accounts of one group -------------------------------------------------------------------

# As they are installed: the receiver makes the journal, and the processor takes it away.
processor_stop
if [ "$(id -u)" -eq 0 ] && setpriv --reuid=nobody --regid=daemon --clear-groups test -x "$programs/mailmill-receiver"; then
    instance_open
    configure
    chmod 755 "$instance"
    chmod 666 "$instance/log"
    chown daemon:daemon "$instance"/{spool,lib,work}
    chmod 2770 "$instance"/{spool,lib}
    as() { setpriv --reuid="$1" --regid=daemon --clear-groups "${@:2}"; }
    as daemon "$programs/mailmill-processor" -c "$instance/mailmill.conf" >>"$instance/processor.err" 2>&1 </dev/null &
    processor=$!
    until [ -e "$instance/lib/index.db" ] || ! kill -0 "$processor" 2>/dev/null; do sleep 0.05; done
    for number in 1 2; do
        printf '%s\r\n' 'EHLO c.example.org' "MAIL FROM:<$number@example.org>" 'RCPT TO:<nobody@example.com>' QUIT |
            as nobody "$programs/mailmill-receiver" -c "$instance/mailmill.conf" >/dev/null
        succeeds "between two accounts ($number)" wait_for "SELECT count(*) = $number FROM rejections" 10
    done
    processor_stop
else
    pass "between two accounts (left out: for root, with a build that others can reach)"
fi

# ---- many ----------------------------------------------------------------------------------------

instance_open
configure
first=$(date +%s)000
python3 -c '
import sys
with open(sys.argv[1], "w") as journal:
    for number in range(int(sys.argv[2]), int(sys.argv[2]) + 103000):
        journal.write(f"R\t{number}\t192.0.2.1\tc.example.org\ts@example.org\tr@example.com\t550 no\n")' "$(journal)" "$first"
processor_start || fail "the processor starts with many rejections"
succeeds "the newest 100000 are kept" wait_for "SELECT count(*) = 100000 AND max(rejected_ms) = $first + 102999
    AND min(rejected_ms) = $first + 3000 FROM rejection" 30

finish
