#!/usr/bin/env bash
# What is no end of a message, in every form: see smuggling.py.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

instance_open
python3 "$(dirname "$0")/smuggling.py" "$programs/mailmill-receiver" "$instance"
