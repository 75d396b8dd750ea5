#!/usr/bin/env bash
# strip-diff on real commit mails, by itself and in a route.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
by_itself strip-diff

# unchanged NAME FILE OPTION...: byte for byte.
unchanged() {
    local name=$1 file=$2
    shift 2
    handle "$file" "$@"
    equal "$name: it succeeds" "$?" 0
    succeeds "$name: not a byte is changed" cmp "$file" "$out"
}
# text FILE: the decoded first text/plain part.
text() {
    python3 -c '
import email, email.policy, sys
message = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
part = message.get_body(("plain",))
sys.stdout.buffer.write(part.get_payload(decode=True).decode(part.get_content_charset()).encode())' "$1"
}
# removed FILE: what is not in the output any more, and added: what is new in it, both decoded.
removed() { diff <(text "$1") <(text "$out") | sed -n 's/^< //p'; }
added() { diff <(text "$1") <(text "$out") | sed -n 's/^> //p'; }

# ---- what is left out, and what is said in its place ---------------------------------------------

for mail in mailer-8bit mailer-qp; do
    handle "$data/$mail.eml"
    equal "$mail: it succeeds" "$?" 0
    equal "$mail: a line for the minified file" "$(added "$data/$mail.eml")" \
        '[trunk/css/site.min.css: 8 lines of diff left out]'
    equal "$mail: nothing but its diff is gone" "$(removed "$data/$mail.eml" | cut -c1-30)" \
        "$(text "$data/$mail.eml" | sed -n '/^Modified: trunk.css/,/^. No newline/p' | cut -c1-30)"
    matches "$mail: it says so" "$(<"$out.err")" '^strip-diff: left out: 8 lines; files skipped: 1, cut: 0$'
    equal "$mail: the letters are those of its charset" "$(text "$out" | grep -c 'Größere Knöpfe\|Grüße')" 2
    equal "$mail: the headers stay" "$(sed '/^$/q' "$out")" "$(sed '/^$/q; /^Content-Length/d' "$data/$mail.eml")"
done
handle "$data/mailer-8bit.eml"
equal "a length that is not true any more is dropped" "$(grep -c '^Content-Length' "$data/mailer-8bit.eml" "$out")" \
    "$data/mailer-8bit.eml:1"$'\n'"$out:0"

handle "$data/mailer-qp.eml" --no-default-skip --max-lines 3
equal "each file is cut behind the lines that are wanted, its head not counted" "$(added "$data/mailer-qp.eml")" \
    $'[trunk/css/site.min.css: 1 more line of diff left out]\n[trunk/www/list.html: 6 more lines of diff left out]'
equal "a line within a hunk is none of a diff's heads" "$(removed "$data/mailer-qp.eml" | tail -n 6 | head -n 2)" \
    $'+Index: zwei\n'"+$(printf '=%.0s' {1..78})"
equal "the lines are short enough for mail" "$(awk 'length > 76' "$out" | grep -cv ': ')" 0
cp "$out" "$instance/again"
unchanged "what was cut" "$instance/again" --no-default-skip --max-lines 3

handle "$data/svnlook-base64.eml" --max-lines=20
equal "base64 in an alternative: a copied file and one with properties" "$(added "$data/svnlook-base64.eml")" \
    $'[trunk/lib/app.min.js: 92 lines of diff left out]\n[trunk/lib/app.php: 41 more lines of diff left out]'
equal "the HTML beside it stays" "$(sed -n '/text.html/,$p' "$out")" "$(sed -n '/text.html/,$p' "$data/svnlook-base64.eml")"
equal "so does what is before the parts" "$(sed '/base64/q' "$out")" "$(sed '/base64/q' "$data/svnlook-base64.eml")"

handle "$data/git.eml" --skip '*.GIF' --skip 'DOCS/*.txt'
equal "git: names in quotes, binary patches, paths, letter case" "$(added "$data/git.eml")" \
    "$(printf '%s\n' '[css/site.min.css: 7 lines of diff left out]' '[docs/über.txt: 13 lines of diff left out]' \
        '[img/dot.gif: 9 lines of diff left out]')"
equal "git: what is below the last diff stays" "$(tail -n 3 "$out" | head -n 2)" $'-- \n2.39.2'
handle "$data/git.eml" --skip='new.c' --no-default-skip
equal "git: a rename goes by its new name" "$(added "$data/git.eml")" '[src/new.c: 4 lines of diff left out]'

# ---- what is left alone --------------------------------------------------------------------------

