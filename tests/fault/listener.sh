#!/usr/bin/env bash
# kill -9 of the writer at each step of a message's way, with a dozen clients at work: every message that was
# acknowledged is there, whole, and the receiver that is started next goes on.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
here=$top/tests/system

points=(writer-begun spool-created spool-before-fsync spool-before-rename spool-after-rename spool-committed
    index-before-commit index-committed writer-before-answer)
clients=12
messages=5

# listener_start [NAME=VALUE ...]: see tests/system/listen.py.
listener_start() {
    rm -f "$instance/ports"
    env "$@" python3 "$here/listen.py" "$instance/ports" stdin "$programs/mailmill-receiver" \
        -c "$instance/mailmill.conf" &
    listener=$!
    until [ -s "$instance/ports" ] || ! kill -0 "$listener" 2>/dev/null; do sleep 0.02; done
    port=$(<"$instance/ports")
}

# The IDs that clients were given.
send_all() { timeout 120 python3 "$here/scenarios.py" many "$port" $clients $messages; }

# Files of new/ that are not a whole message.
broken() {
    find "$instance/spool/new" -type f | while read -r file; do
        [ "$(tail -n 1 "$file")" = "the end of it" ] || echo "$file"
    done
}

# Those of the IDs on standard input that have no file.
missing() {
    while read -r id; do [ -e "$instance/spool/new/$id" ] || echo "$id"; done
}

for point in "${points[@]}"; do
    # What a group of messages passes once may be passed no more often than one client has messages.
    case $point in
    spool-committed | index-*) later=$messages ;;
    *) later=17 ;;
    esac
    for passing in 1 $later; do
        name=$point:$passing
        instance_open
        instance_config <<<'max-sessions-per-client = "50" route "a@example.com" { }'
        listener_start MAILMILL_FAULT="$name"
        send_all >"$instance/acknowledged"
        process_end "$listener"
        equal "$name: the listener ends with a failure" $? 70
        listener_start
        send_all >>"$instance/acknowledged"
        process_stop "$listener"
        equal "$name: the next one takes all" "$(tail -n $((clients * messages)) "$instance/acknowledged" |
            sort -u | wc -l)" $((clients * messages))
        equal "$name: nothing that was acknowledged is missing" "$(missing <"$instance/acknowledged")" ""
        equal "$name: nothing in new/ is broken" "$(broken)" ""
    done
done

# Failures that are not the end: the client is told to come again, and nothing is kept.
for failure in spool-create=ENOSPC spool-fsync=EIO spool-rename=EIO; do
    instance_open
    instance_config <<<'max-sessions-per-client = "50" route "a@example.com" { }'
    listener_start MAILMILL_FAULT=$failure
    equal "$failure: nothing is acknowledged" "$(send_all)" ""
    process_stop "$listener"
    equal "$failure: the listener ends well" $? 0
    equal "$failure: nothing is kept" "$(find "$instance/spool" -type f)" ""
done

# No process is to be had: everybody is told so at once, and the log does not fill with it.
instance_open
instance_config <<<'route "a@example.com" { }'
listener_start MAILMILL_FAULT=session-fork=EAGAIN
for i in 1 2 3; do
    equal "no process for a session: client $i is told to come again" "$(timeout 20 cat <"/dev/tcp/127.0.0.1/$port")" \
        $'421 4.3.0 mail.example.com takes no mail now, try again later\r'
done
equal "no process for a session: one line says so" "$(grep -c 'fork: Resource temporarily unavailable' "$instance/log")" 1
process_stop "$listener"
equal "no process for a session: the listener ends well" $? 0

finish
