#!/usr/bin/env bash
# What the other scripts of this folder need: the machine's base and the packages to install in it. The first run
# takes a minute or two, later ones have both.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" -ne 0 ]; then
    fail "machines are booted" "it takes root: sudo make check-system"
    finish
fi
succeeds "the package is made" package_path "$(package_version)"
succeeds "and one of an older version" package_path 0.0.1
succeeds "a minimal Debian is there" base_make "$(package_path "$(package_version)")"
succeeds "so are the mail servers that are to send" python3 -B "$top/tests/peers.py"
finish
