#!/usr/bin/env bash
# mailmill inject, killed or refused at every point of the spool: there is never half a message in new/, and one whose
# ID was printed is there.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

bed_open
mkdir -p "$instance"/spool/{tmp,new,cur}
mail() { printf '%s\n' "Subject: $1" '' 'text' 'the last line'; }
inject() { mail "$1" | mailmill inject --to ok@example.com >"$instance/out" 2>"$instance/err"; }
halves() { grep -L '^the last line$' "$instance"/spool/new/* 2>/dev/null; }

for point in spool-created spool-before-fsync spool-before-rename spool-after-rename spool-committed index-recipient-put; do
    rm -f "$instance"/spool/{tmp,new}/*
    MAILMILL_FAULT='' inject "before-$point" && echo "before-$point" >>"$seen/acknowledged"
    starts_again "before $point"
    processor_stop
    MAILMILL_FAULT=$point inject "killed-$point"
    equal "$point: it is killed there, and has promised nothing" "$?:$(<"$instance/out")" 137:
    equal "$point: nothing in new/ is half a message" "$(halves)" ''
    case $point in spool-created | spool-before-*) wanted=0 ;; *) wanted=1 ;; esac
    equal "$point: what is there, is there" "$(find "$instance/spool/new" -type f | wc -l)" "$wanted"
    [ $wanted -eq 0 ] || echo "killed-$point" >>"$seen/acknowledged"
    starts_again "$point"
    nothing_lost "$point"
    processor_stop
done

for point in spool-create spool-fsync spool-rename; do
    for error in ENOSPC EIO; do
        MAILMILL_FAULT=$point=$error inject refused
        equal "$point=$error: try again later" "$?:$(<"$instance/out")" 75:
        equal "$point=$error: nothing is left" "$(find "$instance"/spool/{tmp,new} -type f)" ''
    done
done
finish
