#!/usr/bin/env bash
# webhook: real requests to a real web server on this machine, with and without TLS.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
instance_open
handler=$programs/handlers/webhook
seen=$instance/seen
mkdir "$seen"
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; instance_close' EXIT

# serve NAME [CERTIFICATE KEY]: its port is in ${ports[NAME]}.
declare -A ports
serve() {
    local name=$1 output
    shift
    exec {output}< <(exec python3 "$top/tests/handlers/webhook.py" "$seen" "$@" 2>/dev/null)
    servers+=($!)
    read -r "ports[$name]" <&"$output"
}

# post PATH ARGUMENT...: $instance/mail, to the plain server; $code and $said.
post() {
    local path=$1
    shift
    (cd "$instance/work" && timeout 60 env -i PATH="$PATH" "${environment[@]}" "$handler" "$path" "$@") \
        <"$instance/mail" >"$instance/said" 2>&1
    code=$?
    said=$(<"$instance/said")
}
environment=(MAILMILL_ID=06DK3T9Q2B7XH0VA "MAILMILL_DELIVERY=06DK3T9Q2B7XH0VA.1.open it" MAILMILL_ATTEMPT=1
    SENDER=asker@example.org RECIPIENT=tickets@example.com)
# The newest request, a header of it, its number.
last() { find "$seen" -name '*.head' -printf '%f\n' | sort -n | tail -n 1 | sed 's/\.head$//'; }
header() { sed -n "s/^$1: //p" "$seen/$(last).head"; }
count() { find "$seen" -name '*.head' | wc -l; }

serve plain
here=http://127.0.0.1:${ports[plain]}
{
    printf 'Return-Path: <asker@example.org>\nFrom: Asker <asker@example.org>\nTo: tickets@example.com\n'
    printf 'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nThe text.\n'
    printf -- '--b\nContent-Type: text/html\n\n<p>The text.\n--b\nContent-Type: application/pdf\n'
    printf 'Content-Disposition: attachment; filename="a.pdf"\n\nbytes \000 \377\n--b--\n'
} >"$instance/mail"

# ---- as it is ------------------------------------------------------------------------------------

post "$here/200"
equal "2xx is done, and its answer is kept" "$code:$said" '0:200 this is 200'
equal "it is a POST" "$(sed -n 1p "$seen/$(last).head")" 'POST /200'
succeeds "the message goes byte for byte" cmp "$seen/$(last).body" "$instance/mail"
equal "its type" "$(header Content-Type)" message/rfc822
equal "Idempotency-Key is MAILMILL_DELIVERY" "$(header Idempotency-Key)" '06DK3T9Q2B7XH0VA.1.open it'
equal "the envelope is in headers" "$(header X-Mailmill-Sender) $(header X-Mailmill-Recipient) $(header X-Mailmill-Attempt)" \
    'asker@example.org tickets@example.com 1'
equal "who it is" "$(header User-Agent | cut -d / -f 1)" mailmill
equal "without a secret nothing is signed" "$(header X-Mailmill-Signature)" ''

environment[1]=$'MAILMILL_DELIVERY=one\r\nX-Evil: yes'
environment[3]=SENDER=
post "$here/200"
equal "no value makes a header of its own" "$(header X-Evil):$(header Idempotency-Key)" ':one  X-Evil: yes'
equal "the null sender is an empty header" "$(grep -c '^X-Mailmill-Sender: $' "$seen/$(last).head")" 1
environment[1]=MAILMILL_DELIVERY=06DK3T9Q2B7XH0VA.1.open
environment[3]=SENDER=asker@example.org
succeeds "from a pipe it is taken, too" env -i "${environment[@]}" "$handler" "$here/200" < <(cat "$instance/mail")
succeeds "it is the same then" cmp "$seen/$(last).body" "$instance/mail"
environment+=("http_proxy=http://127.0.0.1:9" "HTTPS_PROXY=http://127.0.0.1:9" "ALL_PROXY=http://127.0.0.1:9")
post "$here/200"
equal "a proxy in the environment is not used" "$code" 0
unset 'environment[-1]' 'environment[-1]' 'environment[-1]'
post "$here/odd"
equal "control characters of an answer do not come out" "$said" '200 one  [31mtwo three'

# ---- JSON ----------------------------------------------------------------------------------------

post "$here/201" --json
equal "JSON is posted" "$code:$(header Content-Type)" 0:application/json
equal "envelope, headers, text, html, attachments" "$(python3 -c '
import json, sys
mail = json.load(open(sys.argv[1], encoding="utf-8"))
print(mail["envelope"]["sender"], mail["envelope"]["recipient"], mail["envelope"]["id"], mail["envelope"]["attempt"])
print(mail["subject"], mail["from"], [h["name"] for h in mail["headers"]][:2])
print(repr(mail["text"]), repr(mail["html"]))
print([(a["name"], a["type"], a["size"]) for a in mail["attachments"]])' "$seen/$(last).body" 2>&1)" \
    "asker@example.org tickets@example.com 06DK3T9Q2B7XH0VA 1
