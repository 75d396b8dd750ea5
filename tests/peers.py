"""Other mail servers, for the benchmark to measure beside ours and for the tests to send mail to ours.

They are Debian's packages, unpacked, not installed: nothing of theirs is configured or started on the machine. Each
runs in a mount namespace of its own, in which its files lie over /usr, its accounts over /etc/passwd and its folders
where it wants them. That takes root. Who uses one gives it its settings in a class of its own:

    class Relay(peers.Postfix):
        settings = "relayhost = [127.0.0.1]:2525"

    server = Relay(folder)         folder: its own, emptied when it starts
    server.start(); server.port; server.stop()

Where one can't be had, start() raises Missing, which says why. Run as a program, this fetches all of them, for those
who will start them where there is no way to the packages.
"""

import ctypes
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = TOP / "build/peers"
HOSTNAME = "mail.example.com"
INSIDE = "/mnt/peer"  # what a server calls its folder, which its accounts might not reach by the way that leads there
ACCOUNTS = {name: number for number, name in
            enumerate(["postfix", "postdrop", "opensmtpd", "opensmtpq", "Debian-exim"], 64100)}


class Missing(Exception):
    """A server that can't be had here; the text says why."""


def spawn(command, output, input_=subprocess.DEVNULL):
    """A server in a session of its own, which gets SIGTERM when whoever started it dies in whatever way."""

    def end_with_us():
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG

    return subprocess.Popen(command, stdin=input_, stdout=output, stderr=output, start_new_session=True,
                            preexec_fn=end_with_us)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def await_banner(port, seconds, process=None):
    """Whether a server greets with 220 within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                if connection.recv(512).startswith(b"220"):
                    return True
        except OSError:
            pass
        time.sleep(0.02)
    return False


class Server:
    """One server: a process and all that it starts, with a port of loopback and a folder."""

    name = None
    patience = 10  # seconds until it greets

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = None
        self.process = None

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for _ in range(5):  # someone else may take the port before we do
            self.port = free_port()
            self.prepare()
            with open(self.folder / "output", "ab") as output:
                self.process = self.launch(output)
            if await_banner(self.port, self.patience, self.process):
                return self
            self.stop()
        output = (self.folder / "output").read_text(errors="replace")[-500:]
        raise Missing(f"{self.name} does not greet: {output}")

    def prepare(self):
        """Writes the configuration."""

    def launch(self, output):
        raise NotImplementedError

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # each is the leader of its own session
            self.process.wait()
        self.process = None


# ---- what is unpacked --------------------------------------------------------------------------------------


class Peer(Server):
    package = None
    program = None  # of the package, from its root
    libraries = ()  # packages of those that the program may miss on this machine

    @property
    def root(self):
        return PACKAGES / self.package

    def prepare(self):
        if os.geteuid() != 0:
            raise Missing(f"{self.name}: running it needs root")
        self.unpack()
        etc = self.folder / "etc.machine"
        etc.mkdir(exist_ok=True)
        for file, line in (("passwd", "{name}:x:{id}:{id}::/nonexistent:/usr/sbin/nologin\n"),
                           ("group", "{name}:x:{id}:\n")):
            mine = pathlib.Path("/etc", file).read_text()
            for name, number in ACCOUNTS.items():
                if f"\n{name}:" not in mine:
                    mine += line.format(name=name, id=number)
            (etc / file).write_text(mine)
        # They look up the client's name: at once, whatever name servers this machine has.
        (etc / "hosts").write_text("127.0.0.1 localhost\n")
        (etc / "resolv.conf").write_text("lookup file\n")

    def unpack(self):
        """Once, whoever comes first, into a folder that has its name only when it is whole."""
        PACKAGES.mkdir(parents=True, exist_ok=True)
        with open(PACKAGES / "lock", "w") as lock, tempfile.TemporaryDirectory(dir=PACKAGES) as place:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.root.is_dir():
                return
            new = pathlib.Path(place, "new")
            self.unpack_into(new, self.package)
            links = subprocess.run(["ldd", new / self.program], capture_output=True, text=True)
            for library in self.libraries if "not found" in links.stdout else ():
                self.unpack_into(new, library)
            new.rename(self.root)

    def unpack_into(self, folder, package):
        try:
            fetched = subprocess.run(["apt-get", "-q", "download", package], cwd=folder.parent, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except FileNotFoundError:
            raise Missing(f"{self.name}: there is no apt-get here to fetch its package {package} with") from None
        files = list(folder.parent.glob(f"{package}_*.deb"))
        if not files:
            raise Missing(f"{self.name}: its package {package} can't be had: {fetched.stdout.strip()}")
        subprocess.run(["dpkg", "-x", files[0], folder], check=True)

    def launch_inside(self, mounts, command, output):
        """Runs it where its packages' files and its accounts are, and `mounts`, (what, where)."""
        mounts = [(file, f"/etc/{file.name}") for file in (self.folder / "etc.machine").iterdir()] + mounts
        script = "".join(f"mount --bind {what} {where}\n" for what, where in mounts)
        script = f"""set -e
mount -t overlay overlay -o ro,lowerdir={self.root}/usr:/usr /usr
{script}mount -t tmpfs -o mode=755 tmpfs {pathlib.Path(INSIDE).parent}
mkdir {INSIDE}
mount --bind {self.folder} {INSIDE}
exec "$@"
"""
        unshare = ["unshare", "--mount", "--propagation", "private"]
        return spawn([*unshare, "sh", "-c", script, "sh", *command], output)


