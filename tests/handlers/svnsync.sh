#!/usr/bin/env bash
# svnsync: a mirror is made, and kept up to date by the mails of commits; then what can go wrong.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
instance_open
repository=$instance/repository
mirror="$instance/mirror 100%@ü"
handler=$programs/handlers/svnsync
here="file://$repository"

# sync SOURCE MIRROR...: by the handler; $code, $said and $complained are what came of it.
sync() {
    (cd "$instance/work" &&
        timeout 60 env -i PATH="$PATH" HOME="$instance" "$handler" --config-dir "$instance/subversion" "$@") \
        >"$instance/said" 2>"$instance/complained"
    code=$?
    said=$(<"$instance/said")
    complained=$(<"$instance/complained")
}
# shellcheck disable=SC2317 # called by its name
sync_ends() { sync "$here" "$mirror" && [ "$code" -ne 75 ]; }
youngest() { svnlook youngest "$1" 2>&1; }
commit() { user_svn -q mkdir -m "$1" "$here/$1"; }

# ---- a commit and its mail -----------------------------------------------------------------------

instance_config <<EOT
route "commits@example.com" {
    handler "mirror" { run = {"svnsync", "--config-dir", "$instance/subversion", "$here", "$mirror"} retry-first = "1s" }
}
EOT
repository_make commits@example.com
start_or_finish
xinetd_start || fail "xinetd starts"
sendmail_config
commit one
ended commits@example.com
equal "the first mail makes the mirror" "$(states commits@example.com):$(svnlook tree "$mirror")" $'mirror=done:/\n one/'
commit grüße
ended commits@example.com 2
equal "the next one brings it up to date" "$(svnlook log -r 2 "$mirror")" grüße
equal "with its author and date" "$(svnlook info -r 2 "$mirror")" "$(svnlook info -r 2 "$repository")"
matches "the history says its revision" "$(attempts commits@example.com stdout)" ': revision 2, was 1$'
xinetd_stop
processor_stop
rm "$repository/hooks/post-commit"

# ---- mirrors of every kind -----------------------------------------------------------------------

sync "$here" "$mirror"
equal "nothing new is well" "$code:$(tail -n 1 <<<"$said")" "0:$mirror: revision 2, was 2"
mkdir "$instance/empty"
svnadmin create "$instance/bare"
svnadmin create "$instance/remote"
printf '#!/bin/sh\nexit 0\n' >"$instance/remote/hooks/pre-revprop-change"
chmod 755 "$instance/remote/hooks/pre-revprop-change"
sync "$here" "$instance/empty" "$here" "$instance/bare" "$here" "file://$instance/remote"
equal "an empty folder, an empty repository, one by its URL" \
    "$code:$(youngest "$instance/empty"):$(youngest "$instance/bare"):$(youngest "$instance/remote")" 0:2:2:2
equal "hooks that are there stay" "$(sed -n 2p "$instance/remote/hooks/pre-revprop-change")" 'exit 0'
sync "$here/one" "$instance/part"
equal "a folder of a repository" "$code:$(svnlook tree "$instance/part")" $'0:/\n one/'

hook=$mirror/hooks/start-commit
cp -p "$hook" "$instance/hook"
sed -i 's/" = "[^"]*"/" = "somebody else"/' "$hook"
commit three
sync "$here" "$mirror"
equal "a hook that says no is dead" "$code:$(grep -c 'a hook that does not allow' <<<"$complained")" 77:1
matches "that of a mirror lets nobody else commit" "$complained" 'this is a mirror; only [^ ]+ may write to it'
cp -p "$instance/hook" "$hook"

# ---- locks ---------------------------------------------------------------------------------------

