#!/usr/bin/env bash
# The Debian package on a real machine: what it installs and as whose, an upgrade with mail waiting, its removal.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

version=$(package_version)
older=0.0.1
machine_start

# ---- the tools' word -----------------------------------------------------------------------------

equal "lintian finds no error" "$(lintian --no-tag-display-limit "$(package_path "$version")" 2>&1 | grep '^E:')" ""

# Each library that a program loads, when it starts or later by its name, belongs to a package that ours depends on.
depends=$(dpkg-deb -f "$(package_path "$version")" Depends | grep -oE '[a-z0-9.+-]+' | sort -u)
dpkg-deb -x "$(package_path "$version")" "$machine/unpacked"
libraries=$(find "$machine/unpacked" -type f -perm -1 -exec file {} + | sed -n 's/: *ELF.*//p' | while read -r program; do
    readelf -d "$program" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'
    strings "$program" | grep -xE 'lib[a-z0-9+-]+\.so\.[0-9]+'
done | sort -u)
equal "it depends on every library's package" "$(for library in $libraries; do
    dpkg -S "*/$library" 2>/dev/null | cut -d: -f1 | grep -qxF "$depends" || echo "$library"
done)" ""

# ---- a new installation --------------------------------------------------------------------------

succeeds "an older version is installed" machine_package "$older"
equal "the processor runs" "$(inside systemctl is-active mailmill-processor)" active
equal "it starts at boot" "$(inside systemctl is-enabled mailmill-processor)" enabled
equal "nothing listens on port 25 yet" "$(inside ss -Hltn sport = :25)" ""
equal "the sample configuration is right" "$(inside mailmill check >/dev/null 2>&1; echo $?)" 0

# What stands where, as whose, with which rights. The programs' own files are root's, as a package's are.
equal "every file's owner and mode" "$(inside sh -c 'cd / && find etc/mailmill etc/xinetd.d/mailmill var/spool/mailmill \
    var/lib/mailmill var/lib/mailmill-home usr/lib/mailmill usr/sbin/mailmill* usr/bin/mailmill lib/systemd/system/mailmill* \
    usr/lib/sysusers.d/mailmill.conf usr/lib/tmpfiles.d/mailmill.conf -printf "%m %u:%g %p\n"' |
    grep -vE ' usr/lib/mailmill/handlers/' | sort -k 3)" "755 root:root etc/mailmill
644 root:root etc/mailmill/mailmill.conf
644 root:root etc/xinetd.d/mailmill
644 root:root lib/systemd/system/mailmill-processor.service
644 root:root lib/systemd/system/mailmill-receiver.service
644 root:root lib/systemd/system/mailmill-receiver.socket
755 root:root usr/bin/mailmill
755 root:root usr/lib/mailmill
755 root:root usr/lib/mailmill/handlers
755 root:root usr/lib/mailmill/mailmill-headers
755 root:root usr/lib/mailmill/mailmill-mime
755 root:root usr/lib/mailmill/mailmill-tls
644 root:root usr/lib/sysusers.d/mailmill.conf
644 root:root usr/lib/tmpfiles.d/mailmill.conf
755 root:root usr/sbin/mailmill-processor
755 root:root usr/sbin/mailmill-receiver
2770 mailmill:mailmill var/lib/mailmill
700 mailmill:mailmill var/lib/mailmill-home
660 mailmill:mailmill var/lib/mailmill/index.db
770 mailmill:mailmill var/lib/mailmill/index.db-desk
660 mailmill:mailmill var/lib/mailmill/index.db-shm
660 mailmill:mailmill var/lib/mailmill/index.db-wal
2770 mailmill:mailmill var/spool/mailmill
2700 mailmill:mailmill var/spool/mailmill/cur
2770 mailmill:mailmill var/spool/mailmill/new
2700 mailmill:mailmill var/spool/mailmill/out
660 mailmill:mailmill var/spool/mailmill/processor.lock
2770 mailmill:mailmill var/spool/mailmill/tmp"
equal "handlers are programs" "$(inside find /usr/lib/mailmill/handlers -type f ! -perm 755)" ""

# ---- an upgrade with mail waiting ----------------------------------------------------------------

machine_config <<'CONFIG'
hostname = "mail.example.com"
route "keep@example.com" { handler "note" { run = {"/usr/bin/tee", "-a", "/var/lib/mailmill/noted"} } }
CONFIG
succeeds "xinetd serves port 25" machine_xinetd
inside systemctl stop mailmill-processor
matches "mail is taken while no processor runs" "$(machine_send keep@example.com --header 'Subject: waiting')" '<-  250 2.0.0 accepted'
# The history as the first version made it.
inside sh -c 'rm /var/lib/mailmill/index.db*'
{ cat "$top"/schema/{001-base,views}.sql; echo "PRAGMA journal_mode = WAL; PRAGMA user_version = 1;"; } |
    inside_as mailmill sqlite3 /var/lib/mailmill/index.db >/dev/null
inside chmod 660 /var/lib/mailmill/index.db

# A receiver that accepts connections itself.
sed -i 's/wait        = no/wait        = yes/' "$machine/root/etc/xinetd.d/mailmill"
inside systemctl restart xinetd
inside_wait 20 sh -c 'ss -Hltn sport = :25 | grep -q .'
machine_send keep@example.com --quit-after EHLO >/dev/null
matches "the old receiver waits for the next client" "$(inside sh -c 'readlink /proc/[0-9]*/exe')" '/mailmill-receiver'

succeeds "the package is upgraded" machine_package "$version"
equal "to this version" "$(inside mailmill --version)" "mailmill $version"
equal "the processor runs again" "$(inside systemctl is-active mailmill-processor)" active
succeeds "what waited is done" history_wait "SELECT count(*) = 1 FROM history WHERE outcome = 'done' AND subject = 'waiting'"
equal "the history has this version's schema" "$(history 'PRAGMA user_version')" "$(find "$top/schema" -name '[0-9]*.sql' | wc -l)"
succeeds "the old receiver has ended" inside_wait 20 sh -c '! readlink /proc/[0-9]*/exe | grep -q "mailmill-receiver (deleted)"'
matches "the new one answers" "$(machine_send keep@example.com --quit-after RCPT)" '<-  250 2.1.5'
matches "the configuration is the administrator's" "$(inside cat /etc/mailmill/mailmill.conf)" 'keep@example.com'

# ---- removing ------------------------------------------------------------------------------------

succeeds "the package is removed" inside apt-get -q -y remove mailmill
succeeds "nothing of it runs" inside_wait 20 sh -c '! pgrep mailmill'
# shellcheck disable=SC2016 # expanded inside
succeeds "xinetd has let go of port 25" inside_wait 20 sh -c '[ -z "$(ss -Hltn sport = :25)" ]'
equal "the mail is still there" "$(inside sh -c 'ls /var/spool/mailmill/cur | wc -l')" 1
equal "the history is still there" "$(history "SELECT count(*) FROM message")" 1
succeeds "the package is purged" inside env DEBIAN_FRONTEND=noninteractive apt-get -q -y purge mailmill
equal "nothing is left" "$(inside find / -xdev -path /proc -prune -o -path /sys -prune -o -name '*mailmill*' \
    ! -path '/var/cache/*' ! -path '/var/log/*' ! -path '/root/*' ! -path '/tmp/*' ! -path '/run/*' -print)" ""

finish
