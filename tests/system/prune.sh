#!/usr/bin/env bash
# mailmill prune: what was kept long enough goes at once, and nothing else, with a processor and without.
set -u
# shellcheck source=../command.sh
. "$(dirname "$0")/../command.sh"

instance_open
instance_config <<'ROUTES'
keep-done = "1d"
keep-dead = "10d"
keep-history = "20d"
route "a@example.com" { handler "good" { run = {"/bin/true"} } }
route "b@example.com" { handler "bad" { run = {"/bin/sh", "-c", "exit 65"} } }
ROUTES
exits "on a new machine" 1 'no message yet' mailmill prune
processor_start || { fail "the processor starts"; finish; }
for number in 1 2 3; do
    submit s@example.org a@example.com <<<"Subject: done $number" || fail "a message is accepted"
    submit s@example.org b@example.com <<<"Subject: dead $number" || fail "another is accepted"
done
wait_for "SELECT count(*) = 6 FROM message WHERE stored IS NOT NULL" || fail "all come to their ends"
exits "nothing is old enough" 0 '^0 files removed, 0 B; 0 messages forgotten$' mailmill prune
processor_stop
# age WHICH DAYS
age() {
    python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.execute("UPDATE message SET ended_ms = ended_ms - ? * 86400000 WHERE subject LIKE ?", (int(sys.argv[3]), sys.argv[2]))
db.commit()' "$instance/lib/index.db" "$1" "$2"
}
files() { find "$instance/spool/cur" -type f | wc -l; }
age 'done 1' 2
age 'done 2' 2
age 'dead 1' 5
size=$(sql "SELECT sum(size_bytes) FROM message WHERE subject IN ('done 1', 'done 2')")
exits "what is done, and old enough" 0 "^2 files removed, $size B; 0 messages forgotten$" mailmill prune
equal "the others stay" "$(files):$(sql 'SELECT count(*) FROM message')" 4:6
exits "once more: nothing" 0 '^0 files removed' mailmill prune
age 'done 1' 30
age 'dead 1' 30
processor_start || fail "the processor starts again"
wait_for "SELECT count(*) = 4 FROM message" || fail "the processor forgets the two by itself"
age 'd% 2' 30
exits "beside a processor" 0 ' forgotten$' mailmill prune
wait_for "SELECT count(*) = 2 FROM message" || fail "with one of the two, the others are forgotten"
equal "what is young stays" "$(files):$(sql "SELECT group_concat(subject) FROM message")" "2:done 3,dead 3"
processor_stop
age 'd% 3' 30
matches "on a terminal it says how far it is" "$(on_terminal 80 "$programs/mailmill" -c "$instance/mailmill.conf" prune)" \
    '\[#+\] 100 %  [0-9] of [0-9] files and messages.*2 files removed, [0-9]+ B; 2 messages forgotten'
exits "an operand" 64 'unexpected argument x' mailmill prune x
finish
