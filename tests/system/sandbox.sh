#!/usr/bin/env bash
# The receiver's processes as they run: what each of them holds and may do, what is written down when the sandbox ends
# one, and what a session that was taken over gets from its writer. The system calls one by one are in
# tests/unit/test_session.c, the writer's rights in tests/unit/test_writer.c.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

fresh() {
    instance_open
    instance_config <<ROUTES
command-timeout = "2s"
$1
route "a@example.com" {}
ROUTES
}

# What a descriptor of a process is: "null", "socket", "pipe" or the path within the instance.
descriptors() {
    local fd
    for fd in "/proc/$1/fd"/*; do
        readlink "$fd"
    done | sed -e 's|^/dev/null$|null|; s|:\[.*||' -e "s|^$instance/||" | sort | tr '\n' ' '
}

status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }

# ---- what each holds -----------------------------------------------------------------------------

fresh ""
exec {stray}>"$instance/stray" # as a super-server may leave one open
talk_to_body
exec {stray}>&-
equal "the session holds the client, nothing on 2, its writer, and one file, without its name" \
    "$(descriptors "$session" | sed 's|spool/tmp/[0-9A-Z]*|spool/tmp/ID|')" "from null socket spool/tmp/ID to "
equal "the writer holds no client" \
    "$(descriptors "$writer" | sed 's|spool/tmp/[0-9A-Z]*|spool/tmp/ID|')" \
    "log null null null socket spool spool/new spool/tmp spool/tmp/ID "
equal "the session: no new rights, filtered system calls" \
    "$(status_of "$session" NoNewPrivs) $(status_of "$session" Seccomp)" "1 2"
equal "the writer, once a message begins: no new rights" "$(status_of "$writer" NoNewPrivs)" 1
equal "the session may start no process and leaves no core file" \
    "$(sed -nE 's/^Max (processes|core file size) +([^ ]+) +([^ ]+).*/\1: \2 \3/p' "/proc/$session/limits")" \
    $'core file size: 0 0\nprocesses: 0 0'
hang_up
equal "and it ends well" "$status" 0

# ---- the calls of a normal session ---------------------------------------------------------------

# What a build for tests allows besides is its sanitizer's.
if ! strace -f -o /dev/null true 2>/dev/null; then
    skip "system calls" "no tracing here"
elif nm -D "$programs/mailmill-receiver" 2>/dev/null | grep -q __asan_init; then
    skip "system calls" "a sanitizer makes some of its own"
else
    fresh ""
    {
        printf 'EHLO client.example.org\r\nMAIL FROM:<asker@example.org>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n'
        seq -f 'line %g of a long message, one of many' 5000 | sed 's/$/\r/'
        printf '.\r\nNONSENSE\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\nQUIT\r\n'
    } | env -u TZ strace -f -o "$instance/trace" "$programs/mailmill-receiver" -c "$instance/mailmill.conf" >"$instance/smtp.log"
    equal "the traced session works" "$(grep -c '^250 2.0.0 accepted' "$instance/smtp.log")" 1
    calls=$(awk '
        / prctl\(PR_SET_SECCOMP/ && / = 0/ { session = $1; next }
        $1 == session && match($2, /^[a-z_0-9]+\(/) { print substr($2, 1, RLENGTH - 1) }' "$instance/trace" | sort -u)
    echo "after its filter, the session called: $(tr '\n' ' ' <<<"$calls")"
    listed=$(sed -n '/session_calls\[\] = {/,/^};/s/.*\.name = "\([a-z_0-9]*\)".*/\1/p' "$top/receiver/session_calls.c" | sort)
    equal "the session makes no call that is not on its list" "$(comm -23 <(echo "$calls") <(echo "$listed"))" ""
    equal "the session reads from the network only behind its filter" \
        "$(awk '/ prctl\(PR_SET_SECCOMP/ { filtered = 1 } / (read|recv[a-z]*)\(0,/ && !filtered' "$instance/trace")" ""
    # SQLite looks for random bytes to mark its journal with, and does with the time instead.
    equal "the writer never misses a right that it gave up" \
        "$(awk '/ landlock_restrict_self\(/ && / = 0/ { inside[$1] = 1 }
            inside[$1] && / = -1 (EACCES|EPERM)/ && !/"\/dev\/urandom"/' "$instance/trace")" ""

    # What is not needed is not opened. The loader's files are those of a receiver that could not be linked statically.
    fresh ""
    printf 'EHLO client.example.org\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nRSET\r\nQUIT\r\n' |
        strace -f -o "$instance/trace" -e trace=open,openat,connect "$programs/mailmill-receiver" -c "$instance/mailmill.conf" \
            >"$instance/smtp.log"
    equal "the traced client is served" "$(grep -c '^250 2.1.5' "$instance/smtp.log")" 1
    equal "a connection without DATA touches no file but the configuration" \
        "$(sed -n 's/.*"\(\/[^"]*\)".*/\1/p' "$instance/trace" |
            grep -vxE '/dev/null|/etc/ld\.so\..*|(/usr)?/lib/.*\.so\.[0-9]+')" \
        "$instance/mailmill.conf"

    # No session without its sandbox: each step that fails is the end.
    for step in close_range prctl seccomp; do
        fresh ""
        case $step in
        seccomp) inject='inject=prctl:error=EINVAL:when=2' ;;
        *) inject="inject=$step:error=EPERM" ;;
        esac
        strace -f -o /dev/null -e "$inject" "$programs/mailmill-receiver" -c "$instance/mailmill.conf" \
            <<<$'HELO client.example.org\r' >"$instance/smtp.log" 2>"$instance/fd2"
        equal "without $step there is no session" "$(cut -c 1-9 "$instance/smtp.log")" "421 4.3.0"
        matches "without $step: the log says so" "$(<"$instance/log")" 'no session without its sandbox: '
    done
fi

# ---- killed by the filter ------------------------------------------------------------------------

fresh ""
talk_to_body
kill -SYS "$session"
end_of_talk
equal "a session killed by SIGSYS: nothing is stored" "$(in_spool tmp) $(in_spool new)" "0 0"
equal "a session killed by SIGSYS: exit code" "$status" 70
matches "a session killed by SIGSYS: the log says so" "$(<"$instance/log")" \
    'session of local killed by signal 31 \(a system call that its sandbox forbids\)'
nothing_on_2 "after SIGSYS"

# A call that is not on the list, made by the session itself: in place of its next read.
forbid() {
    strace -qq -o /dev/null -e trace=read -e inject=read:retval=1:syscall=getppid -p "$1" 2>/dev/null &
    tracer=$!
    until [ "$(status_of "$1" TracerPid)" != 0 ] || ! kill -0 "$tracer" 2>/dev/null; do sleep 0.02; done
}

if strace -e inject=getuid:retval=1:syscall=getppid -o /dev/null true 2>/dev/null; then
    fresh ""
    talk_to_body
    forbid "$session"
    say 'the other half'
    end_of_talk
    process_end "$tracer"
    equal "a session that makes a forbidden call: nothing is stored" "$(in_spool tmp) $(in_spool new)" "0 0"
    equal "a session that makes a forbidden call: exit code" "$status" 70
    matches "a session that makes a forbidden call: the log says so" "$(<"$instance/log")" \
        'session of local killed by signal 31 \(a system call that its sandbox forbids\)'

    fresh ""
    python3 "$(dirname "$0")/listen.py" "$instance/ports" stdin "$programs/mailmill-receiver" -c "$instance/mailmill.conf" &
    listener=$!
    until [ -s "$instance/ports" ] || ! kill -0 "$listener" 2>/dev/null; do sleep 0.02; done
    port=$(<"$instance/ports")
    exec {client}<>"/dev/tcp/127.0.0.1/$port"
    read -r -t 20 -u "$client" greeting
    for session in $(pgrep -P "$listener"); do
        [ "$(status_of "$session" Seccomp)" != 2 ] || break
    done
    forbid "$session"
    printf 'HELO client.example.org\r\n' >&"$client"
    equal "with a listening socket: its client gets no reply" "${greeting:0:4}$(timeout 20 cat <&"$client")" "220 "
    exec {client}>&-
    process_end "$tracer"
    exec {client}<>"/dev/tcp/127.0.0.1/$port"
    read -r -t 20 -u "$client" greeting
    equal "with a listening socket: the next client is served" "${greeting:0:4}" "220 "
    exec {client}>&-
    process_stop "$listener"
    matches "with a listening socket: the log says so" "$(<"$instance/log")" \
        'session of 127.0.0.1 killed by signal 31 \(a system call that its sandbox forbids\)'
else
    skip "a session that makes a forbidden call" "strace can't inject one here"
fi

# ---- taken over ----------------------------------------------------------------------------------

# begin RECIPIENT: the frame that begins a message for it.
begin() {
    python3 -c '
import struct, sys
text = lambda text: struct.pack("=I", len(text)) + text
print((b"\1" + text(b"ESMTP") + text(b"h") + text(b"") + text(sys.argv[1].encode() + b"\0") + bytes(8)).hex())' "$1"
}

# taken_over NAME REASON FRAME...: the session sends these; the writer cuts it off, and nothing is left.
taken_over() {
    local name=$1 reason=$2
    shift 2
    fresh 'session-timeout = "2s"'
    talk
    expect '^220 '
    find_session
    python3 "$(dirname "$0")/takeover.py" "$session" "$@"
    if [ $? -eq 2 ]; then
        kill -KILL "$session"
        end_of_talk
        skip "$name" "descriptors can't be taken here"
        return
    fi
    kill -CONT "$session"
    end_of_talk
    equal "$name: exit code" "$status" 76
    equal "$name: nothing is stored" "$(in_spool tmp) $(in_spool new)" "0 0"
    matches "$name: the log says so" "$(<"$instance/log")" "session of local cut off: .*$reason"
    nothing_on_2 "after $name"
}

taken_over "an unknown request" "unknown request 238" ee
taken_over "a commit without a message" "request 2 out of turn" 020000000000000000
taken_over "a foreign recipient" "not ours: b@example.net" "$(begin b@example.net)"
taken_over "a message left open, then nonsense" "unknown request 238" "$(begin a@example.com)" ee

finish
