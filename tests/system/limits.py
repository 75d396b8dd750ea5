#!/usr/bin/env python3
"""Clients that each run into another limit, all at the same time: limits.py all|crowded|reserve PORT.

    all PORT      every limit at once, and beside them one who just sends mail: prints a line for each; with max-sessions
                  = 40, max-sessions-per-client = 5, greet-delay = 1s, command-timeout = 8s, session-timeout = 20s,
                  max-commands = 200, max-message-size = 1M, max-header-size = 4K, min-body-rate = 1000
    crowded PORT  when nine of ten slots are taken, who comes then has 20 seconds for a command; with max-sessions = 10
                  and command-timeout = 2m
    reserve PORT  what clients declare takes room from each other; with room for one message of 15 MiB

Each client has an address of its own. What each of them should hear stands in limits.sh.
"""
import itertools
import select
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from scenarios import Client, message  # noqa: E402

PATIENCE = 60  # seconds: longer than any limit here
SLOTS, SLOTS_PER_CLIENT = 40, 5
addresses = itertools.count(10)
have_connected = set()  # names of threads


def connect(port):
    client = Client(port, f"127.0.1.{next(addresses)}")
    have_connected.add(threading.current_thread().name)
    return client


def greeted(port):
    client = connect(port)
    client.say("EHLO client.example.org")
    return client


def begun(port):
    client = greeted(port)
    client.begin()
    return client


def end_of(client):
    """The last reply before the end of the connection."""
    last = ""
    try:
        while answer := client.reply():
            last = answer
    except ConnectionError:
        pass
    return last


def until_refused(client, line, most):
    """Says the same again and again; gives the reply that ends it."""
    for _ in range(most):
        answer = client.say(line)
        if answer.startswith("421"):
            return answer
        following = client.reply() if client.socket in readable(client.socket) else ""
        if following.startswith("421"):
            return following
    return "never"


def refusals(port, sources):
    """Connections from these addresses, all in one go; gives what those hear that are not greeted."""
    held = [socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)) for source in sources]
    greetings = {connection.makefile().readline().rstrip() for connection in held}
    return " ".join(greeting for greeting in greetings if not greeting.startswith("220"))


def readable(connection):
    return select.select([connection], [], [], 0.02)[0]


def drop_in(client, data):
    """A byte now and then, until there is an answer to that."""
    for byte in itertools.cycle(data):
        if readable(client.socket):
            return end_of(client)
        client.socket.sendall(bytes([byte]))
        time.sleep(0.2)


# ---- those who run into a limit ----------------------------------------------------------------------------


def wrong_commands(port):
    return until_refused(greeted(port), "NONSENSE", 20)


def many_commands(port):
    return until_refused(greeted(port), "NOOP", 300)


def silent(port):
    return end_of(greeted(port))


def silent_in_a_message(port):
    client = begun(port)
    client.socket.sendall(b"Subject: half\r\n\r\nhalf")
    return end_of(client)


def dropping_in_a_command(port):
    return drop_in(greeted(port), b"N")


def dropping_in_a_message(port):
    return drop_in(begun(port), b"x\r\n")


def steady(port):
    """A message that takes longer than command-timeout, and comes fast enough."""
    client = begun(port)
    client.socket.sendall(b"Subject: steady\r\n\r\n")
    for _ in range(20):
        client.socket.sendall((b"x" * 78 + b"\r\n") * 25)
        time.sleep(0.5)
    client.socket.sendall(b".\r\n")
    return client.reply()


def large_message(port):
    client = greeted(port)
    return client.send(message("large", 2 << 20)) + " | " + client.send(message("small"))


def large_header(port):
    client = greeted(port)
    return client.send(b"X-Field: value\r\n" * 300 + b"\r\n") + " | " + client.send(message("small"))


def bare_line_ends(port):
    client = greeted(port)
    return client.send(b"Subject: x\n\nx\r\n") + " | " + client.send(message("small"))


def loop(port):
    client = greeted(port)
    return client.send(b"Received: x\r\n" * 100 + b"\r\n") + " | " + client.send(message("small"))


def many_recipients(port):
    client = greeted(port)
    client.say("MAIL FROM:<asker@example.org>")
    answers = [client.say(f"RCPT TO:<user{i}@all.example.com>") for i in range(101)]
    client.say("DATA")
    return answers[-1] + " | " + client.say("Subject: to a hundred\r\n\r\n.")


