# shellcheck shell=bash disable=SC2119,SC2120 # functions with arguments that may be left out
# A private mailmill for tests and the demo, and the words in which tests report. Sourced, by bash:
#
#     . "$(dirname "$0")/../lib.sh"
#     instance_open                          a folder of its own, beneath build/; all of it is gone at the end
#     instance_config <<'ROUTES'             its configuration: the folders, and these lines behind them
#     route "a@example.com" { handler "x" { run = {"true"} } }
#     ROUTES
#     processor_start                        returns when it is ready
#     submit asker@example.org a@example.com <<<"Subject: hello"     SMTP over pipes, straight into the receiver
#     xinetd_start; send --from ... --to ... or by swaks, through xinetd, on a port of its own
#     wait_for "SELECT count(*) = 1 FROM history WHERE outcome = 'done'"
#     equal "it ran once" "$(sql 'SELECT attempt FROM history')" 1
#     finish
#
# $instance is the folder: mailmill.conf, spool/, lib/index.db, work/, log. $programs holds the programs:
# MAILMILL_BUILD where it is set, else build/. A variable put before a call (MAILMILL_FAULT=... processor_start, or
# submit) reaches the program. With KEEP=1 the folder stays.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
programs=${MAILMILL_BUILD:-$top/build}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL=C.UTF-8 TZ=UTC
instance=
processor=
processor_words=
processor_listener=
xinetd=
port=

# ---- reporting ----------------------------------------------------------------------------------

tests_passed=0
tests_failed=0

pass() {
    echo "ok $1"
    tests_passed=$((tests_passed + 1))
}

# fail NAME [DETAIL]
fail() {
    printf 'FAIL %s\n' "$1"
    [ -z "${2-}" ] || printf '%s\n' "$2"
    tests_failed=$((tests_failed + 1))
}

# equal NAME GOT WANTED
equal() {
    if [ "$2" == "$3" ]; then pass "$1"; else fail "$1" "got:    $2"$'\n'"wanted: $3"; fi
}

# matches NAME GOT PATTERN: an extended regular expression, found anywhere.
matches() {
    if [[ $2 =~ $3 ]]; then pass "$1"; else fail "$1" "got:     $2"$'\n'"pattern: $3"; fi
}

# succeeds NAME COMMAND...: run in this shell, so that it may be a function that remembers something.
succeeds() {
    local name=$1 output=${instance:-$top/build}/output.$$
    shift
    if "$@" >"$output" 2>&1; then pass "$name"; else fail "$name" "$(<"$output")"; fi
    rm -f "$output"
}

# Ends the script: the instance is closed, what the programs logged is shown if a test failed.
finish() {
    [ "$tests_failed" -eq 0 ] || [ -z "$instance" ] || instance_logs
    instance_close
    printf '%d passed, %d failed\n' "$tests_passed" "$tests_failed"
    [ "$tests_failed" -eq 0 ]
    exit
}

# ---- the instance -------------------------------------------------------------------------------

