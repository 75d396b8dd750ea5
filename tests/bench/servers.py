"""The servers that the benchmark measures: each in a folder of its own, on a port of loopback, gone at the end.

Postfix and OpenSMTPD are Debian's packages, unpacked, not installed: nothing of theirs is configured or started on
the machine. Each runs in a mount namespace of its own, in which its files lie over /usr, its accounts over
/etc/passwd and its folders where it wants them; its queue is on the file system of mailmill's spool. That takes root.

    server = Postfix(folder)
    server.start(); server.port; server.cpu_us(); server.private_kib(); server.tidy(); server.stop()
"""

import ctypes
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("MAILMILL_BUILD") or TOP / "build")
BENCH = TOP / "build/bench"
PACKAGES = BENCH / "peers"
HOSTNAME = "mail.example.com"
ACCOUNTS = ["postfix", "postdrop", "opensmtpd", "opensmtpq"]
TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


class Missing(Exception):
    """A server that can't be had here; the text says why."""


def spawn(command, output, input_=subprocess.DEVNULL):
    """A server in a session of its own, which gets SIGTERM when the benchmark dies in whatever way."""

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


def process_table():
    """Of each process: its parent, and its processor time with that of the children it has waited for."""
    table = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = pathlib.Path(path).read_text().rpartition(")")[2].split()
        except OSError:
            continue
        table[int(path.split("/")[2])] = (int(fields[1]), sum(map(int, fields[11:15])))
    return table


class Server:
    """One server: a process and all that it starts."""

    name = None
    queue = ()  # patterns of messages' files in the folder

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
            if await_banner(self.port, 10, self.process):
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
            os.killpg(self.process.pid, 9)  # each is the leader of its own session
            self.process.wait()
        self.process = None

    def tidy(self):
        """Gives back the room of large messages. The files stay: ext4 passes over each inode that was freed in the
        last minute whenever it makes a file, so removing thousands of them would be what the next runs measure."""
        for pattern in self.queue:
            for file in glob.iglob(str(self.folder / pattern)):
                if os.path.isfile(file) and os.path.getsize(file) > 65536:
                    os.truncate(file, 0)

    def roots(self):
        return [self.process.pid]

    def pids(self, table=None):
        table = table or process_table()
        children = {}
        for pid, (parent, _) in table.items():
            children.setdefault(parent, []).append(pid)
        found = self.roots()
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_us(self):
        table = process_table()
        return sum(table[pid][1] for pid in self.pids(table) if pid in table) * TICK_US

    def private_kib(self):
        """Memory that would be free without these processes."""
        total = 0
        for pid in self.pids():
            try:
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
        return total


# ---- mailmill ----------------------------------------------------------------------------------------------


class Mailmill(Server):
    """The receiver under xinetd, a process for each connection."""

    name = "mailmill wait=no"
    queue = ("spool/new/*",)
    routes = 'route "inbox@example.com" { }\n'
    # For keys that a receiver may or may not have: as many connections as the benchmark makes.
    limits = {"max-sessions": 1000, "max-sessions-per-client": 1000, "idle-exit": '"1h"'}

    def prepare(self):
        for name in ("spool", "lib", "work"):
            (self.folder / name).mkdir(exist_ok=True)
        known = (PROGRAMS / "mailmill-receiver").read_bytes()
        self.config = self.folder / "mailmill.conf"
        self.config.write_text(
            f'hostname = "{HOSTNAME}"\nspool = "{self.folder}/spool"\nindex = "{self.folder}/lib/index.db"\n'
            f'workdir = "{self.folder}/work"\nuser = "root"\nlog-file = "{self.folder}/log"\n'
            + "".join(f"{key} = {value}\n" for key, value in self.limits.items() if b"\0%s\0" % key.encode() in known)
            + self.routes)

    @property
    def command(self):
        return [str(PROGRAMS / "mailmill-receiver"), "-c", str(self.config)]

    def launch(self, output):
        conf = self.folder / "xinetd.conf"
        conf.write_text(f"""service mailmill
{{
    type        = UNLISTED
    port        = {self.port}
    bind        = 127.0.0.1
    socket_type = stream
    protocol    = tcp
    wait        = no
    user        = root
    instances   = UNLIMITED
    per_source  = UNLIMITED
    cps         = 1000000 1
    server      = {self.command[0]}
    server_args = {" ".join(self.command[1:])}
}}
""")
        xinetd = shutil.which("xinetd", path=os.environ["PATH"] + ":/usr/sbin")
        if xinetd is None:
            raise Missing("xinetd is not installed")
        return spawn([xinetd, "-dontfork", "-f", conf, "-filelog", self.folder / "xinetd.log"], output)


