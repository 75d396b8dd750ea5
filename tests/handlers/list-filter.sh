#!/usr/bin/env bash
# list-filter: what its rules say of real mail, and tags.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
by_itself list-filter

# drops / keeps FILE ARGUMENT...
drops() {
    handle "$@"
    equal "dropped: ${1##*/} ${*:2}" "$?:$(wc -c <"$out")" 99:0
}
keeps() {
    handle "$@"
    equal "kept: ${1##*/} ${*:2}" "$?" 0
    succeeds "as it was: ${1##*/} ${*:2}" cmp "$1" "$out"
}
# subject FILE: decoded, as Python reads it.
subject() {
    python3 -c '
import email, email.policy, sys
print(email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)["Subject"])' "$1"
}

mailer=$data/mailer-qp.eml
mail=$data/attachments.eml
printf 'Subject: [Commits] =?iso-8859-1?q?Gr=FC=DFe?=\n\n' >"$instance/commits.eml"
printf 'Subject: c and o\nX-Empty:  \n\nno [commits] here\nsecond line\n' >"$instance/plain.eml"

# ---- rules ---------------------------------------------------------------------------------------

drops "$instance/commits.eml" --drop 'Subject: *[commits]*'
matches "it says which rule" "$(<"$out.err")" "^list-filter: dropped by --drop 'Subject: \*\[commits\]\*'$"
keeps "$instance/plain.eml" --drop 'Subject: *[commits]*'
keeps "$instance/commits.eml" --drop 'Subject: [commits]'
drops "$instance/commits.eml" --drop 'subject:*GRÜSSE'
drops "$instance/commits.eml" --drop 'Subject: [commits] Gr?ße'
drops "$mail" --drop='Subject: Berichte für Januar'
drops "$mail" --drop 'From: *team: anna@example.org*'
drops "$mail" --drop '*: *carl@example.net*'
drops "$mail" --drop 'Content-*: multipart/mixed;*'
keeps "$mail" --drop 'List-Id: *'
drops "$instance/plain.eml" --drop 'X-Empty:'
keeps "$instance/plain.eml" --drop 'X-Empty: ?*'
drops "$mailer" --drop 'Subject: *svn commit*' --keep 'From: *'
keeps "$mailer" --keep 'From: *' --drop 'Subject: *svn commit*'
drops "$mailer" --keep 'From: *carl*' --drop '*: *'
keeps "$instance/plain.eml" --drop-body '*[commits]'
drops "$instance/plain.eml" --drop-body '*[commits]*'
drops "$instance/plain.eml" --drop-body 'SECOND LINE'
drops "$mail" --drop-body 'grüße, 5 €'
drops "$mail" --drop-body '<p>*</p>'
keeps "$mail" --drop-body '*echo hello*'
keeps "$mail" --drop-body '*inner text*'
drops "$mailer" --drop-body '*Größere Knöpfe*'
keeps "$mailer" --keep-body '*Größere*' --drop-body '*Knöpfe*'
handle "$mail" --no-output --drop 'X: y'
equal "without output" "$?:$(wc -c <"$out")" 0:0

# ---- tags ----------------------------------------------------------------------------------------

