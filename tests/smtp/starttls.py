"""Sessions for tests/smtp/starttls.sh that no mail program would have: `starttls.py NAME PORT [ARGUMENT ...]`.

Prints "ok" when all was as it should be; else what was wrong, and exits with 1.
"""
import hashlib
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time

CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", int(port)), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.expect("220")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return ""
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def expect(self, code):
        reply = self.reply()
        if not reply.startswith(code):
            raise AssertionError(f"wanted {code}, got {reply!r}")
        return reply

    def ask(self, command, code):
        self.send(command.encode() + b"\r\n")
        return self.expect(code)

    def secure(self):
        if self.buffer:
            raise AssertionError(f"more than one answer in plain: {self.buffer!r}")
        self.socket = CONTEXT.wrap_socket(self.socket)

    def starttls(self):
        self.ask("EHLO client.example.org", "250")
        self.ask("STARTTLS", "220")
        self.secure()

    def mail(self, sender, body="Subject: hello\r\n\r\nhello"):
        self.ask(f"MAIL FROM:<{sender}>", "250")
        self.ask("RCPT TO:<a@example.com>", "250")
        self.ask("DATA", "354")
        return self.ask(body + "\r\n.", "250")

    def await_end(self):
        try:
            rest = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return
        if rest:
            raise AssertionError(f"wanted the end, got {rest!r}")


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def inject(port):
    """Commands behind STARTTLS, in its packet: none is heard, and nothing of before is known."""
    for commands in (
        b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<a@example.com>\r\nVRFY x\r\n",
        b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<a@example.com>\r\nSTARTTLS\r\nDATA\r\n",
    ):
        client = Client(port)
        client.ask("EHLO client.example.org", "250")
        client.send(commands)
        for _ in range(2 if commands.startswith(b"MAIL") else 0):
            client.expect("250")
        client.expect("220")
        client.secure()
        client.ask("MAIL FROM:<x@example.org>", "503")
        client.ask("DATA", "503")
        ehlo = client.ask("EHLO client.example.org", "250")
        check("STARTTLS" not in ehlo, "offered again: " + ehlo)
        client.ask("STARTTLS", "503")
        client.ask("DATA", "503")
        client.mail("secured@example.org")
        client.ask("QUIT", "221")
        check(client.socket.recv(10) == b"", "no goodbye in TLS")


def inject_later(port):
    """The same in a packet of their own, before the answer. One that comes after it spoils the handshake: try again."""
    for attempt in range(10):
        client = Client(port)
        client.ask("EHLO client.example.org", "250")
        client.send(b"STARTTLS\r\n")
        time.sleep(0.002)
        client.send(b"NOOP\r\nMAIL FROM:<evil@example.org>\r\n")
        client.expect("220")
        try:
            client.secure()
        except (ssl.SSLError, ConnectionError):
            continue
        client.ask("MAIL FROM:<x@example.org>", "503")
        client.ask("EHLO client.example.org", "250")
        client.ask("QUIT", "221")
        return
    raise AssertionError("no handshake in ten attempts")


def syntax(port):
    client = Client(port)
    client.ask("STARTTLS", "503")
    client.ask("EHLO client.example.org", "250")
    client.ask("STARTTLS now", "501")
    client.ask("NOOP", "250")


def rubbish(port):
    """What comes instead of a handshake."""
    for data in (b"EHLO client.example.org\r\n" * 5, b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"A" * 70000, b""):
        client = Client(port)
        client.ask("EHLO client.example.org", "250")
        client.ask("STARTTLS", "220")
        try:
            client.send(data)
            client.socket.shutdown(socket.SHUT_WR)
            while client.socket.recv(65536):
                pass
        except ConnectionError:
            pass


def silent(port):
    """A handshake that does not begin, and one that does not go on, each with command-timeout = 1s."""
    for data in (b"", b"\x16\x03\x01\x02\x00\x01"):
        client = Client(port)
        client.ask("EHLO client.example.org", "250")
        client.ask("STARTTLS", "220")
        start = time.monotonic()
        client.send(data)
        client.socket.settimeout(20)
        client.await_end()
        check(0.5 < time.monotonic() - start < 10, f"{time.monotonic() - start} seconds")


def dropping(port):
    """One byte at a time: the deadline is for the whole handshake."""
    client = Client(port)
    client.ask("EHLO client.example.org", "250")
    client.ask("STARTTLS", "220")
    start = time.monotonic()
    try:
        for byte in b"\x16\x03\x01\x02\x00" + b"\x01" * 100:
            client.send(bytes([byte]))
            time.sleep(0.1)
    except ConnectionError:
        pass
    check(time.monotonic() - start < 8, f"{time.monotonic() - start} seconds")


def timeout(port):
    """A client that says nothing more, in TLS, gets its 421, and the goodbye of TLS."""
    client = Client(port)
    client.starttls()
    client.socket.settimeout(20)
    client.expect("421")
    check(client.socket.recv(10) == b"", "no goodbye in TLS")


def refused(port):
    """The certificate is not fit to use: 454, not offered any more, and mail goes on in plain."""
    client = Client(port)
    check("STARTTLS" in client.ask("EHLO client.example.org", "250"), "not offered")
    reply = client.ask("STARTTLS", "454")
    check(reply.startswith("454 4.7.0"), reply)
    check("STARTTLS" not in client.ask("EHLO client.example.org", "250"), "offered again")
    client.ask("STARTTLS", "50")
    client.mail("plain@example.org")
    client.ask("QUIT", "221")


