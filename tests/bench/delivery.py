"""From the connection to the program that the mail runs: receiver and processor beside Postfix's pipe(8) and
OpenSMTPD's mda, all with the same program, which notes when it starts."""

import resource
import sqlite3
import subprocess
import time

from servers import PROGRAMS, MailmillHandling, MailmillHandlingAlone, OpenSMTPDHandling, PostfixHandling

KINDS = (MailmillHandling, MailmillHandlingAlone, PostfixHandling, OpenSMTPDHandling)
PATIENCE_S = 60
DEAD = 50


def await_stamps(server, count):
    """The stamps, once there are so many or nothing has come for long."""
    seen, since = -1, time.monotonic()
    while True:
        with open(server.stamps, "rb") as file:
            lines = file.read().count(b"\n")
        if lines != seen:
            seen, since = lines, time.monotonic()
        if lines >= count or time.monotonic() - since > PATIENCE_S:
            return server.read_stamps()
        time.sleep(0.01)


def answers(log):
    """(ns, words) of each 250, in order."""
    return sorted((int(line.split()[0]), line.split()[1:]) for line in log.read_text().splitlines())


def waits(server, log, stamps):
    """Milliseconds from each 250 to its program's start: by the ID in the answer, else by order."""
    replies = answers(log)
    by_id = {id_: when for when, id_ in stamps}
    found = [by_id[id_] - when for when, words in replies for id_ in words if id_ in by_id]
    if len(found) < len(replies):
        found = [stamp - when for (when, _), (stamp, _) in zip(replies, stamps)]
    return sorted(wait / 1e6 for wait in found)


