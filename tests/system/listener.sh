#!/usr/bin/env bash
# The receiver as a listener: started with a listening socket in each of the ways there are, with many clients at
# once, at its limits, and at its ends.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
here=$top/tests/system
listener=

clients() { timeout 120 python3 "$here/scenarios.py" "$@" 2>&1; }

configure() {
    instance_config <<EOT
$*
route "a@example.com" { }
EOT
}

# listener_start HOW: see listen.py. The first port is in $port, all of them in $ports.
listener_start() {
    rm -f "$instance/ports"
    python3 "$here/listen.py" "$instance/ports" "$1" "$programs/mailmill-receiver" -c "$instance/mailmill.conf" &
    listener=$!
    until [ -s "$instance/ports" ] || ! kill -0 "$listener" 2>/dev/null; do sleep 0.02; done
    mapfile -t ports <"$instance/ports"
    port=${ports[0]}
}

# Its exit code is the listener's.
listener_stop() {
    set -- "$listener"
    listener=
    process_stop "$1"
}

# The process of a listener that has a file of the index or of the spool's folders open, once a message was received.
writer_of() {
    local process
    for process in $(pgrep -P "$1"); do
        if readlink "/proc/$process/fd"/* 2>/dev/null | grep -q "$instance/spool/new"; then echo "$process"; fi
    done
}

stored() { find "$instance/spool/new" -type f | wc -l; }

suite_wanted="220 mail.example.com ESMTP mailmill
250
550 5.1.1 <nobody@example.com>: no such address here
250 2.0.0 transaction cleared
250 2.0.0 accepted as
250 2.0.0 accepted as
250 2.0.0 accepted as
221 2.0.0 mail.example.com closing
''"

# suite HOW: the same for each way of being started.
suite() {
    equal "$1: a client's answers" "$(clients suite "$port")" "$suite_wanted"
    equal "$1: twenty clients at once" "$(clients many "$port" 20 5 | sort -u | wc -l)" 100
    equal "$1: all of it is stored" "$(stored)" 103
    equal "$1: and has its rows" "$(sql 'SELECT count(*) FROM message')" 103
    equal "$1: nothing is left in tmp" "$(find "$instance/spool/tmp" -type f | wc -l)" 0
}

many_allowed='max-sessions = "100" max-sessions-per-client = "100"'

instance_open
configure "$many_allowed"
listener_start stdin
writer=$(writer_of "$listener")
equal "before the first client its writer has given up its rights" \
    "$(grep NoNewPrivs "/proc/$writer/status" | tr -d '\t')" NoNewPrivs:1
suite "a socket on descriptor 0"
listener_stop
equal "a socket on descriptor 0: it ends well" $? 0

instance_open
configure "$many_allowed"
listener_start 2
suite "two sockets from systemd"
port=${ports[1]}
equal "two sockets from systemd: the second one, too" "$(clients suite "$port")" "$suite_wanted"
listener_stop
equal "two sockets from systemd: it ends well" $? 0

instance_open
configure "$many_allowed"
xinetd_start || fail "xinetd with wait = no starts"
suite "xinetd, wait = no"

instance_open
configure "$many_allowed" 'idle-exit = "1s"'
xinetd_start "" yes || fail "xinetd with wait = yes starts"
suite "xinetd, wait = yes"
deadline=$((SECONDS + 30))
until [ -z "$(pgrep -P "$xinetd")" ] || [ $SECONDS -ge $deadline ]; do sleep 0.1; done
equal "xinetd, wait = yes: it ends when it has nothing to do" "$(pgrep -P "$xinetd")" ""
equal "xinetd, wait = yes: and is started again" "$(clients suite "$port" | head -1)" "${suite_wanted%%$'\n'*}"

# ---- STARTTLS -----------------------------------------------------------------------------------

# The second message comes when the writer is in its sandbox already, the last one when it has another session.
instance_open
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mail.example.com -days 30 \
    -keyout "$instance/key.pem" -out "$instance/certificate.pem" 2>/dev/null
configure "certificate = \"$instance/certificate.pem\" key = \"$instance/key.pem\""
xinetd_start '' yes || { fail "xinetd starts, for STARTTLS"; finish; }
for sender in first second third; do
    succeeds "STARTTLS with one writer for all: the $sender message" \
        send --tls --from "$sender@example.org" --to a@example.com
    [ $sender != second ] || exec {other}<>"/dev/tcp/127.0.0.1/$port"
done
exec {other}>&-
equal "STARTTLS with one writer for all: each has its protocol and cipher" \
    "$(sql "SELECT count(*) FROM message WHERE client_protocol = 'ESMTPS' AND tls LIKE 'TLSv1.3 TLS%'")" 3
equal "and what is said in plain has none" "$(clients many "$port" 1 1 | wc -l)$(sql "SELECT count(*) FROM message WHERE
    client_protocol = 'ESMTP' AND coalesce(tls, '') = ''")" 11

# A client that is done and does not leave keeps its mailmill-tls for some seconds, and no slot: that many must not
# become more than there may be sessions.
for limit in max-sessions max-sessions-per-client; do
    configure "certificate = \"$instance/certificate.pem\" key = \"$instance/key.pem\" $limit = \"1\""
    listener_start stdin
    equal "$limit bounds those who take leave of TLS" "$(clients lingering "$port")" \
        "first: 220 2.0.0 go ahead with TLS
first: 221 2.0.0 mail.example.com closing
second: 454 4.7.0 TLS is not available now, go on without or try again later
second: 250 2.0.0 ok
third: 220 2.0.0 go ahead with TLS"
    matches "$limit: and the log says so" "$(<"$instance/log")" \
        'turned away client=127.0.0.1 why="too many have not left STARTTLS yet" count=1'
    listener_stop
done

# ---- limits -------------------------------------------------------------------------------------

instance_open
configure 'max-sessions = "5" max-sessions-per-client = "3"'
listener_start stdin
equal "clients beyond the limits are told so" "$(clients limits "$port" 5 3)" \
    "beyond a client's: 421 4.7.0 mail.example.com has too many connections from you, try again later
beyond all: 421 4.3.2 mail.example.com has too many connections now, try again later
those within: 220 mail.example.com ESMTP mailmill
still served: 250 2.0.0 ok
when one has left: 220 mail.example.com ESMTP mailmill"
matches "and the log says so" "$(<"$instance/log")" 'turned away client=127.0.0.1 why=max-sessions-per-client count=1'
listener_stop

instance_open
configure 'reserve = "1000G"'
listener_start stdin
equal "a message that would take the reserve is put off" "$(clients suite "$port" | sed -n 5p)" \
    "452 4.3.1 no space le"
equal "and nothing is made" "$(find "$instance/spool" -type f | wc -l)" 0
listener_stop

# ---- ends ---------------------------------------------------------------------------------------

instance_open
configure 'idle-exit = "6s"' # time enough for the client to start, however busy the machine is
listener_start stdin
equal "a client that says nothing keeps it" "$(clients idle "$port" 8)" "250 2.0.0 ok"
process_end "$listener" 40
equal "without a client it ends by itself" $? 0

instance_open
configure
listener_start stdin
equal "SIGTERM: what is being received is finished, the rest is sent away" "$(clients stop "$port" "$listener")" \
    "250 2.0.0 chunk taken
354 send the message, then a line with a dot alone
idle: 421 4.3.2 mail.example.com is shutting down, try again later
idle: ''
in chunks: 250 2.0.0 accepted as
in chunks: 421 4.3.2 mail.example.com is shutting down, try again later
busy: 250 2.0.0 accepted as
busy: 421 4.3.2 mail.example.com is shutting down, try again later"
process_end "$listener"
equal "SIGTERM: it ends well" $? 0
equal "SIGTERM: the messages are there" "$(stored)" 2

instance_open
configure
listener_start stdin
clients many "$port" 1 1 >/dev/null
exec {words}< <(clients answer "$port")
read -r _ <&"$words"
kill -KILL "$(writer_of "$listener")"
read -r said <&"$words"
exec {words}<&-
process_end "$listener"
equal "the writer is killed: the listener ends with a failure" $? 70
matches "and the client is told to come again" "$said" '^421 4\.3\.[02] mail\.example\.com '
matches "and the log says so" "$(<"$instance/log")" 'the writer is gone'

instance_open
configure
rm -rf "${instance:?}/lib"
listener_start stdin
equal "without an index mail is received" "$(clients many "$port" 5 2 | wc -l)" 10
equal "and stored" "$(stored)" 10
listener_stop

instance_open
configure 'nonsense = "yes"'
equal "with a mistake in the configuration all who wait are told, whoever of them has left" \
    "$(clients queued "$programs/mailmill-receiver" -c "$instance/mailmill.conf")" \
    $'78\n421 4.3.0 takes no mail now, try again later'

finish
