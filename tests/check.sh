#!/usr/bin/env bash
# The checks: `tests/check.sh [STEP ...]`, all steps when none is named. One line for each program or script, the
# whole log of what failed, and "N passed, N failed" alone on the last line. Everything made stands in build/.
set -u
cd "$(dirname "$0")/.." || exit 1
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
unset MAKEFLAGS MFLAGS MAKELEVEL # of a `make check` around this: its jobs and variables are not ours

# Tests look at what they inherit: nothing that whoever started the checks has open is for them. (255 is bash's own.)
for fd in "/proc/$$/fd"/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ] && [ "$fd" -ne 255 ]; then exec {fd}>&-; fi
done

steps=(tree layers sql format shell links man install unit asan valgrind fuzz handlers smtp system fault)
jobs=$(nproc)
logs=$PWD/build/check/logs
results=$PWD/build/check/results

# ---- one program ---------------------------------------------------------------------------------

# Runs a command with its output in a log; prints a line, and the log (without what went well) when it failed;
# notes the counts. A program that says neither "ok ..." lines nor "N passed, N failed" counts as one test.
run_one() {
    local name=$1 log status start=$SECONDS passed failed
    shift
    log=$logs/${name//[\/ ]/-}.log
    timeout --kill-after=10 "${CHECK_TIMEOUT:-600}" "$@" >"$log" 2>&1 </dev/null
    status=$?
    read -r passed failed <<<"$(awk '
        /^[0-9]+ passed, [0-9]+ failed$/ { sum = 1; good = $1; bad = $3 }
        /# SKIP/ { next }
        !sum && /^ok / { good++ }
        !sum && /^(not ok|FAIL) / { bad++ }
        END { print good + 0, bad + 0 }' "$log")"
    [ $((passed + failed)) -gt 0 ] || passed=$((status == 0))
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    echo "$passed $failed" >>"$results"
    if [ "$status" -eq 0 ] && [ "$failed" -eq 0 ]; then
        printf 'ok    %-44s %4d %s, %d s\n' "$name" "$passed" "$([ "$passed" -eq 1 ] && echo test || echo tests)" \
            $((SECONDS - start))
        sed -nE 's/^ok (.*)( # SKIP | \(left out: )(.*)$/      left out: \1: \3/p' "$log" | cut -c1-300
    else
        printf 'FAIL  %s (exit %d); from %s:\n%s\n' "$name" "$status" "${log#"$PWD"/}" \
            "$(sed -E '/^(ok|  CC|  AR|  LINK|  GEN) /d; s/^/      /' "$log" | cut -c1-500)"
    fi
}

# run_each STEP PREFIX... -- PROGRAM...: PREFIX PROGRAM for each, as many at once as there are processors.
run_each() {
    local step=$1 prefix=()
    shift
    while [ "$1" != -- ]; do
        prefix+=("$1")
        shift
    done
    shift
    [ $# -gt 0 ] || return 0
    printf '%s\0' "$@" | STEP=$step xargs -0 -P "$jobs" -I '{}' tests/check.sh --one "${prefix[@]}" '{}'
}

# ---- the steps -----------------------------------------------------------------------------------

# Builds a variant once, as a test of its own: warnings are errors.
declare -A built
build() {
    [ -z "${built[$1]-}" ] || return "${built[$1]}"
    run_one "build $1" make --no-print-directory -j"$jobs" "variant-$1"
    tail -n 1 "$results" | grep -q ' 0$'
    built[$1]=$?
    return "${built[$1]}"
}

existing() {
    local file
    for file in "$@"; do
        [ -e "$file" ] && printf '%s\n' "$file"
    done
    return 0
}

unit_tests() {
    mapfile -t found < <(existing tests/unit/test_*.c)
    found=("${found[@]#tests/unit/}")
    found=("${found[@]/#/build/$1/tests/}")
    found=("${found[@]%.c}")
}

step_tree() { run_one tree tests/tree.sh; }
step_layers() { build check && run_one layers tests/layers.sh build/check; }
step_sql() { run_one sql tests/sql.sh; }
step_install() { build check && run_one install tests/install.sh build/check; }
step_links() { build check && run_one links tests/links.sh build/check; }
step_man() { build check && run_one man tests/man.sh build/check; }

step_format() {
    mapfile -t found < <(existing {common,receiver{,/*},processor{,/*},schema,tests/{unit,fuzz,bench}}/*.[ch])
    run_one format clang-format --dry-run -Werror "${found[@]}"
}

step_shell() {
    mapfile -t found < <(grep -lE '^#!.*[/ ](ba)?sh' .ci/run tests/*.sh tests/*/*.sh processor/handlers/* \
        systemd/debian/* 2>/dev/null)
    run_one shellcheck shellcheck -x -P SCRIPTDIR "${found[@]}"
}

step_unit() {
    build check || return
    unit_tests check
    CMOCKA_MESSAGE_OUTPUT=TAP MAILMILL_UNDER=plain run_each unit -- "${found[@]}"
}

step_asan() {
    build asan || return
    unit_tests asan
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
    CMOCKA_MESSAGE_OUTPUT=TAP MAILMILL_UNDER=asan run_each asan -- "${found[@]}"
}

step_valgrind() {
    local glib=/usr/share/glib-2.0/valgrind/glib.supp options=(--suppressions=tests/valgrind.supp)
    [ -e $glib ] && options+=("--suppressions=$glib")
    build check || return
    unit_tests check
    CMOCKA_MESSAGE_OUTPUT=TAP MAILMILL_UNDER=valgrind run_each valgrind \
        valgrind -q --error-exitcode=99 --child-silent-after-fork=yes --leak-check=full \
        --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
        "${options[@]}" -- "${found[@]}"
}

# Each corpus once, then new inputs for a while.
step_fuzz() {
    build fuzz || return
    mapfile -t found < <(existing tests/fuzz/fuzz_*.c)
    found=("${found[@]#tests/fuzz/fuzz_}")
    export FUZZ_SECONDS=${FUZZ_SECONDS:-5}
    CHECK_TIMEOUT=$((FUZZ_SECONDS + 300)) run_each fuzz tests/fuzz.sh -- "${found[@]%.c}"
}

scripts() {
    mapfile -t found < <(existing tests/"$1"/*.sh | grep -vE '/(lib|base)\.sh$')
    MAILMILL_BUILD=$PWD/build/$2 CHECK_TIMEOUT=${CHECK_SECONDS:-300} run_each "" -- "${found[@]}"
}
step_handlers() { build check && scripts handlers check; }
step_smtp() { build check && scripts smtp check; }
step_system() { build check && scripts system check; }
step_fault() { build fault && CHECK_SECONDS=600 scripts fault fault; }

# On machines of their own, booted for it; not among the steps of `make check`, as it takes root.
step_container() {
    build check || return
    MAILMILL_BUILD=$PWD/build/check run_one container/base tests/container/base.sh
    tail -n 1 "$results" | grep -q ' 0$' || return
    scripts container check
}

# ---- the run -------------------------------------------------------------------------------------

if [ "${1-}" = --one ]; then
    shift
    name=${*: -1}
    name=${name#build/*/tests/}
    name=${name#tests/}
    run_one "${STEP:+$STEP }${name%.sh}" "$@"
    exit
fi

[ $# -gt 0 ] || set -- "${steps[@]}"
mkdir -p "$logs"
: >"$results"
for step in "$@"; do
    if ! declare -F "step_$step" >/dev/null; then
        echo "no step called $step; there are: ${steps[*]}" >&2
        exit 64
    fi
    echo "# $step"
    "step_$step"
done

read -r passed failed <<<"$(awk '{ good += $1; bad += $2 } END { print good + 0, bad + 0 }' "$results")"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
