#!/usr/bin/env bash
# svn-update: a real commit to a real repository, whose mail travels through the receiver; then what can go wrong.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
instance_open
repository=$instance/repository
work=$instance/work\ copy@1
site=$instance/site
handler=$programs/handlers/svn-update

# update PATH...: by the handler, run as the processor does; $code, $said and $complained are what came of it.
update() {
    (cd "$instance/work" &&
        timeout 20 env -i PATH="$PATH" HOME="$instance" "$handler" --config-dir "$instance/subversion" "$@") \
        >"$instance/said" 2>"$instance/complained"
    code=$?
    said=$(<"$instance/said")
    complained=$(<"$instance/complained")
}

# commit FILE CONTENT: by somebody, from another working copy; gives the revision.
commit() {
    printf '%s\n' "$2" >"$work/$1"
    user_svn -q add --force "$work/$1@" && user_svn -q commit -m "$1 changes" "$work@" &&
        svnlook youngest "$repository"
}

# ---- a commit and its mail -----------------------------------------------------------------------

instance_config <<EOT
route "commits@example.com" {
    handler "site" { run = {"svn-update", "--config-dir", "$instance/subversion", "$site"} retry-first = "1s" }
}
EOT
repository_make commits@example.com
user_svn -q checkout "file://$repository" "$site"
user_svn -q checkout "file://$repository" "$work"
start_or_finish
xinetd_start || fail "xinetd starts"
sendmail_config

equal "a commit" "$(commit index.html 'Grüße')" 1
ended commits@example.com
equal "its mail updates the working copy" "$(cat "$site/index.html")" 'Grüße'
equal "the history says which revision there is now" "$(attempts commits@example.com outcome,exit_code,subject)" \
    'done|0|r1: index.html changes'
matches "and what changed" "$(attempts commits@example.com stdout)" \
    "A    $site/index.html.*"$'\n'"$site: revision 1, was 0\$"

# The repository is out of reach, and comes back: the mail of the commit is tried again until then.
commit index.html second >/dev/null
ended commits@example.com 2
mv "$repository" "$repository.away"
submit author@example.org commits@example.com <<<'Subject: r3: while it was away'
wait_for "SELECT count(*) = 1 FROM history WHERE subject LIKE 'r3:%' AND outcome = 'retry'" ||
    fail "a repository out of reach is tried again" "$(details commits@example.com)"
mv "$repository.away" "$repository"
ended commits@example.com 3
equal "until it is there again" "$(states commits@example.com)" 'site=done site=done site=done'
xinetd_stop
processor_stop
rm "$repository/hooks/post-commit"

# ---- several paths, odd names ---------------------------------------------------------------------

third=$(commit 'ä @2.txt' odd)
update "$site" "$work"
equal "all paths are updated" "$code:$(cat "$site/ä @2.txt")" 0:odd
matches "each says its revision" "$said" "$site: revision $third, was [0-9]*"$'\n'".*$work: revision $third, was"
update "$site/ä @2.txt"
equal "a name with an @ is a name" "$code" 0
ln -s "$site" "$instance/link"
commit index.html third >/dev/null
update "$instance/link"
equal "a link to a working copy is one" "$code:$(cat "$site/index.html")" 0:third

mkdir "$site/unversioned"
for wrong in "$instance/work" "$instance/missing" "$site/unversioned"; do
    update "$wrong"
    equal "${wrong##*/}: not a working copy" "$code" 66
    matches "${wrong##*/}: says so" "$complained" "svn-update: $wrong: is not a working copy"
done
commit index.html fourth >/dev/null
update "$instance/work" "$site"
equal "one that is none does not keep the others from it" "$code:$(cat "$site/index.html")" 66:fourth

user_svn -q mkdir --parents -m folders "file://$repository/old/inner"
update "$site"
user_svn -q delete -m gone "file://$repository/old"
update "$site/old/inner"
equal "a folder that was removed from the repository" "$code:$(grep -c 'repository' <<<"$complained")" 66:1

# ---- conflicts -----------------------------------------------------------------------------------

user_svn -q update "$work@"
commit index.html theirs >/dev/null
echo ours >"$site/index.html"
update "$site"
equal "a conflict is dead" "$code" 100
matches "it is named" "$complained" "svn-update: $site: at revision [0-9]+, with conflicts; .*: $site/index.html\$"
equal "no side was taken" "$(grep -cxE 'ours|theirs' "$site/index.html")" 2
update "$site"
equal "one that was there before is, too" "$code" 100
user_svn -q resolve --accept theirs-full "$site/index.html"
update "$site"
equal "when it is resolved all is well" "$code:$(cat "$site/index.html")" 0:theirs

