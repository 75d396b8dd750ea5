#!/usr/bin/env python3
"""Plays SMTP transcripts against the receiver and looks at what is in the spool afterwards.

    play.py RECEIVER FOLDER TRANSCRIPT...

RECEIVER is the program, FOLDER one that this may fill. A transcript is played several times, each in another way: by
steps, the replies waited for before the client goes on; whole, everything written at once, through pipes, a UNIX
socket and TCP; cut, in packets of one, two, three and seven bytes, each of which the receiver gets by a read of
its own; and with a receiver that has a listening socket, by steps ("listen") and whole ("listen-whole"), in all others
with one that has the connection. The replies, the messages stored and the index must be the same each time, and no
process may have left its sandbox. Lines of a transcript:

    # words               the first of them says what is shown
    config: KEY = VALUE   a key of the configuration; $folder is the instance's
    routes: TEXT          instead of the usual routes
    ways: WAY ...         only these, where time or the end of the connection matters
    C: text               the client sends the text and CRLF
    C!: text              the client sends the text alone
    S: text               the receiver answers with this line; * stands for any text, \\* for a star
    E:                    the receiver hangs up
    X:                    the client goes away; so it does at the end
    message: <SENDER> RECIPIENT...    this is stored, in any order, and nothing else
    M: text               a line of the message before it, as stored; M!: without its line end
    log: text             a line of the log, * as above, anywhere in it
    exit: NUMBER          of the receiver, if not 0; with a listening socket it then ends by itself
    no row                the messages are not in the index

C*9: or S*9: or M*9: is nine such lines; {n} in them is 1 to 9. In texts \\r \\n \\0 \\xHH \\\\ are those bytes, and
\\(text*500) is that text 500 times.
"""

import concurrent.futures
import os
import re
import select
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading

PATIENCE = 30  # seconds for one run
WAYS = ("steps", "pipes", "unix", "tcp", "cut1", "cut2", "cut3", "cut7", "listen", "listen-whole")
ROUTES = """
route "a@example.com" {}
route "b@example.com" {}
route "list+special@example.com" {}
route "list@example.com" {}
route "\\"john doe\\"@example.com" {}
route "*@all.example.com" {}
"""


def repeat(text):
    return re.sub(r"\\\((.*?)\*(\d+)\)", lambda found: found[1] * int(found[2]), text)


def unescape(text, number=0):
    """A text of a transcript as bytes."""
    text = repeat(text.replace("{n}", str(number)))
    special = {"r": b"\r", "n": b"\n", "0": b"\0", "\\": b"\\", "*": b"*"}

    def byte(found):
        name = found[1]
        return bytes([int(name[1:], 16)]) if name[:1] == b"x" else special[name.decode()]

    return re.sub(rb"\\(x[0-9A-Fa-f]{2}|.)", byte, text.encode())


def pattern(text, number=0):
    """The regular expression for a text in which a star stands for anything."""
    parts = re.split(r"(?<!\\)\*(?!\d+\))", text)
    return rb"[^\r\n]*".join(re.escape(unescape(part, number)) for part in parts)


class Transcript:
    LINE = re.compile(r"([CSM])(\*\d+)?(!)?:(?: (.*))?$")

    def __init__(self, path):
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.title = None
        self.config = {}
        self.routes = ROUTES
        self.ways = WAYS
        self.steps = []  # ("send", bytes), ("expect", pattern), ("end",), ("leave",)
        self.messages = []  # [sender, recipients, body]
        self.log = []
        self.exit = 0
        self.has_rows = True
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    self.read_line(line.rstrip("\n"))
                except (ValueError, KeyError, IndexError) as error:
                    raise SystemExit(f"{path}:{number}: {error!r}: {line}") from error

    def read_line(self, line):
        found = self.LINE.match(line)
        if found:
            who, times, raw, text = found.groups()
            for number in range(1, int((times or "*1")[1:]) + 1):
                self.add(who, bool(raw), text or "", number)
        elif line.startswith("#"):
            self.title = self.title or line[1:].strip()
        elif line == "no row":
            self.has_rows = False
        elif line in ("E:", "X:"):
            self.steps.append(("end",) if line == "E:" else ("leave",))
        elif line:
            self.set(*line.split(": ", 1))

    def add(self, who, raw, text, number):
        if who == "S":
            self.steps.append(("expect", pattern(text, number)))
        elif who == "C":
            self.steps.append(("send", unescape(text, number) + (b"" if raw else b"\r\n")))
        else:
            self.messages[-1][2] += unescape(text, number) + (b"" if raw else b"\n")

    def set(self, key, value):
        if key == "config":
            name, setting = value.split(" = ", 1)
            self.config[name] = setting
        elif key == "routes":
            self.routes = value.replace("\\n", "\n")
        elif key == "ways":
            self.ways = tuple(value.split())
        elif key == "log":
            self.log.append(pattern(value))
        elif key == "exit":
            self.exit = int(value)
        elif key == "message":
            sender, *recipients = re.findall(r'<.*>|(?:"[^"]*"|\S)+', repeat(value))
            self.messages.append([sender[1:-1].encode(), [text.encode() for text in recipients], b""])
        else:
            raise ValueError("no such line")

    def sent(self):
        return b"".join(step[1] for step in self.steps if step[0] == "send")

    def expected(self):
        return [step[1] for step in self.steps if step[0] == "expect"]


