#!/usr/bin/env bash
# The daemons on a real machine: each comes back when it is killed, mail that waits outlives a reboot, and what
# systemd says of the units.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

machine_start
succeeds "the package is installed" machine_package "$(package_version)"
machine_config <<'CONFIG'
hostname = "mail.example.com"
route "count@example.com" { handler "run" { run = {"/bin/true"} } }
CONFIG
inside systemctl enable --now mailmill-receiver.socket 2>/dev/null
main_of() { inside systemctl show --property MainPID --value "$1"; }

# done_becomes NUMBER: that many runs have ended well, all told.
# shellcheck disable=SC2317 # called by succeeds
done_becomes() { history_wait "SELECT count(*) = $1 FROM history WHERE outcome = 'done'" 30; }

# ---- the units -----------------------------------------------------------------------------------

equal "systemd finds nothing wrong with the units" "$(inside systemd-analyze verify --man=no mailmill-processor.service \
    mailmill-receiver.service mailmill-receiver.socket 2>&1)" ""

# exposure UNIT: in tenths.
exposure() { inside systemd-analyze security --no-pager "$1" | sed -n 's/.*Overall exposure level.*: \([0-9]*\)\.\([0-9]\).*/\1\2/p'; }
receiver_exposure=$(exposure mailmill-receiver.service)
processor_exposure=$(exposure mailmill-processor.service)
succeeds "the receiver's exposure is at most 1.5 (it is $receiver_exposure tenths)" test "$receiver_exposure" -le 15
succeeds "the processor's is at most 5.0 (it is $processor_exposure tenths)" test "$processor_exposure" -le 50

matches "mail is taken and run" "$(machine_send count@example.com)" '<-  250 2.0.0 accepted'
succeeds "once" done_becomes 1
equal "the sandbox has all it wants in the units" "$(inside journalctl -u mailmill-receiver -u mailmill-processor |
    grep -iE 'landlock|seccomp|forbids')" ""

# ---- killed --------------------------------------------------------------------------------------

# comes_back WHAT PROCESS: kills it, and sends mail that must be run.
runs=1
comes_back() {
    local processor
    processor=$(main_of mailmill-processor)
    inside kill -KILL "$2"
    runs=$((runs + 1))
    machine_send count@example.com >"$machine/sent"
    matches "mail is taken after $1 was killed" "$(cat "$machine/sent")" '<-  250 2.0.0 accepted'
    succeeds "and run" done_becomes $runs
    equal "the processor runs" "$(inside systemctl is-active mailmill-processor)" active
}
comes_back "the processor's main half" "$(main_of mailmill-processor)"
comes_back "the processor's launcher" "$(inside pgrep -u root -x mailmill-proces)"
comes_back "the header parser" "$(inside pgrep -o -f mailmill-headers)"
comes_back "the message parser" "$(inside pgrep -o -f mailmill-mime)"
comes_back "the listener" "$(main_of mailmill-receiver)"
comes_back "the writer" "$(inside pgrep -P "$(main_of mailmill-receiver)")"

# More often than systemd starts a service by default.
for _ in 1 2 3 4 5 6 7 8; do
    inside kill -KILL "$(main_of mailmill-receiver)"
    machine_send unknown@example.com >/dev/null
done
runs=$((runs + 1))
matches "mail is taken however often the listener was killed" "$(machine_send count@example.com)" '<-  250 2.0.0 accepted'
succeeds "and run" done_becomes $runs

# ---- stopped -------------------------------------------------------------------------------------

before=$(inside journalctl -u mailmill-processor -o cat | grep -c 'Killing process')
inside systemctl restart mailmill-processor
equal "it stops in good order, all of it" "$(inside journalctl -u mailmill-processor -o cat | grep -c 'Killing process')" "$before"

# ---- stuck -----------------------------------------------------------------------------------------

mkdir -p "$machine/root/etc/systemd/system/mailmill-processor.service.d"
printf '[Service]\nWatchdogSec=2\n' >"$machine/root/etc/systemd/system/mailmill-processor.service.d/quick.conf"
inside systemctl daemon-reload
inside systemctl restart mailmill-processor
stuck=$(main_of mailmill-processor)
sleep 5
equal "one that turns is left alone by the watchdog" "$(main_of mailmill-processor)" "$stuck"
inside kill -STOP "$stuck"
runs=$((runs + 1))
machine_send count@example.com >/dev/null
succeeds "one that is stuck is started anew, and goes on" done_becomes $runs

# ---- stopped and booted --------------------------------------------------------------------------

inside systemctl stop mailmill-processor
matches "mail is taken without a processor" "$(machine_send count@example.com)" '<-  250 2.0.0 accepted'
equal "it waits" "$(history 'SELECT count(*) FROM message WHERE ended_ms IS NULL')" 1
succeeds "the machine boots again" machine_reboot
succeeds "what waited is run" done_becomes $((runs + 1))
matches "the socket serves" "$(machine_send count@example.com)" '<-  250 2.0.0 accepted'
succeeds "and mail is run" done_becomes $((runs + 2))
equal "no unit has failed" "$(inside systemctl --failed --plain --no-legend | grep mailmill)" ""

# ---- the log -------------------------------------------------------------------------------------

log() { inside journalctl -o cat "$@"; }
id=$(history 'SELECT max(id) FROM message')
equal "a message has one line from the receiver" "$(log -u mailmill-receiver | grep -c "id=$id")" 1
matches "with all that one looks for" "$(log -u mailmill-receiver | grep "id=$id")" \
    "^accepted id=$id client=127.0.0.1 helo=client.example.org from=asker@example.org size=[0-9]+ recipients=1 to=count@example.com"
way=$(grep -o 'journalctl -t [^`]*' "$top/README.md")
# shellcheck disable=SC2086 # a command and its words
matches "what the README calls a message's way is that" "$(inside ${way%id=*}id=$id -o cat)" "accepted id=$id.*done id=$id"
machine_send nobody@example.com >/dev/null
matches "a refusal has one" "$(log -u mailmill-receiver | grep to=nobody@example.com)" \
    '^rejected client=127.0.0.1 helo=client.example.org from=asker@example.org to=nobody@example.com reply="550 5.1.1 [^"]*"$'

finish