# ---- the network, logins, locks ------------------------------------------------------------------

# serve: the repository by svnserve, whose process is $server.
serve() {
    local deadline=$((SECONDS + 20))
    svnserve --daemon --foreground --listen-host 127.0.0.1 --listen-port "$port" --root "$repository" &
    server=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || [ $SECONDS -ge $deadline ]; do sleep 0.05; done
}
locked() { [ "$(sqlite3 "$site/.svn/wc.db" 'SELECT count(*) FROM wc_lock')" = 1 ]; }
trap 'kill -KILL "${server-}" "${hanging-}" 2>/dev/null; instance_close' EXIT
port=$(port_find $((20000 + RANDOM % 10000)))
serve
user_svn -q switch --relocate "file://$repository" "svn://127.0.0.1:$port" "$site"
update "$site"
equal "by svnserve" "$code" 0
commit index.html sixth >/dev/null

# It accepts connections and says nothing: an svn waits, with the working copy locked.
kill -STOP $server
svn --config-dir "$instance/subversion" update "$site" >/dev/null 2>&1 & hanging=$!
until_true locked
update "$site"
equal "a lock is tried again" "$code" 75
touch -d '2 minutes ago' "$site/.svn/wc.db" "$site/.svn/tmp"
update "$site"
equal "that of an svn that lives stays, however long it is quiet" \
    "$code:$(locked && echo locked)" 75:locked
matches "it says so" "$complained" 'is locked, and may be in use'
kill -KILL $hanging
wait $hanging 2>/dev/null
kill -CONT $server
touch "$site/.svn/tmp"
update "$site"
equal "a lock that was written to just now stays" "$code:$(cat "$site/index.html")" 75:theirs
touch -d '2 minutes ago' "$site/.svn/wc.db" "$site/.svn/tmp"
update "$site"
equal "that of a killed svn is removed" "$code:$(cat "$site/index.html")" 0:sixth
matches "it says so" "$complained" 'was locked by an svn that is no more'

printf '[general]\nanon-access = none\n' >"$repository/conf/svnserve.conf"
update "$site"
equal "a login that is refused is dead" "$code" 77
matches "it says what to do" "$complained" 'the server wants another login: run svn update there once as '
kill -TERM $server
wait $server 2>/dev/null
server=
update "$site"
equal "no server is tried again" "$code" 75
update "$instance/work" "$site"
equal "trying again counts more than what is dead" "$code" 75
update "$site" "$instance/work"
equal "in any order" "$code" 75

# ---- formats, usage ------------------------------------------------------------------------------

for format in 29:older 99:newer; do
    sqlite3 "$site/.svn/wc.db" "PRAGMA user_version = ${format%:*}"
    update "$site"
    equal "an ${format#*:} format is dead" "$code:$(grep -c "is of an\? ${format#*:} format" <<<"$complained")" 78:1
done

# A root may write everywhere: then somebody else tries.
if [ "$(id -u)" -eq 0 ]; then
    user_svn -q checkout "file://$repository" "$instance/other"
    commit index.html seventh >/dev/null
    place=$(mktemp -d)
    chmod 755 "$place"
    cp "$handler" "$place"
    mv "$instance/other" "$place"
    (cd / && HOME=/nonexistent setpriv --reuid 65534 --regid 65534 --clear-groups \
        "$place/svn-update" "$place/other") >"$instance/said" 2>&1
    equal "somebody else's working copy is dead" "$?:$(grep -c 'may not write there' "$instance/said")" 77:1
    rm -r "$place"
fi

for wrong in '' --nonsense relative/path --config-dir; do
    # shellcheck disable=SC2086 # an empty one is none
    "$handler" $wrong >"$instance/said" 2>&1
    equal "wrong usage: $wrong" "$?:$(grep -c '^svn-update: .*(try --help)$' "$instance/said")" 64:1
done
equal "an empty option says what it wants" "$("$handler" --config-dir= "$site" 2>&1)" \
    'svn-update: --config-dir: no folder (try --help)'
PATH=/nonexistent "$(command -v sh)" "$handler" "$site" >"$instance/said" 2>&1
equal "without an svn it is tried again" "$?:$(grep -c 'install subversion' "$instance/said")" 75:1
matches "--help says what it is" "$("$handler" --help)" 'Usage: svn-update .*PATH\.\.\.'

finish
