# shellcheck shell=bash
# What the demos share, beside tests/lib.sh. Sourced, by bash:
#
#     . "$(dirname "$0")/lib.sh"
#     demo_open FOLDER "$@"          what an earlier run left is stopped; with the argument "stop" that is all
#     instance_config <<ROUTES ...
#     demo_start                     xinetd, processor, and a sendmail command for both
#     show_history
#     stay; ...; show_commands       with KEEP=1
#
# DEMO_FOLDER puts one elsewhere, so that a test disturbs none that is kept.

# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

say() { printf '\n== %s\n' "$*"; }

# Ends what an earlier run left in a folder, by the process IDs that it wrote down; one that is not ours any more is
# let be.
stop() {
    local file pid
    for file in "$1"/{processor,xinetd}.pid; do
        [ -s "$file" ] || continue
        pid=$(<"$file")
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$1/" || continue
        kill -TERM "$pid"
        timeout 20 tail --pid="$pid" -s 0.05 -f /dev/null || kill -KILL "$pid"
    done
    [ ! -s "$1/xinetd.place" ] || rm -rf "$(<"$1/xinetd.place")"
    rm -rf "$1"
}

# The end that nobody wants: why, and what the programs said.
give_up() {
    printf '\nThe demo failed: %s\n' "$*" >&2
    instance_logs 20 >&2
    exit 1
}

demo_open() {
    stop "$1"
    [ "${2-}" != stop ] || exit 0
    trap 'instance_close' EXIT
    trap 'exit 130' INT TERM
    instance_open "$1"
}

demo_start() {
    xinetd_start 1025 || give_up "xinetd did not start"
    sendmail_config
    "$programs/mailmill-processor" -c "$instance/mailmill.conf" >>"$instance/processor.err" 2>&1 </dev/null &
    processor=$!
    say "xinetd listens on 127.0.0.1:$port, mailmill-processor watches the spool"
}

show_history() {
    local query='select time, message, sender, recipient, subject, handler, outcome from history'
    say "The history: $query"
    sqlite3 -readonly -box "$instance/lib/index.db" "$query"
}

# Leaves it all running when the script ends.
stay() {
    echo "$processor" >"$instance/processor.pid"
    trap - EXIT
    printf '\nIt stays running. In %s are the configuration, the spool, the index and the logs.\n' "$instance"
}

show_commands() {
    cat <<EOT
The history:     sqlite3 -readonly -box '$instance/lib/index.db' 'select * from history'
What happens:    '$programs/mailmill' -c '$instance/mailmill.conf' status
Stop it:         make demo-stop
EOT
}
