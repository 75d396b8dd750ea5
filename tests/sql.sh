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
