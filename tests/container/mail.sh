#!/usr/bin/env bash
# Mail on a real machine: under xinetd and by the systemd socket, from inside and from the other end of the cable;
# what handlers are, who may look at what, and what the log says.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

machine_start
succeeds "the package is installed" machine_package "$(package_version)"

# The asker's own mail server, at the other end of the cable: one that takes answers.
instance=$machine/outside
mkdir -p "$instance"/{spool,lib,work}
instance_config <<<'route "asker@example.org" { }'
outside_exec python3 "$top/tests/container/listen.py" 192.0.2.1 25 "$programs/mailmill-receiver" \
    -c "$instance/mailmill.conf" &
answers=$!

cat >"$machine/root/etc/msmtprc" <<'MSMTP'
account default
host outside.example.org
port 25
from mailmill@mail.example.com
MSMTP

inside useradd --create-home --groups mailmill reader
inside useradd --create-home stranger
inside mkdir -m 1777 /srv/shown
machine_config <<'CONFIG'
hostname = "mail.example.com"
route "8ball@example.com" { handler "answer" { reply = {"8ball"} } }
route "whoami@example.com" {
    handler "web"   { run = {"/usr/bin/id"} user = "www-data" }
    handler "plain" { run = {"/usr/bin/id"} }
    handler "gains" { run = {"/bin/grep", "NoNewPrivs", "/proc/self/status"} }
}
route "fragile@example.com" { handler "file" { run = {"/usr/bin/test", "-e", "/srv/shown/go"} retry-first = "1h" } }
CONFIG
succeeds "the configuration is right" inside mailmill check
succeeds "xinetd serves port 25" machine_xinetd

# ---- answers -------------------------------------------------------------------------------------

matches "swaks in the machine asks the 8-ball" "$(machine_send 8ball@example.com --header 'Subject: Will it rain?')" \
    '<-  250 2.0.0 accepted'
succeeds "the 8-ball has answered" history_wait "SELECT count(*) = 1 FROM history WHERE handler = 'answer' AND outcome = 'done'"
answer_is_there() { grep -rlq 'Re: Will it rain?' "$instance/spool/new"; }
deadline=$((SECONDS + 20))
until answer_is_there || [ $SECONDS -ge $deadline ]; do sleep 0.1; done
succeeds "the answer has arrived at the other end" answer_is_there
matches "it is an automatic one, from the null sender" "$(cat "$instance"/spool/new/*)" \
    'Return-Path: <>.*Auto-Submitted: auto-replied'

# ---- clients -------------------------------------------------------------------------------------

counts() { history 'SELECT count(*) FROM message'; }
before=$(counts)
succeeds "swaks at the other end" outside swaks --server 192.0.2.2 --helo outside.example.org \
    --from asker@example.org --to whoami@example.com
matches "a stranger's mail is refused" "$(outside swaks --server 192.0.2.2 --helo outside.example.org \
    --from asker@example.org --to someone@example.net 2>&1)" '<\*\* 550 5.7.1'
# shellcheck disable=SC2317 # called by succeeds
message() { printf 'From: asker@example.org\nTo: whoami@example.com\nSubject: by %s\n\nhello\n' "$1"; }
succeeds "msmtp at the other end" eval 'message msmtp | outside msmtp --host=192.0.2.2 --from=asker@example.org whoami@example.com'
succeeds "msmtp by IPv6" eval 'message msmtp | outside msmtp --host=2001:db8::2 --from=asker@example.org whoami@example.com'
succeeds "msmtp in the machine" eval 'message msmtp | inside msmtp --host=127.0.0.1 --from=asker@example.org whoami@example.com'
for server in POSTFIX EXIM; do
    succeeds "$server at the other end passes a message on" outside python3 "$top/tests/container/mta.py" $server \
        "$machine/$server" 192.0.2.2 asker@example.org whoami@example.com
done
succeeds "all of it is done" history_wait "SELECT count(*) = 6 FROM history WHERE handler = 'plain' AND outcome = 'done'"
equal "each once" "$(history "SELECT group_concat(subject) FROM (SELECT DISTINCT subject FROM history
    WHERE handler = 'plain' AND subject LIKE 'by %' ORDER BY subject)")" "by EXIM,by POSTFIX,by msmtp"
