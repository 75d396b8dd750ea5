#!/usr/bin/env bash
# Both demos: what they show, that they are quick, and that nothing of them stays.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
instance_open
export DEMO_FOLDER=$instance/demo

# demo NAME: its output is in $shown.
demo() {
    local started=$SECONDS
    shown=$(KEEP='' timeout 60 "$top/tests/demo/$1.sh" 2>&1)
    equal "$1: succeeds" $? 0
    equal "$1: in under ten seconds" $((SECONDS - started < 10)) 1
    equal "$1: nothing stays" "$(ls "$DEMO_FOLDER" 2>/dev/null)" ''
}

demo run
matches "run: the answer is shown" "$shown" 'Auto-Submitted: auto-replied'
matches "run: and the history" "$shown" '8ball@example\.com .* answer .* done'
demo svn
matches "svn: the site has what was committed" "$shown" $'cat page.html:\nHello, world\\.\n'
matches "svn: and the history" "$shown" 'commits@example\.com .* r1: A first page .* site .* done'

finish
