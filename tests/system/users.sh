#!/usr/bin/env bash
# Who runs as whom. Started by root: the launcher alone stays it, the rest become `user`, handlers theirs. Started by
# anybody else: everything works as that user, and no other is promised. Only root can try either.
set -u
# shellcheck source=../handlers/lib.sh
. "$(dirname "$0")/../handlers/lib.sh"
if [ "$(id -u)" -ne 0 ]; then
    echo "not started by root: nothing is tested here, as every other test runs as an ordinary user"
    pass "not started by root"
    finish
fi

# A place that everybody may enter, which need not be true of this tree, with the programs and the tests.
place=$(mktemp -d /tmp/mailmill-users.XXXXXX)
trap 'instance_close; rm -rf "$place"' EXIT
mkdir -p "$place"/{programs,tree}
cp -r "$programs"/{mailmill,mailmill-*,handlers} "$place/programs/"
cp -r "$top/tests" "$place/tree/"
chmod -R a+rX "$place"
programs=$place/programs
chown nobody: "$place/tree"

as_nobody() { setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups env HOME=/ MAILMILL_BUILD="$programs" "$@"; }
# The receiver runs as the processor's user, as both use the spool.
receiver() { as_nobody "$programs/mailmill-receiver" -c "$instance/mailmill.conf"; }

# ---- started by root -----------------------------------------------------------------------------

instance_open "$place/instance"
program who <<'SH'
#!/bin/sh
echo "uid $(id -u) $(id -ru)"
echo "gid $(id -g) $(id -rg)"
echo "groups $(id -G)"
echo "home $HOME $USER $LOGNAME"
echo "folder $(stat -c '%u:%g %a' .)"
echo "limits $(ulimit -Sc) $(ulimit -Sn) $(umask) $(nice)"
awk '/^Sig(Blk|Ign)/ { printf "%s ", $2 } END { print "" }' /proc/self/status
awk '/^Cap(Prm|Eff)/ { print $1, $2 }' /proc/self/status
SH
program sendmail <<'SH'
#!/bin/sh
id -un
SH
instance_config <<EOT
sendmail = {"$instance/bin/sendmail"}
route "own@example.com" { handler "x" { run = {"$instance/bin/who"} } }
route "other@example.com" { handler "x" { run = {"$instance/bin/who"} user = "www-data" } }
route "root@example.com" { handler "x" { run = {"$instance/bin/who"} user = "root" } }
route "reply@example.com" { handler "x" { reply = {"$instance/bin/who"} user = "www-data" } }
EOT
sed -i 's/^user .*/user = "nobody"/' "$instance/mailmill.conf"
chown -R nobody: "$instance"/{spool,lib}
chmod 711 "$instance" "$instance/work"
chmod 666 "$instance/log"
# As a service manager may start it: with limits and signals of its own, which are not for handlers.
ulimit -Sn 4096
ulimit -Sc "$(ulimit -Hc)"
trap '' PIPE USR1
start_or_finish
trap - PIPE USR1

# ids PID: real, effective, saved and file-system user, and whether there are capabilities.
ids() { awk '/^Uid/ { printf "%s %s %s %s ", $2, $3, $4, $5 } /^CapEff/ { print ($2 ~ /^0*$/ ? "none" : "some") }' "/proc/$1/status"; }
nobody=$(id -u nobody)
equal "the launcher stays root" "$(ids "$(launcher_pid)")" '0 0 0 0 some'
equal "the main half becomes user" "$(ids "$processor")" "$nobody $nobody $nobody $nobody none"
equal "with that user's groups" "$(awk '/^Groups/ { $1 = ""; print }' "/proc/$processor/status" | tr -d ' ')" \
    "$(id -G nobody | tr -d ' ')"
equal "the reader of headers, too" "$(ids "$(headers_pid)")" "$nobody $nobody $nobody $nobody none"
equal "and the one behind it" "$(ids "$(mime_pid)")" "$nobody $nobody $nobody $nobody none"

# identity ACCOUNT: what a handler of that account prints.
identity() {
    local uid gid
    uid=$(id -u "$1")
    gid=$(id -g "$1")
    printf '%s\n' "uid $uid $uid" "gid $gid $gid" "groups $(id -G "$1")" "home $(getent passwd "$1" | cut -d: -f6) $1 $1" \
        "folder $uid:$gid 700" "limits 0 1024 0022 0" '0000000000000000 0000000000000000 '
}
no_capabilities=$'CapPrm: 0000000000000000\nCapEff: 0000000000000000'
submit asker@example.org own@example.com other@example.com root@example.com reply@example.com <<<"Subject: who?"
for name in own other root reply; do ended $name@example.com; done
equal "a handler without user runs as the processor's" "$(attempts own@example.com stdout)" \
    "$(identity nobody)"$'\n'"$no_capabilities"
equal "one with a user as that" "$(attempts other@example.com stdout)" "$(identity www-data)"$'\n'"$no_capabilities"
equal "if need be as root" "$(attempts root@example.com stdout | head -n 7)" "$(identity root)"
equal "sendmail as the processor's" "$(tail -n 1 <<<"$(attempts reply@example.com stdout)")" nobody
equal "no folder is left but spare ones" "$(find "$instance/work" -mindepth 1 -not -name '.mailmill-spare-*' | wc -l)" 0
pids="$processor $(launcher_pid)"
processor_stop
for pid in $pids; do succeeds "stopped, nothing is left" gone "$pid"; done
until_true rmdir "$instance/work" || fail "stopped, no spare folder is left" "$(ls -A "$instance/work")"
mkdir -m 1777 "$instance/work"

# ---- started by another user ---------------------------------------------------------------------

cat >"$instance/mailmill.conf.own" <<EOT
spool = "$instance/spool"
index = "$instance/lib/index.db"
workdir = "$instance/work"
user = "nobody"
sendmail = {"$instance/bin/sendmail"}
route "other@example.com" { handler "x" { run = {"$instance/bin/who"} user = "www-data" } }
EOT
chmod 777 "$instance/work"
output=$(as_nobody timeout 20 "$programs/mailmill-processor" -c "$instance/mailmill.conf.own" 2>&1)
equal "an ordinary user can't promise another one's rights" "$?" 78
matches "which is said with the line" "$output" 'mailmill\.conf\.own:6: .*www-data'
output=$(as_nobody timeout 20 "$programs/mailmill" -c "$instance/mailmill.conf.own" check 2>&1)
equal "nor does check let them" "$?" 78
matches "with the same words" "$output" 'mailmill\.conf\.own:6: user: only root can run a program as www-data, and this is nobody'
instance_close

for script in handlers/contract handlers/order handlers/misbehaving handlers/replies system/processor system/trouble; do
    succeeds "as an ordinary user: $script.sh" as_nobody timeout 200 "$place/tree/tests/$script.sh"
done

finish
