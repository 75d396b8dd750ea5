#!/usr/bin/env bash
# `make demo`: a question is mailed to the 8-ball, through xinetd and mailmill-receiver; mailmill-processor runs the
# handler and mails its answer back, to an address of this same demo, so that it is seen arriving. All of it runs as
# you, on this machine only, in build/demo/. KEEP=1 leaves it running; `run.sh stop` ends that.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
folder=${DEMO_FOLDER:-$top/build/demo}
question=${QUESTION:-"Grüße aus München?"}

# The 8-ball, and the asker's mailbox: a file, and what is given as $1.
configure() {
    instance_config <<ROUTES

# The answer goes out by msmtp, which hands it to this demo's own receiver.
sendmail = {"$instance/sendmail", "-t", "-i", "-f", "<>"}

route "8ball@example.com" {
    handler "answer" { reply = {"8ball"} }
}

# Who asked. The handler keeps a copy of each mail.
route "asker@example.org" {
    handler "mailbox" { run = {"/usr/bin/tee", "-a", "$instance/mailbox"$1} }
}
ROUTES
}

# A header's text as RFC 2047 wants it.
encoded() {
    if [[ $1 =~ ^[\ -~]*$ ]]; then
        printf '%s' "$1"
    else
        printf '=?UTF-8?B?%s?=' "$(printf '%s' "$1" | base64 -w 0)"
    fi
}

# Reads the pipe that the asker's handler writes to: that is how the answer's arrival is known. Whoever ends first,
# the reader or one of the programs, ends the waiting.
await_answer() {
    timeout 60 cat "$instance/arrival" >"$instance/answer" &
    wait -n $! "$processor" "$xinetd"
    kill -0 "$processor" 2>/dev/null || give_up "mailmill-processor ended"
    kill -0 "$xinetd" 2>/dev/null || give_up "xinetd ended"
    [ -s "$instance/answer" ] || give_up "no answer came within a minute"
}

show_how_to_go_on() {
    # The pipe has no reader from now on.
    configure ""
    kill -HUP "$processor"
    stay
    cat <<EOT
Ask again:       swaks --server 127.0.0.1:$port --from asker@example.org --to 8ball@example.com \\
                     --header 'Subject: Shall I wait?'
The answers:     tail -f '$instance/mailbox'
EOT
    show_commands
}

demo_open "$folder" "$@"
mkfifo "$instance/arrival"
configure ", \"$instance/arrival\""

demo_start
say "asker@example.org asks 8ball@example.com: $question"
send --from asker@example.org --to 8ball@example.com --header "Subject: $(encoded "$question")" ||
    give_up "the question was not accepted"

await_answer
say "The answer, as it arrived:"
cat "$instance/answer"

# The answer is there before the run that took it in has ended.
wait_for "SELECT count(*) = 2 FROM history WHERE outcome = 'done'" || give_up "the history does not say done twice"
show_history

[ -z "${KEEP-}" ] || show_how_to_go_on
