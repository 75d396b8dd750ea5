#!/usr/bin/env bash
# `tests/install.sh BUILD`: what make install puts where, that it keeps what an administrator edited, and what make
# uninstall leaves.
set -u
# shellcheck source=report.sh
. "$(dirname "$0")/report.sh"
build=${1:-build/check}
place=$(mktemp -d "$PWD/$build/install.XXXXXX") || exit 1
trap 'rm -rf "$place"' EXIT

# The flags of the build that is there, so that nothing is compiled again.
run_make() {
    make --no-print-directory BUILD="$build" CC=gcc WERROR=1 DESTDIR="$place" "$@" 2>&1
}
files() { (cd "$place" && find . -type f -printf '%m %P\n' | sort -k 2); }

# As root, careful about its own files.
umask 077
output=$(run_make install) || report "make install" "$output"
report "folders are for all to read" "$(cd "$place" && find etc usr -type d ! -perm 755)"
report "every script of the room is a handler, and so are those in C" "$(comm -3 <(ls "$build/handlers") <({
    find processor/handlers -type f ! -name '*.[ch]' -printf '%f\n'
    sed -n 's/^c_handlers = //p' Makefile | tr ' ' '\n'
} | sort))"
report "make install puts everything in its place" "$(diff <(files) - <<EOT
644 etc/mailmill/mailmill.conf
644 etc/xinetd.d/mailmill
755 usr/bin/mailmill
$(for handler in "$build"/handlers/*; do echo "755 usr/lib/mailmill/handlers/${handler##*/}"; done)
755 usr/lib/mailmill/mailmill-headers
755 usr/lib/mailmill/mailmill-mime
755 usr/lib/mailmill/mailmill-tls
644 usr/lib/systemd/system/mailmill-processor.service
644 usr/lib/systemd/system/mailmill-receiver.service
644 usr/lib/systemd/system/mailmill-receiver.socket
644 usr/lib/sysusers.d/mailmill.conf
644 usr/lib/tmpfiles.d/mailmill.conf
755 usr/sbin/mailmill-processor
755 usr/sbin/mailmill-receiver
644 usr/share/bash-completion/completions/mailmill
644 usr/share/doc/mailmill/mailmill.conf.sample
644 usr/share/man/man1/mailmill.1
644 usr/share/man/man5/mailmill.conf.5
644 usr/share/man/man7/mailmill-handler.7
644 usr/share/man/man8/mailmill-processor.8
644 usr/share/man/man8/mailmill-receiver.8
EOT
)"
report "the configuration says nothing yet" "$(grep '^[a-z]' "$place/etc/mailmill/mailmill.conf")"
report "no installed file names the place where it was built" "$(grep -rlF "$PWD" "$place/etc" "$place/usr" |
    while read -r file; do
        # Debugging symbols do.
        objcopy --strip-debug "$file" "$place/stripped" 2>/dev/null || cp "$file" "$place/stripped"
        grep -qF "$PWD" "$place/stripped" && echo "$file"
        rm "$place/stripped"
    done)"

echo "# edited" >>"$place/etc/mailmill/mailmill.conf"
echo "# edited" >>"$place/etc/xinetd.d/mailmill"
output=$(run_make install)
report "a second make install keeps what was edited" \
    "$(for file in etc/mailmill/mailmill.conf etc/xinetd.d/mailmill; do
        tail -n 1 "$place/$file" | grep -qx '# edited' || echo "$file was overwritten"
    done)"

output=$(run_make uninstall)
report "make uninstall leaves the configuration alone" "$(diff <(files) - <<EOT
644 etc/mailmill/mailmill.conf
644 etc/xinetd.d/mailmill
EOT
)"

# The programs are those that are there, which go by another configuration.
output=$(run_make install SYSCONFDIR=/opt/etc LOCALSTATEDIR=/opt/var default_config=/etc/mailmill/mailmill.conf)
report "other folders are named in the files" \
    "$(cd "$place" && grep -rnE '[ =-](/etc|/var/(spool|lib|log))/mailmill' usr/lib/{systemd,tmpfiles.d} usr/share/man \
        opt/etc/xinetd.d)"
report "and compiled into the programs" "$(make -n BUILD="$place/build" V=1 SYSCONFDIR=/opt/etc \
    "$place/build/obj/processor/main.o" 2>&1 | grep -q 'MAILMILL_CONFIG=.*"/opt/etc/mailmill/mailmill.conf"' || echo no)"
report "and in the configuration, as programs know the usual ones" "$(diff <(grep '^[a-z]' "$place/opt/etc/mailmill/mailmill.conf") - <<'EOT'
spool = "/opt/var/spool/mailmill"
index = "/opt/var/lib/mailmill/index.db"
EOT
)"

exit "$failed"
