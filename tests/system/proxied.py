#!/usr/bin/env python3
"""Clients behind a proxy, which is this: proxied.py SCENARIO PORT [ARGUMENT ...].

    limits PORT MAX     sessions of one client up to its limit and beyond; prints what each kind is told
    word PORT TEXT      says the text (with escapes) as the first thing, and prints all that comes
    mail HOST PORT [HEADER]      a message to an address of this machine, from the same, the header in front of it
    silent PORT         says nothing; prints what comes, and after how many seconds, roughly
    stat PATH           what an HAProxy with its socket there thinks of its servers: name, state, last check
"""
import smtplib
import socket
import sys
import time

from scenarios import PATIENCE, Client


class Proxied(Client):
    """A client by the header in front of its connection; None: the proxy's own."""

    def __init__(self, port, address):
        self.header = b"PROXY UNKNOWN\r\n"
        if address is not None:
            family = "TCP6" if ":" in address else "TCP4"
            to = "2001:db8::25" if ":" in address else "198.51.100.25"
            self.header = f"PROXY {family} {address} {to} 40000 25\r\n".encode()
        super().__init__(port)

    def reply(self):
        if self.header:
            self.socket.sendall(self.header)
            self.header = b""
        return super().reply()


def limits(port, most):
    port = int(port)
    first = [Proxied(port, "2001:db8:1::1") for _ in range(int(most))]
    print("beyond:", Proxied(port, "2001:db8:1::2").greeting)
    others = [Proxied(port, address) for address in ("2001:db8:1:1::1", "203.0.113.9")]
    own = [Proxied(port, None) for _ in range(int(most) + 1)]
    direct = Client(port, "127.0.0.2")
    print("others:", *sorted({c.greeting for c in first + others + own + [direct]}))
    first.pop().close()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        again = Proxied(port, "2001:db8:1::2")
        if again.greeting.startswith("220"):
            break
        again.close()
        time.sleep(0.02)
    print("when one has left:", again.greeting)


def all_of(connection):
    data = b""
    try:
        while more := connection.recv(4096):
            data += more
    except OSError:
        pass
    return data.decode("ascii", "replace").replace("\r", "").rstrip("\n")


def word(port, text):
    with socket.create_connection(("127.0.0.1", int(port)), PATIENCE) as connection:
        connection.sendall(text.encode().decode("unicode_escape").encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        print(all_of(connection))


class Headed(smtplib.SMTP):
    header = b""

    def _get_socket(self, host, port, timeout):
        connection = super()._get_socket(host, port, timeout)
        connection.sendall(self.header)
        return connection


def mail(host, port, header=""):
    Headed.header = header.encode().decode("unicode_escape").encode("latin-1")
    with Headed(host, int(port), "client.example.org", PATIENCE, (host, 0)) as client:
        client.sendmail("asker@example.org", ["a@example.com"], "Subject: x\r\n\r\nx\r\n")


def silent(port):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", int(port)), PATIENCE) as connection:
        print(all_of(connection))
        taken = time.monotonic() - began
        print("in time" if 4 < taken < 30 else f"after {taken} s")


def stat(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"show stat\n")
        lines = all_of(connection).splitlines()
    names = lines[0].lstrip("# ").split(",")
    for line in lines[1:]:
        row = dict(zip(names, line.split(",")))
        if row.get("svname") == "mailmill":
            print(row["pxname"], row["status"], row["check_status"])


if __name__ == "__main__":
    {f.__name__: f for f in (limits, word, mail, silent, stat)}[sys.argv[1]](*sys.argv[2:])
