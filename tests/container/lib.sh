# shellcheck shell=bash
# A Debian machine of one's own for tests: a system in a folder, booted by systemd-nspawn, with a private network.
# Sourced, by bash, together with the words for reporting (../lib.sh), which it brings along. Needs root.
#
#     base_make PACKAGE               build/container/base: a minimal Debian with the tests' tools; made once
#     machine_start                   a machine over it, booted: what is written goes to a layer of its own
#     machine_reboot                  returns when systemd has come up again
#     inside COMMAND...               runs it in there as root; inside_as USER COMMAND... as somebody else
#     outside COMMAND...              runs it at the other end of the machine's network cable
#     machine_close                   all of it is gone but the base
#
# The cable: 192.0.2.1 and 2001:db8::1 outside, 192.0.2.2 and 2001:db8::2 in the machine, both in network namespaces
# that nothing else is in.

# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

container=$top/build/container
machine=      # the folder of this run
machine_name= # also of its network namespace
machine_runs= # systemd-nspawn's process

# What the tests use in there, besides what systemd needs. msmtp-mta is the machine's sendmail.
base_packages='systemd systemd-sysv dbus iproute2 procps xinetd sqlite3 swaks libnet-ssleay-perl msmtp msmtp-mta rsync'

# base_make PACKAGE: with what that one, a file, depends on; it is not installed itself.
base_make() {
    local base=$container/base wanted
    wanted="$base_packages $(dpkg-deb -f "$1" Depends)"
    [ "$(cat "$base.packages" 2>/dev/null)" != "$wanted" ] || return 0
    rm -rf "$base" "$base.packages"
    mkdir -p "$container"
    # Everything from where this machine has it; services are not started in a folder.
    debootstrap --variant=minbase "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" "$base" "$(mirror)" \
        >"$container/base.log" 2>&1 || { tail -n 5 "$container/base.log"; return 1; }
    cp "$1" "$base/root/mailmill.deb"
    # shellcheck disable=SC2086 # a list of words
    base_apt install $base_packages && base_apt install --download-only /root/mailmill.deb || return 1
    rm "$base/root/mailmill.deb"
    echo "$wanted" >"$base.packages"
}

base_apt() {
    DEBIAN_FRONTEND=noninteractive chroot "$container/base" apt-get -q -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 "$@" >>"$container/base.log" 2>&1 || { tail -n 5 "$container/base.log"; return 1; }
}

# Where this machine gets its packages.
# shellcheck disable=SC2016 # apt fills it in
mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1; }

machine_open() {
    machine_name=mailmill-test-$$
    machine=$container/run.$$
    mkdir -p "$machine"/{layer,work,root}
    mount -t overlay "$machine_name" "$machine/root" \
        -o "lowerdir=$container/base,upperdir=$machine/layer,workdir=$machine/work" || return 1
    trap machine_close EXIT
    trap 'exit 130' INT TERM
    ip netns add "$machine_name" && ip -n "$machine_name" link set lo up || return 1
    echo "$machine_name" >"$machine/root/etc/hostname"
    printf '127.0.0.1 localhost %s\n192.0.2.1 outside.example.org\n' "$machine_name" >"$machine/root/etc/hosts"
}

# Ends the script when it can't be had.
machine_start() {
    succeeds "a machine boots" machine_open_and_boot
    [ "$tests_failed" -eq 0 ] || finish
}
machine_open_and_boot() { machine_open && machine_boot; }

# The process that is 1 in there.
machine_leader() { pgrep -P "$machine_runs" -x systemd; }

machine_boot() {
    local cable=cable deadline=$((SECONDS + 90))
    # Not by "ip netns exec", which hides the control groups that systemd needs.
    nsenter --net="/run/netns/$machine_name" systemd-nspawn --quiet --boot --directory="$machine/root" \
        --machine="$machine_name" --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
        --network-veth-extra="$cable:host0" --register=no --keep-unit \
        --resolv-conf=off --timezone=off --link-journal=no --console=pipe \
        >>"$machine/console" 2>&1 </dev/null &
    machine_runs=$!
    until inside systemctl is-system-running 2>/dev/null | grep -qE '^(running|degraded)$'; do
        if ! kill -0 "$machine_runs" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
            tail -n 20 "$machine/console" >&2
            return 1
        fi
        sleep 0.2
    done
    ip -n "$machine_name" address add 192.0.2.1/24 dev "$cable"
    ip -n "$machine_name" address add 2001:db8::1/64 dev "$cable" nodad
    ip -n "$machine_name" link set "$cable" up
    inside ip address add 192.0.2.2/24 dev host0
    inside ip address add 2001:db8::2/64 dev host0 nodad
    inside ip link set host0 up
}

