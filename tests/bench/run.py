#!/usr/bin/env python3
"""`make bench`: mailmill-receiver beside Postfix and OpenSMTPD, in one run on one machine and one file system.

Every figure is the median of ROUNDS runs. The servers take turns within a round, so that whatever else the machine
does hits all of them. Nothing passes or fails by its speed. QUICK=1 makes fewer and shorter runs, RUN_MS sets their
length; ONLY="rate idle" makes some of the sections listed at the end of this file; MAILMILL_BUILD is where the
programs are.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import delivery  # noqa: E402
import servers  # noqa: E402
from servers import (  # noqa: E402
    BENCH, PROGRAMS, Mailmill, MailmillListening, Missing, OpenSMTPD, Peer, Postfix, spawn)

QUICK = os.environ.get("QUICK", "") not in ("", "0")
ROUNDS = int(os.environ.get("ROUNDS", 3 if QUICK else 5))
RUN_MS = int(os.environ.get("RUN_MS", 250 if QUICK else 1200))
RECIPIENT, UNKNOWN = "inbox@example.com", "nobody@example.com"
KINDS = (MailmillListening, Mailmill, Postfix, OpenSMTPD)

all_started = []
missing = {}  # of those servers that can't be had: why


# ---- running -----------------------------------------------------------------------------------------------


def load(server, **options):
    """Runs the load generator against a server, or a command for each connection; gives what it measured."""
    where = ["-p", str(server.port)] if isinstance(server, servers.Measured) else ["--", *server]
    words = []
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    done = subprocess.run([BENCH / "load", *words, *where], text=True, capture_output=True, timeout=90)
    if "=" not in done.stdout:
        raise RuntimeError(f"load: {done.stderr[-500:]}")
    result = {key: float(value) for key, value in (word.split("=") for word in done.stdout.split())}
    if result["failed"]:
        print(f"  ({int(result['failed'])} messages failed: {' '.join(done.stderr.split())[:150]})", file=sys.stderr)
    return result


def measured(server, **options):
    """The same, with the server's processor time for each message."""
    before = server.cpu_us()
    result = load(server, **options)
    result["cpu"] = (server.cpu_us() - before) / max(result["messages"], 1)
    return result


def medians(results):
    """Of the same figures from several runs."""
    return {key: statistics.median(result[key] for result in results) for key in results[0] if
            all(key in result for result in results)}


def started(kinds, label):
    """Those of the servers that can be had, started; the others are remembered with the reason."""
    found = []
    for kind in kinds:
        if kind in missing:
            continue
        try:
            folder = BENCH / "run" / f"{len(os.listdir(BENCH / 'run'))}.{kind.__name__}.{label}"
            found.append(kind(folder).start())
            all_started.append(found[-1])
        except Missing as why:
            missing[kind] = str(why)
    return found


def stop(those):
    """Their folders stay to the end, see Server.tidy."""
    for server in those:
        server.tidy()
        server.stop()


def in_turns(those, run, rounds=None):
    """Medians of `run(server)` for each server, after one run that isn't counted."""
    for server in those:
        run(server)
        server.tidy()
    results = {server: [] for server in those}
    for _ in range(rounds or ROUNDS):
        for server in those:
            results[server].append(run(server))
            server.tidy()
    return {server: medians(list_) for server, list_ in results.items()}


# ---- printing ----------------------------------------------------------------------------------------------


