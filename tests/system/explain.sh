#!/usr/bin/env bash
# mailmill explain and mailmill why: what would become of mail for an address, and why some did not arrive.
set -u
# shellcheck source=../command.sh
. "$(dirname "$0")/../command.sh"

configure() {
    { printf '%s\n' "$@" && cat; } <<ROUTES | instance_config
route "ask@example.com" {
    handler "shorten" { filter = {"/bin/cat"} }
    handler "answer"  { reply = {"/bin/echo", "it's", "a b", "plain-1"} user = "root" timeout = "90s" concurrency = "3" }
}
route "*@lists.example.com" { handler "all" { run = {"/bin/true"} } }
route "keep@example.com" { }
ROUTES
}

# ---- explain -------------------------------------------------------------------------------------

instance_open
configure
line=$(grep -n '^route "ask' "$instance/mailmill.conf" | cut -d: -f1)
exits "an exact route" 0 'mail +is accepted
because +a route of its own
route +ask@example\.com, [^ ]*/mailmill\.conf:'"$line"'$' bash -c "$(declare -p programs instance); $(declare -f mailmill)
    mailmill explain ask@example.com | head -n 4"
exits "its handlers, in order" 0 '
 +HANDLER +KIND +USER +TIMEOUT +AT ONCE +PROGRAM
1 +shorten +filter +[a-z0-9_-]+ +10m +1 +/bin/cat
2 +answer +reply +root +1m30s +3 +/bin/echo '"'it'\\\\''s' 'a b' plain-1"'$' mailmill explain ask@example.com
configure 'reply-limit = "7"' 'dedupe = "2h"'
exits "what is not as by default, below them" 0 '
copies +that come within 2h are not run

 +HANDLER.*
answer: replies to one address in an hour: at most 7$' mailmill explain ask@example.com
equal "and all of it for programs" "$(json "data['dedupe_ms'], [h['reply_limit'] for h in data['handlers']], data['handlers'][0]['exit_codes'], data['handlers'][0]['on_dead']" \
    mailmill explain --json ask@example.com)" '(7200000, [None, 7], {}, [])'
configure
exits "letter case, and brackets" 0 'address +Ask@example\.com.*a route of its own' mailmill explain '<Ask@EXAMPLE.com>'
exits "an extension" 0 'without the extension.*route +ask@example\.com,.*extension +x\+y' \
    mailmill explain ask+x+y@example.com
exits "a catch-all" 0 'all addresses of its domain.*route +\*@lists' mailmill explain some.one@lists.example.com
exits "a route that keeps" 0 'handlers +none: mail is accepted and kept' mailmill explain keep@example.com
exits "postmaster" 0 'is accepted.*always accepted, and kept' mailmill explain postmaster@example.com
exits "bare postmaster" 0 'is accepted.*always accepted, and kept' mailmill explain postmaster
exits "an unknown user" 1 'is refused.*takes this address: 550' mailmill explain nobody@example.com
exits "a foreign domain" 1 'is refused.*never relayed' mailmill explain a@example.org
exits "what looks like a relay" 1 'is refused.*a way to elsewhere' mailmill explain 'a%example.org@example.com'
exits "no address" 64 'one address is wanted' mailmill explain
exits "no such thing as an address" 64 '"a b" is not an address' mailmill explain 'a b'
equal "explain --json" "$(json "data['accepted'], data['match'], data['route'], data['extension'], [(h['handler'], h['kind'], h['user'], h['arguments'], h['timeout_ms'], h['concurrency']) for h in data['handlers']][1]" \
    mailmill explain --json ask+x@example.com)" \
    "(True, 'extension', 'ask@example.com', 'x', ('answer', 'reply', 'root', [\"it's\", 'a b', 'plain-1'], 90000, 3))"
equal "explain --json of what is refused" "$(json "data['accepted'], data['match'], data['route'], data['handlers']" \
    mailmill explain --json nobody@example.com)" "(False, 'unknown', None, [])"
configure 'unknown = "discard"'
exits "an unknown user who is dropped" 1 'is dropped.*unknown = "discard"' mailmill explain nobody@example.com
exits "but not what looks like a relay" 1 'is refused' mailmill explain 'a%example.org@example.com'

# What is said is what the receiver does.
configure
for address in ask@example.com ask+x@example.com any@lists.example.com keep@example.com postmaster@example.com \
    nobody@example.com a@example.org 'a%example.org@example.com'; do
    reply=$(smtp 'EHLO c.example.org' 'MAIL FROM:<s@example.org>' "RCPT TO:<$address>" QUIT | sed -n '/^250 SIZE/,$p' |
        sed -n 3p)
    [[ $reply == 250* ]]
    accepted=$?
    mailmill explain "$address" >/dev/null
    equal "the receiver does so: $address" "$?" "$accepted"
done

# ---- why, without a processor --------------------------------------------------------------------

