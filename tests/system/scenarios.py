#!/usr/bin/env python3
"""SMTP clients for the tests of the receiver: scenarios.py SCENARIO [ARGUMENT ...].

    many PORT CLIENTS MESSAGES [SIZE]   clients at once, each with a connection for its messages; prints the ID of each
                                        message that was acknowledged, and gives up a client at its first failure
    together PORT CLIENTS               clients whose messages are all complete but for their last lines, which come
                                        at once; prints the ID of each that was acknowledged
    suite PORT                          what any way of being started must do; prints a line for each answer
    limits PORT MAX MAX_PER_CLIENT      fills the slots; prints what those beyond them are told
    stop PORT PID                       a client in a message, one between chunks of one, and one between two; then PID
                                        gets SIGTERM
    idle PORT SECONDS                   stays that long without a word
    answer PORT                         what a client between two messages is told when the server ends; prints "ready"
    lingering PORT                      with one slot: a client that has said QUIT in TLS and does not leave, and what
                                        the next one that asks for TLS is told; then the same when the first has left
    queued COMMAND ...                  runs it on a socket with two clients in the queue, of whom the first has left;
                                        prints its exit code, and what the other is told
"""
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

PATIENCE = 60


class Client:
    def __init__(self, port, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        while True:
            line = self.file.readline().decode("ascii", "replace")
            if not line:
                return ""
            if line[3:4] != "-":
                return line.rstrip("\r\n")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def begin(self, recipient="a@example.com"):
        for line in ("MAIL FROM:<asker@example.org>", f"RCPT TO:<{recipient}>", "DATA"):
            answer = self.say(line)
            if answer[:1] not in "23":
                return answer
        return answer

    def send(self, text):
        answer = self.begin()
        if answer[:3] != "354":
            return answer
        self.socket.sendall(text + b".\r\n")
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


def message(name, size=0):
    line = b"0123456789" * 7 + b"\r\n"
    return f"Subject: {name}\r\n\r\n".encode() + line * (size // len(line)) + b"the end of it\r\n"


def many(port, clients, messages, size="0"):
    lock = threading.Lock()

    def run(number):
        try:
            client = Client(int(port))
            client.say("EHLO client.example.org")
            for i in range(int(messages)):
                answer = client.send(message(f"{number}-{i}", int(size)))
                if not answer.startswith("250 "):
                    return
                with lock:
                    print(answer.split()[-1], flush=True)
            client.say("QUIT")
        except OSError:
            pass

    threads = [threading.Thread(target=run, args=(i,)) for i in range(int(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def together(port, count):
    clients = [Client(int(port)) for _ in range(int(count))]
    for client in clients:
        client.say("EHLO client.example.org")
        client.begin()
        client.socket.sendall(message("together"))
    for client in clients:
        client.socket.sendall(b".\r\n")
    for client in clients:
        answer = client.reply()
        if answer.startswith("250 "):
            print(answer.split()[-1])


def suite(port):
    client = Client(int(port))
    print(client.greeting)
    print(client.say("EHLO client.example.org")[:3])
    print(client.begin("nobody@example.com"), client.say("RSET"), sep="\n")
    for size in (0, 0, 1 << 20):
        print(client.send(message("suite", size))[:21])
    print(client.say("QUIT"))
    print(repr(client.reply()))


def limits(port, most, most_per_client):
    first = [Client(int(port)) for _ in range(int(most_per_client))]
    print("beyond a client's:", Client(int(port)).greeting)
    others = [Client(int(port), "127.0.0.2") for _ in range(int(most) - int(most_per_client))]
    print("beyond all:", Client(int(port), "127.0.0.3").greeting)
    print("those within:", *sorted({c.greeting for c in first + others}))
    print("still served:", first[0].say("NOOP"))
    first.pop().close()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        again = Client(int(port))
        if again.greeting.startswith("220"):
            break
        again.close()
        time.sleep(0.02)
    print("when one has left:", again.greeting)


def stop(port, pid):
    idle, busy, chunks = (Client(int(port)) for _ in range(3))
    chunks.say("EHLO client.example.org")
    for line in ("MAIL FROM:<asker@example.org>", "RCPT TO:<a@example.com>", "BDAT 15\r\nSubject: half"):
        answer = chunks.say(line)
    print(answer)
    busy.say("EHLO client.example.org")
    print(busy.begin())
    busy.socket.sendall(b"Subject: half\r\n\r\n")
    os.kill(int(pid), signal.SIGTERM)
    print("idle:", idle.reply())
    print("idle:", repr(idle.reply()))
    print("in chunks:", chunks.say("BDAT 2 LAST\r\n")[:21])
    print("in chunks:", chunks.reply())
    busy.socket.sendall(b"the other half\r\n.\r\n")
    print("busy:", busy.reply()[:21])
    print("busy:", busy.reply())


def idle(port, seconds):
    client = Client(int(port))
    time.sleep(float(seconds))
    print(client.say("NOOP"))


def answer(port):
    client = Client(int(port))
    print("ready", flush=True)
    print(client.reply(), flush=True)


def asking_for_tls(port):
    """A client in the only slot, as soon as it is free, and what it is told."""
    while True:
        client = Client(port)
        if client.greeting.startswith("220"):
            client.say("EHLO client.example.org")
            return client, client.say("STARTTLS")
        client.close()
        time.sleep(0.02)


def lingering(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    first, answer = asking_for_tls(int(port))
    print("first:", answer)
    first.socket = context.wrap_socket(first.socket)
    first.file = first.socket.makefile("rb")
    print("first:", first.say("QUIT"))
    second, answer = asking_for_tls(int(port))
    print("second:", answer)
    print("second:", second.say("NOOP"))
    second.close()
    first.close()
    while not answer.startswith("220"):
        third, answer = asking_for_tls(int(port))
        third.close()
    print("third:", answer)


def queued(*command):
    listening = socket.create_server(("127.0.0.1", 0))
    left, waits = (socket.create_connection(listening.getsockname(), PATIENCE) for _ in range(2))
    left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left.shutdown(socket.SHUT_WR)
    left.close()
    print(subprocess.run(command, stdin=listening, timeout=PATIENCE).returncode)
    listening.close()
    print(waits.makefile().readline().rstrip())


if __name__ == "__main__":
    scenario = {f.__name__: f for f in (many, together, suite, limits, stop, idle, answer, lingering, queued)}[sys.argv[1]]
    scenario(*sys.argv[2:])
