#!/usr/bin/env python3
"""Compares PostgreSQL alone, PgBouncer, pgweir, and Redis and pgpool-II for cache hits, side by side on one private PostgreSQL.

The unit is CPU microseconds a transaction (user and system, all threads) of what stands between pgbench and PostgreSQL; for
`direct` it is PostgreSQL's own. Rounds are interleaved, a figure is the median of the rounds, and a ratio is formed within each
round before its median is taken, so that noise that hits a whole round cancels. Trust ratios, not figures of two runs.
"""
import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from machine import CORES, Machine, Unable, ask, cpu_us, resident_bytes
from subjects import Direct, PgBouncer, Pgpool, Pgweir, Redis


@dataclass(frozen=True)
class Workload:
    what: str
    options: str
    subjects: str
    script: str = ""
    prime: str = ""     # run by one client before each round, so that every key is cached


POOLERS = "direct pgbouncer pgweir"
BY_KEY = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
HOT = "\\set aid random(1, 1000)\n" + BY_KEY
NEVER_TWICE = "\\set aid random(1, 1000)\n\\set n random(1, 1000000000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid AND :n > 0;\n"
PRIME = "\\set n :n + 1\n\\set aid 1 + :n % 1000\n" + BY_KEY
WORKLOADS = {
    "select-simple": Workload("one row by key, simple protocol, 16 clients", "-S -c16", POOLERS + " pgweir-4"),
    "select-extended": Workload("the same, extended protocol", "-S -c16 -M extended", POOLERS),
    "select-prepared": Workload("the same, named prepared statement", "-S -c16 -M prepared", POOLERS),
    "tpcb": Workload("TPC-B like read/write transaction, 16 clients", "-b tpcb-like -c16", POOLERS),
    "bulk": Workload("20000 rows, 2.4 MB a query, 4 clients", "-c4", POOLERS,
                     "SELECT aid, bid, abalance, filler FROM pgbench_accounts WHERE aid <= 20000;\n"),
    "reconnect": Workload("a new connection for every query, 8 clients", "-S -c8 -C", POOLERS),
    "many": Workload("one row by key, 64 clients over a pool of 10", "-S -c64", POOLERS),
    "cache-hit": Workload("1000 hot keys, all cached, 16 clients", "-c16", "pgpool redis pgweir-cache", HOT, PRIME),
    "cache-hit-prepared": Workload("the same, named prepared statement", "-c16 -M prepared", "redis pgweir-cache", HOT, PRIME),
    "cache-miss": Workload("no text comes twice: captured and stored in vain, 16 clients", "-c16", "pgweir pgweir-cache", NEVER_TWICE),
    "cache-heavy": Workload("an aggregate over the whole table, repeated, 1 client", "-c1", "direct pgweir-cache",
                            "SELECT bid, count(*), sum(abalance), avg(abalance) FROM pgbench_accounts GROUP BY bid ORDER BY bid;\n"),
    "idle": Workload("clients that log in, ask once and stay", "", "pgbouncer pgweir"),
}


@dataclass(frozen=True)
class Row:
    """A line of the table of aims: a figure of one workload and subject over another's, or alone, and its two limits."""
    what: str
    metric: str
    above: tuple
    below: tuple | None
    first: float
    goal: float
    at_least: bool = False


def cpu_row(workload, first, goal):
    return Row(f"{workload} CPU to PgBouncer", "cpu_us", (workload, "pgweir"), (workload, "pgbouncer"), first, goal)


