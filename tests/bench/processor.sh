#!/usr/bin/env bash
# How fast the processor is. Prints figures, judges nothing.
#
# From the 250 to the start: a client sends one message after the other through the receiver and notes its own clock
# when it has read the 250; the handler is date(1), which prints the clock as soon as it runs. The difference is what is
# shown, and beside it the time to when the attempt is written down as started, which comes before the exec.
#
# Messages a second: as many files as given lie in new/ with their rows; the time counts from the processor's start to
# the last delivery's end, reading the headers, the index's commits, /bin/true and the move to cur/ included.
set -u
# shellcheck source=../handlers/lib.sh
. "$(dirname "$0")/../handlers/lib.sh"
single=${SINGLE:-100}
many=${MANY:-1000}

# client COUNT PAUSE: sends messages one by one in a session; prints the ID and the time of each 250.
client() {
    python3 - "$1" "$2" "$programs/mailmill-receiver" -c "$instance/mailmill.conf" <<'PY'
import re, subprocess, sys, time
count, pause, program = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
p = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def read(wanted):
    line = p.stdout.readline()
    while line[3:4] == b"-":
        line = p.stdout.readline()
    assert line.startswith(wanted), line
    return line
def say(text, wanted):
    p.stdin.write(text)
    p.stdin.flush()
    return read(wanted)
body = b"Subject: hello\r\nFrom: asker@example.org\r\n\r\n" + b"a line of text in this message\r\n" * 30 + b".\r\n"
read(b"220")
say(b"EHLO client.example.org\r\n", b"250")
for i in range(count):
    say(b"MAIL FROM:<asker@example.org>\r\n", b"250")
    say(b"RCPT TO:<work@example.com>\r\n", b"250")
    say(b"DATA\r\n", b"354")
    reply = say(body, b"250")
    now = time.time()
    print(re.search(rb"\b[0-9A-HJKMNP-TV-Z]{16}\b", reply).group().decode(), now)
    time.sleep(pause)
say(b"QUIT\r\n", b"221")
PY
}

# config CONCURRENCY PROGRAM
config() {
    instance_config <<EOT
max-runs = "$1"
route "work@example.com" { handler "x" { run = {$2} concurrency = "$1" } }
EOT
}

# percentiles NAME: of milliseconds on standard input.
percentiles() {
    sort -n | awk -v name="$1" '{ v[NR] = $1 } END {
        printf "%-50s p50 %.1f ms, p99 %.1f ms, longest %.1f ms (%d messages)\n", name, v[int(NR * 0.5 + 0.5)],
               v[int(NR * 0.99 + 0.5)], v[NR], NR }'
}

instance_open
config 1 '"/bin/date", "+%s.%N"'
start_or_finish
client "$single" 0.02 >"$instance/sent"
ended work@example.com "$single" 120
sql "SELECT message_id, trim(CAST(stdout AS TEXT), char(10)), started_ms FROM attempt JOIN delivery d ON d.id = delivery_id" |
    tr '|' ' ' | sort >"$instance/started"
join <(sort "$instance/sent") "$instance/started" >"$instance/both"
awk '{ print ($3 - $2) * 1000 }' "$instance/both" | percentiles "from the 250 to the clock that the handler sees:"
awk '{ print $4 - $2 * 1000 }' "$instance/both" | percentiles "from the 250 to the attempt being written down:"
processor_stop

for concurrency in 1 10; do
    instance_open
    config "$concurrency" '"/bin/true"'
    start_or_finish # makes the index
    processor_stop
    client "$many" 0 >"$instance/sent"
    begin=$(date +%s%3N)
    start_or_finish
    wait_for "SELECT count(*) = $many FROM delivery WHERE state = 'done'" 300 || echo "not done in time"
    end=$(sql "SELECT max(ended_ms) FROM delivery")
    printf '%-50s %d a second (%d messages in %d ms)\n' "through intake to done, concurrency $concurrency:" \
        $((many * 1000 / (end - begin))) "$many" $((end - begin))
    processor_stop
done
instance_close
