#!/usr/bin/env bash
# mailmill metrics: valid in the format of Prometheus, right in its figures, and counters that never go down.
set -u
# shellcheck source=../command.sh
. "$(dirname "$0")/../command.sh"

# The rules of the text format 0.0.4, and those of promtool's that apply: each family once, behind its HELP and its TYPE;
# each sample once; counters named _total; buckets that add up.
checker='
import re, sys
text = sys.stdin.read()
assert text.endswith("\n"), "the last line has no end"
families, samples, current = {}, {}, None
label = r"[a-zA-Z_][a-zA-Z0-9_]*=\"(?:[^\"\\\n]|\\[\\\"n])*\""
for line in text.splitlines():
    if line.startswith("# HELP "):
        current = line.split(" ", 3)[2]
        assert current not in families, "twice: " + current
        assert len(line.split(" ", 3)[3]) > 10, "no help: " + line
        families[current] = None
    elif line.startswith("# TYPE "):
        _, _, name, kind = line.split(" ")
        assert name == current and families[name] is None, "TYPE out of place: " + line
        assert kind in ("counter", "gauge", "histogram"), line
        families[name] = kind
        assert (kind == "counter") == name.endswith("_total"), "a counter is named _total: " + line
    else:
        found = re.fullmatch(r"([a-z_]+)(\{%s(?:,%s)*\})? (-?[0-9]+(?:\.[0-9]+)?)" % (label, label), line)
        assert found, "no sample: " + line
        name, labels, value = found.group(1), found.group(2) or "", float(found.group(3))
        kind = families.get(current)
        ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        assert any(name == current + end for end in ends), "not of this family: " + line
        assert (name, labels) not in samples, "twice: " + line
        assert kind != "counter" or value >= 0
        samples[name, labels] = value
groups = {}
for (name, labels), value in samples.items():
    if name.endswith("_bucket"):
        bound = re.search(r",le=\"([^\"]*)\"", labels).group(1)
        groups.setdefault((name, re.sub(r",le=\"[^\"]*\"", "", labels)), []).append((float(bound), value))
for (name, labels), buckets in groups.items():
    assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets), name + labels
    assert buckets[-1][0] == float("inf") and buckets[-1][1] == samples[name[:-7] + "_count", labels]
    assert (name[:-7] + "_sum", labels) in samples
'
valid() { succeeds "$1: the format is right" check; }
# shellcheck disable=SC2317 # succeeds calls it
check() { python3 -c "$checker" <"$instance/metrics"; }
# take: prints nothing; its exit code is the command's.
take() { mailmill metrics >"$instance/metrics"; }
# value SAMPLE
value() { grep -v '^#' "$instance/metrics" | grep -F -- "$1 " | sed 's/.* //'; }

configure() {
    instance_config <<ROUTES
route "a@example.com" { handler "good" { run = {"/bin/true"} } handler "bad" { run = {"/bin/sh", "-c", "exit 65"} } }
route "\\"a b\\"@example.com" { handler "quoted" { run = {"/bin/sleep", "0.2"} } }
ROUTES
}

instance_open
configure
take
equal "a new machine" "$?:$(value mailmill_processor_up):$(value mailmill_oldest_waiting_seconds)" 0:0:0
valid "a new machine"
succeeds "no index was made" test ! -e "$instance/lib/index.db"
smtp 'EHLO c.example.org' 'MAIL FROM:<s@example.org>' 'RCPT TO:<none@example.com>' 'RCPT TO:<a@example.org>' QUIT >/dev/null
take
equal "refused, with no index" "$(value 'mailmill_rejections_total{reason="550 5.1.1"}')" 1

processor_start || { fail "the processor starts"; finish; }
submit s@example.org a@example.com <<<"Subject: x" || fail "a message is accepted"
submit s@example.org '"a b"@example.com' <<<"Subject: x" || fail "another is accepted"
wait_for "SELECT count(*) = 2 FROM message WHERE ended_ms IS NOT NULL" || fail "both come to their ends"
wait_for "SELECT count(*) = 2 FROM rejection" || fail "rejections are brought in"
take
valid "at work"
equal "it is up" "$(value mailmill_processor_up)" 1
equal "received" "$(value mailmill_received_total)" 2
equal "refused, out of the index" "$(value 'mailmill_rejections_total{reason="550 5.1.1"}'):$(
    value 'mailmill_rejections_total{reason="550 5.7.1"}')" 1:1
equal "deliveries" "$(value 'mailmill_deliveries{route="a@example.com",handler="bad",state="dead"}')" 1
equal "a quote in a label" "$(value 'mailmill_deliveries{route="\"a b\"@example.com",handler="quoted",state="done"}')" 1
equal "attempts" "$(value 'mailmill_attempts_total{route="a@example.com",handler="bad",outcome="dead"}')" 1
quoted='route="\"a b\"@example.com",handler="quoted"'
equal "a run of 0.2 s is longer than 0.1 s" "$(value "mailmill_attempt_seconds_bucket{$quoted,le=\"0.1\"}"):$(
    value "mailmill_attempt_seconds_bucket{$quoted,le=\"+Inf\"}")" 0:1
matches "and that long" "$(value "mailmill_attempt_seconds_sum{$quoted}")" '^[0-9]*\.?[0-9]+$'
equal "nothing waits" "$(value mailmill_oldest_waiting_seconds):$(value 'mailmill_spool_files{state="waiting"}')" 0:0
equal "a HELP stands by itself" "$(grep -cE '^# HELP [a-z_]+ (Their|They|Its) ' <<<"$(mailmill metrics)")" 0
equal "bytes are those of the files" "$(($(value 'mailmill_spool_bytes{state="done"}') +
    $(value 'mailmill_spool_bytes{state="dead"}')))" "$(cat "$instance"/spool/cur/* | wc -c)"
mailmill pause good >/dev/null
submit s@example.org a@example.com <<<"Subject: x" || fail "a third is accepted"
wait_for "SELECT count(*) = 3 FROM message WHERE queued_ms IS NOT NULL" || fail "it is queued"
take
valid "with a pause"
equal "paused" "$(value 'mailmill_handler_paused{route="a@example.com",handler="good"}'):$(
    value 'mailmill_handler_paused{route="a@example.com",handler="bad"}')" 1:0
matches "it waits" "$(value mailmill_oldest_waiting_seconds):$(value 'mailmill_spool_files{state="waiting"}')" '^0\.[0-9]+:1$|^[1-9].*:1$'
processor_stop

# The history is forgotten, the counters stay.
python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.execute("PRAGMA foreign_keys = ON")
db.execute("DELETE FROM message")
db.execute("DELETE FROM rejection")
db.commit()' "$instance/lib/index.db"
take
valid "without a history"
equal "counters stay" "$(value mailmill_received_total):$(value 'mailmill_rejections_total{reason="550 5.1.1"}'):$(
    value 'mailmill_attempts_total{route="a@example.com",handler="bad",outcome="dead"}'):$(
    value "mailmill_attempt_seconds_count{$quoted}")" 3:1:1:1
equal "gauges don't" "$(value 'mailmill_deliveries{route="a@example.com",handler="bad",state="dead"}')" 0
mailmill metrics >/dev/full 2>"$instance/err"
equal "a full disk is no short answer" "$?" 74
exits "no operands" 64 'unexpected argument x' mailmill metrics x
finish
