#!/bin/sh
# Makes sure that what a make target needs is there:
#
#     tests/packages.sh build|check|system|bench|demo|demo-svn|deb|lint|format ...
#
# Looks for each thing itself (a program, a library by pkg-config, a command of git), not for a package, so one built by
# hand will do. On Debian and its children what is missing is installed through apt, by sudo where not root; elsewhere it
# is listed.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# set   how to see it   the Debian package
table='
build program:cc           gcc
build file:stdio.h         libc6-dev
build program:ar           binutils
build program:awk          mawk
build program:pkg-config   pkg-config
build library:sqlite3      libsqlite3-dev
build library:libconfuse   libconfuse-dev
build library:libseccomp   libseccomp-dev
build library:gmime-3.0    libgmime-3.0-dev
build library:libtls       libtls-dev
build library:libcrypto    libssl-dev
build library:libcurl      libcurl4-openssl-dev
check program:openssl      openssl
demo program:xinetd       xinetd
demo program:swaks        swaks
demo program:msmtp        msmtp
demo program:sqlite3      sqlite3
demo-svn program:svn      subversion
demo-svn program:xinetd   xinetd
demo-svn program:msmtp    msmtp
demo-svn program:sqlite3  sqlite3
check program:svn          subversion
check program:svnserve     subversion
check program:git          git
check program:xinetd       xinetd
check program:swaks        swaks
check perl:Net::SSLeay     libnet-ssleay-perl
check program:msmtp        msmtp
check program:curl         curl
check git:send-email       git-email
check perl:Mail::Address   libmailtools-perl
check perl:IO::Socket::SSL libio-socket-ssl-perl
check program:sqlite3      sqlite3
check library:cmocka       libcmocka-dev
check program:gcc          gcc
check program:clang        clang
check runtime:fuzzer       libclang-rt-dev
check program:clang-format clang-format
check program:shellcheck   shellcheck
check program:valgrind     valgrind
check program:strace       strace
check program:python3      python3
check program:php          php-cli
check program:mutt         mutt
check program:mlist        mblaze
check program:mandoc       mandoc
bench program:xinetd      xinetd
bench program:python3     python3
bench program:strace      strace
deb program:dh            debhelper
deb program:dpkg-buildpackage dpkg-dev
system program:dh         debhelper
system program:dpkg-buildpackage dpkg-dev
system program:lintian    lintian
system program:debootstrap debootstrap
system program:systemd-nspawn systemd-container
system program:ip         iproute2
system program:pgrep      procps
lint program:gcc          gcc
lint program:clang        clang
lint program:clang-tidy   clang-tidy
lint program:cppcheck     cppcheck
lint program:shellcheck   shellcheck
format program:clang-format clang-format
'

is_there() {
    case $1 in
    program:*) command -v "${1#*:}" ;;
    perl:*) perl -e "use ${1#*:};" ;;
    git:*) test -x "$(git --exec-path)/git-${1#*:}" ;;
    library:*) pkg-config --exists "${1#*:}" ;;
    file:*) echo "#include <${1#*:}>" | cc -E - ;;
    runtime:*) echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -fsanitize=fuzzer -x c -o /dev/null - ;;
    esac >/dev/null 2>&1
}

# The packages of what is missing, one a line.
list_missing() {
    for set in "$@"; do
        echo "$table" | grep "^$set "
    done | while read -r _ thing package; do
        is_there "$thing" || echo "$package"
    done | sort -u
}

# Runs a command as root.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif [ -t 0 ]; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

for set in "$@"; do
    echo "$table" | grep -q "^$set " || { echo "$0: no set called $set" >&2; exit 64; }
done

missing=$(list_missing "$@" | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; }; then
    echo "These are missing; please install them (the names are Debian's): $missing" >&2
    exit 1
fi

# Without what is only recommended, so that no mail server comes along and nothing is configured; of the packages
# above only xinetd is a service, and Debian's own services for it are all disabled: it listens on no port.
echo "Installing: $missing" >&2
as_root apt-get -qq update </dev/null >&2 || echo "apt-get update failed; the lists may be old" >&2
# shellcheck disable=SC2086 # a list of words
as_root apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install $missing </dev/null >&2

still=$(list_missing "$@" | tr '\n' ' ')
[ -z "$still" ] || { echo "Installed, but still not found: $still" >&2; exit 1; }
