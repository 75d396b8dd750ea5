#!/usr/bin/env bash
# git-pull: a real push to a real repository, whose mail travels through the receiver; then what can go wrong.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
instance_open
central=$instance/central\ repository.git
desk=$instance/desk
site=$instance/site
handler=$programs/handlers/git-pull
# The one that runs the tests has settings of their own.
printf '[user]\nname = Author\nemail = author@example.org\n[init]\ndefaultBranch = main\n' >"$instance/gitconfig"
export GIT_CONFIG_GLOBAL=$instance/gitconfig GIT_CONFIG_NOSYSTEM=1

# pull PATH...: by the handler; $code and $complained are what came of it.
pull() {
    (cd "$instance/work" && timeout 20 "$handler" "$@") >"$instance/said" 2>"$instance/complained"
    code=$?
    complained=$(<"$instance/complained")
}

# commit FILE CONTENT: at the desk, and pushed.
commit() {
    printf '%s\n' "$2" >"$desk/$1"
    git -C "$desk" add . && git -C "$desk" commit -qm "$1: $2" && git -C "$desk" push -q origin main
}
head_of() { git -C "$1" rev-parse --short HEAD; }

git init -q --bare "$central"
git clone -q "$central" "$desk" 2>/dev/null
commit index.html first
git clone -q "$central" "$site"

# ---- a push and its mail -------------------------------------------------------------------------

instance_config <<EOT
route "commits@example.com" {
    handler "site" { run = {"git-pull", "$site"} retry-first = "1s" }
}
EOT
start_or_finish
xinetd_start || fail "xinetd starts"
sendmail_config
cat >"$central/hooks/post-receive" <<EOT
#!/bin/sh
while read -r old new ref; do
    { echo "Subject: \$ref"; echo; git log -p "\$old..\$new"; } |
        "$instance/sendmail" -f commits@example.org -- commits@example.com
done
EOT
chmod 755 "$central/hooks/post-receive"

old=$(head_of "$site")
commit index.html second
ended commits@example.com
equal "the mail of a push updates the working tree" "$(cat "$site/index.html")" second
equal "the history says from what to what" "$(attempts commits@example.com "outcome, subject, stdout" | tail -n 2)" \
    "$site: $old..$(head_of "$desk")"
matches "and which files changed" "$(attempts commits@example.com stdout)" 'index.html \|'

mv "$central" "$central.away"
submit author@example.org commits@example.com <<<'Subject: while it was away'
wait_for "SELECT count(*) = 1 FROM history WHERE subject LIKE 'while%' AND outcome = 'retry'" ||
    fail "a repository out of reach is tried again" "$(details commits@example.com)"
mv "$central.away" "$central"
ended commits@example.com 2
equal "until it is there again" "$(states commits@example.com)" 'site=done site=done'
xinetd_stop
processor_stop
rm "$central/hooks/post-receive"

# ---- by itself -----------------------------------------------------------------------------------

pull "$site"
equal "nothing new is well" "$code:$(<"$instance/said")" "0:$site: at $(head_of "$desk"), nothing new"

mkdir "$site/folder"
for wrong in "$instance/work" "$instance/missing" "$site/folder" "$central"; do
    pull "$wrong"
    equal "${wrong##*/}: no working tree" "$code:$(grep -c 'is not the top of a git working tree' <<<"$complained")" 66:1
done
commit index.html third
pull "$instance/missing" "$site"
equal "all are tried" "$code:$(cat "$site/index.html")" 66:third

commit index.html fourth
touch "$site/.git/index.lock"
pull "$site"
equal "a lock is tried again" "$code:$(cat "$site/index.html")" 75:third
matches "and stays, with words for who may remove it" "$complained" "remove $site/.git/index.lock\$"
pull "$instance/missing" "$site"
equal "trying again counts more" "$code" 75
rm "$site/.git/index.lock"

echo mine >"$site/index.html"
pull "$site"
equal "a change in the way is dead" "$code:$(cat "$site/index.html")" 100:mine
matches "it says what to do" "$complained" "git-pull: $site: changes in the working tree are in the way"
git -C "$site" checkout -q index.html
commit other.html theirs
echo mine >"$site/other.html"
pull "$site"
equal "a file that git does not know, too" "$code:$(cat "$site/other.html")" 100:mine
rm "$site/other.html"
pull "$site"
equal "without them all is well" "$code:$(cat "$site/other.html")" 0:theirs

git -C "$site" commit -q --allow-empty -m 'of our own'
pull "$site"
equal "commits of one's own alone are well" "$code:$(grep -c 'nothing new' "$instance/said")" 0:1
commit index.html fifth
pull "$site"
equal "branches that went apart are dead" "$code:$(cat "$site/index.html")" 100:fourth
matches "it says so" "$complained" 'has commits that origin/main has not'
git -C "$site" reset -q --hard origin/main

git -C "$site" checkout -q --detach
pull "$site"
equal "no branch is dead" "$code:$(grep -c 'its branch follows none' <<<"$complained")" 78:1
git -C "$site" checkout -q main

# ---- servers -------------------------------------------------------------------------------------

port=$(port_find $((20000 + RANDOM % 10000)))
git -C "$site" remote set-url origin "http://127.0.0.1:$port/x.git"
pull "$site"
equal "no server is tried again" "$code:$(grep -c 'to be tried again' <<<"$complained")" 75:1
python3 -c '
import http.server, sys
class Guard(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic realm=x")
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Guard).serve_forever()' "$port" 2>/dev/null & server=$!
trap 'kill "$server" 2>/dev/null; instance_close' EXIT
until_true bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
pull "$site"
equal "a server that wants a login is dead" "$code:$(grep -c 'the login is refused' <<<"$complained")" 77:1

# What git uses for ssh is told not to ask, and keeps what is set for the repository.
git -C "$site" remote set-url origin ssh://git@127.0.0.1/x.git
git -C "$site" config core.sshCommand "printf '%s ' >>'$instance/ssh'"
pull "$site"
matches "ssh asks nothing" "$(<"$instance/ssh")" '-o BatchMode=yes.*git@127\.0\.0\.1'

if [ "$(id -u)" -eq 0 ]; then
    chown 65534:65534 "$site"
    pull "$site"
    equal "somebody else's repository is dead" "$code" 77
    matches "it says what to do" "$complained" "belongs to .*: set the handler's user to its owner, or run git config --system"
fi

for wrong in '' --nonsense relative/path; do
    # shellcheck disable=SC2086 # an empty one is none
    "$handler" $wrong >"$instance/said" 2>&1
    equal "wrong usage: $wrong" "$?:$(grep -c '^git-pull: .*(try --help)$' "$instance/said")" 64:1
done
PATH=/nonexistent "$(command -v sh)" "$handler" "$site" >"$instance/said" 2>&1
equal "without a git it is tried again" "$?:$(grep -c 'install it' "$instance/said")" 75:1
matches "--help says what it is" "$("$handler" --help)" 'Usage: git-pull PATH\.\.\.'

finish