# instance_open [FOLDER]: makes the folders, by default of a new instance; closes an instance that is open.
instance_open() {
    instance_close
    if [ $# -gt 0 ]; then
        instance=$1
        mkdir -p "$instance"
    else
        mkdir -p "$top/build/instances"
        instance=$(mktemp -d "$top/build/instances/$(basename "$0" .sh).XXXXXX") || exit 1
        trap instance_close EXIT
        trap 'exit 130' INT TERM
    fi
    mkdir -p "$instance"/{spool,lib,work}
    : >"$instance/log"
}

# The configuration, with what comes on standard input behind the folders.
instance_config() {
    cat - >"$instance/mailmill.conf.routes"
    cat >"$instance/mailmill.conf" - "$instance/mailmill.conf.routes" <<EOT
hostname = "mail.example.com"
spool    = "$instance/spool"
index    = "$instance/lib/index.db"
workdir  = "$instance/work"
handlers = "$programs/handlers"
log-file = "$instance/log"
user     = "$(id -un)"
EOT
    rm "$instance/mailmill.conf.routes"
}

# Stops what runs and removes the folder. Harmless without an instance.
instance_close() {
    [ -n "$instance" ] || return 0
    processor_stop
    xinetd_stop
    [ -n "${KEEP-}" ] || rm -rf "$instance"
    instance=
}

# The ends of all logs, for whoever has to find out why.
instance_logs() {
    local file
    for file in "$instance"/{log,processor.err,xinetd.log,swaks.log,msmtp.log}; do
        [ -s "$file" ] && printf -- '---- %s\n%s\n' "${file##*/}" "$(tail -n "${1:-40}" "$file" | tail -c 8000)"
    done
    return 0
}

# ---- the programs -------------------------------------------------------------------------------

receiver() { "$programs/mailmill-receiver" -c "$instance/mailmill.conf" "$@"; }
mailmill() { "$programs/mailmill" -c "$instance/mailmill.conf" "$@"; }
sql() { sqlite3 -readonly -cmd '.timeout 5000' "$instance/lib/index.db" "$@"; }

# Starts the processor and waits until it says that it is ready, on a socket as systemd's (sd_notify(3)).
processor_start() {
    local name=mailmill-$$-$RANDOM
    exec {processor_words}< <(exec python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.settimeout(600)  # longer than any test
s.bind("\0" + sys.argv[1])
print("bound", flush=True)
while True:
    if b"READY=1" in s.recv(4096).split(b"\n"):
        print("ready", flush=True)' "$name" 2>/dev/null)
    processor_listener=$!
    read -r <&"$processor_words"
    NOTIFY_SOCKET=@$name "$programs/mailmill-processor" -c "$instance/mailmill.conf" "$@" \
        >>"$instance/processor.err" 2>&1 </dev/null {processor_words}<&- &
    processor=$!
    processor_await
}

# Waits for the processor's next word of being ready; fails when it ends instead.
processor_await() {
    local deadline=$((SECONDS + 30))
    until read -r -t 0.2 <&"$processor_words"; do
        if ! kill -0 "$processor" 2>/dev/null || [ $SECONDS -ge $deadline ]; then return 1; fi
    done
}

# Has it read its configuration again, and waits until it has.
processor_reload() {
    kill -HUP "$processor" && processor_await
}

# Nothing more is to be heard from it.
processor_forget() {
    processor=
    [ -n "$processor_words" ] || return 0
    exec {processor_words}<&-
    processor_words=
    kill "$processor_listener" 2>/dev/null
}

# process_end PID [SECONDS]: waits for a child's end, kills it when that takes too long; gives its exit code.
process_end() {
    timeout "${2:-30}" tail --pid="$1" -s 0.05 -f /dev/null || kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

process_stop() {
    kill -TERM "$1" 2>/dev/null
    process_end "$@"
}

# Its exit code is the processor's.
processor_stop() {
    [ -n "$processor" ] || return 0
    set -- "$processor"
    processor_forget
    process_stop "$1"
}

# As a power cut would: no last words.
processor_kill() {
    kill -KILL "$processor" 2>/dev/null
    wait "$processor" 2>/dev/null
    processor_forget
}

# Waits until the processor ends by itself, as at a fault point; gives its exit code.
processor_wait() {
    set -- "$processor"
    processor_forget
    process_end "$1"
}

# xinetd_config PORT WAIT: xinetd's configuration for the receiver, one process a connection unless WAIT is yes, as
# whoever runs this.
xinetd_config() {
    local place=$instance
    # xinetd takes white space for the end of a path: then a link to the instance stands elsewhere.
    if [[ $place =~ [[:space:]] ]]; then
        place=$(mktemp -d)
        echo "$place" >"$instance/xinetd.place"
        ln -s "$instance" "$place/instance"
        place=$place/instance
    fi
    ln -sf "$programs/mailmill-receiver" "$instance/receiver"
    cat >"$instance/xinetd.conf" <<EOT
service mailmill
{
    type        = UNLISTED
    port        = $1
    bind        = 127.0.0.1
    socket_type = stream
    protocol    = tcp
    wait        = $2
    user        = $(id -un)
    instances   = 50
    cps         = 1000 1
    server      = $place/receiver
    server_args = -c $place/mailmill.conf
}
EOT
}

# A port that nothing listens on, from this one upwards.
port_find() {
    local candidate=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; do
        candidate=$((candidate + 1))
    done
    echo "$candidate"
}

# xinetd_start [FIRST [WAIT]]: starts a private xinetd with the receiver on $port of 127.0.0.1, the first free one.
# WAIT yes: it hands over the listening socket.
xinetd_start() {
    local deadline=$((SECONDS + 20)) candidate=${1:-$((20000 + RANDOM % 10000))}
    while [ $SECONDS -lt $deadline ]; do
        port=$(port_find "$candidate")
        xinetd_config "$port" "${2:-no}"
        : >"$instance/xinetd.log"
        xinetd -dontfork -f "$instance/xinetd.conf" -filelog "$instance/xinetd.log" -pidfile "$instance/xinetd.pid" \
            >/dev/null 2>&1 </dev/null &
        xinetd=$!
        until grep -q 'Started working' "$instance/xinetd.log"; do
            if ! kill -0 "$xinetd" 2>/dev/null || [ $SECONDS -ge $deadline ]; then break; fi
            sleep 0.02
        done
        grep -q 'Started working: 1 ' "$instance/xinetd.log" && return 0
        xinetd_stop # someone took the port in between
        candidate=$((port + 1))
    done
    return 1
}

# Under an xinetd that hands over the listening socket: the receiver ends, so that the next client gets one with the
# configuration as it is now. One process a connection: so it is anyway.
receiver_renew() {
    local listener
    for listener in $(pgrep -P "$xinetd"); do
        kill -HUP "$listener" 2>/dev/null
        timeout 90 tail --pid="$listener" -s 0.05 -f /dev/null || fail "the receiver ends on SIGHUP"
    done
}

xinetd_stop() {
    [ ! -s "$instance/xinetd.place" ] || rm -rf "$(<"$instance/xinetd.place")"
    [ -n "$xinetd" ] || return 0
    set -- "$xinetd"
    xinetd=
    process_stop "$1" || true
}

# ---- mail ---------------------------------------------------------------------------------------

# smtp COMMAND...: a session over pipes, each command a line, with the replies on standard output.
smtp() { printf '%s\r\n' "$@" | receiver 2>&1; }

# submit SENDER RECIPIENT...: one message from standard input, over pipes. Succeeds when it was accepted.
submit() {
    local sender=$1 recipient
    shift
    {
        printf 'EHLO client.example.org\r\nMAIL FROM:<%s>\r\n' "$sender"
        for recipient in "$@"; do printf 'RCPT TO:<%s>\r\n' "$recipient"; done
        printf 'DATA\r\n'
        sed -e 's/^\./../' -e 's/\r*$/\r/'
        printf '.\r\nQUIT\r\n'
    } | receiver >"$instance/smtp.log" 2>&1
    grep -A 1 '^354' "$instance/smtp.log" | grep -q '^250'
}

# By swaks through xinetd; its transcript is added to swaks.log.
send() {
    timeout 60 swaks --server "127.0.0.1:$port" --helo client.example.org --timeout 30 "$@" \
        >>"$instance/swaks.log" 2>&1 </dev/null
}

# Makes $instance/sendmail, a sendmail command that hands mail to the receiver at $port, by msmtp.
sendmail_config() {
    cat >"$instance/msmtprc" <<EOT
account default
host 127.0.0.1
port $port
domain mail.example.com
auth off
tls off
remove_bcc_headers off
logfile "$instance/msmtp.log"
EOT
    chmod 600 "$instance/msmtprc"
    printf '#!/bin/sh\nexec "%s" -C "%s" "$@"\n' "$(command -v msmtp)" "$instance/msmtprc" >"$instance/sendmail"
    chmod 755 "$instance/sendmail"
}

# repository_make RECIPIENT: $instance/repository, which mails each commit by $instance/sendmail, and svn for users.
repository_make() {
    local hook=$instance/repository/hooks/post-commit
    svnadmin create "$instance/repository"
    # A hook is run without any environment.
    cat >"$hook" <<EOT
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C.UTF-8
export PATH LC_ALL
{
    echo "From: \$(svnlook author -r "\$2" "\$1")@example.org"
    echo "To: $1"
    echo "Subject: r\$2: \$(svnlook log -r "\$2" "\$1" | head -n 1)"
    echo
    svnlook changed -r "\$2" "\$1"
    svnlook diff -r "\$2" "\$1"
} | "$instance/sendmail" -f commits@example.org -- "$1"
EOT
    chmod 755 "$hook"
}

# svn as somebody who has nothing in a home folder, and is not asked.
user_svn() { command svn --non-interactive --config-dir "$instance/subversion" "$@"; }

# wait_for SQL [SECONDS]: until the query gives 1. Looks often rather than sleeps long.
wait_for() {
    local deadline=$((SECONDS + ${2:-20}))
    until [ "$(sql "$1" 2>/dev/null)" = 1 ]; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}