# without_subject FILE: all of it but that header and its folds.
without_subject() { sed '/^Subject:/,/^[^ ]/{/^Subject:/d; /^ /d}' "$1"; }
# tags FILE WANTED ARGUMENT...: the subject, decoded, and nothing else is changed.
tags() {
    local file=$1 wanted=$2
    shift 2
    handle "$file" "$@"
    equal "tagged: ${file##*/} $*" "$?:$(subject "$out")" "0:$wanted"
    equal "the rest stays: ${file##*/} $*" "$(without_subject "$out")" "$(without_subject "$file")"
    cp "$out" "$instance/again.eml"
    keeps "$instance/again.eml" "$@"
}
tags "$mailer" '[svn] [site] svn commit: r1204 - in trunk: css img www' --tag '[svn]' 'From: *'
tags "$mail" '[bericht] Berichte für Januar' --tag '[bericht]' 'To: reports@*'
tags "$mail" '[für euch] Berichte für Januar' --tag '[für euch]' 'To: reports@*'
tags "$mail" '[a] [b] Berichte für Januar' --tag '[a]' 'To: *' --tag '[no]' 'To: nobody' --tag-body '[b]' 'Grüße*' --tag '[a]' 'Cc: *'
tags "$instance/commits.eml" '=?x?= [Commits] Grüße' --tag '=?x?=' 'Subject: *'
printf 'To: a\nX: y\n\nSubject: body\n' >"$instance/none.eml"
handle "$instance/none.eml" --tag '[new]' 'To: a'
equal "without a subject there is one" "$(<"$out")" $'To: a\nX: y\nSubject: [new]\n\nSubject: body'
printf 'X: y' >"$instance/open.eml"
handle "$instance/open.eml" --tag '[new]' 'X: y'
equal "even in a header without an end" "$(<"$out")" $'X: y\nSubject: [new]'
printf 'Subject: %0100d\n and on\n\n' 0 >"$instance/long.eml"
tags "$instance/long.eml" "[long] $(printf '%0100d and on' 0)" --tag '[long]' 'Subject: *'
equal "a long line is folded behind the tag" "$(head -n 1 "$out")" 'Subject: [long]'
printf 'Subject:bare\n\n' >"$instance/bare.eml"
tags "$instance/bare.eml" '[x] bare' --tag '[x]' 'Subject: *'
keeps "$instance/commits.eml" --tag '[COMMITS]' 'Subject: *'
drops "$instance/commits.eml" --tag '[x]' 'Subject: *' --drop 'Subject: *'

# ---- what can't be parsed stays ------------------------------------------------------------------

: >"$instance/empty"
keeps "$instance/empty" --drop '*: *'
matches "and that is said" "$(<"$out.err")" 'stays as it is: it is no message'
head -c 100000 /dev/urandom >"$instance/noise"
keeps "$instance/noise" --drop 'Subject: *' --drop-body '*x*'
python3 -c '
print("Content-Type: multipart/mixed; boundary=x\n")
print("--x\n\n" * 3000000, end="")' >"$instance/many"
keeps "$instance/many" --drop-body 'x'
python3 -c '
print("Subject: " + "*a" * 30000 + "\n\n" + "ab" * 12000000)' >"$instance/long"
keeps "$instance/long" --drop 'Subject: *a*b*c*d*' --drop-body '*a*b*a*b*a*b*a*b*c'

# ---- the command line ----------------------------------------------------------------------------

matches "--help" "$("$handler" --help)" '^usage: list-filter '
wrong() {
    "$handler" "$@" </dev/null >/dev/null 2>"$out.err"
    equal "a usage error: $*" "$?" 64
    matches "it says so: $*" "$(<"$out.err")" '^list-filter: .*; see list-filter --help$'
}
wrong
wrong --drop
wrong --drop Subject
wrong --drop ': x'
wrong --drop 'My subject: x'
wrong --drop-body ''
wrong --tag '[x]'
wrong --tag '' 'Subject: *'
wrong --tag $'[x]\n' 'Subject: *'
wrong --tag $'\xff' 'Subject: *'
wrong --nonsense
wrong --drop 'Subject: x' operand

# ---- in a route ----------------------------------------------------------------------------------

program keep <<'SH'
#!/bin/sh
cat >"${0%/bin/*}/seen/$LOCAL.$MAILMILL_ID"
SH
instance_config <<EOT
route "lists@example.com" {
    handler "sort" { filter = {"list-filter", "--drop", "Subject: *[commits]*", "--tag", "[list]", "To: *"} }
    handler "keep" { run = {"$instance/bin/keep"} }
}
route "stop@example.com" {
    handler "sort" { run = {"list-filter", "--no-output", "--drop", "Subject: *[commits]*"} }
    handler "keep" { run = {"$instance/bin/keep"} }
}
EOT
start_or_finish
submit svn@example.org lists@example.com stop@example.com <"$instance/commits.eml"
ended lists@example.com 2
ended stop@example.com 2
equal "a filter drops" "$(states lists@example.com)" 'sort=done keep=skipped'
equal "so does a program that is only run" "$(states stop@example.com)" 'sort=done keep=skipped'
matches "the history says by which rule" "$(attempts lists@example.com stderr)" 'dropped by --drop'
submit svn@example.org lists@example.com <"$mail"
ended lists@example.com 4
equal "a filter tags" "$(subject "$(echo "$instance"/seen/lists.*)")" '[list] Berichte für Januar'

finish