class MailmillListening(Mailmill):
    """The receiver with a listening socket, as under wait = yes: one for all connections."""

    name = "mailmill wait=yes"

    def start(self):
        super().start()
        if self.process.poll() is not None:
            raise Missing("it ended when idle")
        return self

    def launch(self, output):
        with socket.create_server(("127.0.0.1", self.port), backlog=1024) as listening:
            return spawn(self.command, output, listening)


class Handling(Server):
    """What the servers have in common whose mail runs a program: it leaves the time of its start in a file."""

    runs = 16  # at the same time

    @property
    def stamps(self):
        path = self.folder / "stamps"
        if not path.exists():
            path.touch()
            path.chmod(0o666)
        return path

    @property
    def stamp(self):
        return [str(BENCH / "stamp"), str(self.stamps)]

    def read_stamps(self):
        """(ns, ID) of each start, in order."""
        return sorted((int(line.split()[0]), line.split()[1]) for line in self.stamps.read_text().splitlines())


class MailmillHandlingAlone(Handling, Mailmill):
    """The receiver under xinetd with a processor."""

    name = "mailmill wait=no"
    processor = None

    def prepare(self):
        command = ", ".join(f'"{word}"' for word in self.stamp)
        self.routes = (f"max-runs = {self.runs}\n"
                       f'route "inbox@example.com" {{ handler "stamp" {{ run = {{{command}}} '
                       f"concurrency = {self.runs} }} }}\n")
        super().prepare()

    def start(self):
        super().start()
        with open(self.folder / "processor.err", "ab") as errors:
            self.processor = spawn([PROGRAMS / "mailmill-processor", "-c", self.config], errors)
        return self

    def stop(self):
        if self.processor is not None:
            self.processor.terminate()
            self.processor.wait(30)
            self.processor = None
        super().stop()

    def roots(self):
        return super().roots() + ([self.processor.pid] if self.processor else [])


class MailmillHandling(MailmillHandlingAlone, MailmillListening):
    """The receiver with a listening socket and a processor."""

    name = "mailmill wait=yes"


# ---- the peers ---------------------------------------------------------------------------------------------


