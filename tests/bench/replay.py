#!/usr/bin/env python3
"""Replays the traffic of the five applications whose layers pgweir replaces: directly against PostgreSQL, and through pgweir.

The same seeded requests by the same clients, then through pgweir with --times as many; figures are taken in the clients, after a
warm-up of a third of the time. Beside each stands what the origin promised. Every read is checked against the writes that were acknowledged
before it began: one that misses any is stale, and ends the program with status 1, as errors do.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import yaml

from machine import CORES, DATABASE, ENVIRONMENT, HOST, USER, Machine, Unable, ask, cpu_us, program
from replay_load import Plan, play, survey
from replay_systems import SYSTEMS
from subjects import Pooler

HERE = Path(__file__).parent
# About 100 ms, by the rule `sales`.
HEAVY = ("SELECT c.region, p.category, count(DISTINCT o.id), sum(l.quantity * l.price) FROM shop.orders o "
    "JOIN shop.customers c ON c.id = o.customer_id "
         "JOIN shop.order_lines l ON l.order_id = o.id JOIN shop.products p ON p.id = l.product_id GROUP BY c.region, p.category "
         "ORDER BY 1, 2")


class Weir(Pooler):
    """pgweir with the rules of the five applications."""
    name, unprivileged = "pgweir", False

    def __init__(self, machine, binary):
        self.binary, self.http = os.path.abspath(binary), machine.port()
        super().__init__(machine)

    def command(self, machine):
        return [self.binary, "--config", machine.write("replay.yaml", f"""\
listen: {{host: {HOST}, port: {self.port}}}
http: {{listen: "{HOST}:{self.http}"}}
admin: {{users: [{USER}]}}
auth: {{type: trust}}
pool: {{mode: transaction, size: 10, overflow: 5}}
databases:
  {DATABASE}: {{upstream: "host={HOST} port={machine.postgres_port} dbname={DATABASE}"}}
{(HERE / "replay.yaml").read_text()}""")]


def rows_of(port, database, sql):
    """A list of dictionaries."""
    connection = psycopg2.connect(host=HOST, port=port, user=USER, dbname=database)
    try:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return [dict(zip((column[0] for column in cursor.description), row)) for row in cursor.fetchall()]
    finally:
        connection.close()


def snapshot_of(machine, server, weir=None):
    """A function that gives counters as they are: statements at the database by system, CPU seconds, the cache's."""
    def snapshot():
        calls = rows_of(machine.postgres_port, DATABASE, "SELECT rolname, calls, total_exec_time, query FROM pg_stat_statements s "
                        "JOIN pg_roles r ON r.oid = s.userid")
        by_system, by_query = Counter(), {}
        for row in calls:
            by_system[row["rolname"]] += row["calls"]
            by_query[f"{row['rolname']:<10}{row['query']}"] = {"calls": row["calls"], "ms": row["total_exec_time"]}
        return {"calls": by_system, "queries": by_query, "database_cpu": cpu_us(server.pid) / 1e6,
                "pgweir_cpu": cpu_us(weir.pid) / 1e6 if weir else 0,
                "rules": {row["rule"]: {name: int(row[name]) for name in ("hits", "misses", "bypasses", "invalidations")}
                          for row in rows_of(weir.port, "pgweir", "SHOW CACHE")} if weir else {}}
    return snapshot


@dataclass
class Phase:
    name: str
    clients: int
    seconds: float
    outcome: object
    before: dict
    after: dict

    def grown(self, *path):
        values = []
        for snapshot in (self.before, self.after):
            for key in path:
                snapshot = snapshot.get(key, 0) if isinstance(snapshot, dict) else 0
            values.append(snapshot)
        return values[1] - values[0]

    def latencies(self, system=None):
        found = self.outcome.seconds
        return sorted(one for name, seconds in found.items() if system in (None, name) for one in seconds)

    def figures(self, system=None):
        """Of one system or of all: a second, in ms, and per request."""
        seconds = self.latencies(system)
        names = [system] if system else [one.name for one in SYSTEMS]
        calls = sum(self.grown("calls", name) for name in names)
        count = max(1, len(seconds))
        return {"rps": len(seconds) / self.seconds, "p50_ms": at(seconds, 0.50), "p95_ms": at(seconds, 0.95), "p99_ms": at(seconds, 0.99),
                "asked_per_request": sum(self.outcome.reads[name] + self.outcome.writes[name] for name in names) / count,
                "queries_per_request": calls / count}

    def database_ms(self):
        return 1000 * self.grown("database_cpu") / max(1, len(self.latencies()))

    def pgweir_us(self):
        asked = sum(self.outcome.reads.values()) + sum(self.outcome.writes.values())
        return 1e6 * self.grown("pgweir_cpu") / max(1, asked)

    def hits(self, rule):
        return {what: self.grown("rules", rule, what) for what in ("hits", "misses", "bypasses", "invalidations")}

    def hit_rate(self, system):
        """Of all reads that the system's clients asked for, whatever the rules say of them."""
        own = rules_of(system)
        return sum(self.hits(rule)["hits"] for rule in own) / max(1, self.outcome.reads[system])


