# shellcheck shell=bash disable=SC2119,SC2120 # functions with arguments that may be left out
# What tests of the processor share, beside tests/lib.sh: programs of the instance, and words for what became of mail.
# Sourced, by bash:
#
#     . "$(dirname "$0")/lib.sh"
#     program look <<'SH'                  $instance/bin/look, which finds the folder to write to beside its own:
#     #!/bin/sh
#     echo "$LOCAL" >>"${0%/bin/*}/seen/log"
#     SH
#     ended a@example.com                  waits until nothing more happens to its deliveries
#     equal "it ran" "$(states a@example.com)" look=done

# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# program NAME: from standard input. Written beside it and renamed, so that it can be replaced while it runs.
program() {
    mkdir -p "$instance"/{bin,seen}
    cat >"$instance/bin/$1.new"
    chmod 755 "$instance/bin/$1.new"
    mv "$instance/bin/$1.new" "$instance/bin/$1"
}

# by_itself NAME: an instance for a handler that comes with it and runs by itself, as `handle` has it. Its program is
# $handler, the messages for it are in $data.
by_itself() {
    handler=$programs/handlers/$1
    data=$top/tests/handlers/data
    instance_open
    out=$instance/out
}
# handle FILE ARGUMENT...: gives the exit code; the output is in $out, what it said in $out.err.
handle() {
    local file=$1
    shift
    "$handler" "$@" <"$file" >"$out" 2>"$out.err"
}

# The deliveries to an address, in the order of messages and handlers.
deliveries_to() {
    echo "(SELECT d.* FROM delivery d JOIN recipient r ON r.message_id = d.message_id AND r.position = d.recipient
           WHERE r.address = '$1' ORDER BY d.message_id, d.position)"
}

# states RECIPIENT: "first=done second=skipped".
states() { sql "SELECT group_concat(handler || '=' || state, ' ') FROM $(deliveries_to "$1")"; }
# details RECIPIENT: of its deliveries, a line each.
details() { sql "SELECT detail FROM $(deliveries_to "$1")"; }
# attempts RECIPIENT COLUMNS: of the view `history`, a line for each attempt.
attempts() { sql "SELECT $2 FROM history WHERE recipient = '$1' ORDER BY time, message, handler, attempt"; }

# ended RECIPIENT [COUNT [SECONDS]]: waits until that many deliveries, or any, to it are there and all have ended.
ended() {
    wait_for "SELECT count(*) >= ${2:-1} AND sum(state IN ('pending', 'running', 'retry')) = 0
                FROM $(deliveries_to "$1")" "${3:-20}" || {
        fail "mail for $1 came to its end" "$(states "$1"): $(details "$1")"
        return 1
    }
}

# tried RECIPIENT [COUNT]: waits until that many attempts for it have ended, in whatever way.
tried() {
    wait_for "SELECT count(*) >= ${2:-1} FROM history WHERE recipient = '$1' AND seconds IS NOT NULL" ||
        fail "mail for $1 was tried" "$(attempts "$1" '*')"
}

# until_true COMMAND...: until the command succeeds; 20 seconds at most.
until_true() {
    local deadline=$((SECONDS + 20))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

# The processes of this processor's handlers, by the mark in their environment.
marked_processes() {
    grep -lzsE "^MAILMILL_RUN=$(launcher_pid)\\." /proc/[0-9]*/environ | sed 's/[^0-9]//g'
}

# The processor's children: the launcher is the one with the processor's own name.
launcher_pid() { pgrep -P "$processor" -x mailmill-proces; }
# The program that reads headers, and the one that it hands on to what takes more (their names are cut to 15 letters).
headers_pid() { pgrep -P "$processor" -x mailmill-header; }
mime_pid() { pgrep -P "$(headers_pid)" -x mailmill-mime; }

# gone PID: it is no more, or a zombie that nobody has waited for.
gone() { ! kill -0 "$1" 2>/dev/null || [[ $(ps -o stat= -p "$1") == Z* ]]; }

# The processor has to start, or there is nothing to test.
start_or_finish() {
    processor_start "$@" && return
    fail "the processor starts" "$(cat "$instance/processor.err")"
    finish
}

# alive NAME: the processor lives on, and runs the next message: route ok@example.com, handler that succeeds.
alive() {
    local before
    before=$(sql "SELECT count(*) FROM $(deliveries_to ok@example.com)")
    submit asker@example.org ok@example.com <<<"Subject: still there?"
    if wait_for "SELECT count(*) = $before + 1 AND sum(state <> 'done') = 0 FROM $(deliveries_to ok@example.com)" 30 &&
        kill -0 "$processor"; then
        pass "$1: the next message runs"
    else
        fail "$1: the next message runs" "$(states ok@example.com)"
    fi
}

# ticks PID: the processor time that it has used, in hundredths of a second.
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

# less NAME GOT BOUND
less() {
    if [ "$2" -lt "$3" ]; then pass "$1"; else fail "$1" "got: $2, which is not below $3"; fi
}
