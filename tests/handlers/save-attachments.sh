#!/usr/bin/env bash
# save-attachments: names, contents, and that nothing is overwritten, left behind or saved twice.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
by_itself save-attachments
mail=$data/attachments.eml
store=$instance/store
mkdir "$store"

# save FILE ARGUMENT...: into $store; gives the exit code.
save() { handle "$1" "$store" "${@:2}"; }
names() { (cd "$store" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort); }
# attached NAME [CONTENT]: a message with one attachment, its name as given in the header.
attached() {
    printf 'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment; %s\n\n%s\n--b--\n' \
        "$1" "${2-content}" >"$instance/one.eml"
}
# saved_as NAME PROPOSED: what becomes of a proposed name.
saved_as() {
    find "$store" -mindepth 1 -delete
    attached "$2"
    save "$instance/one.eml"
    equal "$2 is saved" "$?:$(names)" "0:$1"
}

save "$mail"
equal "it succeeds" "$?" 0
equal "it prints the names" "$(<"$out")" \
    $'bericht ü.pdf\nbericht ü-2.pdf\npart-7.png\npart-8.eml\nbashrc'
equal "they are there, and nothing else" "$(names)" "$(LC_ALL=C sort "$out")"
equal "the contents are decoded" "$(od -An -tx1 "$store/bericht ü.pdf" | tr -d '\n')" \
    ' 25 50 44 46 2d 31 2e 34 0a 00 ff'
equal "a message is whole" "$(<"$store/part-8.eml")" $'Subject: within\nFrom: carl@example.net\n\ninner text'
equal "a retry saves nothing twice" "$(save "$mail"; grep -c 'was there already' "$out"; names | wc -l)" $'5\n5'
echo other >"$store/bashrc"
save "$mail"
equal "what is there stays" "$(<"$store/bashrc"):$(<"$store/bashrc-2")" "other:echo hello"

# ---- names ---------------------------------------------------------------------------------------

long=$(printf 'ü%.0s' {1..150})
saved_as 'passwd' 'filename="/etc/passwd"'
saved_as 'x' 'filename="..\\..\\x"'
saved_as 'part-2.txt' 'filename=".."'
saved_as 'part-2.txt' 'filename="..../"'
saved_as 'rf' 'filename="-rf"'
saved_as 'a_b_c.txt' 'filename="a:b|c.txt"'
saved_as 'ab' "filename*=utf-8''a%0A%E2%80%AEb"
saved_as 'a_.txt' "filename*=utf-8''a%FF.txt"
saved_as "${long:0:82}.txt" "filename*=utf-8''$(printf '%%C3%%BC%.0s' {1..150}).txt"
saved_as 'x.tar.gz' 'filename="x.tar.gz "'
saved_as 'Grüße.txt' 'filename="=?iso-8859-1?q?Gr=FC=DFe.txt?="'
saved_as 'Grüße aus.txt' 'filename="=?UTF-8?B?R3LDvMOfZSA=?= =?UTF-8?B?YXVzLnR4dA==?="'
saved_as 'a b.txt' $'filename*0="a "; filename*1=b.txt'
saved_as 'odd.txt' "filename*=ebcdic-cp-xx''odd.txt"
find "$store" -mindepth 1 -delete
for i in 1 2 3; do
    attached 'filename=a.tar.gz' "$i"
    save "$instance/one.eml"
done
equal "numbers stand before the extension" "$(names)" $'a.tar-2.gz\na.tar-3.gz\na.tar.gz'

# ---- traps in the folder --------------------------------------------------------------------------

find "$store" -mindepth 1 -delete
echo keep >"$instance/target"
ln -s "$instance/target" "$store/link"
ln -s "$instance/nowhere" "$store/dangling"
mkdir "$store/folder"
mkfifo "$store/pipe"
for name in link dangling folder pipe; do
    attached "filename=$name"
    save "$instance/one.eml"
    equal "$name in the way" "$?:$(<"$out"):$(<"$store/$name-2")" "0:$name-2:content"
done
equal "nothing was written through a link" "$(<"$instance/target"):$(ls "$instance/nowhere" 2>/dev/null)" keep:
ln -s "$store" "$instance/store-link"
"$handler" "$instance/store-link" <"$mail" >/dev/null 2>&1
equal "the folder itself may be a link" "$?" 0

