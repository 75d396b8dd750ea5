#!/usr/bin/env bash
# Rejections: the processor is killed between its steps of bringing them in, and each is in the index once all the same;
# the receiver can't write them, and mail goes on.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Of each point that the processor passes, how often it is killed there.
declare -A kills=([rejection-taken]=2 [rejections-numbered]=2 [rejections-added]=4)
errors=' rejection-open rejection-write '

for point in $(points FAULT_POINT | grep ^rejection); do
    [ -n "${kills[$point]-}" ] || fail "there is a test for the fault point $point"
done
for point in $(points FAULT_ERRNO | grep ^rejection); do
    [[ $errors == *" $point "* ]] || fail "there is a test for the fault point $point"
done

# refuse SENDER
refuse() { smtp 'EHLO c.example.org' "MAIL FROM:<$1@example.org>" 'RCPT TO:<nobody@example.com>' QUIT >/dev/null; }

# fill FIRST LAST: lines with these times, from a day ago on, as the history forgets what is old; more than one transaction
# takes.
day_ago_ms=$((($(date +%s) - 24 * 3600) * 1000))
fill() {
    seq "$1" "$2" | awk -v from=$day_ago_ms '{ printf "R\t%.0f\t192.0.2.1\tc.example.org\ts@example.org\tr@example.com\t550 no\n", from + $1 }' \
        >>"$instance/lib/index.db-rejections"
}

for point in "${!kills[@]}"; do
    bed_open
    wanted=0
    for ((passing = 1; passing <= kills[$point]; passing++)); do
        name="$point:$passing"
        fill $((wanted + 1)) $((wanted + 2500))
        wanted=$((wanted + 2500))
        MAILMILL_FAULT=$name processor_start && [ -n "$processor" ]
        # It goes over one journal, and a moment later over another.
        refuse "during$passing"
        if [ -n "$processor" ]; then
            processor_wait
            equal "$name: it is killed there" "$?" 137
        fi
        refuse "after$passing"
        processor_start || fail "$name: it starts again"
        succeeds "$name: all are there" wait_for "SELECT count(*) = $((wanted + 2 * passing)) FROM rejections"
        equal "$name: each of them once" "$(sql "SELECT count(*) FROM (SELECT 1 FROM rejection
            GROUP BY rejected_ms, sender, recipient HAVING count(*) > 1)")" 0
        wait_for "SELECT count(*) = 1 FROM rejections WHERE sender = 'after$passing@example.org'" ||
            fail "$name: the last one is there"
        until_true sh -c "! ls '$instance'/lib/*rejections* 2>/dev/null"
        equal "$name: nothing lies about" "$(find "$instance/lib" -name '*rejections*')" ''
        processor_stop
    done
    equal "$point: nothing was damaged" "$(grep -c 'damaged lines' "$instance/log")" 0
done

# ---- the receiver --------------------------------------------------------------------------------

bed_open
start_or_finish
for fault in rejection-open=EACCES rejection-open=EMFILE rejection-write=ENOSPC rejection-write=EIO; do
    : >"$instance/log"
    printf '%s\r\n' 'EHLO c.example.org' "MAIL FROM:<$fault@example.org>" 'RCPT TO:<nobody@example.com>' \
        'RCPT TO:<none@example.com>' 'RCPT TO:<ok@example.com>' DATA "Subject: $fault" '' 'the last line' . QUIT |
        MAILMILL_FAULT=$fault receiver >"$instance/smtp.log" 2>&1
    matches "$fault: mail goes on" "$(grep -A 1 '^354' "$instance/smtp.log" | tail -n 1)" '^250 '
    equal "$fault: one line says so" "$(grep -c 'a rejection is not in the history: ' "$instance/log")" 1
    equal "$fault: each is in the log" "$(grep -c ' rejected ' "$instance/log")" 2
done
refuse last
succeeds "the next one is recorded" wait_for "SELECT count(*) = 1 FROM rejections WHERE sender = 'last@example.org'"
processor_stop

finish