Grüße [{'name': 'Asker', 'address': 'asker@example.org'}] ['Return-Path', 'From']
'The text.' '<p>The text.'
[('a.pdf', 'application/pdf', 9)]"
equal "but for the envelope it is what mailmill parse says" \
    "$(python3 -c 'import json, sys; mail = json.load(open(sys.argv[1])); del mail["envelope"]; print(mail)' "$seen/$(last).body")" \
    "$(mailmill parse --json <"$instance/mail" | python3 -c 'import json, sys; print(json.load(sys.stdin))')"

# ---- what each status means ----------------------------------------------------------------------

for pair in 204:0 299:0 301:78 304:78 400:65 401:77 403:77 404:69 405:69 407:77 408:75 409:76 410:69 413:65 415:65 418:76 \
    422:65 425:75 429:75 451:76 500:75 502:75 503:75 504:75 599:75; do
    post "$here/${pair%:*}"
    equal "status ${pair%:*}" "$code" "${pair#*:}"
done
post "$here/404"
equal "a failure is one line with the reason" "$said" 'webhook: 404: there is no such thing; correct the URL; it answers: this is 404'
post "$here/429/17"
equal "Retry-After is told" "$code:$(tail -n 1 <<<"$said")" \
    '75:webhook: it wants to be left alone for 17 seconds (Retry-After)'
before=$(count)
post "$here/redirect"
equal "a redirection is not followed, but named" "$code:$(($(count) - before)):$said" \
    '78:1:webhook: 302: it is elsewhere; correct the URL: http://127.0.0.1:9/elsewhere; it answers: elsewhere'
started=$SECONDS
post "$here/endless" --timeout 20
equal "an answer without end is an answer" "$code:$(wc -c <"$instance/said")" 0:517
equal "and not waited for" $((SECONDS - started < 15)) 1
head -c 20000000 /dev/zero >>"$instance/mail"
post "$here/early"
equal "an answer before all was sent is one, or it is tried again" "$([[ $code =~ ^(65|75)$ ]] && echo yes)" yes
post "$here/200"
equal "a large message" "$code:$(wc -c <"$seen/$(last).body")" "0:$(wc -c <"$instance/mail")"
truncate -s -20000000 "$instance/mail"

started=$SECONDS
post "$here/silent" --timeout=1
equal "no answer is tried again" "$code" 75
equal "after the time that it has" "$((SECONDS - started < 10))" 1
post "http://127.0.0.1:$(port_find $((20000 + RANDOM % 10000)))/"
equal "no server is tried again" "$code" 75
# Such a URL is a secret, and the history is read by more people than the configuration.
nobody=127.0.0.1:$(port_find $((20000 + RANDOM % 10000)))
for secret in "http://user:secret@$nobody/" "http://$nobody/secret" "http://$nobody?secret" "http://$nobody#secret"; do
    post "$secret"
    equal "what may be secret of a URL is not told: ${secret//"$nobody"/}" "$code:$(grep -c "^webhook: http://$nobody: " "$instance/said")" 75:1
    equal "nowhere" "$(grep -c secret "$instance/said")" 0
done
for secret in 'http://[::1/secret' 'http://user:secret@exa mple.com/' 'http://user:secret/secret@example.com/' \
    "http://x@y:secret@$nobody/"; do
    post "$secret"
    equal "nor of one that is none: $secret" "$code:$(grep -c '^webhook: ' "$instance/said"):$(grep -c secret "$instance/said")" 78:1:0
done
post "http://user:secret@${here#http://}/200"
equal "a name and a password in it are sent" "$code:$(header Authorization)" "0:Basic $(printf user:secret | base64)"
printf 'no header at all\n' >"$instance/none"
equal "what is no message can't be JSON" "$("$handler" "$here/200" --json <"$instance/none" 2>/dev/null; echo $?)" 65

# ---- signatures ----------------------------------------------------------------------------------

printf 'our little secret\n' >"$instance/secret"
chmod 640 "$instance/secret"
for form in "" --json; do
    # shellcheck disable=SC2086 # an empty one is none
    post "$here/200" --secret-file "$instance/secret" $form
    time=$(header X-Mailmill-Timestamp)
    equal "signed${form:+, $form}: by OpenSSL" "$code:$(header X-Mailmill-Signature)" "0:sha256=$({
        printf '%s.' "$time"
        cat "$seen/$(last).body"
    } | openssl dgst -sha256 -hmac 'our little secret' -r | cut -d ' ' -f 1)"
    equal "the time is now" "$(($(date +%s) - time < 60))" 1