equal "and nothing else was taken" "$(counts)" $((before + 6))

# ---- handlers are their users --------------------------------------------------------------------

equal "a handler runs as its user, with that one's groups" \
    "$(history "SELECT DISTINCT stdout FROM history WHERE handler = 'web'")" "uid=33(www-data) gid=33(www-data) groups=33(www-data)"
matches "one that names none runs as the processor's" \
    "$(history "SELECT DISTINCT stdout FROM history WHERE handler = 'plain'")" '^uid=[0-9]+\(mailmill\) gid=[0-9]+\(mailmill\) groups=[0-9]+\(mailmill\)$'

matches "and may start setuid programs, as a sendmail command may be one" \
    "$(history "SELECT DISTINCT stdout FROM history WHERE handler = 'gains'")" '^NoNewPrivs:[[:space:]]+0$'

# ---- trying again --------------------------------------------------------------------------------

machine_send fragile@example.com >/dev/null
succeeds "a handler fails" history_wait "SELECT count(*) = 1 FROM pending WHERE handler = 'file' AND state = 'retry'"
inside touch /srv/shown/go
id=$(history "SELECT message FROM pending WHERE handler = 'file'")
matches "mailmill reprocess runs it again" "$(inside mailmill reprocess "$id")" "$id"
succeeds "and it is done" history_wait "SELECT count(*) = 1 FROM history WHERE handler = 'file' AND outcome = 'done'"

# ---- who may look --------------------------------------------------------------------------------

query='SELECT count(*) > 0 FROM history'
index=/var/lib/mailmill/index.db
equal "root may query the history" "$(inside sqlite3 -readonly $index "$query" 2>&1)" 1
equal "a member of the group may" "$(inside_as reader sqlite3 -readonly $index "$query" 2>&1)" 1
matches "nobody else may" "$(inside_as stranger sqlite3 -readonly $index "$query" 2>&1)" 'unable to open'
matches "nor look into the spool" "$(inside_as stranger ls /var/spool/mailmill 2>&1)" 'Permission denied'
delivered=$(inside sh -c 'ls /var/spool/mailmill/cur | head -n 1')
matches "the receiver's user can't read a message that was delivered" \
    "$(inside_as mailmill-rx cat "/var/spool/mailmill/cur/$delivered" 2>&1)" 'Permission denied'
matches "nor look for it" "$(inside_as mailmill-rx ls /var/spool/mailmill/cur 2>&1)" 'Permission denied'
matches "nor at what handlers made" "$(inside_as mailmill-rx ls /var/spool/mailmill/out 2>&1)" 'Permission denied'
matches "nor leave a file where handlers are at home" \
    "$(inside_as mailmill-rx touch "$(inside sh -c 'echo ~mailmill')/.gitconfig" 2>&1)" 'Permission denied'
matches "nor become anybody" "$(inside_as mailmill-rx setpriv --reuid mailmill true 2>&1)" 'not permitted'

# ---- beside a mail server of the machine's own ---------------------------------------------------

inside systemctl stop xinetd
inside systemd-run --quiet --unit=own-server systemd-socket-activate --listen=127.0.0.1:25 /bin/cat
inside_wait 20 sh -c 'ss -Hltn sport = :25 | grep -q .'
service=$machine/root/etc/xinetd.d/mailmill
cp "$service" "$machine/plain"
sed -i 's/^    flags .*/    id = smtp6\n    flags = IPv6\n    interface = 2001:db8::2/' "$service"
mv "$service" "${service}6"
sed 's/^    flags .*/    flags = IPv4\n    interface = 192.0.2.2/' "$machine/plain" >"$service"
inside systemctl start xinetd
inside_wait 20 sh -c 'ss -Hltn sport = :25 | grep -qF 2001:db8::2'
equal "xinetd takes the public addresses" "$(inside ss -Hltn sport = :25 | awk '{ print $4 }' | sort | xargs)" \
    "127.0.0.1:25 192.0.2.2:25 [2001:db8::2]:25"
