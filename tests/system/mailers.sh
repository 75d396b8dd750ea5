#!/usr/bin/env bash
# Ten mail programs, as they are, by both ways of being started: each kind of message that each of them can send must
# be in new/ as it was sent, byte for byte; see mailers/run.py.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

# All of it counts as one report, and what was left out is not passed.
exercise() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line"
        case $line in
        *"# SKIP"*) ;;
        "ok "*) tests_passed=$((tests_passed + 1)) ;;
        "FAIL "*) tests_failed=$((tests_failed + 1)) ;;
        esac
    done < <(CERTIFICATE=$instance/good.pem python3 "$here/mailers/run.py" "$instance" "$port" "$1" 2>&1 ||
        echo "FAIL the mail programs are run, $1")
}

for start in "one process a connection" "a listening socket"; do
    instance_open
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mail.example.com -days 30 \
        -keyout "$instance/good.key" -out "$instance/good.pem" 2>/dev/null
    instance_config <<EOT
certificate = "$instance/good.pem"
key = "$instance/good.key"
max-message-size = "40M"
max-sessions-per-client = "50"
route "a@example.com" { }
route "*@all.example.com" { }
EOT
    case $start in
    one*) xinetd_start || fail "xinetd starts" "$(<"$instance/xinetd.log")" ;;
    a*) xinetd_start "" yes || fail "xinetd starts" "$(<"$instance/xinetd.log")" ;;
    esac
    exercise "$start"
    equal "$start: nothing is left in tmp/" "$(in_spool tmp)" 0
    equal "$start: every message has its row" "$(sql 'SELECT count(*) FROM message')" "$(in_spool new)"
    equal "$start: nothing was refused, and no sandbox broken" \
        "$(grep -E 'rejected|killed by signal|cut off|no TLS' "$instance/log")" ""
done

finish
