#!/usr/bin/env bash
# STARTTLS through xinetd: real clients, what strangers may try, certificates that are no good, and what the process
# that holds the key may do. By `starttls.sh yes` with a receiver that has the listening socket.
set -u
wait=${1:-no}
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

instance_open

make_certificate good
make_certificate rsa -newkey rsa:2048
make_certificate ed25519 -newkey ed25519
make_certificate other
make_dated expired 20200101000000Z 20210101000000Z
make_dated early 20900101000000Z 20910101000000Z
configure
xinetd_start "" "$wait" || { fail "xinetd starts"; finish; }
modern='TLSv1.3 TLS_[A-Z0-9_]+'

# ---- mailmill check ------------------------------------------------------------------------------

checked() { mailmill check 2>&1 | sed -n "s|.*mailmill.conf:[0-9]*: ||p"; }

equal "a good certificate is no mistake" "$(checked | grep -E 'certificate|key')" ""
with_certificate expired
matches "check refuses an expired certificate" "$(checked)" "^certificate: .*expired.pem has expired"
with_certificate early
matches "check refuses a certificate that is not valid yet" "$(checked)" "^certificate: .*early.pem is not valid yet"
with_certificate good other
matches "check refuses a key that is another's" "$(checked)" "^certificate: the key .*other.key does not belong to"
with_certificate missing
matches "check refuses a certificate that is not there" "$(checked)" "^certificate: .*missing.pem does not exist"
with_certificate good missing
matches "check refuses a key that is not there" "$(checked)" "^key: .*missing.key does not exist"
echo "no certificate" >"$instance/bad.pem"
cp "$instance/good.key" "$instance/bad.key"
with_certificate bad
matches "check refuses what is no certificate" "$(checked)" "^certificate: .*bad.pem holds no certificate"
openssl ec -in "$instance/good.key" -aes128 -passout pass:secret -out "$instance/locked.key" 2>/dev/null
with_certificate good locked
matches "check refuses a key with a password" "$(checked)" "^certificate: .*locked.key holds no .* password"
chmod 644 "$instance/bad.key"
with_certificate good bad
matches "check warns of a key that everybody may read" "$(checked)" "key: everybody on this machine may read"
configure

# ---- real clients --------------------------------------------------------------------------------

succeeds "swaks delivers with TLS" send --tls --from swaks@example.org --to a@example.com
matches "the index has protocol and cipher of swaks" "$(received swaks@example.org)" "^1\\|ESMTPS\\|$modern\$"
# shellcheck disable=SC2012 # names without surprises
matches "the trace block has them too" "$(cat "$instance"/spool/new/*)" \
    "by mail.example.com with ESMTPS id [0-9A-Z]{16} \\($modern\\);"

printf 'Subject: hello\n\nhello\n' | timeout 60 msmtp --host=127.0.0.1 --port="$port" --tls=on --tls-starttls=on \
    --tls-trust-file="$instance/good.pem" --tls-certcheck=off --auth=off --from=msmtp@example.org a@example.com \
    >"$instance/msmtp.log" 2>&1
matches "msmtp delivers with TLS" "$(received msmtp@example.org)" "^1\\|ESMTPS\\|$modern\$"

# s_client FROM OPTION...: a message typed into openssl, which reads a line that begins with R or Q as its own.
s_client() {
    local from=$1
    shift
    printf '%s\n' 'ehlo client.example.org' "mail from:<$from>" 'rcpt to:<a@example.com>' data \
        $'subject: x\n\nx\n.' quit |
        while read -r line; do
            echo "$line"
            sleep 0.1
        done | timeout 30 openssl s_client -connect "127.0.0.1:$port" -starttls smtp -crlf -quiet -ign_eof "$@" 2>&1
}
s_client openssl13@example.org -tls1_3 >"$instance/s_client.log"
matches "openssl s_client delivers with TLS 1.3" "$(received openssl13@example.org)" "^1\\|ESMTPS\\|$modern\$"
s_client openssl12@example.org -tls1_2 >"$instance/s_client.log"
matches "openssl s_client delivers with TLS 1.2" "$(received openssl12@example.org)" \
    '^1\|ESMTPS\|TLSv1.2 ECDHE-ECDSA-[A-Z0-9-]+$'
matches "TLS 1.1 is refused" "$(s_client old@example.org -tls1_1 -cipher ALL:@SECLEVEL=0)" 'alert protocol version'
equal "and no mail comes by it" "$(received old@example.org)" ""
succeeds "the log says why" logged 'no TLS client=127.0.0.1 reason='

for key in rsa ed25519; do
    with_certificate $key
    succeeds "a certificate of type $key will do" send --tls --from $key@example.org --to a@example.com
done
with_certificate rsa
s_client rsa12@example.org -tls1_2 >"$instance/s_client.log"
matches "also with TLS 1.2" "$(received rsa12@example.org)" '^1\|ESMTPS\|TLSv1.2 ECDHE-RSA-'
configure