# Shuts it down in good order, and boots it again.
machine_reboot() {
    machine_halt
    machine_boot
}

machine_halt() {
    [ -n "$machine_runs" ] || return 0
    kill -TERM "$machine_runs" 2>/dev/null # systemd-nspawn has systemd power off
    process_end "$machine_runs" 60
    machine_runs=
}

machine_close() {
    [ -n "$machine_name" ] || return 0
    machine_halt
    ip netns delete "$machine_name" 2>/dev/null
    umount "$machine/root" 2>/dev/null
    [ -n "${KEEP-}" ] || rm -rf "$machine"
    machine_name=
}

inside() { inside_as root "$@"; }

# inside_as USER COMMAND...: with that user's groups, and a login's environment.
inside_as() {
    local user=$1 leader
    shift
    leader=$(machine_leader) || return 125
    nsenter --target "$leader" --mount --uts --ipc --net --pid --root --wdns=/ -- \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 setpriv --reuid "$user" --regid "$(group_of "$user")" \
        --init-groups -- "$@"
}

# setpriv takes names of this machine only where they are the same numbers; the machine's own are asked for in there.
group_of() { awk -F: -v name="$1" '$1 == name { print $4 }' "$machine/root/etc/passwd"; }

outside() { nsenter --net="/run/netns/$machine_name" "$@"; }
# In the background, with a process number that is the command's own: outside_exec COMMAND... &
outside_exec() { exec nsenter --net="/run/netns/$machine_name" "$@"; }

# inside_wait SECONDS COMMAND...: until it succeeds in there.
inside_wait() {
    local deadline=$((SECONDS + $1))
    shift
    until inside "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# ---- mailmill in there --------------------------------------------------------------------------

# package_path VERSION: the Debian package of this tree, made anew where the tree is newer.
package_path() {
    local file rooms=("$top"/{common,processor,receiver,schema,systemd,Makefile,README.md})
    file=$container/deb/mailmill_$1_$(dpkg --print-architecture).deb
    if [ ! -e "$file" ] || [ -n "$(find "${rooms[@]}" -newer "$file" -print -quit)" ]; then
        "$top/systemd/debian/package.sh" "$1" "$container/deb" >&2 || return 1
    fi
    echo "$file"
}

# The version of the tree.
package_version() { sed -n 's/^VERSION = //p' "$top/Makefile"; }

# machine_package VERSION: installs it, as an administrator does who has the file.
machine_package() {
    local file
    file=$(package_path "$1") || return 1
    cp "$file" "$machine/root/root/mailmill.deb"
    inside env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends --allow-downgrades \
        /root/mailmill.deb
}

# machine_config: the configuration, from standard input.
machine_config() {
    cat >"$machine/root/etc/mailmill/mailmill.conf"
    inside systemctl reload-or-restart mailmill-processor
}

# Port 25 by xinetd, as the README says.
machine_xinetd() {
    sed -i 's/disable     = yes/disable     = no/' "$machine/root/etc/xinetd.d/mailmill"
    inside systemctl restart xinetd
    inside_wait 20 sh -c 'ss -Hltn sport = :25 | grep -q .'
}

history() { inside sqlite3 -readonly -cmd '.timeout 5000' /var/lib/mailmill/index.db "$@"; }

# history_wait SQL [SECONDS]: until the query gives 1.
history_wait() {
    local deadline=$((SECONDS + ${2:-20}))
    until [ "$(history "$1" 2>/dev/null)" = 1 ]; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# machine_send RECIPIENT [SWAKS OPTION...]: from inside, to port 25 there.
machine_send() {
    local to=$1
    shift
    inside swaks --server 127.0.0.1 --helo client.example.org --from asker@example.org --to "$to" "$@" 2>&1
}