ROWS = [
    cpu_row("select-simple", 1.10, 0.85),
    cpu_row("select-extended", 1.10, 0.85),
    Row("select-prepared CPU to our select-simple", "cpu_us", ("select-prepared", "pgweir"), ("select-simple", "pgweir"), 1.25, 1.05),
    cpu_row("tpcb", 1.10, 0.90),
    cpu_row("bulk", 0.60, 0.30),
    cpu_row("reconnect", 1.30, 0.90),
    Row("cache hit CPU to Redis GET", "cpu_us", ("cache-hit", "pgweir-cache"), ("cache-hit", "redis"), 1.35, 1.00),
    Row("prepared cache hit CPU to Redis GET", "cpu_us", ("cache-hit-prepared", "pgweir-cache"), ("cache-hit-prepared", "redis"), 1.35, 1.00),
    Row("cache hit CPU to pgpool's hit", "cpu_us", ("cache-hit", "pgweir-cache"), ("cache-hit", "pgpool"), 0.45, 0.30),
    Row("cache miss CPU to passing through", "cpu_us", ("cache-miss", "pgweir-cache"), ("cache-miss", "pgweir"), 1.30, 1.10),
    Row("cached heavy query, speed-up", "avg_ms", ("cache-heavy", "direct"), ("cache-heavy", "pgweir-cache"), 1280, 3000, at_least=True),
    Row("idle client memory, bytes", "bytes", ("idle", "pgweir"), None, 4096, 1331),
    Row("CPU a transaction, 4 threads to 1", "cpu_us", ("select-simple", "pgweir-4"), ("select-simple", "pgweir"), 1.25, 1.05),
    Row("p99 of 64 clients to PgBouncer", "p99_ms", ("many", "pgweir"), ("many", "pgbouncer"), 1.2, 1.0),
]


def idle(machine, subject, count):
    """Bytes of resident memory a client; the program is fresh, so that what an earlier load left does not help."""
    machine.stop(subject.process)
    subject.restart(machine)
    ask(subject.port, "SELECT 1")
    count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    before, clients, begin = resident_bytes(subject.pid), [], time.monotonic()
    for _ in range(count):
        clients.append(ask(subject.port, "SELECT 1")[1])
    rate = count / (time.monotonic() - begin)
    grown = resident_bytes(subject.pid) - before
    for client in clients:
        client.close()
    return {"tps": rate, "bytes": grown / count}


def run_round(machine, name, subject, args):
    load = WORKLOADS[name]
    if name == "idle":
        return idle(machine, subject, args.idle)
    limit = args.seconds * 3 + 60
    if load.prime and subject.name != "redis":
        machine.run_pgbench(subject.port, ["-t1000", "-c1", "-D", "n=0", *load.options.split()[1:]], load.prime, limit)
    before = cpu_us(subject.pid)
    figures = subject.measure(machine, [*load.options.split(), f"-T{args.seconds}"], load.script, limit)
    figures["cpu_us"] = (cpu_us(subject.pid) - before) / figures.pop("count")
    return figures


def start_subjects(machine, args, notes):
    server = machine.start_postgres()
    binary = args.pgweir
    wanted = {name for workload in args.only for name in WORKLOADS[workload].subjects.split()}
    makers = {
        "direct": lambda: Direct(machine, server),
        "pgbouncer": lambda: PgBouncer(machine),
        "pgpool": lambda: Pgpool(machine),
        "redis": lambda: Redis(machine),
        "pgweir": lambda: Pgweir(machine, binary),
        "pgweir-cache": lambda: Pgweir(machine, binary, "pgweir-cache", cache=True),
        "pgweir-4": lambda: Pgweir(machine, binary, "pgweir-4", threads=4),
    }
    subjects = {}
    for name, make in makers.items():
        if name in wanted:
            try:
                subjects[name] = make()
            except Unable as why:
                notes.append(f"{name} left out: {why}")
    return subjects


def measure(machine, subjects, args, notes):
    """{workload: {subject: [figures of each round]}}; who fails a workload is left out of it from then on."""
    results = {name: {} for name in args.only}
    failed = set()
    for turn in range(1, args.rounds + 1):
        for name in args.only:
            for subject in (subjects[one] for one in WORKLOADS[name].subjects.split() if one in subjects):
                if (name, subject.name) in failed:
                    continue
                print(f"round {turn} of {args.rounds}: {name}, {subject.name}", file=sys.stderr)
                try:
                    results[name].setdefault(subject.name, []).append(run_round(machine, name, subject, args))
                except (Unable, OSError, subprocess.TimeoutExpired) as why:
                    failed.add((name, subject.name))
                    results[name].pop(subject.name, None)
                    notes.append(f"{name}: {subject.name} left out: {why}")
    return results


