#!/usr/bin/env bash
# Too much of it: 10,000 deliveries that wait, and a flood of mail, of which BURST is the size.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
burst=${BURST:-100000}
memory_max=40000 # KiB

# peak PID: the most memory that it ever had, in KiB.
peak() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }

# flood COUNT RECIPIENT [FIRST]: files as from the receiver, with no rows.
flood() {
    python3 - "$instance/spool" "$@" <<'PY'
import os, sys
spool, count, recipient, first = sys.argv[1], int(sys.argv[2]), sys.argv[3], int((sys.argv[4:] or ["0"])[0])
for number in range(first, first + count):
    id_ = "1KADPTED%08d" % number
    path = f"{spool}/tmp/{id_}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    os.write(fd, (f"Return-Path: <s@example.org>\nX-Original-To: {recipient}\n"
                  f"Received: from client.example.org ([192.0.2.1])\n\tby mail.example.com with ESMTP id {id_};\n"
                  "\tSat, 31 Jan 2026 23:59:59 +0000\nSubject: flood\n\ntext\n").encode())
    os.close(fd)
    os.rename(path, f"{spool}/new/{id_}")
PY
}

open_bed() {
    instance_open
    instance_config <<EOT
route "many@example.com" { handler "true" { run = {"/bin/true"} concurrency = "4" } }
route "sleep@example.com" { handler "sleep" { run = {"/bin/sleep", "1000"} } }
EOT
    start_or_finish
}

# ---- many that wait ------------------------------------------------------------------------------

open_bed
processor_stop
sqlite3 "$instance/lib/index.db" "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10000)
    INSERT INTO message (id, received_ms, sender, client_address, client_helo, client_protocol, size_bytes, queued_ms)
        SELECT printf('1KADPTED%08d', n), n, '', '192.0.2.1', '', 'ESMTP', 100, n FROM r;
    INSERT INTO recipient SELECT id, 1, 'sleep@example.com' FROM message;
    INSERT INTO delivery (message_id, recipient, route, handler, position, state, due_ms, queued_ms)
        SELECT id, 1, 'sleep@example.com', 'sleep', 1, 'pending', 1, 1 FROM message"
flood 1 sleep@example.com 1
start_or_finish
wait_for "SELECT count(*) = 1 FROM delivery WHERE state = 'running'" || fail "the first of many runs"
sleep 0.5
equal "while 10,000 wait for one, it makes no system call" "$(calls 2 "$processor" "$(launcher_pid)" "$(headers_pid)" "$(mime_pid)")" ""
echo "with 10,000 deliveries waiting: $(peak "$processor") KiB"
less "while 10,000 wait, memory is bounded" "$(peak "$processor")" $memory_max

# ---- a flood -------------------------------------------------------------------------------------

open_bed
kill -STOP "$processor" # more events than the kernel keeps for it
flood "$burst" many@example.com
kill -CONT "$processor"
begun=$SECONDS
# Its start is the hardest part: every file gets a row, while the first of them are run.
wait_for "SELECT count = $burst FROM total WHERE name = 'message'" 150 || fail "all of a flood get their rows" "$(sql 'SELECT * FROM total')"
echo "$burst files got their rows within $((SECONDS - begun)) s; $(sql "SELECT count(*) FROM delivery WHERE state = 'done'") were run"
less "meanwhile it runs what it has" 10 "$(sql "SELECT count(*) FROM delivery WHERE state = 'done'")"
before=$(sql "SELECT count(*) FROM delivery WHERE state = 'done'")
wait_for "SELECT count(*) > $before + 100 FROM delivery WHERE state = 'done'" || fail "it goes on and on"
for pid in "$processor" "$(launcher_pid)" "$(headers_pid)" "$(mime_pid)"; do
    echo "in a flood: $(cat "/proc/$pid/comm") $(peak "$pid") KiB"
    less "in a flood the memory of $(cat "/proc/$pid/comm") is bounded" "$(peak "$pid")" $memory_max
done
begun=$SECONDS
processor_stop
equal "in a flood it stops when asked to" "$?" 0
less "soon" $((SECONDS - begun)) 20
equal "none is run twice" "$(sql "SELECT count(*) FROM delivery WHERE attempts > 1")" 0

finish
