"""The servers that the benchmark measures: each in a folder of its own, on a port of loopback, gone at the end.

Postfix and OpenSMTPD are those of ../peers.py, with their queues on the file system of mailmill's spool.

    server = Postfix(folder)
    server.start(); server.port; server.cpu_us(); server.private_kib(); server.tidy(); server.stop()
"""

import glob
import os
import pathlib
import shutil
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import peers  # noqa: E402
from peers import HOSTNAME, TOP, Missing, Peer, spawn  # noqa: E402

PROGRAMS = pathlib.Path(os.environ.get("MAILMILL_BUILD") or TOP / "build")
BENCH = TOP / "build/bench"
TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


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


class Measured:
    """What is asked about a server: a process and all that it starts."""

    queue = ()  # patterns of messages' files in the folder

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


class Mailmill(Measured, peers.Server):
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


class Handling:
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


class Postfix(Measured, peers.Postfix):
    """Mail stays in its queue, on hold, so that reception alone is measured."""

    queue = ("spool/hold/*", "spool/hold/?/*", "spool/incoming/*", "spool/deferred/?/*")
    settings = """mydestination = example.com
local_recipient_maps = inline:{ { inbox@example.com = x } }
local_transport = discard:
message_size_limit = 50000000
smtpd_data_restrictions = check_client_access static:HOLD"""


class OpenSMTPD(Measured, peers.OpenSMTPD):
    """Delivery is paused, so that reception alone is measured."""

    queue = ("var/spool/smtpd/queue/*/*/message",)
    options = ("-P", "mda", "-P", "mta")
    mda = "/bin/true"

    @property
    def settings(self):
        return f"""smtp max-message-size "50M"
table people {{ "inbox@example.com" = "nobody" }}
action "keep" mda "{self.mda}" virtual <people>
match from any for domain "example.com" action "keep"
"""


class PostfixHandling(Handling, Postfix):
    """Its pipe(8) runs the program, as many as with us; all else by its defaults."""

    name = "Postfix pipe(8)"
    settings = """mydestination = example.com
local_recipient_maps = inline:{ { inbox@example.com = x } }
local_transport = handler:
message_size_limit = 50000000"""

    @property
    def services(self):
        return (super().services + f"handler unix - n n - {self.runs} pipe\n"
                f"    user=nobody argv={' '.join(self.stamp)} ${{{{queue_id}}}}\n")


class OpenSMTPDHandling(Handling, OpenSMTPD):
    """Its mda runs the program; the number of them is its own affair."""

    name = "OpenSMTPD mda"
    options = ()

    @property
    def mda(self):
        return " ".join(self.stamp)
