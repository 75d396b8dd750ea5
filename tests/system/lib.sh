# shellcheck shell=bash disable=SC2034 # variables for those who source this
# For tests of the receiver's processes: sourced, by bash, in place of ../lib.sh, which it brings along.
#
#     talk                                      starts a receiver on two pipes; $writer and $session are its processes
#     expect '^220 '                            reads one reply line, which must match
#     say 'HELO client.example.org'             sends a line
#     talk_to_body                              all of that up to 354
#     hang_up; equal "..." "$status" 0          ends it from our side; its exit code is in $status
#     end_of_talk                               waits for its own end
#
# What it said on descriptor 2 is in $instance/fd2.

# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# The leak checker looks at processes that the sandbox keeps from it, and fails.
export ASAN_OPTIONS=detect_leaks=0

writer=
session=
status=

# talk [COMMAND...]: by default the receiver with the instance's configuration.
talk() {
    [ $# -gt 0 ] || set -- "$programs/mailmill-receiver" -c "$instance/mailmill.conf"
    rm -f "$instance"/{to,from}
    mkfifo "$instance"/{to,from}
    "$@" <"$instance/to" >"$instance/from" 2>"$instance/fd2" &
    writer=$!
    exec {to}>"$instance/to" {from}<"$instance/from"
}

# The session's process, there when it has greeted.
find_session() { session=$(pgrep -P "$writer"); }

say() { printf '%s\r\n' "$1" 1>&"$to"; }

# expect PATTERN: says nothing when it is met.
expect() {
    local line
    read -r -t 20 -u "$from" line || line="(no answer)"
    [[ ${line%$'\r'} =~ $1 ]] || fail "a reply like $1" "$line"
}

talk_to_body() {
    talk
    expect '^220 '
    find_session
    say 'HELO client.example.org'
    expect '^250 '
    say 'MAIL FROM:<asker@example.org>'
    expect '^250 '
    say 'RCPT TO:<a@example.com>'
    expect '^250 '
    say 'DATA'
    expect '^354 '
    say 'Subject: half of a message'
}

end_of_talk() {
    process_end "$writer" 20
    status=$?
    exec {to}>&- {from}<&-
}

hang_up() {
    exec {to}>&-
    process_end "$writer" 20
    status=$?
    exec {from}<&-
}

# Files in a folder of the spool.
in_spool() { find "$instance/spool/$1" -type f 2>/dev/null | wc -l; }

# nothing_on_2 WHEN
nothing_on_2() { equal "descriptor 2 stays silent $1" "$(<"$instance/fd2")" ""; }

# Whether a mount namespace of one's own can be had here.
can_mount() { unshare --mount --map-root-user true 2>/dev/null; }

# skip NAME WHY
skip() { pass "$1 (left out: $2)"; }
