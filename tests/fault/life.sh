#!/usr/bin/env bash
# kill -9 in the midst of what happens after mail's handlers: files and rows that go because their time is over. After a
# start without the fault what was to go is gone, and what is pending is there and runs.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# held NAME: mail whose handler failed and waits still has its file.
held() {
    local id lost=
    for id in $(sql "SELECT message_id FROM delivery WHERE state IN ('pending', 'retry')"); do
        [ -s "$instance/spool/new/$id" ] || lost+=" $id"
    done
    equal "$1: nothing pending has lost its file" "$lost" ''
}

# ---- retention -----------------------------------------------------------------------------------

for name in retention-removed:1 retention-removed:2 retention-removed:3 retention-forgotten:1 index-before-commit:1 \
    index-committed:1; do
    instance_open
    program work <<'SH'
#!/bin/sh
[ "$LOCAL" = ok ] || exit 75
SH
    instance_config <<EOT
keep-done    = "1d"
keep-history = "30d"
route "ok@example.com" { handler "x" { run = {"$instance/bin/work"} } }
route "later@example.com" { handler "x" { run = {"$instance/bin/work"} retry-first = "1h" } }
EOT
    start_or_finish
    for number in 1 2 3 4; do
        submit asker@example.org ok@example.com <<<"Subject: $number" || fail "$name: mail is accepted"
    done
    submit asker@example.org later@example.com <<<"Subject: later"
    ended ok@example.com 4
    tried later@example.com
    processor_stop
    # Three whose file is to go, and one whose row is, its file being gone long since.
    forgotten=$(sql "SELECT min(message_id) FROM delivery WHERE route = 'ok@example.com'")
    rm "$instance/spool/cur/$forgotten"*
    sqlite3 "$instance/lib/index.db" "
        UPDATE message SET ended_ms = ended_ms - 2 * 86400000 WHERE ended_ms IS NOT NULL;
        UPDATE message SET gone_ms = 1, stored = NULL, ended_ms = ended_ms - 40 * 86400000 WHERE id = '$forgotten'"
    if MAILMILL_FAULT=$name processor_start; then
        processor_wait
        equal "$name: it is killed there" "$?" 137
    else
        processor_forget
    fi
    held "$name"
    start_or_finish
    wait_for "SELECT count(*) = 4 AND sum(gone_ms NOT NULL) = 3 FROM message" ||
        fail "$name: what was to go is gone" "$(sql 'SELECT id, ended_ms, gone_ms, stored FROM message')"
    equal "$name: so are the files" "$(ls "$instance/spool/cur")" ''
    equal "$name: and the count of what there is, is right" "$(sql "SELECT sum(files), sum(bytes) FROM store")" '0|0'
    held "$name"
    equal "$name: what waits is as it was" "$(states later@example.com)" x=retry
    processor_stop
done

finish