def run(bench, server, **options):
    """One load to its last program's start; gives the figures of it."""
    server.stamps.write_text("")
    log = server.folder / "answers"
    before = server.cpu_us()
    result = bench.load(server, log=log, **options)
    stamps = await_stamps(server, result["messages"])
    found = waits(server, log, stamps)
    settle(server)
    result["cpu"] = (server.cpu_us() - before) / max(result["messages"], 1)
    result["end_to_end"] = len(stamps) / (stamps[-1][0] / 1e9 - result["began"]) if stamps else 0.0
    result["wait_p50"], result["wait_p99"] = (found[len(found) // 2], found[len(found) * 99 // 100]) if found else (0, 0)
    result["missing"] = result["messages"] - len(stamps)
    return result


def settle(server):
    """What follows a program's end costs, too."""
    used = server.cpu_us()
    for _ in range(50):
        time.sleep(0.2)
        used, before = server.cpu_us(), used
        if used - before < 20000:
            return


def by_kind(bench, those, **options):
    return {type(server): result for server, result in
            bench.in_turns(those, lambda server: run(bench, server, **options)).items()}


def throughput(bench, clients):
    """So many clients, each with one connection after the other."""
    those = bench.started(KINDS, f"run{clients}")
    results = by_kind(bench, those, clients=clients, messages=bench.RUN_MS * (1 if clients == 1 else 2), time=10000)
    base = results.get(PostfixHandling, {})
    bench.table(f"From the first connection to the last program's start: 1 KiB, one message per connection, {clients} "
                f"client{'s' if clients > 1 else ''}",
                ["", "messages/s", "/Postfix", "CPU us", "/Postfix", "250..start p50 ms", "p99 ms", "private KiB"],
                [[kind.name, r["end_to_end"], bench.ratio(r["end_to_end"], base.get("end_to_end")), r["cpu"],
                  bench.ratio(r["cpu"], base.get("cpu")), r["wait_p50"], r["wait_p99"],
                  next(server.private_kib() for server in those if type(server) is kind)]
                 for kind, r in results.items()])
    for kind, r in results.items():
        if r["missing"] > 0:
            print(f"  {kind.name}: {r['missing']:.0f} programs were not started within {PATIENCE_S} s")
    bench.stop(those)
    return base.get("end_to_end", 0)


def latency(bench, title, label, kinds, **options):
    those = bench.started(kinds, label)
    results = by_kind(bench, those, **options)
    base = results.get(PostfixHandling, {})
    bench.table(title, ["", "p50 ms", "/Postfix", "p99 ms", "/Postfix", "CPU us", "/Postfix"],
                [[kind.name, r["wait_p50"], bench.ratio(r["wait_p50"], base.get("wait_p50")), r["wait_p99"],
                  bench.ratio(r["wait_p99"], base.get("wait_p99")), r["cpu"], bench.ratio(r["cpu"], base.get("cpu"))]
                 for kind, r in results.items()])
    bench.stop(those)


def section_delivery(bench):
    count = bench.RUN_MS // 4
    latency(bench, "From the 250 to the program's start, one client, one message every 20 ms", "latency", KINDS,
            clients=1, messages=count // 3, pause=20, time=20000)
    throughput(bench, 1)
    most = throughput(bench, 10)
    if most:
        rate = max(1, int(most / 2))
        latency(bench, f"The same with {rate} connections a second, half of what Postfix can do, whoever is ready or not",
                "offered", KINDS, clients=200, messages=rate * max(2, bench.RUN_MS // 400), offered=rate, time=20000)



# ---- as the index grows -----------------------------------------------------------------------------------


def fill(path, rows):
    """Messages of the past, each with a delivery that is done and its attempt; DEAD of them are dead, however many
    there are, so that a list of these is as long."""
    numbers = f"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {rows}) INSERT INTO "
    index = sqlite3.connect(path, isolation_level=None)
    index.execute("PRAGMA synchronous = OFF")
    index.execute("BEGIN")
    index.execute(numbers + "message (id, received_ms, sender, client_address, client_helo, client_protocol, "
                  "size_bytes, queued_ms, ended_ms, subject) SELECT printf('%016d', n), n, 'sender@example.org', "
                  "'192.0.2.1', 'client.example.org', 'ESMTP', 1200, n, n, 'bench' FROM r")
    index.execute(numbers + "recipient (message_id, position, address) SELECT printf('%016d', n), 1, "
                  "'inbox@example.com' FROM r")
    index.execute(numbers + "delivery (message_id, recipient, route, handler, position, state, queued_ms, ended_ms, "
                  "attempts) SELECT printf('%016d', n), 1, 'inbox@example.com', 'stamp', 1, "
                  f"iif(n % {rows // DEAD} = 0, 'dead', 'done'), n, n, 1 FROM r")
    index.execute("INSERT INTO attempt (delivery_id, number, started_ms, ended_ms, outcome, exit_code) "
                  "SELECT id, 1, queued_ms, ended_ms, state, 0 FROM delivery "
                  "WHERE id NOT IN (SELECT delivery_id FROM attempt)")
    index.execute("COMMIT")
    index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    index.close()


def command_ms(server, *words):
    """The processor time of one of the operator's commands, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([PROGRAMS / "mailmill", "-c", server.config, *words], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def section_history(bench):
    """The same work with a small and a large index."""
    commands = {"status": ["status"], "list": ["list"], "list dead": ["list", "--state", "dead"]}
    those, labels = [], {}
    for rows in (1000, 100000, 1000000):
        if bench.QUICK and rows > 100000:
            continue
        for server in bench.started([MailmillHandling], f"history{rows}"):
            run(bench, server, clients=1, messages=2, time=10000)
            fill(server.folder / "lib/index.db", rows)
            those.append(server)
            labels[server] = f"{rows:,} rows"

    def measure(server):
        result = run(bench, server, clients=10, messages=bench.RUN_MS // 4, time=20000)
        for name, words in commands.items():
            result[name] = min(command_ms(server, *words) for _ in range(5))
        return result

    results = bench.in_turns(those, measure)
    first = next(iter(results.values()), None)
    table = []
    for server, r in results.items():
        cells = [labels[server], r["cpu"], bench.ratio(r["cpu"], first["cpu"])]
        for name in commands:
            cells += [r[name], bench.ratio(r[name], first[name])]
        table.append(cells)
    bench.table("As the history grows: processor time for each message (receiver, processor and program), and of the "
                "operator's commands",
                ["", "us a message", "/first"] + [word for name in commands for word in (f"{name} ms", "/first")], table)
    bench.stop(those)
