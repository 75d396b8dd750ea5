#!/usr/bin/env bash
# kill -9 of anything at any time, under a small load: what was acknowledged is compared with what was run. The times
# are drawn from SEED, so that what failed is likely to fail again.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
seed=${SEED:-1}
kills=${KILLS:-25}
RANDOM=$seed
echo "seed $seed"

bed_open
start_or_finish

# One that works for us right now; they don't live long.
receiver_pid() {
    local try
    for ((try = 0; try < 200; try++)); do
        pgrep -f "^$programs/mailmill-receiver -c $instance/mailmill.conf" | sed -n "$((1 + RANDOM % 2))p" | grep . && return
    done
}

# Sends one message after the other until it is told to stop; what was not acknowledged is sent again, as a client does.
{
    number=0
    until [ -e "$seen/enough" ] || [ $number -ge 150 ]; do
        number=$((number + 1))
        until post "load-$number" || [ -e "$seen/enough" ]; do :; done
    done
} &
sender=$!

killed=
for ((turn = 0; turn < kills; turn++)); do
    sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
    case $((RANDOM % 6)) in
    0 | 1) victim=processor pid=$processor ;;
    2) victim=launcher pid=$(launcher_pid) ;;
    3) victim=mime pid=$(mime_pid) ;;
    4) victim=headers pid=$(headers_pid) ;;
    5) victim=receiver pid=$(receiver_pid) ;;
    esac
    [ -n "$pid" ] || continue
    kill -KILL "$pid" 2>/dev/null && killed+=" $victim"
    case $victim in
    processor | launcher)
        processor_wait
        processor_start || fail "the processor starts after its $victim was killed" "$(tail -n 3 "$instance/processor.err")"
        ;;
    esac
done
touch "$seen/enough"
wait "$sender"
echo "killed:$killed"
processor_stop
rm -rf "$instance"/work/* # what a killed launcher could not clear away
# On a slow machine there may be much left to do: it is waited for as long as more and more of it gets done.
MAILMILL_FAULT='' processor_start
until [ "$(sql "SELECT count(*) FROM message WHERE ended_ms IS NULL")" = 0 ]; do
    ended=$(sql "SELECT count(*) FROM attempt WHERE ended_ms IS NOT NULL")
    wait_for "SELECT count(*) > $ended FROM attempt WHERE ended_ms IS NOT NULL" 15 || break
done
processor_stop
starts_again "after all"
nothing_lost "after all"
echo "$(wc -l <"$seen/acknowledged") messages acknowledged"
matches "there was a load" "$(wc -l <"$seen/acknowledged")" '^[0-9]{2,}$'

finish