equal "Python's smtplib delivers 20 MiB with both versions" "$(session large)" ok
equal "and they arrive as they were sent" \
    "$(for id in $(sql "SELECT id FROM message WHERE sender = 'large@example.org'"); do
        sed '1,/^Subject: large/d' "$instance"/spool/new/"$id" | tail -n +2 | sha256sum
    done | uniq -c | awk '{ print $1, $2 }')" \
    "2 $(python3 -c '
import hashlib
for i in range(317750):
    print(hashlib.sha256(bytes([i & 255, i >> 8 & 255, i >> 16])).hexdigest())' | sha256sum | cut -d ' ' -f 1)"

# ---- strangers -----------------------------------------------------------------------------------

equal "what is said in plain behind STARTTLS is thrown away" "$(session inject)" ok
equal "in a packet of its own as well" "$(session inject_later)" ok
equal "none of it got into a message" "$(received evil@example.org)" ""
matches "and what is said in TLS counts" "$(received secured@example.org)" '^2\|ESMTPS\|'
equal "STARTTLS wants EHLO before it, and no argument" "$(session syntax)" ok
equal "pipelining works in TLS" "$(session pipelined)" ok
matches "with every message" "$(received pipelined@example.org)" '^20\|ESMTPS\|'
equal "STARTTLS works after messages in plain" "$(session late)" ok
matches "which are told apart" "$(received before@example.org) $(received after@example.org)" \
    '^2\|ESMTP\| 2\|ESMTPS\|TLSv'
configure 'max-commands = "1000000"'
equal "a client that does not read its answers is waited for" "$(session deaf)" ok
: >"$instance/log"
equal "rubbish instead of a handshake ends the session" "$(session rubbish)" ok
succeeds "and is logged" logged 'no TLS client=127.0.0.1 reason='
configure 'command-timeout = "1s"'
equal "a handshake has its deadline" "$(session silent)" ok
succeeds "which is logged" logged 'no TLS .*took too long for the handshake'
equal "and bytes that drop in don't put it off" "$(session dropping)" ok
equal "a silent client gets its 421 in TLS" "$(session timeout)" ok
configure

# ---- certificates that are no good ---------------------------------------------------------------

# A listener has found out before it greets; one process a connection with the first client that asks.
for bad in expired early "good other" bad; do
    # shellcheck disable=SC2086 # one name or two
    with_certificate $bad
    if [ "$wait" = yes ]; then
        equal "STARTTLS with $bad is not offered" "$(session absent)" ok
    else
        equal "STARTTLS with $bad is refused, and mail goes on" "$(session refused)" ok
    fi
    succeeds "and the log says why ($bad)" logged \
        '(no TLS .* reason="|STARTTLS is not offered: ).*(expired|not valid yet|belong|no cert)'
done
with_certificate missing
equal "it is not offered without its certificate" "$(session absent)" ok
succeeds "the log says why it is not offered" logged 'STARTTLS is not offered: .*missing.pem: No such file'
if [ "$(id -u)" -ne 0 ]; then
    cp "$instance/good.pem" "$instance/closed.pem"
    cp "$instance/good.key" "$instance/closed.key"
    chmod 0 "$instance/closed.key"
    with_certificate closed
    equal "nor with a key that can't be read" "$(session absent)" ok
    matches "which check refuses as well" "$(checked)" '^key: user .* may not read'
fi
instance_config <<<'route "a@example.com" { }'
receiver_renew
equal "nor without a certificate in the configuration" "$(session absent)" ok
configure
equal "a renewed certificate is the next connection's" \
    "$(session renewed "$instance/good.pem" "$instance/good.key" "$instance/other.pem" "$instance/other.key")" ok
matches "and the old one goes on" "$(received renewed@example.org)" '^2\|ESMTPS\|'

# ---- the process ---------------------------------------------------------------------------------

: >"$instance/log"
if [ "$(id -u)" -eq 0 ]; then
    equal "the process that has the key is locked in" "$(session inside)" ok
    equal "when it is killed, the connection ends" "$(session killed)" ok
    succeeds "that is logged" logged 'mailmill-tls ended without a word client=127.0.0.1'
    equal "and nothing is stored" "$(received killed@example.org)$(ls "$instance/spool/tmp")" ""
    : >"$instance/log"
    equal "a system call that its sandbox forbids is its end" "$(session forbidden)" ok
    succeeds "which is logged as well" logged 'mailmill-tls ended without a word client=127.0.0.1'
fi
printf 'EHLO client.example.org\r\nMAIL FROM:<x@example.org>\r\nRCPT TO:<a@example.com>\r\nQUIT\r\n' |
    strace -f -s 200 -o "$instance/strace" "$programs/mailmill-receiver" -c "$instance/mailmill.conf" >/dev/null 2>&1
equal "who does not ask for TLS has nothing loaded for it" \
    "$(grep -E 'execve|open' "$instance/strace" | grep -E '(mailmill-tls|/lib(tls|ssl|crypto)[^/]*|\.pem|\.key)"')" ""
equal "nor a process started" "$(grep -cE '(clone|clone3|fork|vfork)\(' "$instance/strace")" 1
succeeds "no process is left" timeout 20 bash -c "while pgrep -f '^mailmill-tls $instance/'; do sleep 0.1; done"

finish
