#!/usr/bin/env python3
"""run.py FOLDER PORT START: every mail program sends each kind of message it can, in plain and with STARTTLS.

FOLDER is the instance's, PORT the receiver's, START the name of the way it was started in, for the report. What is in
new/ is then compared with what was sent, byte for byte. Of the combinations of a start and TLS each program has one
in which it also sends 25 MiB. A line for each program and way; CERTIFICATE names the receiver's certificate.
"""

import concurrent.futures
import os
import pathlib
import re
import sys
import time

sys.dont_write_bytecode = True
import messages  # noqa: E402
import programs  # noqa: E402
from peers import Missing  # noqa: E402

PATIENCE = 150  # seconds until what a mail server has taken must have been passed on


def stored_by(spool, sender):
    """The files with this sender, its only mark that each program leaves alone."""
    wanted = f"Return-Path: <{sender}>\n".encode()
    found = []
    for file in (spool / "new").glob("*"):
        with open(file, "rb") as opened:
            if opened.read(len(wanted)) == wanted:
                found.append(file)
    return found


def await_all(spool, sent):
    """Waits until each of them has come, or no more is to be hoped for."""
    deadline = time.monotonic() + PATIENCE
    missing = list(sent)
    while missing and time.monotonic() < deadline:
        time.sleep(0.1)
        missing = [message for message in missing if not stored_by(spool, message.sender)]


def has_large(mailer, start, tls):
    """One way in four, another one for each program."""
    ways = [(name, secured) for name in ("one process a connection", "a listening socket") for secured in (False, True)]
    return ways[programs.TABLE.index(mailer) % len(ways)] == (start, tls)


def exercise(folder, port, start, mailer_class, tls):
    """Gives the line for the report."""
    way = ("tls" if tls else "plain") + "-" + start.split()[-1]
    word = re.sub(r"\W+", "-", mailer_class.name)
    name = f"{mailer_class.name}, {'STARTTLS' if tls else 'plain'}, {start}"
    place = pathlib.Path(folder) / f"mailers/{word}-{way}"
    kinds = mailer_class.kinds + (("25 MiB",) if has_large(mailer_class, start, tls) else ())
    mailer = mailer_class(place, port, tls)
    sent = [messages.make(place.parent, word, way, kind) for kind in kinds]
    spool = pathlib.Path(folder) / "spool"
    wrong = []
    try:
        mailer.start()
        try:
            mailer.send(sent)
            if mailer.settles:
                await_all(spool, sent)
        finally:
            mailer.stop()
    except Missing as why:
        return f"ok {name} # SKIP {' '.join(str(why).split())}"
    except programs.Failure as failure:
        wrong.append(str(failure))
    for message in sent:
        fault = messages.check(stored_by(spool, message.sender), message, tls, mailer)
        if fault:
            wrong.append(f"{message.kind}: {fault}")
    return f"ok {name}: {', '.join(kinds)}" if not wrong else "\n  ".join([f"FAIL {name}", *wrong])


def main():
    folder, port, start = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    (pathlib.Path(folder) / "mailers").mkdir(exist_ok=True)
    work = [(mailer, tls) for mailer in programs.TABLE for tls in (False, True)]
    # They wait more than they work.
    with concurrent.futures.ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        for line in pool.map(lambda pair: exercise(folder, port, start, *pair), work):
            print(line, flush=True)


if __name__ == "__main__":
    main()