inside systemctl stop own-server
rm "${service}6"
mv "$machine/plain" "$service"

# ---- the socket in place of xinetd ---------------------------------------------------------------

inside systemctl stop xinetd
succeeds "the socket takes port 25 over" inside systemctl enable --now mailmill-receiver.socket
before=$(counts)
matches "IPv4 is served" "$(machine_send whoami@example.com)" '<-  250 2.0.0 accepted'
succeeds "IPv6 is served" eval 'message msmtp | outside msmtp --host=2001:db8::2 --from=asker@example.org whoami@example.com'
equal "both are in the history" "$(counts)" $((before + 2))
matches "with the client's address" "$(history "SELECT client_address FROM message ORDER BY id DESC LIMIT 1")" '^2001:db8::1$'

# ---- what the README says of an address of its own, of certificates and of backups ----------------

# block MARK: the fenced block behind <!-- example: MARK -->.
block() {
    awk -v mark="<!-- example: $1 -->" '$0 == mark { found = 1 } found && inside && $0 == "```" { exit }
        found && inside { print } found && $0 == "```sh" { inside = 1 }' "$top/README.md"
}
mkdir -p "$machine/root/etc/systemd/system/mailmill-receiver.socket.d"
awk '/^    \[Socket\]$/ { on = 1 } on && /^[^ ]/ { exit } on { print substr($0, 5) }' "$top/README.md" |
    sed 's/203\.0\.113\.5/192.0.2.2/; s/2001:db8::5/2001:db8::2/' \
        >"$machine/root/etc/systemd/system/mailmill-receiver.socket.d/override.conf"
inside systemctl daemon-reload
inside systemctl stop mailmill-receiver.socket mailmill-receiver.service
succeeds "the socket of single addresses" inside systemctl start mailmill-receiver.socket
equal "listens on those alone" "$(inside ss -Hltn sport = :25 | awk '{ print $4 }' | sort | xargs)" "192.0.2.2:25 [2001:db8::2]:25"

mkdir -p "$machine/root/root/lineage"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail.example.com \
    -keyout "$machine/root/root/lineage/privkey.pem" -out "$machine/root/root/lineage/fullchain.pem" 2>/dev/null
block certbot >"$machine/root/root/hook"
succeeds "the hook for certificates" inside env RENEWED_LINEAGE=/root/lineage sh /root/hook
{
    cat "$machine/root/etc/mailmill/mailmill.conf"
    printf 'certificate = "/etc/mailmill/fullchain.pem"\nkey = "/etc/mailmill/privkey.pem"\n'
} >"$machine/with-tls"
machine_config <"$machine/with-tls"
succeeds "the configuration is right" inside mailmill check
inside systemctl stop mailmill-receiver.service 2>/dev/null # which has read the one before
matches "STARTTLS is offered and works" "$(outside swaks --server 192.0.2.2 --helo outside.example.org --tls \
    --from asker@example.org --to whoami@example.com 2>&1)" '<~  250 2.0.0 accepted'
matches "the history says by what" "$(history "SELECT tls FROM message ORDER BY id DESC LIMIT 1")" '^TLSv1\.[23] '

block backup >"$machine/root/root/backup"
inside mkdir -p /var/backups
history_wait "SELECT count(*) = 0 FROM pending"
everything=$(history 'SELECT message, handler, outcome, stdout FROM history ORDER BY time')
succeeds "the backup is made" inside sh -e /root/backup
equal "for root alone" "$(inside stat -c %a /var/backups/mailmill.db)" 600
inside systemctl stop mailmill-receiver.socket mailmill-receiver.service mailmill-processor
inside sh -c 'rm -rf /var/spool/mailmill/* /var/lib/mailmill/* && rsync -a /var/backups/mailmill-spool/ /var/spool/mailmill &&
    install -o mailmill -g mailmill -m 0660 /var/backups/mailmill.db /var/lib/mailmill/index.db'
succeeds "the processor starts with what was put back" inside systemctl start mailmill-processor
equal "and has all of the history" "$(history 'SELECT message, handler, outcome, stdout FROM history ORDER BY time')" "$everything"

kill "$answers" 2>/dev/null
instance=
finish