def table(title, heads, rows):
    """Aligned columns: the first to the left, the others to the right. Floats get digits for their size."""

    def text(cell):
        if cell is None:
            return "-"
        if isinstance(cell, float):
            return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.2f}"
        return str(cell)

    lines = [heads] + [[text(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    print(f"\n{title}")
    for line in lines:
        print("  " + line[0].ljust(widths[0]) + "".join("  " + c.rjust(w) for c, w in zip(line[1:], widths[1:])))
    sys.stdout.flush()


def ratio(a, b):
    return f"{a / b:.2f}x" if b else None


# ---- sections ----------------------------------------------------------------------------------------------


def reception(title, label, kinds=KINDS, **options):
    """A table of the servers under one load; gives the medians by server class."""
    those = started(kinds, label)
    hold = [holder for server in those if isinstance(server, Mailmill) for holder in hold_index(server)]
    results = in_turns(those, lambda server: measured(server, time=RUN_MS, messages=1000000, **options))
    by_kind = {type(server): result for server, result in results.items()}
    base = by_kind.get(Postfix, {})
    table(title, ["", "messages/s", "/Postfix", "CPU us", "/Postfix", "p50 us", "/Postfix", "p99 us",
                  "connect..250 p50"],
          [[kind.name, r["rate"], ratio(r["rate"], base.get("rate")), r["cpu"], ratio(r["cpu"], base.get("cpu")),
            r["message_p50"], ratio(r["message_p50"], base.get("message_p50")), r["message_p99"], r["delivery_p50"]]
           for kind, r in by_kind.items()])
    for holder in hold:
        holder.close()
    stop(those)
    return by_kind


def hold_index(server):
    """Has the index open, as a running processor has: else each receiver opens it first and closes it last."""
    load(server, messages=1)
    index = sqlite3.connect(server.folder / "lib/index.db", isolation_level=None)
    index.execute("SELECT count(*) FROM message").fetchone()
    return [index]


def section_rate():
    for clients in (1, 10, 50):
        reception(f"1 KiB, one message per connection, {clients} client{'s' if clients > 1 else ''}",
                  "rate", KINDS if clients < 50 else (MailmillListening, Postfix, OpenSMTPD), clients=clients)
    reception("1 KiB, 100 messages per connection, 10 clients", "many", clients=10, per_connection=100)
    reception("1 MiB, one message per connection, 10 clients", "large", clients=10, size=1 << 20)


def section_refused():
    """A connection that is refused at RCPT, beside one that delivers."""
    rows = []
    for clients in (1, 10):
        those = started(KINDS, "refused")
        hold = [holder for server in those if isinstance(server, Mailmill) for holder in hold_index(server)]
        options = {"time": RUN_MS, "messages": 1000000, "clients": clients}
        kept = in_turns(those, lambda server: measured(server, **options))
        refused = in_turns(those, lambda server: measured(server, refused=True, to=UNKNOWN, **options))
        for server in those:
            r, k = refused[server], kept[server]
            rows.append([f"{server.name}, {clients} at once", r["rate"], k["rate"], r["cpu"], k["cpu"],
                         ratio(r["cpu"], k["cpu"]), r["delivery_p50"], k["delivery_p50"],
                         ratio(r["delivery_p50"], k["delivery_p50"])])
        for holder in hold:
            holder.close()
        stop(those)
    table("A connection refused at RCPT beside one that delivers 1 KiB",
          ["", "refused/s", "delivered/s", "CPU us refused", "delivered", "ratio", "us refused", "delivered",
           "ratio"],
          rows)


def section_idle():
    rows = []
    count = 20
    those = started(KINDS, "idle")
    for server in those:
        load(server, messages=20)
        rounds = []
        for _ in range(ROUNDS):
            before = server.private_kib()
            with subprocess.Popen([BENCH / "load", "-p", str(server.port), "-c", str(count), "-i"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
                idle.stdout.readline()
                rounds.append((server.private_kib() - before) / count)
                idle.stdin.close()
            load(server, messages=1)
        # Servers that keep their processes have them from the first round on: the most counts.
        rows.append([server.name, max(rounds) if isinstance(server, Peer) else statistics.median(rounds)])
    base = next((row[1] for row in rows if row[0] == Postfix.name), None)
    table(f"Private memory of an idle connection after EHLO ({count} of them)", ["", "KiB", "/Postfix"],
          [[name, kib, ratio(kib, base)] for name, kib in rows])
    stop(those)


@contextlib.contextmanager
def beside_processor(server):
    """With a processor, which gives the rows; its mail has no handler."""
    with open(server.folder / "processor.err", "ab") as errors:
        process = spawn([PROGRAMS / "mailmill-processor", "-c", server.config], errors)
    try:
        deadline = time.monotonic() + 10
        while not (server.folder / "lib/index.db-desk").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait(30)
        (server.folder / "lib/index.db-desk").unlink(missing_ok=True)


@contextlib.contextmanager
def beside_holder(server):
    """With the index open elsewhere."""
    with contextlib.closing(hold_index(server)[0]):
        yield


def section_session():
    """One receiver for one connection, started as a super-server does, without one."""
    those = started([Mailmill], "session")
    rows = []
    for server in those:
        for name, company in (("beside a processor", beside_processor), ("the index open elsewhere", beside_holder),
                              ("alone", contextlib.nullcontext)):
            for what, options in (("1 KiB delivered", {"messages": 20}),
                                  ("25 MiB delivered", {"messages": 1, "size": 26000000}),
                                  ("refused at RCPT", {"messages": 20, "refused": True, "to": UNKNOWN})):
                results = []
                with company(server):
                    for _ in range(ROUNDS + 1):
                        results.append(load(server.command, **options))
                        server.tidy()
                r = medians(results[1:])
                n = r["messages"]
                rows.append([f"{what}, {name}", r["session_p50"] / 1000, r["delivery_p50"] / 1000, r["user"] / n,
                             r["system"] / n, r["faults"] / n, r["peak_kib"]])
        rows += [["system calls: " + text, count] + [None] * 5 for text, count in system_calls(server)]
    if rows:
        table("One session of the receiver (wait=no), from its start",
              ["", "ms to its end", "ms to 250", "user us", "system us", "page faults", "peak KiB"], rows)
    stop(those)


def system_calls(server):
    if shutil.which("strace") is None:
        return
    for text, company, options in (("1 KiB delivered, beside a processor", beside_processor, {}),
                                   ("1 KiB delivered, the index open elsewhere", beside_holder, {}),
                                   ("refused at RCPT", beside_holder, {"refused": True, "to": UNKNOWN})):
        trace = server.folder / "strace"
        with company(server):
            load(["/usr/bin/env", "strace", "-f", "-qq", "-o", str(trace), *server.command], messages=1, **options)
        lines = trace.read_text(errors="replace").splitlines()
        yield text, sum(" resumed>" not in line and "(" in line for line in lines)


def fill_index(path, rows):
    """Messages with a recipient each, received and ended."""
    numbers = f"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {rows}) INSERT INTO "
    index = sqlite3.connect(path, isolation_level=None)
    index.execute("PRAGMA synchronous = OFF")
    index.execute(numbers + "message (id, received_ms, sender, client_address, client_helo, client_protocol, "
                  "size_bytes, queued_ms, ended_ms) SELECT printf('%016d', n), n, 'sender@example.org', '192.0.2.1', "
                  "'client.example.org', 'ESMTP', 1200, n, n FROM r")
    index.execute(numbers + "recipient (message_id, position, address) SELECT printf('%016d', n), 1, ? FROM r",
                  (RECIPIENT,))
    index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    index.close()


def section_growth():
    """The cost of a message in a small and a large index and spool."""
    kind = Mailmill if MailmillListening in missing else MailmillListening
    cases = [("1,000 rows", 1000, 0), ("100,000 rows", 100000, 0), ("1,000,000 rows", 1000000, 0),
             ("1,000 rows, 100,000 files in new/", 1000, 100000)]
    those, labels, hold = [], {}, []
    for label, rows, files in cases:
        if QUICK and rows > 100000:
            continue
        found = started([kind], f"growth{rows}.{files}") or started([Mailmill], f"growth{rows}.{files}")
        for server in found:
            load(server, messages=1)
            fill_index(server.folder / "lib/index.db", rows)
            for i in range(files):
                os.close(os.open(server.folder / f"spool/new/older{i}", os.O_CREAT | os.O_WRONLY, 0o600))
            hold += hold_index(server)
            labels[server] = f"{server.name}, {label}"
            those.append(server)
    os.sync()
    results = in_turns(those, lambda server: measured(server, time=RUN_MS, messages=1000000, per_connection=100))
    first = next(iter(results.values()), None)
    table("Growth: 1 KiB, 100 messages per connection, 1 client",
          ["", "messages/s", "CPU us", "/first", "p50 us", "/first"],
          [[labels[server], r["rate"], r["cpu"], ratio(r["cpu"], first["cpu"]), r["message_p50"],
            ratio(r["message_p50"], first["message_p50"])] for server, r in results.items()])
    for holder in hold:
        holder.close()
    stop(those)


def section_delivery():
    delivery.section_delivery(sys.modules[__name__])


def section_history():
    delivery.section_history(sys.modules[__name__])


SECTIONS = {"rate": section_rate, "refused": section_refused, "idle": section_idle, "session": section_session,
            "growth": section_growth, "delivery": section_delivery,
            "history": section_history}


def main():
    names = os.environ.get("ONLY", "").split() or list(SECTIONS)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.exit(f"ONLY: no section called {unknown[0]}; there are: {' '.join(SECTIONS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    shutil.rmtree(BENCH / "run", ignore_errors=True)
    (BENCH / "run").mkdir(parents=True)
    print(f"Medians of {ROUNDS} runs of {RUN_MS} ms; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at "
          "the start.\nAll servers flush each message, write a log and keep what they take: Postfix on hold, OpenSMTPD "
          "with delivery paused,\nmailmill in new/ with the index open elsewhere, as a processor has it. mailmill "
          "flushes the folder as well, Postfix\ndoes not. Compare figures within a run only.")
    try:
        for name in names:
            SECTIONS[name]()
    finally:
        stop(all_started)
        shutil.rmtree(BENCH / "run", ignore_errors=True)
    for kind, why in missing.items():
        print(f"\nNot measured: {kind.name}: {' '.join(why.split())}")


if __name__ == "__main__":
    main()