# ---- what is wanted --------------------------------------------------------------------------------

find "$store" -mindepth 1 -delete
save "$mail" --type 'Application/*' --type=image/png
equal "by type" "$(names)" "$(LC_ALL=C sort <<<$'bericht ü.pdf\nbericht ü-2.pdf\npart-7.png')"
find "$store" -mindepth 1 -delete
save "$mail" --max-size 11
equal "by size" "$?:$(names)" "0:$(LC_ALL=C sort <<<$'bericht ü.pdf\npart-7.png\nbashrc')"
matches "what is too large is said" "$(<"$out.err")" "bericht ü.pdf is not saved: its 16 bytes are more than --max-size"
find "$store" -mindepth 1 -delete
save "$top/tests/handlers/data/git.eml"
equal "no attachment is no mistake" "$?:$(names)$(<"$out")" 0:

# ---- trouble ---------------------------------------------------------------------------------------

"$handler" "$instance/missing" <"$mail" >"$out" 2>"$out.err"
equal "a missing folder" "$?" 78
matches "a missing folder is named" "$(<"$out.err")" "^save-attachments: folder $instance/missing: No such file or directory; make it"
"$handler" "$mail" </dev/null >"$out" 2>"$out.err"
equal "what is no folder" "$?:$(<"$out.err")" \
    "78:save-attachments: folder $mail: Not a directory; make it, or correct the path"
"$handler" '' <"$mail" >"$out" 2>"$out.err"
equal "a folder without a name" "$?:$(<"$out.err")" \
    "64:save-attachments: the folder is missing; see save-attachments --help"
save /dev/null
equal "no message" "$?" 65
python3 -c '
print("Content-Type: multipart/mixed; boundary=x\n")
print("--x\n\n" * 3000000, end="")' >"$instance/many"
save "$instance/many"
equal "a message that is too much for its parser" "$?:$(names)" 65:
python3 - >"$instance/huge" <<'PY'
import base64
print("Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=huge\n")
print(base64.encodebytes(bytes(range(256)) * 70000).decode(), end="")
PY
save "$instance/huge"
equal "25 MiB" "$?:$(stat -c %s "$store/huge")" 0:17920000
if [ "$(id -u)" -eq 0 ] && mkdir "$instance/small" && mount -t tmpfs -o size=64k none "$instance/small" 2>/dev/null; then
    "$handler" "$instance/small" <"$instance/huge" >"$out" 2>"$out.err"
    equal "a full disk: try again" "$?:$(ls -A "$instance/small")" 75:
    matches "a full disk is said" "$(<"$out.err")" 'No space left on device'
    umount "$instance/small"
else
    echo "ok a full disk # SKIP not allowed to mount"
fi

# ---- the command line ------------------------------------------------------------------------------

matches "--help" "$("$handler" --help)" '^usage: save-attachments '
for wrong in '' "$store another" "$store --max-size=x" "$store --max-size=0" "$store --max-size=1k" \
    "$store --max-size=9999999999G" "$store --nonsense" \
    "$store --type=pdf" "$store --type=" . relative/path; do
    # shellcheck disable=SC2086 # words
    "$handler" $wrong </dev/null >/dev/null 2>"$out.err"
    equal "a usage error: $wrong" "$?" 64
    matches "it says so: $wrong" "$(<"$out.err")" '^save-attachments: .*; see save-attachments --help$'
done

# ---- in a route ------------------------------------------------------------------------------------

find "$store" -mindepth 1 -delete
instance_config <<EOT
route "reports@example.com" { handler "save" { run = {"save-attachments", "$store", "--type=application/pdf"} } }
EOT
start_or_finish
submit ben@example.org reports@example.com <"$mail"
ended reports@example.com
equal "in a route it is done" "$(states reports@example.com):$(names)" \
    "save=done:$(LC_ALL=C sort <<<$'bericht ü.pdf\nbericht ü-2.pdf')"
equal "the history has the names" "$(attempts reports@example.com stdout)" $'bericht ü.pdf\nbericht ü-2.pdf'
mailmill reprocess "$(sql 'SELECT id FROM message')" >/dev/null
wait_for "SELECT count(*) = 2 FROM history WHERE outcome = 'done'"
equal "run again it saves nothing twice" "$(names | wc -l)" 2

finish
