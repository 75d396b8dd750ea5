#!/usr/bin/env bash
# `tests/links.sh BUILD`: which libraries each program brings along, and how it is hardened.
set -u
# shellcheck source=report.sh
. "$(dirname "$0")/report.sh"
build=${1:-build}

# Every library that would be loaded, those of libraries too.
loads() { ldd "$build/$1" 2>&1 | grep -E "$2"; }
# Those that a program names itself.
needs() { readelf -d "$build/$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'; }

# A handler is either a script or a program of its own that parses MIME.
mapfile -t handlers < <(cd "$build" && grep -lF "$(printf '\177ELF')" handlers/*)
report "there are handlers in C" "$([ ${#handlers[@]} -gt 0 ] || echo "none in $build/handlers")"

for program in mailmill-receiver mailmill-processor mailmill mailmill-headers mailmill-mime mailmill-tls "${handlers[@]}"; do
    [ -e "$build/$program" ] || { report "$program is there" "$build/$program is missing"; continue; }
    [[ $program =~ ^(mailmill-mime|handlers/.*)$ ]] || report "$program loads no GLib" "$(loads "$program" 'libg(lib|object|io|mime)-')"
    [[ $program =~ ^(mailmill-tls|handlers/webhook)$ ]] || report "$program loads no TLS library" "$(loads "$program" 'lib(tls|ssl|crypto)\.')"
    case $program in
    handlers/webhook) allowed='lib(c|seccomp|gmime-3\.0|glib-2\.0|gobject-2\.0|gio-2\.0|curl)|ld-linux.*' ;;
    mailmill-mime | handlers/*) allowed='lib(c|seccomp|gmime-3\.0|glib-2\.0|gobject-2\.0|gio-2\.0)|ld-linux.*' ;;
    mailmill-tls) allowed='lib(c|seccomp|tls|crypto)|ld-linux.*' ;;
    *) allowed='lib(c|sqlite3|confuse|seccomp)|ld-linux.*' ;;
    esac
    report "$program names only the libraries it should" "$(needs "$program" | grep -vE "^($allowed)\.so")"
    report "$program is position-independent, with its relocations read-only at once and no executable stack" \
        "$(readelf -h "$build/$program" | grep -q 'DYN' || echo "not PIE"
        readelf -lW "$build/$program" | grep -q GNU_RELRO || echo "no RELRO"
        readelf -d "$build/$program" | grep -q 'BIND_NOW\|FLAGS_1.*NOW' || echo "lazy binding"
        readelf -lW "$build/$program" | grep 'GNU_STACK.*RWE')"
done

if grep -qx 'CAN_BUILD_IN := yes' build/packages.mk; then
    for program in mailmill-receiver mailmill-headers; do
        report "$program has its libraries built in, and no loader to wait for" \
            "$(readelf -lW "$build/$program" | grep INTERP)"
    done
fi

exit "$failed"