def rules_of(system):
    return [rule["name"] for rule in yaml.safe_load((HERE / "replay.yaml").read_text())["cache"]["rules"] if rule["users"] == [system]]


def at(values, share):
    return 1000 * values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def heavy_factor(machine, weir):
    """A heavy query: (median ms at PostgreSQL, median ms from the cache), the same bare client for both."""
    def times(port, count):
        client, found = ask(port, HEAVY, user="reports")[1], []
        message = b"Q" + (len(HEAVY) + 5).to_bytes(4, "big") + HEAVY.encode() + b"\0"
        for _ in range(count):
            begin, reply = time.perf_counter(), b""
            client.sendall(message)
            while not reply.endswith(b"Z\0\0\0\5I"):
                reply += client.recv(65536)
            found.append(1000 * (time.perf_counter() - begin))
        client.close()
        return statistics.median(found)
    return times(machine.postgres_port, 7), times(weir.port, 3000)


def promises(direct, weir, many, heavy):
    """(system, what, promised, measured, whether it is kept)."""
    found = []

    def add(system, what, limit, measured, at_most, shown="{:.1%}"):
        found.append((system, what, ("<= " if at_most else ">= ") + shown.format(limit), shown.format(measured),
                      measured <= limit if at_most else measured >= limit))

    for system in SYSTEMS:
        before, after = (phase.figures(system.name) for phase in (direct, weir))
        add(system.name, "p95, of that without cache", system.p95_factor, after["p95_ms"] / max(1e-9, before["p95_ms"]), True)
        add(system.name, "hit rate, of all its reads", system.hit_rate, weir.hit_rate(system.name), False)
        for rule, limit in system.hits.items():
            hits = weir.hits(rule)
            add(system.name, f"hit rate of rule {rule}", limit, hits["hits"] / max(1, hits["hits"] + hits["misses"]), False)
        if system.name == "shop":
            add(system.name, f"queries a request ({before['queries_per_request']:.1f} before)", 5, after["queries_per_request"], True,
                "{:.1f}")
    before, after, most = (phase.figures() for phase in (direct, weir, many))
    add("all", "queries at the database, fewer by", 0.80, 1 - after["queries_per_request"] / max(1e-9, before["queries_per_request"]),
        False)
    add("all", "load of the database, less by", 0.85, 1 - weir.database_ms() / max(1e-9, direct.database_ms()), False)
    add("all", f"p95 of {many.clients} clients, of {direct.clients} without", 1, most["p95_ms"] / max(1e-9, before["p95_ms"]), True)
    add("all", f"throughput of {many.clients} clients, of {direct.clients} without", 4, most["rps"] / max(1e-9, before["rps"]), False,
        "{:.2f}x")
    add("all", f"heavy query of {heavy[0]:.0f} ms, repeated", 1280, heavy[0] / max(1e-9, heavy[1]), False, "{:.0f}x")
    return found


def print_figures(phases):
    line = "{:<10}{:<18}{:>10}{:>10}{:>10}{:>10}{:>12}{:>14}"
    print(line.format("system", "subject", "requests/s", "p50 ms", "p95 ms", "p99 ms", "statements", "at database"))
    for system in [one.name for one in SYSTEMS] + [None]:
        for phase in phases:
            figures = phase.figures(system)
            shown = [f"{figures[name]:.1f}" for name in ("rps", "p50_ms", "p95_ms", "p99_ms", "asked_per_request")]
            print(line.format(system or "all", phase.name, *shown, f"{figures['queries_per_request']:.2f}"))
    print("(statements a request as the client asked for them, and those of them that reached the database)")
    for phase in phases:
        print(f"{phase.name}: CPU of the database {phase.database_ms():.2f} ms a request, {phase.grown('database_cpu'):.1f} s in all"
              + (f"; of pgweir {phase.pgweir_us():.0f} us a statement" if phase.after["rules"] else "")
              + f"; {sum(phase.outcome.writes.values())} writes, {phase.outcome.checks} checks, {len(phase.outcome.stale)} stale, "
              f"{sum(phase.outcome.errors.values())} errors")


