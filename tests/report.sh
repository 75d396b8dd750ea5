# shellcheck shell=bash disable=SC2034 # `failed` is for those who source this
# For the checks of the tree: sourced by them. They stand at the top of the tree then, say what they found with
# `report NAME FINDINGS`, which fails when there are any, and end with `exit "$failed"`.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
failed=0

report() {
    if [ -z "$2" ]; then
        echo "ok $1"
    else
        failed=1
        printf 'FAIL %s\n%s\n' "$1" "$2"
    fi
}