def deaf(port):
    """Thousands of commands, and never a look at an answer: left without a word, when its connection takes no more."""
    client = connect(port)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        while True:
            client.socket.sendall(b"HELP\r\n" * 1000)
    except ConnectionError:
        return "hung up"


def hasty(port):
    with socket.create_connection(("127.0.0.1", port), PATIENCE, (f"127.0.1.{next(addresses)}", 0)) as early:
        early.sendall(b"EHLO client.example.org\r\n")
        return early.makefile().readline().rstrip()


def vanishing(port):
    client = begun(port)
    client.socket.sendall(b"Subject: half\r\n\r\nhalf")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    return "gone"


def greedy(port):
    """One connection more than an address may have."""
    return refusals(port, [f"127.0.1.{next(addresses)}"] * (SLOTS_PER_CLIENT + 1))


# ---- and those who do not ----------------------------------------------------------------------------------


def good(port, ended):
    """Sends mail while the others do what they do, over one connection and then another."""
    longest = 0.0
    count = 0
    while not ended.is_set():
        client = connect(port)
        if not client.greeting.startswith("220"):
            time.sleep(0.1)  # all slots are taken: a mail server comes again
            continue
        client.say("EHLO client.example.org")
        for _ in range(10):
            start = time.monotonic()
            answer = client.send(message("good", 100000))
            if not answer.startswith("250 2.0.0 accepted as"):
                return f"after {count}: {answer}"
            longest = max(longest, time.monotonic() - start)
            count += 1
            time.sleep(0.1)
        client.say("QUIT")
        client.close()
    print(f"# {count} good messages, the longest took {longest:.2f} s", flush=True)
    return "all accepted" if count >= 20 and longest < PATIENCE / 2 else f"{count} in all, {longest} s"


def fill(port):
    """One connection more than there are slots."""
    return refusals(port, [f"127.0.1.{next(addresses)}" for _ in range(SLOTS + 1)])


def all_at_once(port):
    ended = threading.Event()
    patient = (silent, silent_in_a_message, dropping_in_a_command, dropping_in_a_message, steady, deaf)
    quick = (wrong_commands, many_commands, large_message, large_header, bare_line_ends, loop, many_recipients, hasty,
             vanishing, greedy)
    said = {}

    def run(function, *arguments):
        try:
            said[function.__name__] = function(*arguments)
        except OSError as error:
            said[function.__name__] = repr(error)

    def start(function, *arguments):
        thread = threading.Thread(target=run, args=(function, port, *arguments), name=function.__name__)
        thread.start()
        return thread

    one = start(good, ended)
    slow, fast = [start(function) for function in patient], [start(function) for function in quick]
    for thread in fast:
        thread.join()
    # Only when the others have their slots.
    while not have_connected.issuperset(thread.name for thread in slow if thread.is_alive()):
        time.sleep(0.05)
    run(fill, port)
    for thread in slow:
        thread.join()
    ended.set()
    one.join()
    for name, answer in said.items():
        print(f"{name}: {answer}")


def crowded(port):
    first = [Client(port) for _ in range(9)]
    start = time.monotonic()
    last = Client(port)
    said = end_of(last)
    print(said[:9], "in its time" if 2 < time.monotonic() - start < 15 else "not in its time")
    print("the others:", *{client.say("NOOP") for client in first})


def reserve(port):
    """Two messages that have room each, and not both."""

    def begin(size):
        client = greeted(port)
        client.say("MAIL FROM:<asker@example.org>" + (f" SIZE={size}" if size else ""))
        client.say("RCPT TO:<a@example.com>")
        return client, client.say("DATA")

    first, answer = begin(15 << 20)
    print("the first:", answer[:3])
    second, answer = begin(15 << 20)
    print("the second:", answer[:9])
    print("without a size:", begin(0)[1][:3])
    first.close()
    deadline = time.monotonic() + PATIENCE
    while not (answer := second.say("DATA")).startswith("354") and time.monotonic() < deadline:
        time.sleep(0.05)
    print("when the first is gone:", answer[:3])


if __name__ == "__main__":
    {"all": all_at_once, "crowded": crowded, "reserve": reserve}[sys.argv[1]](int(sys.argv[2]))