unchanged "nothing to leave out" "$data/git.eml" --no-default-skip --max-lines 100
unchanged "a signed message" "$data/signed.eml"
unchanged "OpenPGP's armour" "$data/armoured.eml"
unchanged "no diff at all" "$data/attachments.eml"
patch=$(sed '1,/^$/d' "$data/git.eml")
part() { printf '%s\n' "Subject: x" "MIME-Version: 1.0" "$@" "" "$patch" >"$instance/part.eml"; }
part "Content-Type: text/plain"
handle "$instance/part.eml"
succeeds "a plain part is shortened" grep -q 'left out\]' "$out"
for header in 'Content-Type: text/plain; format=flowed' 'Content-Type: text/html' 'Content-Type: text/plain; name=a.patch' \
    'Content-Disposition: attachment' 'Content-Type: text/plain; charset=utf-16le' 'Content-Type: application/pkcs7-mime' \
    'Content-Transfer-Encoding: x-uuencode' 'Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ=='; do
    part "$header"
    unchanged "$header" "$instance/part.eml"
done
printf 'Content-Type: message/rfc822\n\n%s\n' "$(<"$data/git.eml")" >"$instance/part.eml"
unchanged "a message within the message" "$instance/part.eml"

sed 's/$/\r/' "$data/svnlook-base64.eml" >"$instance/crlf.eml"
handle "$instance/crlf.eml"
equal "lines that end with CRLF end so" "$(grep -vc $'\r$' "$out")" 0
matches "and are shortened" "$(text "$out")" 'app.min.js: 92 lines of diff left out'

# ---- mail that is broken, huge or deep ------------------------------------------------------------

: >"$instance/empty"
unchanged "nothing at all" "$instance/empty"
matches "nothing at all: it says so" "$(<"$out.err")" 'goes on as it was: it is no message'
head -c 100000 /dev/urandom >"$instance/noise"
unchanged "noise" "$instance/noise"
printf 'Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Transfer-Encoding: base64\n\n!!!\n--x' >"$instance/broken"
unchanged "a message that ends in the midst" "$instance/broken"
python3 -c '
for i in range(5000):
    print("Content-Type: multipart/mixed; boundary=%d\n\n--%d" % (i, i))' >"$instance/deep"
unchanged "thousands of parts in parts" "$instance/deep"
python3 -c '
print("Content-Type: multipart/mixed; boundary=x\n")
print("--x\n\n" * 3000000, end="")' >"$instance/many"
unchanged "millions of parts" "$instance/many"
python3 - >"$instance/huge" <<'PY'
print("Subject: huge\nContent-Type: text/plain; charset=utf-8\n\nIndex: a.txt\n" + "=" * 67)
print("--- a.txt\n+++ a.txt\n@@ -0,0 +1,400000 @@")
for i in range(400000):
    print("+" + "line %06d " % i + "." * 50)
print("\nIndex: b.min.js\n" + "=" * 67 + "\n--- b.min.js\n+++ b.min.js\n@@ -0,0 +1 @@\n+" + "x" * 1000000)
PY
handle "$instance/huge" --max-lines 1000
equal "25 MiB" "$(grep 'left out' "$out")" \
    $'[a.txt: 399001 more lines of diff left out]\n[b.min.js: 6 lines of diff left out]'
equal "25 MiB: the rest is there" "$(wc -l <"$out")" 1010

# ---- the command line ----------------------------------------------------------------------------

matches "--help" "$("$handler" --help)" '^usage: strip-diff '
for wrong in -x -max-lines=2 --max-lines=0 --max-lines=x --max-lines --skip= --nonsense --help=x operand; do
    "$handler" $wrong </dev/null >/dev/null 2>"$out.err"
    equal "$wrong is a usage error" "$?" 64
    matches "$wrong: it says so" "$(<"$out.err")" '^strip-diff: .*; see strip-diff --help$'
done
for wrong in -x -max-lines=2; do
    "$handler" $wrong </dev/null 2>"$out.err"
    equal "$wrong: its letter is named" "$(<"$out.err")" \
        "strip-diff: ${wrong:0:2} is no option, or one that takes no argument; see strip-diff --help"
done
"$handler" <"$data/git.eml" >/dev/full 2>"$out.err"
equal "a full disk is no end" "$?" 75
equal "a pipe will do" "$(cat <"$data/git.eml" | "$handler" 2>&1 >/dev/null)" \
    'strip-diff: left out: 7 lines; files skipped: 1, cut: 0'

# ---- in a route ----------------------------------------------------------------------------------

program keep <<'SH'
#!/bin/sh
cat >"${0%/bin/*}/seen/$LOCAL"
SH
instance_config <<EOT
route "commits@example.com" {
    handler "shorten" { filter = {"strip-diff", "--max-lines=3"} }
    handler "keep" { run = {"$instance/bin/keep"} }
}
EOT
start_or_finish
submit svn@example.org commits@example.com <"$data/mailer-qp.eml"
ended commits@example.com 2
equal "in a route it is done" "$(states commits@example.com)" 'shorten=done keep=done'
matches "the next handler gets the shorter message" "$(text "$instance/seen/commits")" \
    'site.min.css: 8 lines of diff left out'
matches "the history has what it said" "$(attempts commits@example.com stderr)" 'files skipped: 1, cut: 1'

finish