def print_cache(weir, reasons, survey):
    line = "{:<10}{:<14}{:>10}{:>10}{:>10}{:>15}{:>10}"
    print("\n" + line.format("system", "rule", "hits", "misses", "bypasses", "invalidations", "hit rate"))
    for system in SYSTEMS:
        for rule in rules_of(system.name):
            hits = weir.hits(rule)
            print(line.format(system.name, rule, *hits.values(), f"{hits['hits'] / max(1, hits['hits'] + hits['misses']):.1%}"))
    print("\nwhat took the database most time behind pgweir: ms and calls a second")
    names = weir.after["queries"]
    for name in sorted(names, key=lambda name: -weir.grown("queries", name, "ms"))[:12]:
        ms, calls = (weir.grown("queries", name, what) / weir.seconds for what in ("ms", "calls"))
        print(f"{ms:8.1f}{calls:8.1f}  {' '.join(name.split())[:140]}")
    print("\nnot from the cache, and why (whole run of pgweir):")
    for reason in sorted(reasons, key=lambda row: -int(row["count"])):
        if int(reason["count"]):
            print(f"  {reason['reason']:<22}{reason['count']:>8}  {str(reason['last_query'])[:120]}")
    print("\neach page asked for again by one client, last; reads that were no hit:")
    for system, sql, said in survey:
        if not said.startswith("hit"):
            print(f"  {system:<10}{said:<40}  {' '.join(sql.split())[:140]}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgweir", required=True, metavar="PATH", help="the binary")
    parser.add_argument("--seconds", type=float, default=60, help="of play, all three phases with their warm-up (60)")
    parser.add_argument("--clients", type=int, default=50, help="(50)")
    parser.add_argument("--times", type=int, default=4, help="as many clients in the third phase (4)")
    parser.add_argument("--think", type=float, default=0.4, help="mean seconds between two requests of a client (0.4)")
    parser.add_argument("--processes", type=int, default=3, help="that the clients are threads of (3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="all figures")
    return parser.parse_args()


def prepare(machine):
    """PostgreSQL with the five schemas; its process."""
    server = machine.start_postgres(shared_preload_libraries="pg_stat_statements", **{"pg_stat_statements.track_utility": "off"},
        max_connections=400)
    psql = [program("psql"), "-h", HOST, "-p", str(machine.postgres_port), "-U", USER, "-d", DATABASE, "-qXv", "ON_ERROR_STOP=1",
            "-c", "CREATE EXTENSION pg_stat_statements", "-f", str(HERE / "replay.sql")]
    done = subprocess.run(psql, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise Unable(f"replay.sql: {done.stderr.strip()}")
    return server


def run(machine, args):
    server = prepare(machine)
    weir = Weir(machine, args.pgweir)
    warm_up, seconds = args.seconds / 9, args.seconds / 9 * 2
    phases = []
    for name, port, clients, subject in (("direct", machine.postgres_port, args.clients, None), ("pgweir", weir.port, args.clients, weir),
                                         (f"pgweir x{args.times}", weir.port, args.clients * args.times, weir)):
        print(f"{name}: {clients} clients, {warm_up + seconds:.0f} s", file=sys.stderr)
        plan = Plan(port, clients, seconds, warm_up, args.think, args.seed, args.processes)
        outcome, before, after = play(plan, snapshot_of(machine, server, subject))
        phases.append(Phase(name, clients, seconds, outcome, before, after))
        if after is None:
            raise Unable(f"{name}: {dict(outcome.errors)}")
    reasons = rows_of(weir.port, "pgweir", "SHOW CACHE REASONS")
    return phases, reasons, survey(Plan(weir.port, len(SYSTEMS), 1, 1, 1, args.seed, 1)), heavy_factor(machine, weir)


def report(args, phases, reasons, survey, heavy):
    direct, weir, many = phases
    print(f"{CORES} cores, load {os.getloadavg()[0]:.1f}; seed {args.seed}, think {args.think} s")
    print_figures(phases)
    print_cache(weir, reasons, survey)
    kept = promises(direct, weir, many, heavy)
    line = "{:<10}{:<46}{:>12}{:>12}  {}"
    print("\n" + line.format("system", "what", "promised", "measured", ""))
    for system, what, promised, measured, ok in kept:
        print(line.format(system, what, promised, measured, "ok" if ok else "missed"))
    for phase in phases:
        for text in phase.outcome.stale[:5]:
            print(f"STALE ({phase.name}): {text}")
        for text, count in phase.outcome.errors.most_common(5):
            print(f"ERROR ({phase.name}) {count} times: {text}")
    if args.json:
        Path(args.json).write_text(json.dumps({
            "seed": args.seed, "cores": CORES, "heavy_ms": heavy, "reasons": reasons, "survey": survey,
            "phases": [{"name": phase.name, "clients": phase.clients, "all": phase.figures(), "database_ms": phase.database_ms(),
                        "checks": phase.outcome.checks, "stale": phase.outcome.stale, "errors": phase.outcome.errors,
                        "systems": {one.name: phase.figures(one.name) for one in SYSTEMS},
                        "rules": {rule: phase.hits(rule) for one in SYSTEMS for rule in rules_of(one.name)}} for phase in phases],
            "promises": [dict(zip(("system", "what", "promised", "measured", "kept"), one)) for one in kept]}, indent=1, default=str))
    return any(phase.outcome.stale or phase.outcome.errors for phase in phases)


def main():
    args = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, frame: sys.exit(128 + caught))
    machine = Machine(1)
    try:
        found = run(machine, args)
    except KeyboardInterrupt:
        return 130
    except Unable as why:
        print(f"replay: {why}", file=sys.stderr)
        return 1
    finally:
        machine.close()
    return 1 if report(args, *found) else 0


if __name__ == "__main__":
    sys.exit(main())
