#!/usr/bin/env bash
# The 8-ball by itself: what it answers, that it answers the same again, and its exit codes.
set -u
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
ball=$programs/handlers/8ball

# ask QUESTION DELIVERY: with the environment that the processor gives, as far as it matters here.
ask() { env -i PATH=/usr/bin:/bin HEADER_SUBJECT="$1" MAILMILL_DELIVERY="$2" "$ball" <<<"Subject: other"; }

# What stands below "The 8-ball answers:".
answer() { ask "$@" | tail -n 1; }

output=$(ask 'Grüße aus München?' 06DK3T9Q2B7XH0VA-1-answer)
equal "it answers" "$?" 0
matches "it repeats the question" "$output" $'You asked:\n\n    Grüße aus München\\?\n'
matches "it says something" "$output" $'The 8-ball answers:\n\n    [^ ].*[.?]$'

equal "a retry gets the same answer" "$(answer x one)" "$(answer x one)"
equal "the delivery decides, not the question" "$(answer x one)" "$(answer y one)"

# Some hundred mails see all of the answers, and none that is empty.
all=$(for ((i = 0; i < 300; i++)); do answer x "delivery-$i"; done | sort | uniq)
equal "every answer is given" "$(wc -l <<<"$all")" 20
equal "no answer is empty" "$(grep -c '^ *$' <<<"$all")" 0

# shellcheck disable=SC2016 # that it is not expanded is the point
equal "the question is not run" "$(ask '$(id) `id` %s \n "' x | sed -n 3p)" '    $(id) `id` %s \n "'
matches "without a question it explains" "$(ask '' x)" 'Put it in the subject'
succeeds "by hand it needs no delivery" env -i PATH=/usr/bin:/bin HEADER_SUBJECT=x "$ball"
succeeds "it reads no mail at all" env -i PATH=/usr/bin:/bin HEADER_SUBJECT=x MAILMILL_DELIVERY=x "$ball" <&-

help=$("$ball" --help)
equal "--help succeeds" "$?" 0
matches "--help says what it is" "$help" 'Answers the question'
"$ball" --nonsense >/dev/null 2>&1
equal "an argument is a usage error" "$?" 64

finish
