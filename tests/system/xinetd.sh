#!/usr/bin/env bash
# The receiver as xinetd starts it: real clients deliver, one at a time and many at once; nothing but SMTP ever shows
# at the client; and xinetd's own limit holds.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# xinetd with one more line in its service: `limit`.
eval "plain_$(declare -f xinetd_config)"
xinetd_config() {
    plain_xinetd_config "$@"
    sed -i "s/^    instances .*/    $limit/" "$instance/xinetd.conf"
}
limit='instances = 50'

fresh() {
    instance_open
    instance_config <<ROUTES
route "a@example.com" {}
route "b@example.com" {}
ROUTES
    xinetd_start || fail "xinetd starts" "$(<"$instance/xinetd.log")"
}

subjects() { sed -n 's/^Subject: //p' "$instance"/spool/new/* | sort; }

# What a client that sends this gets, to the end.
all_of() {
    exec {connection}<>"/dev/tcp/127.0.0.1/$port"
    printf '%b' "$1" >&"$connection"
    timeout 20 cat <&"$connection" 2>/dev/null
    exec {connection}>&-
}

# ---- clients -------------------------------------------------------------------------------------

fresh
succeeds "swaks delivers" send --from asker@example.org --to a@example.com --header "Subject: by swaks" --body "hello"
succeeds "swaks delivers, pipelined" send --pipeline --from asker@example.org --to a@example.com,b@example.com \
    --header "Subject: by swaks in groups" --body "hello"
# shellcheck disable=SC2317 # `succeeds` calls it
refused() { ! send "$@" && tail -n 20 "$instance/swaks.log" | grep -q '550 5.1.1'; }
succeeds "swaks is told of a recipient that is not there" refused --from asker@example.org --to nobody@example.com

printf 'account default\nhost 127.0.0.1\nport %s\ndomain client.example.org\nauth off\ntls off\n' "$port" \
    >"$instance/msmtprc"
chmod 600 "$instance/msmtprc"
printf 'Subject: by msmtp\nTo: a@example.com\n\n.\nGr\303\274\303\237e\n' |
    succeeds "msmtp delivers" msmtp -C "$instance/msmtprc" -f asker@example.org a@example.com
printf 'Subject: by msmtp, a reply\n\nx\n' |
    succeeds "msmtp delivers with the null sender" msmtp -C "$instance/msmtprc" -f '<>' a@example.com
equal "all of it is there" "$(subjects)" "by msmtp
by msmtp, a reply
by swaks
by swaks in groups"
equal "msmtp's text came as it was" \
    "$(sed '1,/^$/d' "$(grep -l 'Subject: by msmtp$' "$instance"/spool/new/*)")" $'.\nGrüße'
equal "each from the address it came from" "$(sql 'SELECT DISTINCT client_address FROM message')" 127.0.0.1

fresh
succeeds "twenty smtplib clients at once" python3 "$(dirname "$0")/clients.py" "$port" 20
equal "twenty messages, each once" "$(subjects)" "$(seq -f 'from client %g' 0 19 | sort)"
equal "each in the index, with both recipients" \
    "$(sql 'SELECT count(*), count(DISTINCT message_id), min(address), max(address) FROM recipient')" \
    "40|20|a@example.com|b@example.com"
equal "nothing is left in tmp/" "$(in_spool tmp)" 0
one=$(find "$instance/spool/new" -type f | head -n 1)
equal "their text came as it was" "$(sed '1,/^$/d' "$one" | head -c 14 | od -An -c | tr -s ' ')" \
    ' . d o t \n 377 376 8 - b i t \n'

# ---- nothing but SMTP ----------------------------------------------------------------------------

equal "what a client gets, byte for byte" "$(all_of 'HELO client.example.org\r\nQUIT\r\n' | od -An -c)" \
    "$(printf '220 mail.example.com ESMTP mailmill\r\n250 mail.example.com\r\n221 2.0.0 mail.example.com closing\r\n' |
        od -An -c)"
sed -i 's/^hostname/hostnam/' "$instance/mailmill.conf"
matches "with a mistake in the configuration: one line" "$(all_of 'QUIT\r\n' | tr '\r\n' '/.')" '^421 4\.3\.0 [^/]*/\.$'
rm "$instance/mailmill.conf"
matches "without a configuration: one line" "$(all_of 'QUIT\r\n' | tr '\r\n' '/.')" '^421 4\.3\.0 [^/]*/\.$'
fresh
rm -rf "${instance:?}"/{spool,lib}
touch "$instance/spool"
equal "without a spool: replies only" \
    "$(all_of 'HELO h\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\nQUIT\r\n' | cut -c 1-4 | tr '\n' '/')" \
    "220 /250 /250 /250 /451 /221 /"

# ---- its limit -----------------------------------------------------------------------------------

limit='instances = 3'
fresh
for _ in 1 2 3; do
    exec {connection}<>"/dev/tcp/127.0.0.1/$port"
    read -r -t 20 -u "$connection" line
    matches "a connection within the limit is greeted" "$line" '^220 '
    connections+=("$connection")
done
equal "one beyond it gets nothing" "$(all_of '')" ""
printf 'QUIT\r\n' >&"${connections[0]}"
timeout 20 cat <&"${connections[0]}" >/dev/null # to its end
# It has room again when it has seen the process end, which is a moment after the client has.
deadline=$((SECONDS + 20))
until greeting=$(all_of 'QUIT\r\n') && [ -n "$greeting" ]; do
    [ $SECONDS -lt $deadline ] || break
    sleep 0.05
done
matches "and when one has left, there is room again" "$greeting" '^220 '
xinetd_stop
for connection in "${connections[@]}"; do exec {connection}>&-; done

finish
