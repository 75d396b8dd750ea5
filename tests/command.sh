# shellcheck shell=bash
# For tests of the operator's command: sourced, by bash, in place of lib.sh, which it brings along.
#
#     exits NAME CODE PATTERN mailmill list ...      its exit code, and what it prints
#     equal NAME "$(json "data[0]['id']" mailmill list --json)" ...
#     on_terminal 80 "$programs/mailmill" ...        what it prints there

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What is printed on a terminal is looked at as it is, unless a test wants a pager.
export PAGER=

# exits NAME CODE PATTERN COMMAND...: the exit code, and what is printed on either output.
exits() {
    local name=$1 code=$2 pattern=$3 output status
    shift 3
    output=$("$@" 2>&1)
    status=$?
    if [ "$status" -ne "$code" ]; then
        fail "$name" "exit code $status, wanted $code"$'\n'"$output"
    else
        matches "$name" "$output" "$pattern"
    fi
}

# json EXPRESSION COMMAND...: Python's view of `data`, which the command printed.
json() {
    local expression=$1
    shift
    "$@" 2>/dev/null |
        python3 -c 'import json, sys; data = json.load(sys.stdin); print(eval(sys.argv[1]))' "$expression"
}

# on_terminal COLUMNS COMMAND...: its output on a terminal of that width.
on_terminal() {
    python3 -c '
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    sys.stdout.buffer.write(piece.replace(b"\r\n", b"\n"))
os.waitpid(pid, 0)' "$@"
}
