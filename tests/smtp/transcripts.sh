#!/usr/bin/env bash
# Every transcript of this folder, or those that are named, against the receiver: see play.py.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
folder=$(dirname "$0")

instance_open
[ $# -gt 0 ] || set -- "$folder"/transcripts/*.smtp
python3 "$folder/play.py" "$programs/mailmill-receiver" "$instance" "$@"