class Failure(Exception):
    pass


class Connection:
    """The client's ends of a connection to a receiver, as one of the ways has it."""

    def __init__(self, way, command):
        complaints = subprocess.PIPE
        self.is_socket = way not in ("steps", "pipes")
        if self.is_socket:
            ours, theirs = self.sockets(way)
            self.to = self.back = ours.detach()
            theirs_in = theirs_out = theirs.detach()
        else:
            theirs_in, self.to = os.pipe()
        if way in ("steps", "pipes") or way.startswith("cut"):
            self.back, theirs_out = os.pipe()
        if way == "tcp":  # as under xinetd: what is said there goes to the client
            complaints = theirs_in
        self.process = subprocess.Popen(command, stdin=theirs_in, stdout=theirs_out, stderr=complaints,
                                        close_fds=True)
        for fd in {theirs_in, theirs_out}:
            os.close(fd)
        self.output = b""
        self.ended = False

    @staticmethod
    def sockets(way):
        if way == "unix":
            return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        if way != "tcp":
            return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs = server.accept()[0]
        ours.settimeout(None)
        return ours, theirs

    def send(self, data, size=None):
        """Gives up quietly when the receiver has left."""
        try:
            while data:
                written = os.write(self.to, data[:size])
                data = data[written:]
        except (BrokenPipeError, ConnectionResetError):
            pass

    def leave(self):
        if self.to is None:
            return
        if self.is_socket:
            try:
                socket.socket(fileno=os.dup(self.to)).shutdown(socket.SHUT_WR)
            except OSError:
                pass
        if self.to != self.back:
            os.close(self.to)
        self.to = None

    def read(self):
        if not select.select([self.back], [], [], PATIENCE)[0]:
            raise Failure("no answer")
        try:
            data = os.read(self.back, 65536)
        except ConnectionResetError:
            data = b""
        self.output += data
        self.ended = not data

    def stop(self):
        """Ends a receiver that does not end with its client."""

    def close(self):
        """Reads to the end; gives what was said on descriptor 2, and the exit code."""
        try:
            while not self.ended:
                self.read()
            self.stop()
            complaints = self.process.stderr.read() if self.process.stderr else b""
            return complaints, self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise Failure("the receiver does not end") from error
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stderr:
                self.process.stderr.close()
            self.leave()
            os.close(self.back)


class Listening(Connection):
    """The same to a receiver that accepts it itself, and then goes on until it is told to end."""

    def __init__(self, command, goes_on=True):
        self.goes_on = goes_on
        self.is_socket = True
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())  # for which a super-server starts it
            self.process = subprocess.Popen(command, stdin=server, stdout=server, stderr=subprocess.PIPE)
        ours.settimeout(None)
        self.to = self.back = ours.detach()
        self.output = b""
        self.ended = False

    def stop(self):
        if self.goes_on:
            self.process.terminate()


def check_line(line, wanted, number):
    if not re.fullmatch(wanted, line):
        raise Failure(f"reply {number}: {line!r}, not {wanted!r}")
    if len(line) > 510 or not re.fullmatch(rb"\d{3}[ -][ -~]*", line):
        raise Failure(f"reply {number} is malformed: {line!r}")


def check_output(output, wanted):
    lines = output.split(b"\r\n")
    if lines.pop() != b"":
        raise Failure(f"the last reply has no end: {output[-80:]!r}")
    for number, (line, expected) in enumerate(zip(lines, wanted), 1):
        check_line(line, expected, number)
    if len(lines) != len(wanted):
        raise Failure(f"{len(lines)} reply lines, not {len(wanted)}; the last: {lines[-1:]}")


def play_steps(connection, steps):
    seen = 0
    for step in steps:
        if step[0] == "send":
            connection.send(step[1])
        elif step[0] == "leave":
            connection.leave()
        elif step[0] == "end":
            while not connection.ended:
                connection.read()
            if connection.output.count(b"\r\n") > seen:
                raise Failure(f"more than it should say at the end: {connection.output[-80:]!r}")
        else:
            while connection.output.count(b"\r\n") <= seen and not connection.ended:
                connection.read()
            lines = connection.output.split(b"\r\n")
            if len(lines) <= seen + 1:
                raise Failure(f"hung up, instead of {step[1]!r}")
            check_line(lines[seen], step[1], seen + 1)
            seen += 1


def play_whole(connection, data, size):
    def write():
        connection.send(data, size)
        connection.leave()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while not connection.ended:
            connection.read()
    finally:
        if not connection.ended:
            connection.process.kill()
        thread.join()


