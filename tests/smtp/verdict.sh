#!/usr/bin/env bash
# STARTTLS is not offered when it can't work, and the log says why: as soon as one client has found out where each
# connection has its own receiver, and before the first one where the receiver listens.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
listener=

instance_open
make_certificate good
make_certificate other
make_dated expired 20200101000000Z 20210101000000Z
make_dated early 20900101000000Z 20910101000000Z
echo "no certificate" >"$instance/bad.pem"
cp "$instance/good.key" "$instance/bad.key"

# verdict: what is kept.
verdict() { cat "$instance/lib/index.db-starttls"; }
# soon SECONDS: that time from now, as openssl wants it.
soon() { date -u -d "+$1 seconds" +%Y%m%d%H%M%SZ; }
# said PATTERN: how many lines of log there are.
said() { grep -cE "$1" "$instance/log"; }

start_listener() {
    rm -f "$instance/ports"
    python3 "$top/tests/system/listen.py" "$instance/ports" stdin "$programs/mailmill-receiver" -c "$instance/mailmill.conf" &
    listener=$!
    until [ -s "$instance/ports" ]; do sleep 0.02; done
    port=$(head -n 1 "$instance/ports")
}
stop_listener() {
    process_stop "$listener"
}

# ---- a process for each connection ---------------------------------------------------------------

configure
xinetd_start || { fail "xinetd starts"; finish; }
for bad in "expired has expired" "early is not valid yet" "good:other does not belong" "bad holds no certificate"; do
    read -r names why <<<"$bad"
    # shellcheck disable=SC2086 # one name or two
    with_certificate ${names/:/ }
    equal "$names: the first client that asks is refused" "$(session refused)" ok
    succeeds "$names: what it found is kept" timeout 10 bash -c "until grep -q . '$instance/lib/index.db-starttls'; do sleep 0.05; done"
    until [ "$(session absent)" = ok ] || [ $SECONDS -gt 250 ]; do sleep 0.05; done
    equal "$names: the next one is not offered it" "$(session absent)" ok
    matches "$names: the log says why" "$(cat "$instance/log")" "STARTTLS is not offered: .*$why"
    configure
    equal "$names: a pair that was renewed is offered at once" "$(session pipelined)" ok
done

# The same names, other files: as a renewal does it.
cp "$instance/expired.pem" "$instance/site.pem"
cp "$instance/expired.key" "$instance/site.key"
with_certificate site
equal "an expired pair is found out" "$(session refused)" ok
until [ "$(session absent)" = ok ] || [ $SECONDS -gt 280 ]; do sleep 0.05; done
cp "$instance/good.pem" "$instance/new.pem" && mv "$instance/new.pem" "$instance/site.pem"
cp "$instance/good.key" "$instance/new.key" && mv "$instance/new.key" "$instance/site.key"
succeeds "renewed it is the next connection's" send --tls --from site@example.org --to a@example.com
cp "$instance/other.key" "$instance/site.key" # in place
equal "renewed in place into what does not match it is found out" "$(session refused)" ok
until [ "$(session absent)" = ok ] || [ $SECONDS -gt 290 ]; do sleep 0.05; done
equal "and not offered" "$(session absent)" ok
cp "$instance/good.key" "$instance/site.key"
succeeds "and offered when that is mended" send --tls --from mended@example.org --to a@example.com

# One that was seen to be good is known to end.
make_dated short 20200101000000Z "$(soon 6)"
with_certificate short
succeeds "a certificate is good to its end" send --tls --from short@example.org --to a@example.com
until [ "$(date -u +%Y%m%d%H%M%SZ)" \> "$(openssl x509 -in "$instance/short.pem" -noout -enddate -dateopt iso_8601 |
    sed 's/.*=//; s/[-: ]//g')" ]; do sleep 0.2; done
equal "and not offered after it, with nobody having asked" "$(session absent)" ok
matches "the log says why" "$(cat "$instance/log")" 'STARTTLS is not offered: the certificate .*short.pem has expired'

# What is kept may be damaged, or nothing that is ours.
with_certificate expired
for damage in '' 'x' "$(verdict | tr '0-9' '9')" "$(head -c 3000 /dev/zero | tr '\0' x)"; do
    printf '%s' "$damage" >"$instance/lib/index.db-starttls"
    equal "a damaged verdict says nothing" "$(session refused)" ok
    until [ "$(session absent)" = ok ] || [ $SECONDS -gt 295 ]; do sleep 0.05; done
    equal "and is replaced" "$(session absent)" ok
done
rm "$instance/lib/index.db-starttls"
mkdir "$instance/lib/index.db-starttls"
equal "where none can be kept each client is refused" "$(session refused)$(session refused)" okok
succeeds "which the log says" logged 'what is known of the certificate is not kept: '
rmdir "$instance/lib/index.db-starttls"

# What it costs: no library, and the files themselves are not read.
configure
succeeds "a good pair has its verdict, too" send --tls --from good@example.org --to a@example.com
matches "a good pair has its verdict, too: without a reason" "$(verdict)" ' [0-9]+ [0-9]+ $'
xinetd_stop
printf 'EHLO client.example.org\r\nQUIT\r\n' | strace -f -o "$instance/strace" "$programs/mailmill-receiver" \
    -c "$instance/mailmill.conf" >"$instance/smtp.log" 2>&1
equal "to offer it no key is opened and no library loaded" \
    "$(grep -E 'execve|open' "$instance/strace" | grep -cE '(mailmill-tls|/lib(tls|ssl|crypto)[^/]*|\.pem|\.key)"')" 0
matches "it is offered" "$(cat "$instance/smtp.log")" 'STARTTLS'

# ---- a listener ----------------------------------------------------------------------------------

for bad in "expired has expired" "early is not valid yet" "good:other does not belong" "bad holds no certificate"; do
    read -r names why <<<"$bad"
    rm -f "$instance/lib/index.db-starttls"
    # shellcheck disable=SC2086 # one name or two
    with_certificate ${names/:/ }
    start_listener
    equal "listening, $names: not offered to the very first client" "$(session absent)$(session absent)" okok
    equal "listening, $names: the log says why, once" "$(said "STARTTLS is not offered: .*$why")" 1
    stop_listener
done

rm -f "$instance/lib/index.db-starttls" "$instance"/site.*
with_certificate site
start_listener
equal "listening, without the files: not offered" "$(session absent)" ok
cp "$instance/expired.pem" "$instance/site.pem"
cp "$instance/expired.key" "$instance/site.key"
equal "listening: nor with those that have come and are no good" "$(session absent)" ok
for name in pem key; do cp "$instance/good.$name" "$instance/new.$name" && mv "$instance/new.$name" "$instance/site.$name"; done
succeeds "listening: renewed it is the next connection's" send --tls --from renewed@example.org --to a@example.com
for name in pem key; do cp "$instance/early.$name" "$instance/site.$name"; done
equal "listening: and is withdrawn when it is renewed into one for later" "$(session absent)" ok
make_dated site 20200101000000Z "$(soon 6)"
succeeds "listening: offered again" send --tls --from short@example.org --to a@example.com
until [ "$(session absent)" = ok ] || [ $SECONDS -gt 298 ]; do sleep 0.3; done
equal "listening: withdrawn when its time is up" "$(session absent)" ok
equal "each reason was said once" "$(grep -c 'STARTTLS is not offered' "$instance/log")" 4
stop_listener

finish
