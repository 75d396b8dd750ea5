#!/usr/bin/env bash
# What the README shows is run as it stands there: the handlers in three languages, the queries, the configuration.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# block MARK LANGUAGE: the fenced block behind the comment <!-- MARK -->.
block() {
    awk -v mark="<!-- $1 -->" -v fence="\`\`\`$2" '
        $0 == mark { found = 1 }
        found && inside && $0 == "```" { exit }
        found && inside { print }
        found && $0 == fence { inside = 1 }' "$top/README.md"
}

# The whole sample configuration: the indented block that begins with `hostname`.
sample() { awk '/^    hostname / { on = 1 } on && /^[^ ]/ { exit } on { print substr($0, 5) }' "$top/README.md"; }

instance_open
declare -A fences=([shell]=sh [php]=php [python]=python)
mkdir "$instance/examples"
for language in shell php python; do
    block "example: $language" "${fences[$language]}" >"$instance/examples/$language"
    chmod +x "$instance/examples/$language"
    succeeds "the README has an example in $language" test -s "$instance/examples/$language"
done

instance_config <<ROUTES
sendmail = {"/usr/bin/tee", "$instance/letter"}
route "report@example.com" { handler "keep" { run = {"/usr/bin/env", "HOME=$instance", "$instance/examples/shell"} } }
route "count@example.com" { handler "count" { reply = {"$instance/examples/php"} } }
route "files@example.com" { handler "list" { run = {"$instance/examples/python"} } }
ROUTES
processor_start || fail "the processor starts"

submit reporter@example.org report@example.com <<<$'Subject: report\n\nall is well'
submit '' report@example.com <<<$'Subject: bounce\n\nx'
wait_for "SELECT count(*) = 2 FROM history WHERE outcome IN ('done', 'dead')"
equal "shell: what it printed" "$(sql "SELECT stdout FROM history WHERE outcome = 'done'")" \
    "kept as reporter@example.org.eml"
matches "shell: the message is kept" "$(cat "$instance/reports/reporter@example.org.eml")" "all is well"
equal "shell: the null sender is dead" "$(sql "SELECT exit_code FROM history WHERE outcome = 'dead'")" 65

submit asker@example.org count@example.com <<<$'Subject: poem\n\none\ntwo\nthree'
wait_for "SELECT count(*) = 1 FROM history WHERE handler = 'count' AND outcome = 'done'"
matches "php: the reply counts" "$(cat "$instance/letter")" '"poem" has 3 lines\.'

submit asker@example.org files@example.com <<'MESSAGE'
Subject: files
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

see below
--b
Content-Type: text/csv
Content-Disposition: attachment; filename="numbers.csv"

1,2,3
--b--
MESSAGE
wait_for "SELECT count(*) = 1 FROM history WHERE handler = 'list' AND outcome = 'done'"
matches "python: the attachment is listed" "$(sql "SELECT stdout FROM history WHERE handler = 'list'")" \
    'numbers\.csv text/csv 5'

block queries sql >"$instance/queries.sql"
equal "there are nine queries" "$(grep -c '^SELECT' "$instance/queries.sql")" 9
# shellcheck disable=SC2317 # called by its name
run_queries() { sqlite3 -readonly -bail "$instance/lib/index.db" <"$instance/queries.sql"; }
succeeds "the queries run" run_queries
equal "the first query shows what happened" \
    "$(sqlite3 -readonly "$instance/lib/index.db" "$(awk '/^SELECT/ { print; exit }' "$instance/queries.sql")" | wc -l)" 4

# The sample, with a user that there is.
mkdir "$instance/sample"
sample | sed -e "s|user    = \"www-data\"|user    = \"$(id -un)\"|" >"$instance/sample/routes"
{
    printf 'spool = "%s"\nindex = "%s"\nhandlers = "%s"\nsendmail = {"/bin/true"}\nuser = "%s"\n' \
        "$instance/spool" "$instance/lib/index.db" "$programs/handlers" "$(id -un)"
    cat "$instance/sample/routes"
} >"$instance/sample/mailmill.conf"
succeeds "the sample configuration is one" "$programs/mailmill" -c "$instance/sample/mailmill.conf" check

finish