TRACE = re.compile(
    rb"Return-Path: <(?P<sender>.*)>\n(?P<recipients>(?:X-Original-To: .*\n)+)"
    rb"Received: from \S+ \((?:\[[^\]]+\]|local)\)\n\tby mail\.example\.com with (?:E|UTF8)?SMTP id (?P<id>[0-9A-Z]{16});\n"
    rb"\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\n(?P<body>[\0-\xff]*)")


def stored_messages(spool):
    messages = []
    for name in os.listdir(f"{spool}/new"):
        with open(f"{spool}/new/{name}", "rb") as file:
            found = TRACE.fullmatch(file.read())
        if not found or found["id"].decode() != name:
            raise Failure(f"{name} has no good trace block")
        recipients = re.findall(rb"X-Original-To: (.*)\n", found["recipients"])
        messages.append([found["sender"], recipients, found["body"]])
    return messages


def check_spool(folder, transcript):
    spool = f"{folder}/spool"
    for name in ("tmp", "cur"):
        if os.path.isdir(f"{spool}/{name}") and os.listdir(f"{spool}/{name}"):
            raise Failure(f"left behind in {name}/: {os.listdir(f'{spool}/{name}')}")
    names = os.listdir(f"{spool}/new") if os.path.isdir(f"{spool}/new") else []
    stored = stored_messages(spool) if names else []
    if sorted(stored) != sorted(transcript.messages):
        raise Failure(f"stored: {str(stored)[:2000]}\nwanted: {str(transcript.messages)[:2000]}")
    if names and transcript.has_rows:
        check_rows(f"{folder}/lib/index.db", names)


def check_rows(index, names):
    database = sqlite3.connect(f"file:{index}?mode=ro", uri=True)
    try:
        rows = {row[0] for row in database.execute("SELECT id FROM message")}
    finally:
        database.close()
    if not rows.issuperset(names):
        raise Failure("not all of it is in the index")


def check_log(path, wanted):
    with open(path, "rb") as file:
        log = file.read()
    for line in wanted:
        if not re.search(line, log):
            raise Failure(f"the log has no {line!r}:\n{log.decode()}")
    for word in (b"killed by signal", b"cut off", b"without a word"):
        if word in log:
            raise Failure(f"in the log:\n{log.decode()}")
    if re.search(rb"[^\n -~]", log):
        raise Failure(f"raw bytes in the log:\n{log!r}")


def prepare(folder, transcript):
    shutil.rmtree(f"{folder}/spool", ignore_errors=True)
    for name in ("lib", "spool"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    with open(f"{folder}/log", "w", encoding="utf-8"):
        pass
    settings = {
        "hostname": '"mail.example.com"',
        "spool": f'"{folder}/spool"',
        "index": f'"{folder}/lib/index.db"',
        "log-file": f'"{folder}/log"',
        "command-timeout": '"20s"',
    } | transcript.config
    with open(f"{folder}/mailmill.conf", "w", encoding="utf-8") as file:
        for key, value in settings.items():
            file.write(f"{key} = {value}\n".replace("$folder", folder))
        file.write(transcript.routes)


def play(receiver, folder, transcript, way):
    prepare(folder, transcript)
    command = [receiver, "-c", f"{folder}/mailmill.conf"]
    listens = way.startswith("listen")
    connection = Listening(command, transcript.exit == 0) if listens else Connection(way, command)
    try:
        if way in ("steps", "listen"):
            play_steps(connection, transcript.steps)
            connection.leave()
        else:
            play_whole(connection, transcript.sent(), int(way[3:]) if way.startswith("cut") else None)
    except Failure:
        connection.process.kill()
        connection.close()
        raise
    complaints, status = connection.close()
    check_output(connection.output, transcript.expected())
    if complaints:
        raise Failure(f"on descriptor 2: {complaints!r}")
    if status != transcript.exit:
        raise Failure(f"exit code {status}, not {transcript.exit}")
    check_spool(folder, transcript)
    check_log(f"{folder}/log", transcript.log)


def play_all_ways(receiver, folder, path):
    """Gives the line that reports it."""
    transcript = Transcript(path)
    place = f"{folder}/{transcript.name}"
    os.makedirs(place)
    for way in transcript.ways:
        try:
            play(receiver, place, transcript, way)
        except Failure as failure:
            return f"FAIL {transcript.name}, {way}: {failure}"
    shutil.rmtree(place)
    return f"ok {transcript.name}: {transcript.title} ({len(transcript.ways)} ways)"


def main():
    receiver, folder, *paths = sys.argv[1:]
    # The leak checker looks at processes that the sandbox keeps from it, and fails.
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0"
    # Many of these wait for a timeout rather than for a processor.
    with concurrent.futures.ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        lines = list(pool.map(lambda path: play_all_ways(receiver, folder, path), paths))
    print("\n".join(lines))
    failed = sum(line.startswith("FAIL") for line in lines)
    print(f"{len(lines) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
