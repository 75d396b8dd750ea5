#!/usr/bin/env bash
# Every limit of the receiver at the same time, with a listening socket: each client is told of its own, and one who
# keeps to them all has its mail accepted meanwhile.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

# listen LINE...: a receiver with these lines of configuration, its port in $port.
listen() {
    instance_open
    printf '%s\n' "$@" 'route "a@example.com" { }' 'route "*@all.example.com" { }' | instance_config
    python3 "$here/listen.py" "$instance/ports" stdin "$programs/mailmill-receiver" -c "$instance/mailmill.conf" &
    listener=$!
    until [ -s "$instance/ports" ] || ! kill -0 "$listener" 2>/dev/null; do sleep 0.02; done
    port=$(<"$instance/ports")
}

limits() { timeout 200 python3 "$here/limits.py" "$1" "$port" 2>&1; }

listen 'max-sessions = 40' 'max-sessions-per-client = 5' 'greet-delay = "1s"' 'command-timeout = "8s"' \
    'session-timeout = "20s"' 'max-commands = 200' 'max-message-size = "1M"' 'max-header-size = "4K"' \
    'min-body-rate = "1000"'
limits all >"$instance/said"
grep '^#' "$instance/said"
while IFS= read -r wanted; do
    name=${wanted%%:*}
    said=$(sed -n "s/^$name: //p" "$instance/said")
    matches "all at once: ${name//_/ }" "$said" "^${wanted#*: }"
done <<'EOT'
wrong_commands: 421 4\.7\.0 .* too many errors
many_commands: 421 4\.7\.0 .* too many commands
silent: 421 4\.4\.2 .* waited too long
silent_in_a_message: 421 4\.4\.2
dropping_in_a_command: 421 4\.4\.2 .* waited too long
dropping_in_a_message: 421 4\.4\.2 .* the message comes too slowly
steady: 250 2\.0\.0 accepted as
large_message: 552 5\.3\.4 .* \| 250 2\.0\.0 accepted as
large_header: 552 5\.3\.4 the header .* \| 250 2\.0\.0 accepted as
bare_line_ends: 550 5\.6\.0 .* \| 250 2\.0\.0 accepted as
loop: 554 5\.4\.6 .* \| 250 2\.0\.0 accepted as
many_recipients: 452 4\.5\.3 .* \| 250 2\.0\.0 accepted as
deaf: hung up
hasty: 554 5\.5\.1
vanishing: gone
greedy: 421 4\.7\.0 .* too many connections from you
fill: 421 4\.3\.2 .* too many connections now
good: all accepted
EOT
[ "$tests_failed" -eq 0 ] || cat "$instance/said"
process_stop "$listener"
equal "all at once: the receiver ends well" $? 0
equal "all at once: nothing is left in tmp/" "$(in_spool tmp)" 0
equal "all at once: what was accepted is there, and nothing else" "$(in_spool new)" \
    "$(grep -c ' accepted id=' "$instance/log")"
equal "all at once: with its rows" "$(sql 'SELECT count(*) FROM message')" "$(in_spool new)"
equal "all at once: no half of a message" "$(grep -l '^Subject: half' "$instance"/spool/new/*)" ""
equal "all at once: no session was killed" "$(grep -E 'killed by signal|cut off|did not finish' "$instance/log")" ""

listen 'max-sessions = 10' 'max-sessions-per-client = 10' 'command-timeout = "2m"' 'crowded-timeout = "3s"'
equal "nearly all slots are taken: who comes then has less time, those before have what they had" "$(limits crowded)" \
    $'421 4.4.2 in its time\nthe others: 250 2.0.0 ok'
process_stop "$listener"

# ---- the reserve ---------------------------------------------------------------------------------

# In a file system of 64 MiB, of which 40 are the reserve: what a client has said that it will send is counted at once.
if can_mount; then
    instance_open
    printf '%s\n' 'reserve = "40M"' 'route "a@example.com" { }' | instance_config
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --map-root-user sh -c 'mount -t tmpfs -o size=64M none "$1/spool" && shift &&
        exec python3 "$@"' sh "$instance" "$here/listen.py" "$instance/ports" stdin "$programs/mailmill-receiver" \
        -c "$instance/mailmill.conf" &
    listener=$!
    until [ -s "$instance/ports" ] || ! kill -0 "$listener" 2>/dev/null; do sleep 0.02; done
    port=$(<"$instance/ports")
    equal "the reserve: sizes that were declared count until they have come, or come no more" "$(limits reserve)" \
        "the first: 354
the second: 452 4.3.1
without a size: 354
when the first is gone: 354"
    process_stop "$listener"
else
    skip "the reserve" "no mount namespace here"
fi

finish
