#!/usr/bin/env bash
# `tests/man.sh BUILD`: the man pages are good mdoc, and say of options what --help says, which the programs print from
# their tables; so does the README of the commands and handlers. Keys, names and codes are tests/unit/test_man.c's.
set -u
# shellcheck source=report.sh
. "$(dirname "$0")/report.sh"
build=${1:-build/check}

pages=(common/mailmill.conf.5 processor/command/mailmill.1 processor/mailmill-handler.7
    processor/mailmill-processor.8 receiver/mailmill-receiver.8)
command_page=processor/command/mailmill.1
handler_page=processor/mailmill-handler.7

# ---- reading -------------------------------------------------------------------------------------

# part PAGE HEADING: the lines of a section or subsection.
part() { awk -v heading="$2" '/^\.S[hs] / { on = $0 == heading || on && substr(heading, 3, 1) == "h" && /^\.Ss/ } on' "$1"; }

# item NAME: of the list on standard input, the item `.It Cm NAME`, lists within it included.
item() {
    awk -v name="$1" '
        /^\.Bl/ { depth++ }
        /^\.El/ { depth-- }
        depth == 1 && /^\.It/ { on = ($2 == "Cm" ? $3 : $4) == name }
        depth == 0 { on = 0 }
        on'
}

# The options that a --help on standard input lists, as mdoc has them.
listed_options() {
    sed -nE 's/^  (-([A-Za-z]), |    )?--([a-z-]+)(( [A-Z]+)*)( .*|$)/\2|\3|\4/p' |
        sed -E 's/^([A-Za-z])\|/.It Fl \1 , Fl -/; s/^\|/.It Fl -/; s/\| ?(.+)$/ Ar \1/; s/\|$//'
}
# Of a script's help, which is its comment: those in its usage line.
usage_options() { sed -n 's/^Usage: //p' | grep -oE -- '--[a-z-]+( [A-Z]+)?' | sed -E 's/^-/.It Fl /; s/ ([A-Z]+)$/ Ar \1/'; }

# The synopsis that a --help on standard input begins with, in one line.
usage_of() { sed -n '1,/^$/s/^[Uu]sage: //p; 2,/^$/s/^  *\([^ ]\)/\1/p' | paste -s -d ' '; }
# What of a --help on standard input does not fit into a terminal.
too_wide() { grep -E '^.{81}'; }

# What a page says as a text, one space between two words, and none before an ellipsis.
rendered() { mandoc -Tascii -O width=1000 "$1" 2>/dev/null | sed -E 's/.\x08//g' | tr -s ' \n' ' ' | sed 's/ \.\.\./.../g'; }

differing() { diff <(grep . <<<"$1" | sort) <(grep . <<<"$2" | sort) | sed -n 's/^</missing: /p; s/^>/not in the code: /p'; }

# ---- the pages -----------------------------------------------------------------------------------

report "every page is there, and no other" "$(diff <(printf '%s\n' "${pages[@]}" | sort) \
    <(find common processor receiver systemd schema -name '*.[1-8]' | sort))"
# Whether another page is installed here is not the pages' fault: those of ours are looked for below.
report "mandoc finds nothing in them" \
    "$(mandoc -Tlint -Wall "${pages[@]}" 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc\.db')"
