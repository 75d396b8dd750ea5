#!/usr/bin/env bash
# The SQL: migrations and views run, every statement compiles against them and is used, and none hides in the code.
set -u
# shellcheck source=report.sh
. "$(dirname "$0")/report.sh"

database=$(mktemp -d) || exit 1
trap 'rm -rf "$database"' EXIT
report "the migrations run, then the views, then the views again" \
    "$(cat schema/[0-9]*.sql schema/views.sql schema/views.sql | sqlite3 -bail "$database/index.db" 2>&1)"

# A row for each view would need data; that their columns resolve does not.
report "every view can be read" \
    "$(for view in $(sqlite3 "$database/index.db" "SELECT name FROM sqlite_schema WHERE type = 'view'"); do
        sqlite3 -bail "$database/index.db" "SELECT * FROM $view" 2>&1
    done)"

# Each named statement, explained: that compiles it without running it.
mapfile -t names < <(sed -n 's/^-- name: //p' schema/statements.sql)
report "every statement compiles" \
    "$(for name in "${names[@]}"; do
        statement=$(awk -v name="$name" '/^-- name: / { on = $3 == name; next } on && !/^ *--/' schema/statements.sql)
        printf 'EXPLAIN %s\n' "$statement" | sqlite3 -bail "$database/index.db" 2>&1 >/dev/null | sed "s/^/$name: /"
    done)"

# How SQLite finds what a statement is about. SCAN reads a table or an index from one end to the other, which takes longer
# with each message that was ever received: only these may, for the reasons given.
#     message_unqueued                   an index of what is not done yet, and of nothing else
#     attempt_recover                    likewise, of what runs; so are those of on-dead programs, which wait or run
#     command_message_counts             the same two, counted
#     command_oldest_waiting             the first entries of such indexes
#     command_last_failures              likewise, the last ones
#     command_handler_counts             a row for each handler and state
#     handler_waiting                    the first entry of an index; then, from each to the next handler's first
#     handler_set_back and its like      a row for each handler
#     metrics_*, command_store, ..._bytes         a row for each handler and state, outcome or bucket, each reason; what waits
#     (subquery), found, o, CONSTANT ROW a result of bounded size
# command_messages walks from the newest message and ends at the limit; what matches a filter seldom is looked for in all
# of them, unless it is a state.
allowed='message_unqueued: SCAN message USING INDEX message_unqueued
command_message_counts: SCAN message USING INDEX message_unqueued
command_message_counts: SCAN message USING INDEX message_unended
command_oldest_waiting: SCAN message USING INDEX message_unqueued
command_oldest_waiting: SCAN delivery USING INDEX delivery_waiting
command_handler_counts: SCAN tally
command_last_failures: SCAN delivery USING INDEX delivery_dead
attempt_recover: SCAN attempt USING INDEX attempt_running
on_dead_recover: SCAN o USING INDEX on_dead_run_running
on_dead_recover_runs: SCAN on_dead_run USING INDEX on_dead_run_running
on_dead_set_back: SCAN delivery USING INDEX delivery_on_dead
on_dead_not_later: SCAN delivery USING INDEX delivery_on_dead
on_dead_waits: SCAN delivery USING COVERING INDEX delivery_on_dead
handler_waiting: SCAN delivery USING INDEX delivery_turn
handler_set_back: SCAN handler_state
handler_not_later: SCAN handler_state
command_pauses: SCAN handler_state
metrics_refused: SCAN refusal
metrics_deliveries: SCAN tally
metrics_attempts: SCAN run_time
metrics_times: SCAN run_time
metrics_times: SCAN b
metrics_store: SCAN message USING INDEX message_unended
metrics_store: SCAN store
command_store: SCAN store
command_waiting_bytes: SCAN message USING INDEX message_unended'
report "no statement reads all there ever was" \
    "$(for name in "${names[@]}"; do
        statement=$(awk -v name="$name" '/^-- name: / { on = $3 == name; next } on && !/^ *--/' schema/statements.sql)
        printf 'EXPLAIN QUERY PLAN %s\n' "$statement" | sqlite3 -bail "$database/index.db" 2>/dev/null |
            sed -n "s/.*SCAN/$name: SCAN/p" | grep -vE ': SCAN (\(subquery-[0-9]+\)|found|o|CONSTANT ROW)$'
    done | grep -vxF "$allowed")"

# An index that was in use before it had counts, with a delivery in every state. Each message has the size of its number.
states='pending running retry done dead skipped cancelled'
# shellcheck disable=SC2317 # called in a substitution
rows_of_old() {
    local number=0 state
    for state in $states; do
        number=$((number + 1))
        echo "INSERT INTO message (id, received_ms, sender, client_address, client_helo, client_protocol, size_bytes,
                queued_ms, ended_ms)
            VALUES ('1KADPTED0000000$number', 1, '', '', '', '', $number, 1, iif($number < 4, NULL, 2));
            INSERT INTO delivery (message_id, recipient, route, handler, position, state, queued_ms)
            VALUES ('1KADPTED0000000$number', 1, 'r', 'h', 1, '$state', 1),
                   ('1KADPTED0000000$number', 2, 'r', 'h', 1, '$state', 1);
            INSERT INTO attempt (delivery_id, number, started_ms, ended_ms, outcome)
            VALUES (last_insert_rowid(), 1, 1000, iif('$state' = 'running', NULL, 1000 + $number * 10), '$state');
            INSERT INTO rejection (rejected_ms, client_address, client_helo, sender, recipient, reply)
            VALUES (1, '', '', '', '', iif($number < 5, '550 5.1.1 <x>: no', iif($number = 5, '421 go', 'x')));"
    done
    echo "INSERT INTO message (id, received_ms, sender, client_address, client_helo, client_protocol, size_bytes,
            queued_ms, ended_ms)
        VALUES ('1KADPTED00000008', 1, '', '', '', '', 8, 1, 2);"
}
report "a migration counts what is there" \
    "$(diff <(sqlite3 -bail "$database/old.db" "
        $(cat schema/001-*.sql)
        $(rows_of_old)
        $(cat schema/00[2-9]-*.sql)
        SELECT * FROM (SELECT * FROM tally UNION ALL SELECT '', '', * FROM total) ORDER BY 1, 2, 3;
        SELECT * FROM store ORDER BY stored;
        SELECT * FROM refusal;
        SELECT outcome, bound_ms, count, total_ms FROM run_time ORDER BY total_ms;
        SELECT id FROM message WHERE (stored IS NULL) <> (ended_ms IS NULL)" 2>&1) - <<'OUT'
