#!/usr/bin/env bash
# The receiver behind a proxy: swaks with a header of its own, and a real HAProxy. Whoever the header names is the
# client everywhere; who is not trusted can say no such thing.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
here=$top/tests/system
listener=
haproxy=

has_ip6=
if grep -q ' lo$' /proc/net/if_inet6 2>/dev/null; then has_ip6=yes; fi

clients() { timeout 120 python3 -B "$here/proxied.py" "$@" 2>&1; }

# skip NAME WHY
skip() { pass "$1 (left out: $2)"; }

# configure KEYS: trusts 127.0.0.1 and ::1.
configure() {
    instance_config <<EOT
trusted-proxies = {"127.0.0.1", "::1"}
$*
route "a@example.com" { handler "keep" { run = {"/bin/sh", "-c", "echo \$CLIENT_ADDRESS"} } }
EOT
}

# proxied VERSION SOURCE [SWAKS OPTION...]: a message by swaks, which says to be a proxy of this client.
proxied() {
    local family=TCP4 to=198.51.100.25 version=$1 source=$2
    shift 2
    [[ $source != *:* ]] || family=TCP6 to=2001:db8::25
    [ "$version" = 1 ] || family=AF_INET${family#TCP}
    send --proxy-version "$version" --proxy-family "${family/%INET4/INET}" --proxy-source "$source" \
        --proxy-source-port 40000 --proxy-dest "$to" --proxy-dest-port 25 \
        --from asker@example.org --to a@example.com "$@"
}

# What the trace blocks, the index and the log have of the clients, each sorted.
in_traces() { sed -n 's/^Received: from client.example.org (\(.*\))$/\1/p' "$instance"/spool/new/* | sort | xargs; }
in_index() { sql 'SELECT client_address FROM message' | sort | xargs; }
in_log() { sed -n 's/.* accepted id=[^ ]* \(.*\) helo=.*/\1/p' "$instance/log" | sort | xargs; }

# listener_start HOW: see listen.py. The port is in $port.
listener_start() {
    rm -f "$instance/ports"
    python3 "$here/listen.py" "$instance/ports" "$1" "$programs/mailmill-receiver" -c "$instance/mailmill.conf" &
    listener=$!
    until [ -s "$instance/ports" ] || ! kill -0 "$listener" 2>/dev/null; do sleep 0.02; done
    port=$(head -n 1 "$instance/ports")
}

listener_stop() {
    set -- "$listener"
    listener=
    process_stop "$1"
}

# ---- HAProxy, Debian's package, unpacked and not installed ----------------------------------------

proxies=$top/build/haproxy
haproxy_missing=

# Succeeds with it in $haproxy_program, else $haproxy_missing says why. What it needs that is not installed comes along.
haproxy_find() {
    local said packages
    if command -v haproxy >/dev/null; then
        haproxy_program=$(command -v haproxy)
        return
    fi
    haproxy_program=$proxies/root/usr/sbin/haproxy
    [ ! -x "$haproxy_program" ] || return 0
    rm -rf "$proxies"
    mkdir -p "$proxies/new"
    mapfile -t packages < <(apt-get -s --no-install-recommends install haproxy 2>/dev/null |
        sed -n 's/^Inst \([^ ]*\) .*/\1/p')
    if ! said=$(cd "$proxies" && apt-get -qq download haproxy "${packages[@]}" 2>&1); then
        haproxy_missing="its package can't be had: ${said##*$'\n'}"
        return 1
    fi
    for said in "$proxies"/*.deb; do dpkg -x "$said" "$proxies/new" || return 1; done
    mv "$proxies/new" "$proxies/root"
}

# haproxy_start: in front of $port, by version 1 on ${fronts[0]} and 2 on ${fronts[1]} of 127.0.0.1 and ::1.
haproxy_start() {
    local libraries
    libraries=$(find "$proxies" -name '*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
    fronts[0]=$(port_find $((port + 1)))
    fronts[1]=$(port_find $((fronts[0] + 1)))
    {
        printf 'global\n    stats socket %s/haproxy.sock\n' "$instance"
        printf 'defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n'
        for version in 1 2; do
            printf 'frontend front%s\n    bind 127.0.0.1:%s\n' $version "${fronts[version - 1]}"
            [ -z "$has_ip6" ] || printf '    bind ::1:%s v6only\n' "${fronts[version - 1]}"
            printf '    default_backend back%s\nbackend back%s\n    option smtpchk EHLO proxy.example.com\n' \
                $version $version
            printf '    server mailmill 127.0.0.1:%s %s check inter 300ms\n' "$port" \
                "$([ $version = 1 ] && echo send-proxy || echo send-proxy-v2)"
        done
    } >"$instance/haproxy.cfg"
    LD_LIBRARY_PATH=$libraries "$haproxy_program" -db -f "$instance/haproxy.cfg" >"$instance/haproxy.log" 2>&1 &
    haproxy=$!
    local deadline=$((SECONDS + 20))
    until [ "$(clients stat "$instance/haproxy.sock" 2>/dev/null | grep -c 'UP L7OK$')" = 2 ]; do
        if ! kill -0 "$haproxy" 2>/dev/null || [ $SECONDS -ge $deadline ]; then return 1; fi
        sleep 0.05
    done
}

haproxy_stop() {
    [ -n "$haproxy" ] || return 0
    set -- "$haproxy"
    haproxy=
    process_stop "$1"
}
trap 'haproxy_stop; [ -z "$listener" ] || listener_stop; instance_close' EXIT

# through_haproxy MODE: messages by both versions and both families.
through_haproxy() {
    local front wanted="127.0.0.2 127.0.0.2" traces="[127.0.0.2] [127.0.0.2]"
    if ! haproxy_start; then
        fail "$1: HAProxy finds the receiver well" "$(cat "$instance/haproxy.log")"
        clients stat "$instance/haproxy.sock"
        haproxy_stop
        return
    fi
    pass "$1: HAProxy finds the receiver well, by the connections of its own"
    for front in "${fronts[@]}"; do
        succeeds "$1: HAProxy on port $((front == fronts[0] ? 1 : 2)), IPv4" send --server "127.0.0.1:$front" \
            --local-interface 127.0.0.2 --from asker@example.org --to a@example.com
        if [ -n "$has_ip6" ]; then
            succeeds "$1: HAProxy on port $((front == fronts[0] ? 1 : 2)), IPv6" \
                clients mail ::1 "$front"
        fi
    done
    [ -z "$has_ip6" ] || wanted+=" ::1 ::1" traces+=" [IPv6:::1] [IPv6:::1]"
    equal "$1: HAProxy's clients in the trace blocks" "$(in_traces)" "$traces"
    equal "$1: in the index" "$(in_index)" "$wanted"
    matches "$1: and in the log, with the proxy" "$(in_log)" '^client=127.0.0.2 via=127.0.0.1 client=127.0.0.2 via=127'
    haproxy_stop
}

# ---- both ways of being started --------------------------------------------------------------------

sources=(203.0.113.9 2001:db8:1::5)
wanted_index="127.0.0.1 127.0.0.1 2001:db8:1::5 2001:db8:1::5 203.0.113.9 203.0.113.9"
wanted_traces="[127.0.0.1] [127.0.0.1] [203.0.113.9] [203.0.113.9] [IPv6:2001:db8:1::5] [IPv6:2001:db8:1::5]"
via=" via=127.0.0.1"
wanted_log="client=127.0.0.1 client=127.0.0.1 client=2001:db8:1::5$via client=2001:db8:1::5$via client=203.0.113.9$via"
wanted_log+=" client=203.0.113.9$via"
no_header="421 4.5.0 mail.example.com expects a PROXY header from your address, closing"

for wait in no yes; do
    mode="wait = $wait"
    instance_open
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mail.example.com -days 30 \
        -keyout "$instance/key.pem" -out "$instance/certificate.pem" 2>/dev/null
    configure "certificate = \"$instance/certificate.pem\" key = \"$instance/key.pem\" max-sessions-per-client = 3"
    xinetd_start '' $wait || fail "$mode: xinetd starts"
    for version in 1 2; do
        for source in "${sources[@]}"; do
            succeeds "$mode: swaks by version $version for $source" proxied $version "$source"
        done
    done
    succeeds "$mode: swaks by version 1, the proxy's own" send --proxy UNKNOWN --from asker@example.org \
        --to a@example.com
    succeeds "$mode: by version 2, the proxy's own" clients mail 127.0.0.1 "$port" '\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00'
    equal "$mode: the clients in the trace blocks" "$(in_traces)" "$wanted_traces"
    equal "$mode: in the index" "$(in_index)" "$wanted_index"
    equal "$mode: and in the log, with the proxy" "$(in_log)" "$wanted_log"
    succeeds "$mode: STARTTLS behind the header" proxied 2 203.0.113.10 --tls
    equal "$mode: STARTTLS: the client and the cipher" \
        "$(sql "SELECT client_address FROM message WHERE tls LIKE 'TLSv1.3 %' AND client_protocol = 'ESMTPS'")" \
        203.0.113.10
    clients word "$port" 'PROXY TCP4 203.0.113.11 127.0.0.1 1 25\r\nEHLO x\r\nSTARTTLS\r\n' >/dev/null
    matches "$mode: STARTTLS that fails: the client in the log" "$(<"$instance/log")" 'client=203\.0\.113\.11'
    proxied 1 203.0.113.12 --to nobody@example.com
    matches "$mode: a rejection: the client in the log, with the proxy" "$(<"$instance/log")" \
        'rejected client=203\.0\.113\.12 via=127\.0\.0\.1 helo=client.example.org'
    equal "$mode: a client without a header" "$(clients word "$port" 'EHLO client.example.org\r\n')" "$no_header"
    matches "$mode: is in the log" "$(<"$instance/log")" \
        'malformed in="PROXY header" why="it begins as neither version does" client=127\.0\.0\.1([^ ]|$)'
    equal "$mode: one that says nothing" "$(clients silent "$port")" "$no_header
in time"
    matches "$mode: is in the log" "$(<"$instance/log")" 'timed out in="PROXY header" client=127\.0\.0\.1([^ ]|$)'
    matches "$mode: a second header is a command that there is not" \
        "$(clients word "$port" "$(printf 'PROXY UNKNOWN\\r\\n%.0s' 1 2)")" $'^220 [^\n]*\n502 5\.5\.1 [^\n]*$'
    if haproxy_find; then
        rm -f "$instance"/spool/new/* "$instance"/lib/*
        : >"$instance/log"
        xinetd_stop
        xinetd_start '' $wait || fail "$mode: xinetd starts again"
        through_haproxy "$mode"
    else
        skip "$mode: HAProxy" "$haproxy_missing"
    fi
done

processor_start || fail "the processor starts"
proxied 1 203.0.113.77 || fail "a message for a handler"
succeeds "a handler's CLIENT_ADDRESS is the client's" \
    wait_for "SELECT count(*) = 1 FROM history WHERE outcome = 'done' AND stdout = '203.0.113.77' || char(10)"

# ---- the listener's sockets and limits -------------------------------------------------------------

instance_open
configure 'max-sessions-per-client = 3'
listener_start mapped
succeeds "an IPv6 socket: the proxy's IPv4 address is known as such" proxied 2 203.0.113.9
equal "an IPv6 socket: the client" "$(in_index) $(in_log)" "203.0.113.9 client=203.0.113.9 via=127.0.0.1"
listener_stop

instance_open
configure 'max-sessions-per-client = 3'
listener_start stdin
equal "a client has no more sessions by its proxy than by itself" "$(clients limits "$port" 3)" \
    "beyond: 421 4.7.0 mail.example.com has too many connections from you, try again later
others: 220 mail.example.com ESMTP mailmill
when one has left: 220 mail.example.com ESMTP mailmill"
matches "and the log says so, with the proxy" "$(<"$instance/log")" \
    'turned away client=2001:db8:1::2 via=127\.0\.0\.1 why=max-sessions-per-client count=1'
listener_stop

if [ -n "$has_ip6" ]; then
    instance_open
    configure
    listener_start ip6
    succeeds "a proxy with an IPv6 address" \
        clients mail ::1 "$port" 'PROXY TCP4 203.0.113.9 198.51.100.25 40000 25\r\n'
    equal "a proxy with an IPv6 address: the client" "$(in_index) $(in_log)" "203.0.113.9 client=203.0.113.9 via=::1"
    listener_stop
else
    skip "a proxy with an IPv6 address" "no IPv6 here"
fi

# ---- others ----------------------------------------------------------------------------------------

for wait in no yes; do
    instance_open
    configure
    sed -i 's/^trusted-proxies.*/trusted-proxies = {"192.0.2.10", "127.0.1.0\/24"}/' "$instance/mailmill.conf"
    xinetd_start '' $wait || fail "wait = $wait: xinetd starts, for others"
    matches "wait = $wait: from others a header is a command that there is not" \
        "$(clients word "$port" 'PROXY TCP4 203.0.113.9 127.0.0.1 1 25\r\n')" $'^220 [^\n]*\n502 5\.5\.1 [^\n]*$'
    matches "wait = $wait: and one of version 2 is none either" \
        "$(clients word "$port" '\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x00\x01\x00\x19')" \
        $'^220 [^\n]*\n500 5\.5\.2 '
    succeeds "wait = $wait: their mail is theirs" send --from asker@example.org --to a@example.com
    equal "wait = $wait: by their own address" "$(in_index) $(grep -c via= "$instance/log")" "127.0.0.1 0"
done

finish