instance_close
instance_open
configure
exits "why on a new machine" 1 'Nothing at all was refused since ' mailmill why
equal "why --json on a new machine" "$(json 'data' mailmill why --json)" '[]'
refuse() { smtp 'EHLO c.example.org' "MAIL FROM:<$1>" "RCPT TO:<$2>" QUIT >/dev/null; }
refuse Sender@example.org nobody@example.com
refuse other@example.org some@example.net
succeeds "no index was made" test ! -e "$instance/lib/index.db"
exits "refused, and not in the index yet" 0 'REFUSED \(UTC\) +CLIENT +SENDER +RECIPIENT +REPLY
[-0-9]+ [0-9:]{8} +local +Sender@example.org +nobody@example.com +550 5.1.1 .*
[-0-9]+ [0-9:]{8} +local +other@example.org +some@example.net +550 5.7.1 ' mailmill why

# ---- with one ------------------------------------------------------------------------------------

processor_start || { fail "the processor starts"; finish; }
wait_for 'SELECT count(*) = 2 FROM rejection' || fail "the processor brings them in"
refuse third@example.org nobody@example.com
wait_for 'SELECT count(*) = 3 FROM rejection' || fail "the processor brings in the third"
equal "in the index, each once" "$(json "[r['sender'] for r in data]" mailmill why --json)" \
    "['Sender@example.org', 'other@example.org', 'third@example.org']"
processor_stop
refuse last@example.org nobody@example.com
equal "in both, the newest last" "$(json "[r['sender'] for r in data]" mailmill why --json)" \
    "['Sender@example.org', 'other@example.org', 'third@example.org', 'last@example.org']"
# What a processor that was killed half-way has left: its lines are counted from ID 3, and that one is in the index.
{ printf 'R\t%s\tlocal\tc.example.org\tthird@example.org\tnobody@example.com\t550 5.1.1 twice\n' "$(date +%s)000"
  printf 'R\t%s\tlocal\tc.example.org\tfourth@example.org\tnobody@example.com\t550 5.1.1 once\n' "$(date +%s)000"
  printf '\nN\t%019d\n' 3; } >"$instance/lib/index.db-rejections-taken"
equal "what is half brought in, too" "$(json "[r['sender'] for r in data]" mailmill why --json)" \
    "['Sender@example.org', 'other@example.org', 'third@example.org', 'fourth@example.org', 'last@example.org']"
rm "$instance/lib/index.db-rejections-taken"
equal "by its recipient" "$(json 'len(data)' mailmill why --json NOBODY@example.com)" 3
equal "by its sender" "$(json "[r['recipient'] for r in data]" mailmill why --json '<sender@example.org>')" \
    "['nobody@example.com']"
equal "by a domain" "$(json 'len(data)' mailmill why --json @example.net)" 1
equal "by its client" "$(json 'len(data)' mailmill why --json local)" 4
equal "the newest, out of the journal" "$(json "[r['sender'] for r in data]" mailmill why -n 1 --json)" \
    "['last@example.org']"
equal "the newest, out of both" "$(json "[r['sender'] for r in data]" mailmill why -n 2 --json)" \
    "['third@example.org', 'last@example.org']"
exits "a client that was not refused" 1 'Nothing from 192\.0\.2\.1 was refused.*0 messages from it were' \
    mailmill why 192.0.2.1
exits "an address that has a route" 1 'Nothing from or to ask@example.com was refused.*takes the route ask@example.com' \
    mailmill why ask@example.com
exits "an address that has none" 0 '550 5\.1\.1.*has no route' mailmill why nobody@example.com
processor_start || fail "the processor starts again"
submit friend@example.org ask+x@example.com <<<"Subject: x" || fail "a message is accepted"
exits "what was accepted" 1 '1 message from or to it was accepted' mailmill why friend@example.org
exits "also by its recipient" 1 '1 message from or to it was accepted' mailmill why ask+x@example.com
exits "and by its client" 0 '1 message from it was accepted' mailmill why local
wait_for 'SELECT count(*) = 4 FROM rejection' || fail "the processor brings in the fourth"
python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.execute("UPDATE rejection SET rejected_ms = rejected_ms - 8 * 86400000 WHERE id <= 2")
db.execute("UPDATE rejection SET client_address = \"2001:db8::1\" WHERE id = 3")
db.commit()' "$instance/lib/index.db"
equal "a week, if not asked for more" "$(json 'len(data)' mailmill why --json)" 2
equal "asked for more" "$(json 'len(data)' mailmill why --since 9d --json)" 4
equal "an IPv6 address, however it is written" "$(json 'len(data)' mailmill why --json 2001:DB8:0:0::1)" 1
exits "neither an address nor one of IP" 64 'not an address: .* in quotes; nor is it an IP address; see mailmill why --help' mailmill why 'x y'
exits "two of them" 64 'unexpected argument b@example' mailmill why a@example.com b@example.com
exits "a limit that is none" 64 '--limit is a number' mailmill why -n 0
exits "a time that is none" 64 '--since is digits' mailmill why --since yesterday
configure 'record-rejections = "false"'
exits "where nothing is recorded" 1 'record-rejections is false' mailmill why --since 1s nobody@example.com
finish