||message|8
||received|8
r|h|cancelled|2
r|h|dead|2
r|h|done|2
r|h|pending|2
r|h|retry|2
r|h|running|2
r|h|skipped|2
dead|1|5
done|3|17
kept|1|8
421|1
550 5.1.1|4
other|2
pending|10|1|10
retry|50|1|30
done|50|1|40
dead|50|1|50
skipped|100|1|60
cancelled|100|1|70
OUT
    )"

# A delivery goes from state to state: the counts follow.
report "the counts are those of the rows" \
    "$(sqlite3 -bail "$database/index.db" "
        INSERT INTO message (id, received_ms, sender, client_address, client_helo, client_protocol, size_bytes)
            VALUES ('1KADPTED00000001', 1, '', '', '', '', 1), ('1KADPTED00000002', 1, '', '', '', '', 1);
        INSERT INTO delivery (message_id, recipient, route, handler, position, state, queued_ms)
            VALUES ('1KADPTED00000001', 1, 'r', 'h', 1, 'pending', 1), ('1KADPTED00000001', 2, 'r', 'h', 1, 'pending', 1),
                   ('1KADPTED00000002', 1, 'r', 'g', 1, 'dead', 1);
        UPDATE delivery SET state = 'done' WHERE recipient = 2;
        UPDATE delivery SET detail = 'x';
        PRAGMA foreign_keys = ON;
        UPDATE message SET stored = 'dead', size_bytes = 20 WHERE id = '1KADPTED00000002';
        UPDATE message SET stored = 'done', size_bytes = 10 WHERE id = '1KADPTED00000001';
        SELECT 'store', * FROM store WHERE files <> (stored <> 'kept');
        DELETE FROM message WHERE id = '1KADPTED00000002';
        SELECT 'store', * FROM (SELECT stored, files, bytes FROM store WHERE files <> 0
            EXCEPT SELECT stored, count(*), sum(size_bytes) FROM message GROUP BY stored);
        SELECT 'differs', * FROM (SELECT route, handler, state, count FROM tally WHERE count <> 0
            EXCEPT SELECT route, handler, state, count(*) FROM delivery GROUP BY route, handler, state);
        SELECT 'rows', count(*) FROM tally WHERE count <> 0 HAVING count(*) <> 2;
        SELECT 'messages', count FROM total WHERE name = 'message' AND count <> (SELECT count(*) FROM message)" 2>&1)"

# What only goes up: rows that are forgotten stay counted, and an attempt counts when it ends, once.
report "the counters keep what is forgotten" \
    "$(diff <(sqlite3 -bail "$database/index.db" "
        PRAGMA foreign_keys = ON;
        INSERT INTO attempt (delivery_id, number, started_ms, outcome) VALUES (1, 1, 1000, 'running'), (1, 2, 1000, 'running');
        UPDATE attempt SET ended_ms = 1100, outcome = 'retry' WHERE number = 1;
        UPDATE attempt SET ended_ms = 4000000000, outcome = 'done' WHERE number = 2;
        UPDATE attempt SET ended_ms = 7 WHERE number = 1;
        INSERT INTO rejection (rejected_ms, client_address, client_helo, sender, recipient, reply)
            VALUES (1, '', '', '', '', '550 5.1.1 <x>: no'), (1, '', '', '', '', '550 5.1.1 <y>: no');
        DELETE FROM rejection;
        DELETE FROM message;
        SELECT * FROM total;
        SELECT * FROM refusal;
        SELECT outcome, bound_ms, count, total_ms FROM run_time" 2>&1) - <<'OUT'
message|0
received|2
550 5.1.1|2
retry|100|1|100
done|9223372036854775807|1|3999999000
OUT
    )"

report "every statement is used" \
    "$(for name in "${names[@]}"; do
        grep -rqw "STATEMENT_${name^^}" common receiver processor || echo "$name"
    done)"

report "code names statements and holds no SQL" \
    "$(grep -nE '"(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER) ' \
        common/*.c receiver/*.c processor/*.c processor/*/*.c 2>/dev/null)"

keywords='select|insert|update|delete|from|where|values|order by|group by|left join|join|create|primary key|not null'
report "key words of SQL are in upper case" \
    "$(sed -E "s/--.*//; s/'[^']*'|:[a-z_]+//g" schema/*.sql | grep -nwE "$keywords")"

exit "$failed"
