#!/usr/bin/env bash
# mailmill parse: what it says of real, broken and hostile messages, and what it saves.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
data=$top/tests/handlers/data
instance_open
out=$instance/out
store=$instance/store
mkdir "$store"

# It needs no configuration.
parse() { "$programs/mailmill" parse "$@" >"$out" 2>"$out.err"; }
# field EXPRESSION: of the object in $out, as Python has it.
field() { python3 -c 'import json, sys; m = json.load(open(sys.argv[1], encoding="utf-8")); print('"$1"')' "$out"; }

# ---- JSON ----------------------------------------------------------------------------------------

parse --json <"$data/attachments.eml"
equal "it succeeds" "$?" 0
equal "headers in their order" "$(field '[h["name"] for h in m["headers"]][:4]')" "['Return-Path', 'From', 'To', 'Cc']"
equal "they are decoded" "$(field 'm["headers"][1]["value"]')" \
    '"Ben \"B.\"" <ben@example.org>, team: anna@example.org, carl@example.net;'
equal "subject" "$(field 'm["subject"]')" 'Berichte für Januar'
equal "date" "$(field 'm["date"]')" '2026-01-31T23:59:59+01:00'
equal "Message-ID" "$(field 'm["message_id"]')" '<reports@example.org>'
equal "addresses, groups flattened" "$(field '[(a["name"], a["address"]) for a in m["from"]]')" \
    "[('Ben \"B.\"', 'ben@example.org'), (None, 'anna@example.org'), (None, 'carl@example.net')]"
equal "names in quotes" "$(field 'm["cc"]')" "[{'name': 'Doe, D.', 'address': 'd@example.org'}]"
equal "text" "$(field 'm["text"]')" 'Grüße, 5 €'
equal "HTML" "$(field 'm["html"].strip()')" '<p>Grüße</p>'
equal "the tree" "$(field '[(p["number"], p["depth"], p["role"]) for p in m["parts"]]')" \
    "[(1, 0, 'multipart'), (2, 1, 'multipart'), (3, 2, 'text'), (4, 2, 'html'), (5, 1, 'attachment'), \
(6, 1, 'attachment'), (7, 1, 'attachment'), (8, 1, 'message'), (9, 2, 'enclosed'), (10, 1, 'attachment')]"
equal "attachments" "$(field '[(a["part"], a["name"], a["size"], a["file"]) for a in m["attachments"]]')" \
    "[(5, '../../etc/bericht ü.pdf', 11, None), (6, 'bericht ü.pdf', 16, None), (7, None, 4, None), \
(8, None, 50, None), (10, '.bashrc', 10, None)]"
equal "a charset that nobody has" "$(field 'm["parts"][9]["charset"]')" ebcdic-us
equal "a content ID" "$(field 'm["attachments"][2]["content_id"]')" dot@example.org

parse --json --attachments "$store" <"$data/attachments.eml"
equal "names of saved files" "$(field '[a["file"] for a in m["attachments"]]')" \
    "['bericht ü.pdf', 'bericht ü-2.pdf', 'part-7.png', 'part-8.eml', 'bashrc']"
equal "the files are there" "$(find "$store" -type f | wc -l):$(<"$store/bashrc")" '5:echo hello'
parse --attachments "$store" <"$data/attachments.eml"
equal "again: nothing twice" "$(find "$store" -type f | wc -l)" 5

for mail in "$data"/*.eml; do
    parse --json <"$mail"
    equal "${mail##*/}: valid JSON" "$?:$(field '"headers" in m')" 0:True
    "$programs/mailmill" parse --json <"$mail" >"$instance/file"
    # shellcheck disable=SC2002 # a pipe is the point
    cat "$mail" | "$programs/mailmill" parse --json >"$instance/pipe"
    succeeds "${mail##*/}: the same from a pipe" cmp "$instance/file" "$instance/pipe"
done
# shellcheck disable=SC2016 # those are PHP's
equal "handlers in PHP" "$(php -r '$mail = json_decode(shell_exec($argv[1] . " parse --json"), true); echo $mail["subject"];' \
    "$programs/mailmill" <"$data/attachments.eml")" 'Berichte für Januar'

# ---- text ----------------------------------------------------------------------------------------

parse <"$data/attachments.eml"
matches "headers" "$(<"$out")" $'\nSubject: Berichte für Januar\n'
matches "a line for each part" "$(<"$out")" $'\n +7 +image/png +- +base64 +4 B +-\n'
matches "the text, and not the HTML beside it" "$(tail -n 3 "$out")" 'Grüße, 5 €'
printf 'Subject: \x1b]0;x\x07=?utf-8?q?=1B[31m=E2=80=AE?=\nContent-Type: text/plain; name="\x1b[2J"\n\n\x1b[31mred\x9b\n' >"$instance/evil"
parse --attachments "$store" <"$instance/evil"
equal "nothing for a terminal to act upon" "$(LC_ALL=C grep -c '[^[:print:][:space:]]' "$out")" 0
parse --json <"$instance/evil"
equal "nor in JSON" "$(LC_ALL=C grep -c '[^[:print:][:space:]]' "$out")" 0

# ---- trouble -------------------------------------------------------------------------------------

for file in /dev/null "$top/Makefile"; do
    parse --json <"$file"
    equal "$file is no message" "$?:$(<"$out")" 65:
    matches "$file: it says so" "$(<"$out.err")" '^mailmill: it is no message: it has no header$'
done
printf 'Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Transfer-Encoding: base64\n\n!!!\n--x' >"$instance/broken"
parse --json <"$instance/broken"
equal "a broken one gives what can be seen" "$?:$(field '[p["size"] for p in m["parts"]]')" '0:[0, 0]'
python3 -c '
for i in range(5000):
    print("Content-Type: multipart/mixed; boundary=%d\n\n--%d" % (i, i))' >"$instance/deep"
parse --json <"$instance/deep"
equal "deep ones are cut" "$?:$(field 'len(m["parts"]), m["is_incomplete"]')" '0:101 True'
python3 -c '
print("Content-Type: multipart/mixed; boundary=x\n")
print("--x\n\n" * 20000, end="")' >"$instance/many"
parse --json <"$instance/many"
equal "many parts are counted up to a number" "$?:$(field 'len(m["parts"]), m["is_incomplete"]')" '0:10000 True'
python3 -c '
print("Content-Type: multipart/mixed; boundary=x\n")
print("--x\n\n" * 3000000, end="")' >"$instance/more"
parse --json <"$instance/more"
equal "what is too much for the parser ends the parser" "$?:$(<"$out")" 65:
python3 - >"$instance/huge" <<'PY'
import base64
print("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n")
print(("x" * 99 + "\n") * 250000, end="")
PY
parse --json <"$instance/huge"
equal "25 MB of text" "$?:$(field 'len(m["text"])')" 0:25000000
parse --attachments "$instance/missing" <"$data/git.eml"
equal "a missing folder" "$?" 1
matches "a missing folder is named" "$(<"$out.err")" "folder $instance/missing: No such file"
parse operand </dev/null
equal "an operand is a usage error" "$?" 64
"$programs/mailmill" parse <"$data/git.eml" >/dev/full 2>/dev/null
equal "a full disk is said" "$?" 74
matches "help" "$("$programs/mailmill" help parse)" 'usage: mailmill .* parse \[--json\]'

finish