done
# As the README says to verify it.
readme() { sed -n "/^    $1;/,/^\$/p" "$top/README.md" | sed '/^$/d; s/^    //'; }
{
    # shellcheck disable=SC2016 # PHP's
    echo '<?php $secret = "our little secret"; $_SERVER["HTTP_X_MAILMILL_TIMESTAMP"] = $argv[1];
        $_SERVER["HTTP_X_MAILMILL_SIGNATURE"] = $argv[2]; $body = file_get_contents($argv[3]);'
    readme '\/\/ PHP'
    # shellcheck disable=SC2016
    echo 'echo $is_ours ? "good" : "bad";'
} >"$instance/verify.php"
{
    printf 'import hashlib, hmac, sys, time\nsecret = b"our little secret"\nbody = open(sys.argv[3], "rb").read()\n'
    printf 'headers = {"X-Mailmill-Timestamp": sys.argv[1], "X-Mailmill-Signature": sys.argv[2]}\n'
    readme '# Python'
    printf 'print("good" if is_ours else "bad", end="")\n'
} >"$instance/verify.py"
for verify in "php $instance/verify.php" "python3 $instance/verify.py"; do
    words="$(last).body"
    # shellcheck disable=SC2086 # a program and its script
    check() { $verify "$1" "$(header X-Mailmill-Signature)" "$2" 2>&1; }
    equal "${verify%% *}, as in the README" "$(check "$time" "$seen/$words")" good
    equal "${verify%% *}: another body" "$(check "$time" "$instance/mail")" bad
    equal "${verify%% *}: another time" "$(check $((time + 1)) "$seen/$words")" bad
done

before=$(count)
for mode in 644 602 660 620; do
    chmod $mode "$instance/secret"
    post "$here/200" --secret-file "$instance/secret"
    equal "a secret of mode $mode is none" "$code:$(grep -c 'is no secret' "$instance/said")" 78:1
done
chmod 600 "$instance/secret"
: >"$instance/empty" && chmod 600 "$instance/empty"
(umask 077 && head -c 5000 /dev/zero >"$instance/long")
for wrong in missing empty long work; do
    post "$here/200" --secret-file "$instance/$wrong"
    equal "a secret that is $wrong" "$code" 78
done
equal "then nothing is posted" "$(($(count) - before))" 0

# ---- TLS -----------------------------------------------------------------------------------------

# certificate NAME HOST: by the authority.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=An authority' -days 30 \
    -keyout "$instance/ca.key" -out "$instance/ca.pem" 2>/dev/null
certificate() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$instance/$1.key" \
        -out "$instance/$1.csr" 2>/dev/null
    openssl x509 -req -in "$instance/$1.csr" -CA "$instance/ca.pem" -CAkey "$instance/ca.key" -days 30 \
        -extfile <(echo "subjectAltName=$3") -out "$instance/$1.pem" 2>/dev/null
    serve "$1" "$instance/$1.pem" "$instance/$1.key"
}
certificate good localhost IP:127.0.0.1
certificate other example.com DNS:example.com
post "https://127.0.0.1:${ports[good]}/200" --ca-file "$instance/ca.pem"
equal "by TLS" "$code:$said" '0:200 this is 200'
before=$(count)
post "https://127.0.0.1:${ports[good]}/200"
equal "an authority that nobody knows" "$code:$(grep -ci 'certificate' "$instance/said")" 75:1
post "https://127.0.0.1:${ports[other]}/200" --ca-file "$instance/ca.pem"
equal "a certificate for another name" "$code:$(grep -c '127.0.0.1' "$instance/said")" 75:1
post "https://127.0.0.1:${ports[plain]}/200" --ca-file "$instance/ca.pem"
equal "no TLS where there should be" "$code" 75
post "https://127.0.0.1:${ports[good]}/200" --ca-file "$instance/missing"
equal "no file of authorities is dead" "$code" 78
equal "none of them gets the message" "$(($(count) - before))" 0

# ---- through the processor -----------------------------------------------------------------------

instance_config <<EOT
route "tickets@example.com" {
    handler "open" { run = {"webhook", "$here/flaky", "--json", "--secret-file", "$instance/secret"} retry-first = "1s" }
}
EOT
start_or_finish
before=$(count)
submit asker@example.org tickets@example.com <"$instance/mail"
ended tickets@example.com
equal "503 is tried again" "$(attempts tickets@example.com 'outcome, exit_code' | tr '\n' ' ')" 'retry|75 done|0 '
equal "it comes twice" "$(($(count) - before))" 2
keys=$(for number in $((before + 1)) $((before + 2)); do sed -n 's/^Idempotency-Key: //p' "$seen/$number.head"; done)
equal "with the same key, that of the delivery" "$keys" \
    "$(sql "SELECT message_id || '.1.open' FROM $(deliveries_to tickets@example.com)" | sed p)"
equal "and the attempt's number" "$(header X-Mailmill-Attempt)" 2
processor_stop

for wrong in '' ftp://127.0.0.1/ file:///etc/passwd 127.0.0.1 "$here/ --nonsense" "$here/ --timeout=0" "$here/ --timeout=x" \
    "$here/ $here/" "$here/ --secret-file"; do
    # shellcheck disable=SC2086 # two words are two arguments
    "$handler" $wrong >"$instance/said" 2>&1 </dev/null
    equal "wrong usage: ${wrong//"$here"/}" "$?:$(grep -c '^webhook: .*see webhook --help$' "$instance/said")" 64:1
done
matches "--help says what it is" "$("$handler" --help)" 'usage: webhook URL'

finish
