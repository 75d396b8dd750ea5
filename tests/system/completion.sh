#!/usr/bin/env bash
# Completion for bash: every command and every option that the help names is offered, and values where they are known.
set -u
# shellcheck source=../command.sh
. "$(dirname "$0")/../command.sh"
# shellcheck source=../../systemd/mailmill.bash
. "$top/systemd/mailmill.bash"

# offers WORD...: what is offered for the last word.
offers() {
    COMP_WORDS=("$programs/mailmill" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _mailmill
    printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
}

instance_open
instance_config <<'ROUTES'
route "a@example.com" { handler "good" { run = {"/bin/true"} } handler "great" { run = {"/bin/true"} } }
ROUTES
config=(-c "$instance/mailmill.conf")
commands=$("$programs/mailmill" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p' | sort | tr '\n' ' ')
matches "there are commands" "$commands" 'check .*explain .*why '
equal "every command" "$(offers '')" "$commands"
equal "by its beginning" "$(offers re)" "$(tr ' ' '\n' <<<"$commands" | grep ^re | tr '\n' ' ')"
for command in $commands; do
    options=$("$programs/mailmill" "$command" --help | grep -oE '^ +(-., )? +--[a-z-]+|^ +-., --[a-z-]+' | grep -oE -- '--.*' |
        sort | tr '\n' ' ')
    matches "$command has options" "$options" '--help '
    equal "every option of $command" "$(offers "$command" -)" "$options"
done
for state in $(offers list --state ''); do
    mailmill list --state "$state" >/dev/null 2>&1
    equal "the state $state is one" "$?" 1
done
equal "as many as there are" "$(offers list --state '' | wc -w)" 9
equal "handlers" "$(offers "${config[@]}" pause g)" 'good great '
equal "an option's handlers" "$(offers "${config[@]}" list --handler '')" 'good great '
equal "routes" "$(offers "${config[@]}" list --route '')" 'a@example.com '
processor_start || fail "the processor starts"
submit s@example.org a@example.com <<<'Subject: x' || fail "a message is accepted"
wait_for "SELECT count(*) = 1 FROM message" || fail "it has a row"
equal "IDs" "$(offers "${config[@]}" show '')" "$(sql 'SELECT id FROM message') "
equal "commands for help" "$(offers help wh)" 'why '
matches "files for --config" "$(offers --config "$instance/mail")" "$instance/mailmill.conf"
finish
