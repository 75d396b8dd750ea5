# shellcheck shell=bash
# For tests of STARTTLS: certificates of every kind, and the clients in starttls.py. Sourced, by bash, in place of
# ../lib.sh, which it brings along.

# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# make_certificate NAME [KEY OPTION...]: NAME.pem and NAME.key in the instance.
make_certificate() {
    local name=$1
    shift
    [ $# -gt 0 ] || set -- -newkey ec -pkeyopt ec_paramgen_curve:P-256
    openssl req -x509 "$@" -nodes -subj /CN=mail.example.com -days 30 -keyout "$instance/$name.key" \
        -out "$instance/$name.pem" 2>/dev/null
}

# make_dated NAME FROM TO: a certificate with these dates, for which openssl wants a whole authority.
make_dated() {
    local ca=$instance/ca
    rm -rf "$ca"
    mkdir "$ca"
    : >"$ca/index"
    echo 01 >"$ca/serial"
    cat >"$ca/conf" <<EOT
[ca]
default_ca = this
[this]
database = $ca/index
serial = $ca/serial
new_certs_dir = $ca
default_md = sha256
policy = any
[any]
commonName = supplied
EOT
    openssl req -new -newkey rsa:2048 -nodes -subj /CN=mail.example.com -keyout "$instance/$1.key" \
        -out "$ca/request" 2>/dev/null
    openssl ca -batch -config "$ca/conf" -selfsign -keyfile "$instance/$1.key" -in "$ca/request" -notext \
        -out "$instance/$1.pem" -startdate "$2" -enddate "$3" 2>/dev/null
}

# configure [LINE...]: these lines and a route, with the good certificate unless a line names another.
configure() {
    [[ $* == *certificate* ]] || set -- "certificate = \"$instance/good.pem\"" "key = \"$instance/good.key\"" "$@"
    printf '%s\n' "$@" 'route "a@example.com" { }' | instance_config
    : >"$instance/log"
    if [ -n "$xinetd" ]; then receiver_renew; fi
}

# with_certificate NAME [KEY]
with_certificate() {
    configure "certificate = \"$instance/$1.pem\"" "key = \"$instance/${2:-$1}.key\""
}

# session NAME [ARGUMENT...]: one of starttls.py's.
session() {
    INSTANCE=$instance timeout 100 python3 "$here/starttls.py" "$1" "$port" "${@:2}" 2>&1
}

# received SENDER: how many messages, and with which protocol and cipher.
received() {
    sql "SELECT count(*), client_protocol, tls FROM message WHERE sender = '$1' GROUP BY 2, 3 ORDER BY 1"
}

# logged PATTERN: waits for a line in the log; what is said at a session's end comes after the client's.
# shellcheck disable=SC2317 # it is called, by succeeds
logged() {
    local deadline=$((SECONDS + 15))
    until grep -qE "$1" "$instance/log"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}