class Postfix(Peer):
    """Debian's Postfix with its defaults and `settings`, lines of main.cf."""

    name = "Postfix"
    package = "postfix"
    program = "usr/sbin/postconf"
    libraries = ("libdb5.3", "libicu72", "libsasl2-2", "libnsl2", "libtirpc3")
    settings = ""

    services = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60   1 pickup
cleanup   unix  n - n -    0 cleanup
qmgr      unix  n - n 300  1 qmgr
rewrite   unix  - - n -    - trivial-rewrite
bounce    unix  - - n -    0 bounce
defer     unix  - - n -    0 bounce
trace     unix  - - n -    0 bounce
verify    unix  - - n -    1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -    - proxymap
smtp      unix  - - n -    - smtp
error     unix  - - n -    - error
retry     unix  - - n -    - error
discard   unix  - - n -    - discard
anvil     unix  - - n -    1 anvil
tlsmgr    unix  - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""

    def prepare(self):
        super().prepare()
        for name in ("etc", "spool", "data"):
            (self.folder / name).mkdir(exist_ok=True)
        owner, dropper = ACCOUNTS["postfix"], ACCOUNTS["postdrop"]
        os.chown(self.folder / "data", owner, owner)
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                     "saved", "trace", "maildrop", "public", "pid"):
            path = self.folder / "spool" / name
            path.mkdir(exist_ok=True)
            if name != "pid":
                os.chown(path, owner, dropper if name in ("maildrop", "public") else -1)
            path.chmod({"maildrop": 0o1730, "public": 0o2710, "pid": 0o755}.get(name, 0o700))
        (self.folder / "etc/master.cf").write_text(self.services.format(port=self.port).lstrip())
        (self.folder / "etc/main.cf").write_text(f"""compatibility_level = 3.6
myhostname = {HOSTNAME}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
queue_directory = {INSIDE}/spool
data_directory = {INSIDE}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {INSIDE}/etc
alias_maps =
maillog_file = {INSIDE}/log
maillog_file_prefixes = {INSIDE}
{self.settings}
""")

    def launch(self, output):
        return self.launch_inside([], ["/usr/lib/postfix/sbin/master", "-c", f"{INSIDE}/etc", "-d"], output)


class OpenSMTPD(Peer):
    """Debian's OpenSMTPD with its defaults; `settings` are the lines of smtpd.conf besides its listening."""

    name = "OpenSMTPD"
    package = "opensmtpd"
    program = "usr/sbin/smtpd"
    libraries = ("libdb5.3", "libevent-2.1-7")
    settings = ""
    options = ()

    def prepare(self):
        super().prepare()
        spool = self.folder / "var/spool/smtpd"
        if spool.is_dir():
            shutil.rmtree(spool)
        for path in (self.folder / "run", self.folder / "var/lib/opensmtpd/empty", spool, self.folder / "var/tmp"):
            path.mkdir(parents=True, exist_ok=True)
        spool.chmod(0o711)
        if not (self.folder / "var/run").is_symlink():
            (self.folder / "var/run").symlink_to("/run")
        for path, user, group, mode in (("corrupt", "opensmtpq", 0, 0o700), ("incoming", "opensmtpq", 0, 0o700),
                                        ("queue", "opensmtpq", 0, 0o700), ("purge", "opensmtpq", 0, 0o700),
                                        ("temporary", "opensmtpq", 0, 0o700), ("offline", 0, "opensmtpq", 0o770)):
            (spool / path).mkdir()
            os.chown(spool / path, ACCOUNTS.get(user, 0), ACCOUNTS.get(group, 0))
            (spool / path).chmod(mode)
        conf = self.folder / "smtpd.conf"
        conf.write_text(f"{self.settings}\nlisten on 127.0.0.1 port {self.port} hostname {HOSTNAME}\n")
        conf.chmod(0o600)

    def launch(self, output):
        mounts = [(self.folder / "var", "/var"), (self.folder / "run", "/run")]
        command = ["/usr/sbin/smtpd", "-d", *self.options, "-f", f"{INSIDE}/smtpd.conf"]
        return self.launch_inside(mounts, command, output)


class Exim(Peer):
    """Debian's small Exim, in the foreground; `settings` is its configuration but for folders and its listening."""

    name = "Exim"
    package = "exim4-daemon-light"
    program = "usr/sbin/exim4"
    libraries = ("libgnutls-dane0", "libunbound8", "libevent-2.1-7", "libdb5.3", "libidn12", "libnsl2", "libtirpc3")
    settings = ""

    def prepare(self):
        super().prepare()
        spool = self.folder / "spool"
        spool.mkdir(exist_ok=True)
        os.chown(spool, ACCOUNTS["Debian-exim"], ACCOUNTS["Debian-exim"])
        (self.folder / "exim.conf").write_text(f"""primary_hostname = {HOSTNAME}
spool_directory = {INSIDE}/spool
log_file_path = {INSIDE}/spool/%slog
daemon_smtp_ports = {self.port}
local_interfaces = 127.0.0.1
{self.settings}
""")

    def launch(self, output):
        return self.launch_inside([], ["/usr/sbin/exim4", "-C", f"{INSIDE}/exim.conf", "-bdf", "-q1m"], output)


if __name__ == "__main__":
    for kind in (Postfix, OpenSMTPD, Exim):
        kind(PACKAGES).unpack()