# lock HOST: as an svnsync there would.
mirror_url=$(user_svn info --show-item url "file://${mirror//%/%25}@")
lock() { user_svn -q propset --revprop -r 0 svn:sync-lock "$1:0b9c0e0e" "$mirror_url@"; }
lock elsewhere.example.org
sync "$here" "$mirror"
equal "a lock of another machine stays" "$code:$(youngest "$mirror")" 75:2
user_svn -q propdel --revprop -r 0 svn:sync-lock "$mirror_url@"
# One that runs: it has the mirror locked, and waits for a source that says nothing.
port=$(port_find $((20000 + RANDOM % 10000)))
python3 -c '
import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)' "$port" & silent=$!
trap 'kill -KILL "$silent" ${running-} 2>/dev/null; instance_close' EXIT
until_true bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
svnsync synchronize --non-interactive --config-dir "$instance/subversion" "$mirror_url" "svn://127.0.0.1:$port" \
    >/dev/null 2>&1 & running=$!
until_true user_svn propget --revprop -r 0 svn:sync-lock "$mirror_url"
sync "$here" "$mirror"
equal "a lock of this machine stays while an svnsync runs" "$code:$(youngest "$mirror")" 75:2
succeeds "that one had it locked" user_svn propget --revprop -r 0 svn:sync-lock "$mirror_url"
kill -KILL $running $silent
wait $running $silent 2>/dev/null
# Others may run one at the same time on this machine: then it is tried again, as it should be.
until_true sync_ends
equal "and is taken over when none does" "$code:$(youngest "$mirror")" 0:3
matches "it says so" "$complained" 'was locked by an svnsync that is no more'

# ---- what is dead, and what is not ----------------------------------------------------------------

commit four
svnadmin create "$instance/other"
user_svn -q mkdir -m x "file://$instance/other/x"
sync "file://$instance/other" "$mirror"
equal "the mirror of another repository" "$code:$(grep -c 'mirror of another' <<<"$complained")" 78:1
sync "$here" "$instance/other"
equal "a repository with something in it" "$code:$(youngest "$instance/other")" 78:1
mkdir "$instance/full"
touch "$instance/full/file"
sync "$here" "$instance/full"
equal "a folder with something else" "$code:$(ls "$instance/full")" 66:file
sync "$here" "$instance/full" "$here" "$mirror"
equal "all pairs are tried" "$code:$(youngest "$mirror")" 66:4
svnadmin create "$instance/closed"
sync "$here" "file://$instance/closed"
equal "a mirror by its URL without a hook" "$code:$(grep -c 'has no pre-revprop-change hook' <<<"$complained")" 77:1
user_svn -q mkdir -m mine "file://$instance/bare/mine"
sync "$here" "$instance/bare"
equal "a mirror that was committed to" "$code:$(grep -c 'committed to by somebody else' <<<"$complained")" 100:1
sync "$here" "$instance/missing/mirror"
equal "no folder for it is tried again" "$code" 73
sync "svn://127.0.0.1:$port" "$mirror"
equal "no server is tried again" "$code" 75
sync "$here" "$instance/full" "svn://127.0.0.1:$port" "$mirror"
equal "trying again counts more" "$code" 75
equal "nothing is left beside the mirrors" "$(find "$instance" -mindepth 1 -maxdepth 1 -name '*.??????' ! -name 'mailmill.*')" ''

for wrong in '' --nonsense "$here" "$here relative" "relative $instance/x" "$here $instance/x $here"; do
    # shellcheck disable=SC2086 # two words are two arguments
    "$handler" $wrong >"$instance/said" 2>&1
    equal "wrong usage: ${wrong//"$instance"/}" "$?:$(grep -c '^svnsync: .*(try --help)$' "$instance/said")" 64:1
done
equal "an empty option says what it wants" "$("$handler" --config-dir= "$here" /x 2>&1)" \
    'svnsync: --config-dir: no folder (try --help)'
PATH=$programs/handlers "$(command -v sh)" -c "PATH=\$PATH:/usr/bin:/bin; \"$handler\" $here /x" >"$instance/said" 2>&1
equal "it does not take itself for the other" "$?:$(grep -c 'must not be in PATH' "$instance/said")" 78:1
matches "--help says what it is" "$("$handler" --help)" 'Usage: svnsync .*SOURCE MIRROR'

finish
