#!/usr/bin/env bash
# `make demo-svn`: something is committed to a Subversion repository; its hook mails that through xinetd and
# mailmill-receiver, and mailmill-processor runs svn-update, so that a working copy is up to date. All of it runs as
# you, on this machine only, in build/demo-svn/. KEEP=1 leaves it running; `svn.sh stop` ends that.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

show_how_to_go_on() {
    stay
    cat <<EOT
Commit more:     echo again >>'$instance/desk/page.html' &&
                     svn --config-dir '$instance/subversion' commit -m again '$instance/desk'
The site:        cat '$instance/site/page.html'
EOT
    show_commands
}

demo_open "${DEMO_FOLDER:-$top/build/demo-svn}" "$@"
instance_config <<ROUTES

route "commits@example.com" {
    handler "site" { run = {"svn-update", "--config-dir", "$instance/subversion", "$instance/site"} }
}
ROUTES
demo_start

repository_make commits@example.com
# The desk of somebody who writes, and the site that is to show it.
for copy in desk site; do
    user_svn -q checkout "file://$instance/repository" "$instance/$copy" || give_up "svn checkout failed"
done
say "A repository that mails its commits to commits@example.com, and two working copies of it: desk and site"

say "At the desk: echo 'Hello, world.' >page.html; svn add page.html; svn commit -m 'A first page'"
echo 'Hello, world.' >"$instance/desk/page.html"
if ! user_svn add "$instance/desk/page.html" || ! user_svn commit -m 'A first page' "$instance/desk"; then
    give_up "svn commit failed"
fi

wait_for "SELECT count(*) = 1 FROM history WHERE outcome = 'done'" || give_up "the site was not updated"
say "The handler said:"
sql "SELECT stdout FROM history"
say "The site, cat page.html:"
cat "$instance/site/page.html" || give_up "the site was not updated"
show_history

[ -z "${KEEP-}" ] || show_how_to_go_on
