"""From the connection to the program that the mail runs: receiver and processor beside Postfix's pipe(8) and
OpenSMTPD's mda, all with the same program, which notes when it starts."""

import time

from servers import MailmillHandling, MailmillHandlingAlone, OpenSMTPDHandling, PostfixHandling

KINDS = (MailmillHandling, MailmillHandlingAlone, PostfixHandling, OpenSMTPDHandling)
PATIENCE_S = 60


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