report "a page that is pointed at is there, and is not the page itself" "$(for page in "${pages[@]}"; do
    sed -nE 's/^\.Xr (mailmill[^ ]*) ([1-8]).*/\1.\2/p' "$page" | sort -u | while read -r other; do
        [[ " ${pages[*]} " == *"/$other "* && ${page##*/} != "$other" ]] || echo "$page: $other"
    done
done)"
report "each page has its name" "$(for page in "${pages[@]}"; do
    name=${page##*/} section=${page##*.}
    grep -qx ".Nm ${name%.*}" "$page" || echo "$page: .Nm"
    name=${name%.*}
    grep -qx ".Dt ${name^^} $section" "$page" || echo "$page: .Dt"
done)"
report "an example in sh is good sh" "$(sed -n 's/\\e/\\/g; /^\.Bd -literal/,/^\.Ed/p' "$handler_page" | awk '
    /^#!\/bin\/sh/ { n++; on = 1 }
    /^\.Ed/ { on = 0 }
    on { print > (build "/man-example-" n) }' build="$build"
    for example in "$build"/man-example-*; do
        [ -s "$example" ] || echo "there is none"
        shellcheck -s sh "$example" 2>&1
        rm -f "$example"
    done)"

# ---- what programs say ---------------------------------------------------------------------------

for program in mailmill-receiver mailmill-processor; do
    page=$(printf '%s\n' "${pages[@]}" | grep "/$program\.8$")
    help=$("$build/$program" --help)
    report "$program: the options" "$(differing "$(listed_options <<<"$help")" "$(grep '^\.It Fl ' "$page")")"
    report "$program: the help has the options that it takes" "$(differing "$(listed_options <<<"$help" | grep -oE 'Fl -[a-z]+')" \
        "$(sed -nE 's/.*\{"([a-z-]+)", (no|required)_argument, NULL, .*/Fl -\1/p' "${page%/*}/main.c")")"
    report "$program: the help is 80 columns wide" "$(too_wide <<<"$help")"
    usage=$(sed -n 's/^usage: //p' <<<"$help")
    report "$program: the synopsis" "$([[ $(rendered "$page") == *" SYNOPSIS $usage DESCRIPTION "* ]] || echo "not $usage")"
done

help=$("$build/mailmill" --help)
text=$(rendered $command_page)
report "mailmill: the help is 80 columns wide" "$(too_wide <<<"$help")"
usage=$(sed -n 's/^usage: //p' <<<"$help")
report "mailmill: the synopsis" "$([[ $text == *" SYNOPSIS $usage DESCRIPTION "* ]] || echo "not $usage")"
report "mailmill: the options" "$(differing "$(listed_options <<<"$help")" "$(part $command_page '.Ss Options' | grep '^\.It Fl ')")"

# Those by which messages are chosen are described once, for all commands that take them.
described_options() {
    local item
    item=$(part $command_page '.Sh COMMANDS' | item "$1")
    if grep -qx '\.Sx CHOOSING MESSAGES.*' <<<"$item"; then item+=$'\n'$(part $command_page '.Sh CHOOSING MESSAGES'); fi
    grep '^\.It Fl ' <<<"$item"
}

mapfile -t commands < <(sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p' <<<"$help")
report "mailmill has commands" "$([ ${#commands[@]} -gt 1 ] || echo "${#commands[@]}")"
for command in "${commands[@]}"; do
    help=$("$build/mailmill" help "$command")
    report "mailmill $command: the options" "$(differing \
        "$(listed_options <<<"$help" | grep -vE '^\.It Fl (c , Fl -config|-help)\>')" \
        "$(described_options "$command")")"
    report "mailmill $command: the help is 80 columns wide" "$(too_wide <<<"$help")"
    usage=$(usage_of <<<"$help" | sed 's/^mailmill \[-c FILE\] //')
    report "mailmill $command: the synopsis" "$([[ $text == *" $usage "* ]] || echo "not $usage")"
done
report "README: the commands" "$(diff <(printf '%s\n' "${commands[@]}" | grep -vx help | sort) \
    <(awk '/^## The command$/ { on = 1; next } /^## / { on = 0 } on' README.md |
        sed -n 's/^    mailmill \([a-z]*\).*/\1/p' | sort -u))"

# A histogram has several names for its samples, and one for all of them.
report "mailmill metrics: the figures" "$(differing \
    "$(grep -ohE '"mailmill_[a-z_]+"' processor/command/*.c | tr -d '"' | sed -E 's/_(bucket|sum|count)$//' | sort -u)" \
    "$(part $command_page '.Sh COMMANDS' | item metrics | sed -nE 's/^\.It Li (mailmill_[a-z_]+).*/\1/p')")"

# ---- what handlers say ---------------------------------------------------------------------------

with_handlers() { part $handler_page '.Sh HANDLERS THAT COME WITH IT'; }
of_readme() { awk -v heading="### $1" '/^##/ { on = $0 == heading } on' README.md; }

text=$(rendered $handler_page)
mapfile -t handlers < <(cd "$build/handlers" && printf '%s\n' *)
report "the handlers are those in the page" "$(diff <(printf '%s\n' "${handlers[@]}") \
    <(with_handlers | sed -nE 's/^\.It (Xo )?Cm ([a-z0-9-]+).*/\2/p' | sort))"
for handler in "${handlers[@]}"; do
    help=$("$build/handlers/$handler" --help)
    listed=$(listed_options <<<"$help" | grep -vx '.It Fl -help')
    grep -q '^usage: ' <<<"$help" || listed=$(usage_options <<<"$help")
    report "$handler: the options" "$(differing "$listed" "$(with_handlers | item "$handler" | grep '^\.It Fl ')")"
    report "$handler: the help is 80 columns wide" "$(too_wide <<<"$help")"
    if grep -q '^usage: ' <<<"$help"; then usage=$(usage_of <<<"$help"); else usage=$(sed -n 's/^Usage: //p' <<<"$help"); fi
    report "$handler: the synopsis" "$([[ -z $usage || $text == *" $usage "* ]] || echo "not $usage")"
    named=$(of_readme "$handler" | grep -oE -- '--[a-z-]+')
    tabled=$(of_readme "$handler" | grep -oE '^\| .*\|' | cut -d'|' -f2 | grep -oE -- '--[a-z-]+')
    listed=$(sed 's/^\.It Fl /-/; s/ .*//' <<<"$listed")
    report "$handler: the README has its options" "$(comm -23 <(sort -u <<<"$listed") <(sort -u <<<"$named") | grep .)"
    report "$handler: the README has no others" "$(comm -13 <(sort -u <<<"$listed") <(sort -u <<<"$tabled") | grep .)"
    report "$handler: the README has it" "$([ -n "$(of_readme "$handler")" ] || echo "no ### $handler")"
done

# ---- the environment -----------------------------------------------------------------------------
# What a program looks up is in its page; MAILMILL_FAULT is for tests alone, TMPDIR for the command and handlers.

looked_up() { grep -ohE '(getenv|environment_number)\("[A-Z_]+"' "$@" | cut -d'"' -f2 | grep -vx MAILMILL_FAULT | sort -u; }
named() { part "$1" '.Sh ENVIRONMENT' | sed -nE 's/^\.(It )?Ev ([A-Z_]+).*/\2/p' | sort -u; }

report "mailmill: the environment" \
    "$(differing "$(looked_up processor/command/*.c processor/scratch.c)" "$(named $command_page)")"
report "mailmill-receiver: the environment" \
    "$(differing "$(looked_up receiver/*.c)" "$(named receiver/mailmill-receiver.8)")"
report "mailmill-processor: the environment" \
    "$(differing "$(looked_up processor/*.c common/*.c | grep -vx TMPDIR)" "$(named processor/mailmill-processor.8)")"

exit "$failed"