def median(rounds, metric):
    values = [figures[metric] for figures in rounds if metric in figures]
    return statistics.median(values) if values else None


def verdict(row, results):
    """(median, least, greatest) of a row's ratio, formed in each round; None when something was not measured."""
    above = results.get(row.above[0], {}).get(row.above[1], [])
    values = [figures[row.metric] for figures in above]
    if row.below:
        below = results.get(row.below[0], {}).get(row.below[1], [])
        values = [a[row.metric] / b[row.metric] for a, b in zip(above, below) if b[row.metric]]
    return (statistics.median(values), min(values), max(values)) if values else None


def shown(value, digits=3):
    return "-" if value is None else f"{value:.0f}" if value >= 1000 else f"{value:.{digits}g}"


def print_figures(results):
    line = "{:<20}{:<14}{:>10}{:>12}{:>10}{:>10}{:>12}"
    print(line.format("workload", "subject", "tps", "CPU us/tx", "avg ms", "p99 ms", "bytes"))
    for name, by_subject in results.items():
        for subject, rounds in by_subject.items():
            print(line.format(name, subject, *(shown(median(rounds, metric)) for metric in ("tps", "cpu_us", "avg_ms", "p99_ms", "bytes"))))


def print_rows(verdicts):
    line = "{:<42}{:>10}{:>20}{:>9}{:>9}  {}"
    print("\n" + line.format("aim", "measured", "[least-greatest]", "first", "goal", ""))
    for row, found in verdicts:
        sign = ">=" if row.at_least else "<="
        met = "not measured"
        if found:
            reached = [found[0] >= limit if row.at_least else found[0] <= limit for limit in (row.first, row.goal)]
            met = "goal" if reached[1] else "first" if reached[0] else "MISSED"
        spread = f"[{shown(found[1])}-{shown(found[2])}]" if found else ""
        print(line.format(row.what, shown(found[0]) if found else "-", spread, sign + shown(row.first, 4), sign + shown(row.goal, 4), met))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="workloads:\n" + "\n".join(f"  {name:<20}{load.what}" for name, load in WORKLOADS.items()))
    parser.add_argument("--pgweir", required=True, metavar="PATH", help="the binary")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(WORKLOADS), metavar="W,W", help="only these workloads")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each run")
    parser.add_argument("--scale", type=int, default=10, help="pgbench's scale factor")
    parser.add_argument("--idle", type=int, default=2000, metavar="N", help="clients of the workload idle")
    parser.add_argument("--json", metavar="FILE", default="bench.json", help="every figure of every round (bench.json)")
    args = parser.parse_args()
    unknown = [name for name in args.only if name not in WORKLOADS]
    if unknown:
        parser.error(f"unknown workload: {', '.join(unknown)}")
    return args


def main():
    args, notes = arguments(), []
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, frame: sys.exit(128 + caught))
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    machine = Machine(args.scale)
    try:
        subjects = start_subjects(machine, args, notes)
        head = f"{CORES} cores, load {os.getloadavg()[0]:.1f}; median of {args.rounds} rounds of {args.seconds} s"
        results = measure(machine, subjects, args, notes)
    except KeyboardInterrupt:
        return 130
    except Unable as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    finally:
        machine.close()
    print(head)
    print_figures(results)
    verdicts = [(row, verdict(row, results)) for row in ROWS if row.above[0] in args.only]
    print_rows(verdicts)
    for note in notes:
        print("note: " + note)
    Path(args.json).write_text(json.dumps({"head": head, "rounds": results, "notes": notes, "rows": [
        {"what": row.what, "first": row.first, "goal": row.goal, "measured": found and found[0]} for row, found in verdicts]}, indent=1))
    print(f"all figures: {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