class Peer(Server):
    package = None

    def prepare(self):
        if os.geteuid() != 0:
            raise Missing(f"{self.name}: running it needs root")
        self.root = PACKAGES / self.package
        if not self.root.is_dir():
            self.unpack()
        etc = self.folder / "etc.machine"
        etc.mkdir(exist_ok=True)
        for file, line in (("passwd", "{name}:x:{id}:{id}::/nonexistent:/usr/sbin/nologin\n"),
                           ("group", "{name}:x:{id}:\n")):
            mine = pathlib.Path("/etc", file).read_text()
            for number, name in enumerate(ACCOUNTS, 64100):
                if f"\n{name}:" not in mine:
                    mine += line.format(name=name, id=number)
            (etc / file).write_text(mine)
        # Both look up the client's name: at once, whatever name servers this machine has.
        (etc / "hosts").write_text("127.0.0.1 localhost\n")
        (etc / "resolv.conf").write_text("lookup file\n")

    def unpack(self):
        PACKAGES.mkdir(parents=True, exist_ok=True)
        fetched = subprocess.run(["apt-get", "-q", "download", self.package], cwd=PACKAGES, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        files = sorted(PACKAGES.glob(f"{self.package}_*.deb"))
        if not files:
            raise Missing(f"{self.name}: its package can't be had: {fetched.stdout.strip()}")
        new = PACKAGES / f"{self.package}.new"
        shutil.rmtree(new, ignore_errors=True)
        subprocess.run(["dpkg", "-x", files[-1], new], check=True)
        new.rename(self.root)

    def launch_inside(self, mounts, command, output):
        """Runs it where its packages' files and its accounts are, and `mounts`, (what, where)."""
        mounts = [(file, f"/etc/{file.name}") for file in (self.folder / "etc.machine").iterdir()] + mounts
        script = "".join(f"mount --bind {what} {where}\n" for what, where in mounts)
        script = f"set -e\nmount -t overlay overlay -o ro,lowerdir={self.root}/usr:/usr /usr\n{script}exec \"$@\"\n"
        unshare = ["unshare", "--mount", "--propagation", "private"]
        return spawn([*unshare, "sh", "-c", script, "sh", *command], output)


class Postfix(Peer):
    """Debian's Postfix with its defaults; mail stays in its queue, on hold, so that reception alone is measured."""

    name = "Postfix"
    package = "postfix"
    queue = ("spool/hold/*", "spool/hold/?/*", "spool/incoming/*", "spool/deferred/?/*")

    restrictions = "smtpd_data_restrictions = check_client_access static:HOLD"
    transport = "discard:"
    service = ""
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
error     unix  - - n -    - error
retry     unix  - - n -    - error
discard   unix  - - n -    - discard
anvil     unix  - - n -    1 anvil
tlsmgr    unix  - - n 1000? 1 tlsmgr
"""

    def prepare(self):
        super().prepare()
        for name in ("etc", "spool", "data"):
            (self.folder / name).mkdir(exist_ok=True)
        owner = 64100
        os.chown(self.folder / "data", owner, owner)
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                     "saved", "trace", "maildrop", "public", "pid"):
            path = self.folder / "spool" / name
            path.mkdir(exist_ok=True)
            if name != "pid":
                os.chown(path, owner, owner + 1 if name in ("maildrop", "public") else -1)
            path.chmod({"maildrop": 0o1730, "public": 0o2710, "pid": 0o755}.get(name, 0o700))
        (self.folder / "etc/master.cf").write_text(self.services.format(port=self.port).lstrip() + self.service)
        (self.folder / "etc/main.cf").write_text(f"""compatibility_level = 3.6
myhostname = {HOSTNAME}
mydestination = example.com
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
queue_directory = {self.folder}/spool
data_directory = {self.folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {self.folder}/etc
local_recipient_maps = inline:{{ {{ inbox@example.com = x }} }}
local_transport = {self.transport}
alias_maps =
message_size_limit = 50000000
{self.restrictions}
""")

    def launch(self, output):
        return self.launch_inside([], ["/usr/lib/postfix/sbin/master", "-c", self.folder / "etc", "-d"], output)


class OpenSMTPD(Peer):
    """Debian's OpenSMTPD with its defaults; delivery is paused, so that reception alone is measured."""

    name = "OpenSMTPD"
    paused = ["-P", "mda", "-P", "mta"]
    mda = "/bin/true"
    package = "opensmtpd"
    queue = ("var/spool/smtpd/queue/*/*/message",)
    owner = 64102

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
        for path, user, group, mode in (("corrupt", 1, 0, 0o700), ("incoming", 1, 0, 0o700), ("queue", 1, 0, 0o700),
                                        ("purge", 1, 0, 0o700), ("temporary", 1, 0, 0o700),
                                        ("offline", None, 1, 0o770)):
            (spool / path).mkdir()
            os.chown(spool / path, 0 if user is None else self.owner + user, self.owner + 1 if group else 0)
            (spool / path).chmod(mode)
        conf = self.folder / "smtpd.conf"
        conf.write_text(f"""smtp max-message-size "50M"
table people {{ "inbox@example.com" = "nobody" }}
listen on 127.0.0.1 port {self.port} hostname {HOSTNAME}
action "keep" mda "{self.mda}" virtual <people>
match from any for domain "example.com" action "keep"
""")
        conf.chmod(0o600)

    def launch(self, output):
        mounts = [(self.folder / "var", "/var"), (self.folder / "run", "/run")]
        command = ["/usr/sbin/smtpd", "-d", *self.paused, "-f", self.folder / "smtpd.conf"]
        return self.launch_inside(mounts, command, output)


class PostfixHandling(Handling, Postfix):
    """Its pipe(8) runs the program, as many as with us; all else by its defaults."""

    name = "Postfix pipe(8)"
    restrictions = ""
    transport = "handler:"

    @property
    def service(self):
        return (f"handler unix - n n - {self.runs} pipe\n"
                f"    user=nobody argv={' '.join(self.stamp)} ${{queue_id}}\n")


class OpenSMTPDHandling(Handling, OpenSMTPD):
    """Its mda runs the program; the number of them is its own affair."""

    name = "OpenSMTPD mda"
    paused = []

    @property
    def mda(self):
        return " ".join(self.stamp)
