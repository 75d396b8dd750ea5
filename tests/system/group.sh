#!/usr/bin/env bash
# Group commit: messages that complete together share the flushes of their folder and the transactions of the index.
# To have them complete together, however busy the machine is, a flush is made to take half a second.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
count=8

if ! strace -f -o /dev/null true 2>/dev/null; then
    skip "group commit" "no tracing here"
    finish
fi

instance_open
printf '%s\n' 'max-sessions-per-client = 50' 'route "a@example.com" { }' | instance_config
strace -f -y -qq -o "$instance/trace" -e trace=fsync,fdatasync,fcntl -e inject=fsync,fdatasync:delay_enter=500000 \
    python3 "$here/listen.py" "$instance/ports" stdin "$programs/mailmill-receiver" -c "$instance/mailmill.conf" &
tracer=$!
until [ -s "$instance/ports" ] || ! kill -0 "$tracer" 2>/dev/null; do sleep 0.02; done
port=$(<"$instance/ports")
clients() { timeout 100 python3 "$here/scenarios.py" "$@" 2>&1; }

# How often the folder was flushed, and the index's lock for writing (the byte 120 of its -shm file) taken.
flushes() { grep -cE 'f(data)?sync\([0-9]+<[^>]*/spool/new>' "$instance/trace"; }
transactions() { grep -cE 'index\.db-shm>, F_SETLK, \{l_type=F_WRLCK, l_whence=SEEK_SET, l_start=120,' "$instance/trace"; }

# One for all that is done once.
equal "one message alone is accepted" "$(clients together "$port" 1 | wc -l)" 1
flushes_before=$(flushes)
transactions_before=$(transactions)
equal "one message alone has a flush of its folder, and a transaction" \
    "$((flushes_before > 0)) $((transactions_before > 0))" "1 1"
equal "all of those that complete together are accepted" "$(clients together "$port" $count | sort -u | wc -l)" $count
shared=$(($(flushes) - flushes_before))
echo "# $count messages: $shared flushes of the folder, $(($(transactions) - transactions_before)) transactions"
equal "they share flushes of the folder" "$((shared >= 1 && shared <= count / 2))" 1
shared=$(($(transactions) - transactions_before))
equal "and transactions of the index" "$((shared >= 1 && shared <= count / 2))" 1
kill -TERM "$(pgrep -P "$tracer")"
process_end "$tracer" 60
equal "each is in the spool once, and has its row" "$(in_spool new) $(sql 'SELECT count(*) FROM message')" \
    "$((count + 1)) $((count + 1))"

finish
