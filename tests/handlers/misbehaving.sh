#!/usr/bin/env bash
# Handlers that do what no handler should. After each the history says what happened, nothing of it is left, and the
# processor runs the next message.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
ulimit -c 0 2>/dev/null
instance_open

program ok <<'SH'
#!/bin/sh
exit 0
SH
program hold <<'SH'
#!/bin/sh
exec cat "${0%/bin/*}/seen/gate"
SH
program sleeps <<'SH'
#!/bin/sh
exec sleep 1000
SH

# leaves-*: something that goes on after the program's end. Its numbers are noted before that.
program leaves-background <<'SH'
#!/bin/sh
sleep 1000 &
echo $! >"${0%/bin/*}/seen/$LOCAL.pids"
SH
program leaves-session <<'SH'
#!/bin/sh
pids=${0%/bin/*}/seen/$LOCAL.pids
setsid sh -c 'echo $$ >"$1"; exec sleep 1000' - "$pids" &
while [ ! -s "$pids" ]; do sleep 0.02; done
SH
program leaves-daemon <<'PY'
#!/usr/bin/env python3
import os, sys, time
pids = sys.argv[0].rsplit("/bin/", 1)[0] + "/seen/" + os.environ["LOCAL"] + ".pids"
if os.fork() > 0:
    while not os.path.exists(pids):
        time.sleep(0.02)
    sys.exit(0)
os.setsid()
if os.fork() > 0:
    os._exit(0)
os.chdir("/")
for fd in range(3):
    os.close(fd)
with open(pids + ".new", "w") as file:
    print(os.getpid(), file=file)
os.rename(pids + ".new", pids)
time.sleep(1000)
PY
# What it leaves has neither its environment nor its folder nor its session.
program leaves-stranger <<'SH'
#!/bin/sh
pids=${0%/bin/*}/seen/$LOCAL.pids
cd /
env -i setsid sh -c 'echo $$ >"$1"; exec sleep 1000' - "$pids" </dev/null >/dev/null 2>&1 &
while [ ! -s "$pids" ]; do sleep 0.02; done
SH
program leaves-talker <<'SH'
#!/bin/sh
pids=${0%/bin/*}/seen/$LOCAL.pids
env -i setsid sh -c 'echo $$ >"$1"; exec yes' - "$pids" &
while [ ! -s "$pids" ]; do sleep 0.02; done
SH
program leaves-many <<'SH'
#!/bin/sh
i=0
while [ $i -lt 100 ]; do
    sleep 1000 & echo $! >>"${0%/bin/*}/seen/$LOCAL.pids"
    i=$((i + 1))
done
SH

program floods-stdout <<'SH'
#!/bin/sh
yes 'a line of a flood' | head -c 1G
echo 'end'
SH
program floods-stderr <<'SH'
#!/bin/sh
yes 'a line of a flood' | head -c 256M >&2
echo 'end' >&2
SH
program floods-for-ever <<'SH'
#!/bin/sh
exec yes 'a line of a flood'
SH
program closes <<'SH'
#!/bin/sh
exec <&- >&- 2>&-
sleep 0.3
exit 0
SH
# Someone else, whom nobody stops, writes to where it writes.
program shares <<'SH'
#!/bin/sh
echo $$ >"${0%/bin/*}/seen/shares.new"
mv "${0%/bin/*}/seen/shares.new" "${0%/bin/*}/seen/shares.pid"
while [ ! -e "${0%/bin/*}/seen/shares.go" ]; do sleep 0.02; done
SH
program dies <<'SH'
#!/bin/sh
echo "last words"
kill -s "$EXTENSION" $$
SH
# These are well as long as the configuration is looked at.
for name in removed forbidden no-format no-interpreter; do program $name </bin/true; done
program deletes <<'SH'
#!/bin/sh
rmdir "$PWD"
SH
# Puts a link in the place of its folder.
program swaps <<'SH'
#!/bin/sh
folder=$PWD
rmdir "$folder" && ln -s "${0%/bin/*}/seen/keep" "$folder"
SH

mkfifo "$instance/seen/gate"
mkdir "$instance/seen/keep"
touch "$instance/seen/keep/file"
names='leaves-background leaves-session leaves-daemon leaves-stranger leaves-talker leaves-many'
{
    cat <<'EOT'
max-runs = "50"
max-message-size = "6M"
EOT
    for name in $names; do
        echo "route \"$name@example.com\" { handler \"x\" { run = {\"$instance/bin/$name\"} timeout = \"20s\" } }"
    done
    for name in ok hold floods-stdout floods-stderr shares closes removed forbidden no-format no-interpreter deletes swaps; do
        echo "route \"$name@example.com\" { handler \"x\" { run = {\"$instance/bin/$name\"} } }"
    done
    cat <<EOT
route "big@example.com" { handler "x" { run = {"$instance/bin/ok"} } }
route "sleeps@example.com" { handler "x" { run = {"$instance/bin/sleeps"} timeout = "1s" } }
route "dies@example.com" { handler "x" { run = {"$instance/bin/dies"} concurrency = "10" } }
route "talks@example.com" { handler "x" { reply = {"$instance/bin/floods-for-ever"} timeout = "30s" } }
EOT
} | instance_config
start_or_finish
launcher=$(launcher_pid)
held= # the process of a handler that is meant to run
seen=$instance/seen

# memory: the most that the processor's two halves ever had, in KiB.
memory() { awk '/^VmHWM/ { sum += $2 } END { print sum }' "/proc/$processor/status" "/proc/$launcher/status"; }

# nothing_left NAME: of a program whose end is in the history, neither by number nor by mark, except for the one that
# is meant to run.
nothing_left() {
    local pid left=
    while read -r pid; do gone "$pid" || left+=" $pid"; done < <(cat "$seen/$1.pids" 2>/dev/null)
    while read -r pid; do [ "$pid" = "$held" ] || left+=" $pid"; done < <(marked_processes)
    equal "$1: nothing of it is left${held:+, while another one runs}" "$left" ''
}

# ---- standard input and time ---------------------------------------------------------------------

{ printf 'Subject: big\n\n'; yes 'a line of a large message' | head -c 5M; echo; } |
    submit asker@example.org big@example.com || fail "a message of 5 MiB is accepted"
ended big@example.com
equal "what does not read its input is done" "$(attempts big@example.com outcome,exit_code,detail)" 'done|0|'

submit asker@example.org sleeps@example.com <<<"Subject: good night"
tried sleeps@example.com
equal "what never ends is ended" "$(attempts sleeps@example.com outcome,exit_code,signal,detail)" \
    'retry|||stopped after its timeout of 1 s'
nothing_left sleeps
alive "after it"

# ---- what outlives the program -------------------------------------------------------------------

for held in '' busy; do
    if [ -n "$held" ]; then
        submit asker@example.org hold@example.com <<<"Subject: at the same time"
        wait_for "SELECT state = 'running' FROM $(deliveries_to hold@example.com)"
        until_true sh -c "ps -o args= -p $(marked_processes) | grep -q '^cat'"
        held=$(marked_processes)
        rm -f "$seen"/*.pids
    fi
    for name in $names; do
        before=$(sql "SELECT count(*) FROM $(deliveries_to "$name@example.com")")
        submit asker@example.org "$name@example.com" <<<"Subject: and then?"
        ended "$name@example.com" $((before + 1)) 15
        equal "$name: done" "$(sql "SELECT state FROM $(deliveries_to "$name@example.com") LIMIT 1 OFFSET $before")" "done"
        matches "$name: its end is not waited for" \
            "$(attempts "$name@example.com" 'CAST(seconds AS INTEGER)' | tail -n 1)" '^[0-3]$'
        nothing_left "$name"
    done
    alive "after all of them"
done
echo >"$seen/gate"
ended hold@example.com
held=

# ---- output --------------------------------------------------------------------------------------

before=$(memory)
submit asker@example.org floods-stdout@example.com <<<"Subject: tell me more"
ended floods-stdout@example.com 1 120
equal "1 GiB on stdout: done, its end is kept" \
    "$(attempts floods-stdout@example.com "outcome, length(stdout), substr(stdout, -4)")" \
    $'done|16384|end'
submit asker@example.org floods-stderr@example.com <<<"Subject: tell me more"
ended floods-stderr@example.com 1 60
equal "256 MiB on stderr: done, its end is kept" \
    "$(attempts floods-stderr@example.com "outcome, length(stderr), substr(stderr, -4)")" \
    $'done|16384|end'
submit asker@example.org talks@example.com <<<"Subject: tell me all"
ended talks@example.com 1 60
equal "a reply without end: dead" "$(attempts talks@example.com outcome,exit_code,detail)" \
    'dead||its output is larger than max-message-size'
submit asker@example.org shares@example.com <<<"Subject: whose words"
until_true [ -e "$seen/shares.pid" ]
writers=()
for _ in 1 2 3; do
    yes >"/proc/$(<"$seen/shares.pid")/fd/1" 2>/dev/null &
    writers+=($!)
done
until_true sh -c "ps -o args= --ppid $$ | grep -q '^yes'"
: >"$seen/shares.go"
ended shares@example.com
equal "output that others never end is not waited for" "$(states shares@example.com)" x=done
wait "${writers[@]}"
after=$(memory)
matches "the processor's memory has not grown with it (by $((after - before)) KiB)" "$(((after - before) / 1024))" '^[0-9]$'
equal "no output is left in the spool" "$(find "$instance/spool/out" -type f | wc -l)" 0
nothing_left talks
alive "after them"

# ---- ways to end ---------------------------------------------------------------------------------

submit asker@example.org closes@example.com <<<"Subject: silence"
ended closes@example.com
equal "one that closes all its descriptors is waited for" \
    "$(attempts closes@example.com "outcome, exit_code, seconds >= 0.3")" 'done|0|1'

submit asker@example.org dies+{SEGV,KILL,TERM,ABRT,PIPE,HUP,USR1,ALRM}@example.com <<<"Subject: farewell"
wait_for "SELECT count(*) = 8 FROM history WHERE route = 'dies@example.com' AND seconds IS NOT NULL"
for pair in 11:SEGV 9:KILL 15:TERM 6:ABRT 13:PIPE 1:HUP 10:USR1 14:ALRM; do
    equal "it dies of SIG${pair#*:}" \
        "$(attempts "dies+${pair#*:}@example.com" "outcome, exit_code, signal, detail, rtrim(stdout, char(10))")" \
        "retry||${pair%:*}|killed by signal ${pair%:*} SIG${pair#*:}|last words"
done
alive "after them"

# ---- programs that can't be started --------------------------------------------------------------

rm "$instance/bin/removed"
chmod 644 "$instance/bin/forbidden"
program no-format <<<'this is not a program'
program no-interpreter <<<'#!/nonexistent/interpreter'
while read -r name why; do
    submit asker@example.org "$name@example.com" <<<"Subject: go"
    tried "$name@example.com"
    equal "$name: to be tried again" "$(attempts "$name@example.com" outcome,exit_code,signal,detail)" \
        "retry|||could not be started: $why"
done <<'EOT'
removed No such file or directory
forbidden Permission denied
no-format Exec format error
no-interpreter No such file or directory
EOT

# An account that is not there, or that only root could become: no check at start saw it.
foreign=root
[ "$(id -u)" -ne 0 ] || foreign=no-such-user
cat >>"$instance/mailmill.conf" <<EOT
route "foreign@example.com" { handler "x" { run = {"$instance/bin/ok"} user = "$foreign" } }
EOT
processor_reload || fail "the configuration is read anew"
if submit asker@example.org foreign@example.com <<<"Subject: as someone else"; then
    tried foreign@example.com
    matches "a user that can't be entered: to be tried again" \
        "$(attempts foreign@example.com outcome,exit_code,signal,detail)" '^retry\|\|\|could not be started: '
fi
alive "after them"

# ---- its folder ----------------------------------------------------------------------------------

for name in deletes swaps; do
    submit asker@example.org "$name@example.com" <<<"Subject: tidy up"
    ended "$name@example.com"
    equal "$name its folder: done" "$(states "$name@example.com")" x=done
done
succeeds "what a link in the folder's place pointed at is there" [ -f "$seen/keep/file" ]
equal "no folder is left" "$(find "$instance/work" -mindepth 1 | wc -l)" 0
equal "nothing is said of them in the log" "$(grep -c 'removing' "$instance/log")" 0
alive "after them"

finish
