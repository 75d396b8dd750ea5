#!/usr/bin/env bash
# starttls.sh, with a receiver that has the listening socket.
exec "$(dirname "$0")/starttls.sh" yes
