#!/usr/bin/env python3
"""smuggling.py RECEIVER FOLDER: every form of a line end, a dot and a line end that somebody might take for the end of
a message, each in a message with commands behind it.

None but CR LF . CR LF may be an end. Which messages must be refused, and what is stored of the others, is worked out
here from the bytes alone. All of it is played over pipes and through a listening socket, one long session each.
"""

import itertools
import os
import re
import shutil
import sys
import types

sys.dont_write_bytecode = True
import play  # noqa: E402

ENDS = (b"", b"\r", b"\n", b"\r\n", b"\r\r", b"\n\r", b"\n\n", b"\r\r\n")
BESIDE = (b"", b"\0", b" ", b"\t", b"\x0b", b".")
TRUE_END = b"\r\n.\r\n"
INNER = b"MAIL FROM:<forged@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nSubject: inner\r\n\r\ninner\r\n.\r\n"
GOOD_EVERY = 500  # a good one among so many: with a thousand refusals since the last a client is sent away
BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


def forms():
    for before, left, right, after in itertools.product(ENDS, BESIDE, BESIDE, ENDS):
        yield before + left + b"." + right + after


def judge(text):
    """What the receiver has to make of a message that is sent with these bytes: the reply, and what is stored."""
    body = (b"\r\n" + text).split(TRUE_END, 1)[0][2:]
    if BARE.search(body):
        return b"550 5.6.0 ", None
    lines = body.split(b"\r\n")
    return b"250 2.0.0 accepted as ", b"".join(line.removeprefix(b".") + b"\n" for line in lines)


class Session:
    def __init__(self, connection):
        self.connection = connection
        self.expect(b"220 ")

    def expect(self, wanted):
        """Takes the next line, which must begin so."""
        while b"\r\n" not in self.connection.output and not self.connection.ended:
            self.connection.read()
        line, _, self.connection.output = self.connection.output.partition(b"\r\n")
        if not line.startswith(wanted):
            raise play.Failure(f"{line!r}, not {wanted!r}")

    def ask(self, command, wanted):
        self.connection.send(command + b"\r\n")
        self.expect(wanted)

    def begin(self):
        self.ask(b"MAIL FROM:<asker@example.org>", b"250 ")
        self.ask(b"RCPT TO:<a@example.com>", b"250 ")
        self.ask(b"DATA", b"354 ")


def try_text(session, text):
    """Gives what is stored, if anything is."""
    reply, stored = judge(text)
    session.begin()
    session.connection.send(text)
    session.expect(reply)
    session.ask(b"NOOP", b"250 2.0.0 ok")
    return [] if stored is None else [[b"asker@example.org", [b"a@example.com"], stored]]


def try_true_end(session):
    """That the above would notice one: here the commands behind it are commands."""
    session.begin()
    session.connection.send(b"outer" + TRUE_END + INNER)
    for reply in (b"250 2.0.0 accepted", b"250 2.1.0 ", b"250 2.1.5 ", b"354 ", b"250 2.0.0 accepted"):
        session.expect(reply)
    return [[b"asker@example.org", [b"a@example.com"], b"outer\n"],
            [b"forged@example.org", [b"b@example.com"], b"Subject: inner\n\ninner\n"]]


def converse(connection):
    """Gives the number of forms, and what is to be stored."""
    session = Session(connection)
    wanted = []
    no_ends = [form for form in forms() if TRUE_END not in form]
    session.ask(b"HELO client.example.org", b"250 ")
    for number, form in enumerate(no_ends):
        try:
            wanted += try_text(session, b"Subject: outer\r\n\r\nouter" + form + INNER)
            wanted += try_text(session, b"good" + TRUE_END) if number % GOOD_EVERY == 0 else []
        except play.Failure as failure:
            raise play.Failure(f"{form!r}: {failure}") from failure
    wanted += try_true_end(session)
    session.ask(b"QUIT", b"221 ")
    connection.leave()
    return len(no_ends), wanted


def play_all(receiver, folder, way):
    """Gives the number of forms."""
    world = types.SimpleNamespace(config={"max-errors": "1000", "max-commands": "1000000"}, routes=play.ROUTES)
    play.prepare(folder, world)
    command = [receiver, "-c", f"{folder}/mailmill.conf"]
    connection = play.Listening(command) if way == "listen" else play.Connection(way, command)
    try:
        count, wanted = converse(connection)
    except play.Failure:
        connection.process.kill()
        connection.close()
        raise
    connection.close()
    if sorted(play.stored_messages(f"{folder}/spool")) != sorted(wanted):
        raise play.Failure("what is stored is not what was to be")
    play.check_log(f"{folder}/log", [])
    return count


def main():
    receiver, folder = sys.argv[1:]
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0"
    failed = 0
    for way in ("steps", "listen"):
        place = f"{folder}/{way}"
        os.makedirs(place)
        try:
            print(f"ok {play_all(receiver, place, way)} forms of what is no end, {way}")
            shutil.rmtree(place)
        except play.Failure as failure:
            print(f"FAIL {way}: {failure}")
            failed += 1
    print(f"{2 - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
