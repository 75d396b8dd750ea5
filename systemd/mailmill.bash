# shellcheck shell=bash
# Completion for mailmill in bash. Commands and options are those that its help names, so that there is no second list
# of them; handlers, routes and IDs are asked for with the configuration that the line names.

# The values of an option, or of a command's operands, by their names in the help.
_mailmill_values() {
    local kind=$1
    shift
    case $kind in
    STATE) echo pending running retry "done" dead skipped cancelled received kept ;;
    NAME | HANDLER*) "$@" status --json 2>/dev/null | grep -oE '"handler":"[^"\\]*"' | cut -d '"' -f 4 | sort -u ;;
    ROUTE) "$@" status --json 2>/dev/null | grep -oE '"route":"[^"\\]*"' | cut -d '"' -f 4 | sort -u ;;
    ID*) "$@" list --no-pager --limit 100 2>/dev/null | sed -n '2,$s/ .*//p' ;;
    DURATION) echo 1h 1d 7d 30d ;;
    COMMAND) _mailmill_commands "$1" ;;
    esac
}

_mailmill_commands() { "$1" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'; }

_mailmill() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' line help kind i
    local -a program=("${COMP_WORDS[0]}")
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -c | --config)
            i=$((i + 1))
            [ "$i" -ge "$COMP_CWORD" ] || program+=(-c "${COMP_WORDS[i]}")
            ;;
        -*) ;;
        *) [ -n "$command" ] || command=${COMP_WORDS[i]} ;;
        esac
    done
    COMPREPLY=()
    # What a command has to say of itself, it says without a configuration.
    help=$("${program[0]}" ${command:+"$command"} --help 2>/dev/null)
    line=$(grep -E -- "^ +(-., )? *--" <<<"$help" | grep -wE -- "${before//[^-a-z]/}" | head -n 1)
    kind=
    [[ $before != -* || ! $line =~ --[a-z-]+\ ([A-Z]+) ]] || kind=${BASH_REMATCH[1]}
    if [[ $kind == FILE || $kind == DIR ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    if [ -n "$kind" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_mailmill_values "$kind" "${program[@]}")" -- "$word")
    elif [[ $word == -* ]]; then
        line=$(grep -oE -- '^ +(-., )? *--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+')
        mapfile -t COMPREPLY < <(compgen -W "$line" -- "$word")
    elif [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_mailmill_commands "${program[0]}")" -- "$word")
    else
        # What is in capitals behind the options in the first line of the help, and no option's.
        line=$(head -n 1 <<<"$help" | sed -E 's/.* mailmill \[-c FILE\] [a-z]+//; s/-?-[a-z-]+ [A-Z]+//g')
        [[ ! $line =~ (COMMAND|HANDLER|ID) ]] ||
            mapfile -t COMPREPLY < <(compgen -W "$(_mailmill_values "${BASH_REMATCH[1]}" "${program[@]}")" -- "$word")
    fi
}
complete -F _mailmill mailmill
