#!/usr/bin/env bash
# Files that are saved: killed or refused at every point, there is never half a file under a name, and the next try
# saves each once.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
mail=$top/tests/handlers/data/attachments.eml
instance_open
store=$instance/store

save() { "$programs/handlers/save-attachments" "$store" <"$mail" >"$instance/out" 2>"$instance/err"; }
names() { (cd "$store" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort); }
fresh() {
    rm -rf "$store"
    mkdir "$store"
}
# sums: of all files that have a name, hidden ones aside.
sums() { (cd "$store" && find . -mindepth 1 ! -name '.*' -exec sha256sum {} + | sort); }

fresh
save
equal "without a fault" "$?" 0
wanted=$(names)
whole=$(sums)

for point in $(points FAULT_POINT "$top/processor/deposit.c"); do
    for passing in 1 2 3; do
        fresh
        MAILMILL_FAULT=$point:$passing save
        equal "$point:$passing: it is killed there" "$?" 137
        equal "$point:$passing: what has a name is whole" "$(comm -23 <(sums) <(echo "$whole"))" ""
        save
        equal "$point:$passing: the next try saves the rest, each once" "$?:$(names)" "0:$wanted"
        equal "$point:$passing: and whole" "$(sums)" "$whole"
    done
done

for point in $(points FAULT_ERRNO "$top/processor/deposit.c"); do
    [ "$point" != deposit-nameless ] || continue
    for error in ENOSPC EIO; do
        fresh
        MAILMILL_FAULT=$point=$error save
        equal "$point=$error: try again later, nothing is left" "$?:$(names)" 75:
        matches "$point=$error: it is said" "$(<"$instance/err")" "^save-attachments: writing a file in $store: "
    done
done

# A file system without nameless files.
fresh
MAILMILL_FAULT=deposit-nameless=EOPNOTSUPP save
equal "with names for drafts the same is saved" "$?:$(names)" "0:$wanted"
equal "and nothing else" "$(sums)" "$whole"
MAILMILL_FAULT=deposit-nameless=EACCES save
equal "a folder that can't be written to" "$?" 75

finish