def absent(port):
    client = Client(port)
    check("STARTTLS" not in client.ask("EHLO client.example.org", "250"), "offered")
    client.ask("STARTTLS", "502")
    client.mail("plain@example.org")


def late(port):
    """After messages in plain, which the writer's sandbox comes with; then several in one secured session."""
    client = Client(port)
    client.ask("EHLO client.example.org", "250")
    client.mail("before@example.org")
    client.mail("before@example.org")
    client.ask("STARTTLS", "220")
    client.secure()
    client.ask("EHLO client.example.org", "250")
    client.mail("after@example.org")
    client.mail("after@example.org")
    client.ask("QUIT", "221")


def large(port):
    """All of 20 MiB, in both versions of TLS, in one write; its digest is printed by the test."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        body = "".join(hashlib.sha256(bytes([i & 255, i >> 8 & 255, i >> 16])).hexdigest() + "\r\n" for i in range(317750))
        server = smtplib.SMTP("127.0.0.1", int(port), timeout=60)
        server.starttls(context=context)
        server.sendmail("large@example.org", ["a@example.com"], "Subject: large\r\n\r\n" + body)
        server.quit()


def pipelined(port):
    """A whole session in one write, in TLS, and all answers at once."""
    client = Client(port)
    client.starttls()
    group = b"MAIL FROM:<pipelined@example.org>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n"
    client.send(b"EHLO client.example.org\r\n" + (group + b"Subject: x\r\n\r\nx\r\n.\r\n") * 20 + b"QUIT\r\n")
    client.expect("250")
    for _ in range(20):
        for code in ("250", "250", "354", "250"):
            client.expect(code)
    client.expect("221")


def deaf(port):
    """Thousands of commands from a client that reads no answer: nothing piles up, and all are answered in the end."""
    client = Client(port)
    client.starttls()
    client.ask("EHLO client.example.org", "250")
    client.socket.settimeout(2)
    sent = 0
    try:
        while sent < 200000:
            client.send(b"NOOP\r\n" * 1000)
            sent += 1000
    except (TimeoutError, socket.timeout, ssl.SSLError):
        pass
    client.socket.settimeout(30)
    for _ in range(max(1, sent - 1000)):
        client.expect("250")


def helper_pid():
    """The newest mailmill-tls of these tests."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/exe").endswith("/mailmill-tls"):
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if os.environ["INSTANCE"].encode() in file.read():
                        found.append(int(entry))
        except OSError:
            # A process that has made itself undumpable is root's to look at only.
            continue
    return max(found)


def killed(port):
    """mailmill-tls dies in the middle of a message: the connection ends, and nothing is stored."""
    client = Client(port)
    client.starttls()
    client.ask("EHLO client.example.org", "250")
    client.ask("MAIL FROM:<killed@example.org>", "250")
    client.ask("RCPT TO:<a@example.com>", "250")
    client.ask("DATA", "354")
    client.send(b"Subject: half\r\n\r\nhalf\r\n")
    os.kill(helper_pid(), signal.SIGKILL)
    client.await_end()


def forbidden(port):
    """It makes a call that its sandbox forbids, in place of its next read: that is its end, and its connection's."""
    client = Client(port)
    client.starttls()
    client.ask("EHLO client.example.org", "250")
    pid = helper_pid()
    tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "trace=read", "-e",
                               "inject=read:retval=1:syscall=getppid", "-p", str(pid)])
    while tracer.poll() is None:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            if "\nTracerPid:\t0\n" not in file.read():
                break
        time.sleep(0.02)
    client.send(b"NOOP\r\n")
    client.await_end()
    tracer.wait(30)


def inside(port):
    """What mailmill-tls may do while it serves, as the kernel has it."""
    client = Client(port)
    client.starttls()
    client.ask("EHLO client.example.org", "250")
    pid = helper_pid()
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    check(status["NoNewPrivs"] == "1", "no_new_privs is not set")
    check(status["Seccomp"] == "2", "no seccomp filter")
    with open(f"/proc/{pid}/limits") as file:
        limits = file.read()
    for limit in ("Max file size             0 ", "Max processes             0 ", "Max core file size        0 "):
        check(limit in limits, limit + "is not there:\n" + limits)
    files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    rest = [name for name in files if not name.startswith("socket:") and name != "/dev/null"]
    check(not rest, f"descriptors: {files}")
    with open(f"/proc/{pid}/environ", "rb") as file:
        check(file.read() == b"", "an environment")
    client.ask("QUIT", "221")


def renewed(port, certificate, key, new_certificate, new_key):
    """A new certificate is for the next connection; the one that goes on keeps the old."""
    first = Client(port)
    first.starttls()
    old = first.socket.getpeercert(True)
    os.replace(new_certificate, certificate)
    os.replace(new_key, key)
    second = Client(port)
    second.starttls()
    check(second.socket.getpeercert(True) != old, "the old certificate")
    for client in (first, second):
        client.ask("EHLO client.example.org", "250")
        client.mail("renewed@example.org")


def main():
    try:
        globals()[sys.argv[1]](*sys.argv[2:])
    except (AssertionError, OSError, smtplib.SMTPException) as error:
        print(f"{type(error).__name__}: {error}")
        return 1
    print("ok")
    return 0


sys.exit(main())
