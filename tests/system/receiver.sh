#!/usr/bin/env bash
# The receiver by itself: what exactly it stores, whatever the connection is, and what it does when things go wrong:
# full disk, damaged index, mistakes in the configuration, connections and processes that die.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# An instance with an empty spool.
fresh() {
    instance_open
    instance_config <<ROUTES
max-message-size = "25M"
route "a@example.com" {}
route "*@all.example.com" {}
ROUTES
}

# message [SENDER RECIPIENT...]: the client's side of a session, with the body from standard input as it goes over
# the wire, its last CRLF left out.
message() {
    [ $# -gt 1 ] || set -- asker@example.org a@example.com
    local sender=$1
    shift
    printf 'EHLO client.example.org\r\nMAIL FROM:<%s>\r\n' "$sender"
    printf 'RCPT TO:<%s>\r\n' "$@"
    printf 'DATA\r\n'
    cat
    printf '\r\n.\r\nQUIT\r\n'
}

# The one message in new/.
stored() { find "$instance/spool/new" -type f; }

# trace ID CLIENT: the trace block as it should be, the date worked out from the ID.
trace() {
    local date
    date=$(python3 -c '
import datetime, email.utils, sys
ms = 0
for character in sys.argv[1][:9]:
    ms = ms * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
print(email.utils.format_datetime(datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)))' "$1")
    printf 'Return-Path: <asker@example.org>\nX-Original-To: a@example.com\n'
    printf 'Received: from client.example.org (%s)\n\tby mail.example.com with ESMTP id %s;\n\t%s\n' "$2" "$1" "$date"
}

# ---- what is stored ------------------------------------------------------------------------------

# check_stored NAME CLIENT ADDRESS COMMAND...: a short message by that command has this client in trace and index.
check_stored() {
    local name=$1 client=$2 address=$3 id
    shift 3
    fresh
    printf 'Subject: x\r\n\r\nbody' | message | "$@" >"$instance/smtp.log"
    id=$(basename "$(stored)")
    equal "$name: the file is the trace block and the message" "$(cat "$(stored)")" \
        "$(trace "$id" "$client" && printf 'Subject: x\n\nbody\n')"
    equal "$name: the reply names the ID" "$(grep -c "^250 2.0.0 accepted as $id" "$instance/smtp.log")" 1
    equal "$name: the index has the same" \
        "$(sql "SELECT m.id, sender, client_address, client_helo, client_protocol, size_bytes, address, position
                FROM message m JOIN recipient ON message_id = m.id")" \
        "$id|asker@example.org|$address|client.example.org|ESMTP|$(wc -c <"$(stored)")|a@example.com|1"
    equal "$name: the log has a line of it" "$(grep -c "accepted id=$id client=$address " "$instance/log")" 1
}

# By which command a message is brought: over pipes, or over TCP from an address.
# shellcheck disable=SC2317 # check_stored and check_large call it
over_pipes() { receiver 2>&1; }
over_tcp() { python3 "$top/tests/smtp/over.py" "$1" "$programs/mailmill-receiver" -c "$instance/mailmill.conf"; }

check_stored "pipes" "local" local over_pipes
check_stored "TCP over 127.0.0.1" "[127.0.0.1]" 127.0.0.1 over_tcp 127.0.0.1
if grep -q . /proc/net/if_inet6 2>/dev/null; then
    check_stored "TCP over ::1" "[IPv6:::1]" ::1 over_tcp ::1
else
    skip "TCP over ::1" "no IPv6 here"
fi

equal "files are readable for the group, and for nobody else" \
    "$(stat -c %a "$(stored)" "$instance"/spool/{tmp,new,cur} "$instance/lib/index.db" | tr '\n' ' ')" \
    "640 770 770 770 660 "

fresh
printf 'x' | message "" "USER@all.example.com" user@all.example.com a@example.com A@EXAMPLE.COM | receiver >/dev/null
equal "the null sender, and each recipient once" \
    "$(head -n 3 "$(stored)"; sql "SELECT sender, group_concat(address, ' ') FROM message JOIN recipient")" \
    "Return-Path: <>
X-Original-To: USER@all.example.com
X-Original-To: a@example.com
|USER@all.example.com a@example.com"

mapfile -t hundred < <(seq -f 'user%g@all.example.com' 100)
fresh
printf 'x' | message asker@example.org "${hundred[@]}" | receiver >/dev/null
equal "a hundred recipients, in order, in the file and in the index" \
    "$(sed -n 's/^X-Original-To: //p' "$(stored)")/$(sql 'SELECT address FROM recipient ORDER BY position')" \
    "$(printf '%s\n' "${hundred[@]}")/$(printf '%s\n' "${hundred[@]}")"

# ---- large and strange bodies --------------------------------------------------------------------

# bodies SIZE: $instance/wire as it is sent, SIZE octets with its last CRLF but without the dots that are stuffed,
# $instance/body as it should be stored. Any bytes but CR and LF, lines from none to 300,000 bytes, dots in front.
bodies() {
    python3 -c '
import random, sys
size, folder = int(sys.argv[1]), sys.argv[2]
random.seed(7)
lines = [b".", b"..", b"", b".x", b"\0", b"From here"]
left = size - sum(len(line) + 2 for line in lines)
table = bytes.maketrans(b"\r\n", b"..")
while left > 0:
    length = min(left - 2, random.choice([0, 1, 70, 998, 999, 5000, 300000]))
    length += 1 if left - length - 2 == 1 else 0
    lines.append(random.randbytes(length).translate(table))
    left -= length + 2
stuffed = (b"." + line if line.startswith(b".") else line for line in lines)
with open(f"{folder}/wire", "wb") as file:
    file.write(b"\r\n".join(stuffed))
with open(f"{folder}/body", "wb") as file:
    file.write(b"".join(line + b"\n" for line in lines))
assert sum(len(line) + 2 for line in lines) == size' "$1" "$instance"
}

limit=$((25 * 1024 * 1024))

# check_large NAME COMMAND...
check_large() {
    local name=$1
    shift
    fresh
    bodies $limit
    message <"$instance/wire" | "$@" >"$instance/smtp.log"
    succeeds "$name: 25 MiB of any bytes are stored as they are" \
        cmp "$instance/body" <(tail -n +6 "$(stored)")
    equal "$name: and accepted" "$(grep -c '^250 2.0.0 accepted as' "$instance/smtp.log")" 1
}

check_large "pipes" over_pipes
check_large "TCP" over_tcp 127.0.0.1

fresh
bodies $((limit + 1))
{
    message <"$instance/wire" | sed '$d'
    printf 'small' | message
} | receiver >"$instance/smtp.log" 2>&1
equal "one octet more is refused after the end, and the next message is taken" \
    "$(grep -E '^(552|250 2.0.0 accepted|221)' "$instance/smtp.log" | cut -c 1-18 | tr '\n' '/')" \
    "552 5.3.4 the mess/250 2.0.0 accepted/221 2.0.0 mail.exa/"
equal "nothing is left of the one refused" "$(in_spool tmp) $(in_spool new)" "0 1"

# ---- what mail readers see -----------------------------------------------------------------------

fresh
printf 'Subject: first question\r\nFrom: asker@example.org\r\n\r\nx' | message | receiver >/dev/null
printf 'Subject: second question\r\nFrom: asker@example.org\r\n\r\nx' | message | receiver >/dev/null
equal "mblaze lists the spool" \
    "$(mlist "$instance/spool" | xargs mhdr -h subject | sort | tr '\n' '/')" "first question/second question/"
matches "mutt opens the spool" "$(python3 -c '
import os, pty, select, signal, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.environ["HOME"] = sys.argv[1]
    os.execvp("mutt", ["mutt", "-n", "-F", "/dev/null", "-R", "-e", "unset folder", "-f", sys.argv[1] + "/spool"])
seen, deadline = b"", time.monotonic() + 20
while b"second question" not in seen and time.monotonic() < deadline:
    if select.select([fd], [], [], 1)[0]:
        try:
            seen += os.read(fd, 65536)
        except OSError:
            break
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
print(seen.decode(errors="replace"))' "$instance")" 'first question.*second question|second question.*first question'

# ---- what the client is told when it is not its fault --------------------------------------------

# Within a file system of 256 KiB, all of which may be taken; the index lies outside.
fresh
sed -i 's/^hostname.*/&\nreserve = "0"/' "$instance/mailmill.conf"
if can_mount; then
    {
        bodies 600000
        message <"$instance/wire" | sed '$d'
        printf 'small' | message
    } >"$instance/session"
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --map-root-user sh -c 'mount -t tmpfs -o size=256k none "$1/spool" &&
        "$2" -c "$1/mailmill.conf" <"$1/session" >"$1/smtp.log" 2>"$1/fd2"
        ls "$1/spool/tmp" >"$1/tmp.after"; ls "$1/spool/new" | wc -l >"$1/new.after"' \
        sh "$instance" "$programs/mailmill-receiver"
    equal "disk full: 452 after the end of the message, the next one that fits is taken" \
        "$(grep -E '^(45|55|250 2.0.0 accepted|221)' "$instance/smtp.log" | cut -c 1-18 | tr '\n' '/')" \
        "452 4.3.1 no space/250 2.0.0 accepted/221 2.0.0 mail.exa/"
    equal "disk full: nothing is left in tmp/" "$(<"$instance/tmp.after")/$(<"$instance/new.after")" "/1"
    nothing_on_2 "on a full disk"
else
    skip "disk full" "no mount namespace here"
fi

# An index that can't be opened, for a while.
fresh
mkdir "$instance/lib/index.db"
printf 'Subject: x\r\n\r\nx' | message | receiver >"$instance/smtp.log" 2>"$instance/fd2"
equal "no index: accepted all the same" "$(grep -c '^250 2.0.0 accepted as' "$instance/smtp.log")" 1
matches "no index: the log says so" "$(<"$instance/log")" 'has no index row yet: index [^ ]*index\.db'
nothing_on_2 "without an index"
rmdir "$instance/lib/index.db"
processor_start
succeeds "no index: the processor adopts the message later" \
    wait_for "SELECT count(*) = 1 FROM message WHERE sender = 'asker@example.org'"
processor_stop

fresh
printf 'this is no database, but longer than a header of one would be: %0100d' 0 >"$instance/lib/index.db"
printf 'x' | message | receiver >"$instance/smtp.log" 2>"$instance/fd2"
equal "damaged index: accepted all the same" \
    "$(grep -c '^250 2.0.0 accepted as' "$instance/smtp.log") $(in_spool new)" "1 1"
nothing_on_2 "with a damaged index"

fresh
rmdir "$instance/spool"
echo "a file" >"$instance/spool"
{
    printf 'x' | message | sed '$d'
    printf 'NOOP\r\nQUIT\r\n'
} | receiver >"$instance/smtp.log" 2>"$instance/fd2"
equal "no spool: 451 at DATA, and the session goes on" "$(grep -c '^451 4.3.0' "$instance/smtp.log") $(grep -c '^221' \
    "$instance/smtp.log")" "1 1"
nothing_on_2 "without a spool"

# ---- mistakes of ours ----------------------------------------------------------------------------

fresh
sed -i 's/^hostname.*/&\nmax-recipients = "many"/' "$instance/mailmill.conf"
got=$(receiver <<<"QUIT" 2>"$instance/fd2")
equal "a mistake in the configuration: exit code" $? 78
matches "a mistake in the configuration: 421" "$got" $'^421 4\\.3\\.0 [^\n]*\r$'
nothing_on_2 "after a mistake in the configuration"
for options in "-x" "--nonsense" "-c" "extra" "-c $instance/missing.conf" "-c /"; do
    # shellcheck disable=SC2086 # a list of words
    got=$("$programs/mailmill-receiver" $options <<<"QUIT" 2>"$instance/fd2")
    matches "options $options: 421 and nothing else" "$?$got" $'^(64|78)421 4\\.3\\.0 [^\n]*\r$'
    nothing_on_2 "after options $options"
done
matches "--help" "$(receiver --help 2>&1)" '^usage: mailmill-receiver \[--config FILE\]'
matches "--version" "$(receiver --version 2>&1)" '^mailmill-receiver [0-9.]+$'

# The log line of a configuration that can't be read goes to syslog, as no other log is known.
if can_mount; then
    fresh
    echo 'max-mesage-size = "1M"' >>"$instance/mailmill.conf"
    mkdir "$instance/dev"
    touch "$instance/dev/null"
    exec {syslog}< <(exec python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.settimeout(20)
s.bind(sys.argv[1])
print("ready", flush=True)
print(s.recv(4096).decode(), flush=True)' "$instance/dev/log" 2>&1)
    read -r -t 20 -u "$syslog" line
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --map-root-user sh -c 'mount --bind /dev/null "$1/dev/null" && mount --rbind "$1/dev" /dev &&
        exec "$2" -c "$1/mailmill.conf" </dev/null >/dev/null 2>"$1/fd2"' sh "$instance" "$programs/mailmill-receiver"
    read -r -t 20 -u "$syslog" line
    exec {syslog}<&-
    matches "a mistake in the configuration: syslog gets file, line and reason" "$line" \
        'mailmill-receiver\[[0-9]+\]: [^ ]*mailmill\.conf:[0-9]+: .*max-mesage-size'
    nothing_on_2 "after a mistake in the configuration, with syslog"
else
    skip "syslog" "no mount namespace here"
fi

# ---- a client that never pauses ------------------------------------------------------------------

fresh
sed -i 's/^hostname.*/&\nsession-timeout = "1s"/' "$instance/mailmill.conf"
endless() {
    printf 'EHLO client.example.org\r\nMAIL FROM:<asker@example.org>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n'
    yes $'text\r'
}
matches "however much a client sends, session-timeout ends it" \
    "$(endless | timeout 20 "$programs/mailmill-receiver" -c "$instance/mailmill.conf" 2>"$instance/fd2" | tail -n 1)" \
    '^421 4\.4\.2 '

# ---- connections and processes that die ----------------------------------------------------------

fresh
{
    printf 'EHLO client.example.org\r\nMAIL FROM:<asker@example.org>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n'
    head -c 30000 /dev/zero
} | over_tcp 127.0.0.1-reset >"$instance/smtp.log"
equal "connection reset in a message: exit code" $? 0
equal "connection reset in a message: nothing is left" "$(in_spool tmp) $(in_spool new)" "0 0"
matches "connection reset in a message: the log says so" "$(<"$instance/log")" \
    'lost connection helo=client\.example\.org in=message client=127\.0\.0\.1'

fresh
talk_to_body
equal "a message is being written" "$(in_spool tmp)" 1
kill -KILL "$session"
end_of_talk
equal "session killed: nothing is left" "$(in_spool tmp) $(in_spool new)" "0 0"
equal "session killed: exit code" "$status" 70
matches "session killed: the log says so" "$(<"$instance/log")" 'session of local killed by signal 9'
nothing_on_2 "after the session is killed"

fresh
talk_to_body
{
    kill -KILL "$writer"
    wait "$writer"
} 2>/dev/null
line=
read -r -t 20 -u "$from" line
equal "writer killed: the connection ends, with no reply that might be taken for a 250" "$line" ""
exec {to}>&- {from}<&-
equal "writer killed: nothing gets into new/" "$(in_spool new)" 0
nothing_on_2 "after the writer is killed"

fresh
printf 'HELO client.example.org\r\n' | receiver 2>"$instance/fd2" | head -c 4 >/dev/null
equal "a client that closes early: descriptor 2" "$(<"$instance/fd2")" ""

finish
