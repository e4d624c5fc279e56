"""Plays pages of the systems: clients in threads of a few processes, each with its own seeded sequence, latencies taken here.

Every read is checked: of the sets that it shows (see replay_systems.py) it must see what any write of the same process was
acknowledged with before the read began; the client's own writes are among them.
"""
import math
import multiprocessing
import queue
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import psycopg
import psycopg2

from machine import DATABASE, HOST
from replay_systems import SYSTEMS

REMEMBERED = 64     # acknowledged versions of a set; older ones say nothing that these do not
TENANTS = 10


@dataclass
class Outcome:
    """What the clients of a process (or, added up, of all) saw between warm-up and end."""
    seconds: dict = field(default_factory=lambda: defaultdict(list))    # system -> of each request
    reads: Counter = field(default_factory=Counter)
    writes: Counter = field(default_factory=Counter)
    checks: int = 0
    stale: list = field(default_factory=list)
    errors: Counter = field(default_factory=Counter)

    def add(self, other):
        for system, seconds in other.seconds.items():
            self.seconds[system] += seconds
        self.reads += other.reads
        self.writes += other.writes
        self.checks += other.checks
        self.stale += other.stale
        self.errors += other.errors


class Acknowledged:
    """Thread-safe. What was acknowledged, and when: {(set, key): [(when, version)]}."""

    def __init__(self):
        self.lock, self.known = threading.Lock(), {}

    def note(self, facts, now):
        with self.lock:
            for name, version in facts.items():
                self.known[name] = self.known.get(name, [])[-REMEMBERED:] + [(now, version)]

    def forget(self, label):
        with self.lock:
            for name in [name for name in self.known if f"{name[0]}:{name[1]}" == label]:
                del self.known[name]

    def least(self, name, begun):
        """What a read that began then has to see at least."""
        return max((version for when, version in self.known.get(name, ()) if when < begun), default=0)


def facts_of(spec, columns, rows, parameters):
    """{(set, key): greatest version} of rows, and of a set without key also when there is no row."""
    found = {}
    at = columns.index("version")
    for one in spec.split():
        label, _, column = one.partition(":")
        if not rows and not column:
            found[label, 0] = 0
        place = columns.index(column) if column and column != "$0" else None
        for row in rows:
            key = 0 if not column else parameters[0] if column == "$0" else row[place]
            found[label, key] = max(found.get((label, key), 0), row[at] or 0)
    return found


class Client(threading.Thread):
    """One connection of one application; a thread."""

    def __init__(self, system, number, plan, acknowledged, barrier):
        super().__init__(daemon=True)
        self.system, self.number, self.plan, self.acknowledged, self.barrier = system, number, plan, acknowledged, barrier
        self.random = random.Random(f"{plan.seed} {system.name} {number}")
        self.tenant = 1 + number % TENANTS
        self.outcome, self.mine, self.pending = Outcome(), defaultdict(list), {}
        self.counted = False

    def connect(self):
        driver = {"psycopg2": psycopg2, "psycopg": psycopg}[self.system.driver]
        self.connection = driver.connect(host=HOST, port=self.plan.port, dbname=DATABASE, user=self.system.name,
            application_name=self.system.name)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        if self.system.name == "reports":
            self.cursor.execute(f"SET app.tenant = '{self.tenant}'")
        self.connection.autocommit = not self.system.transactions

    def read(self, sql, parameters=(), facts=""):
        begun = time.monotonic()
        self.cursor.execute(sql, parameters or None)
        rows = self.cursor.fetchall()
        self.outcome.reads[self.system.name] += self.counted
        if facts:
            self.check(sql, facts_of(facts, [column[0] for column in self.cursor.description], rows, parameters), begun)
        return rows

    def check(self, sql, seen, begun):
        for name, version in seen.items():
            self.outcome.checks += 1
            least = self.acknowledged.least(name, begun)
            if version < least or version == math.inf:
                self.outcome.stale.append(f"{self.system.name} client {self.number}: {name} at {version}, acknowledged {least}: {sql}")

    def write(self, sql, parameters=(), facts=""):
        self.cursor.execute(sql, parameters or None)
        self.outcome.writes[self.system.name] += self.counted
        rows = self.cursor.fetchall() if self.cursor.description else []
        if facts:
            self.pending |= facts_of(facts, [column[0] for column in self.cursor.description], rows, parameters)
        if not self.system.transactions:
            self.settled()
        return rows

    def settled(self):
        self.acknowledged.note(self.pending, time.monotonic())
        self.pending = {}

    def remember(self, kind, key):
        self.mine[kind].append(key)

    def recall(self, kind):
        return self.mine[kind].pop(0) if self.mine[kind] else None

    def forget(self, label):
        self.acknowledged.forget(label)

    def request(self, page, is_form):
        try:
            page(self)
            if self.system.transactions:
                if is_form:
                    self.connection.commit()
                    self.settled()
                else:
                    self.connection.rollback()
        except (psycopg.Error, psycopg2.Error) as error:
            self.pending = {}
            self.outcome.errors[f"{self.system.name} {page.__name__}: {str(error).strip()[:200]}"] += 1
            if self.connection.closed:
                self.connect()
            else:
                self.connection.rollback()

    def run(self):
        try:
            self.connect()
        except (psycopg.Error, psycopg2.Error) as error:
            self.outcome.errors[f"{self.system.name} connect: {str(error).strip()[:200]}"] += 1
            self.barrier.abort()
            return
        try:
            self.barrier.wait(60)
        except threading.BrokenBarrierError:
            return
        start = time.monotonic()
        counted_from, end = start + self.plan.warm_up, start + self.plan.warm_up + self.plan.seconds
        everything = self.system.pages | self.system.forms
        pages, weights = list(everything), list(everything.values())
        time.sleep(self.random.random() * self.plan.think)
        while (begun := time.monotonic()) < end:
            self.counted = begun >= counted_from
            page, = self.random.choices(pages, weights)
            self.request(page, page in self.system.forms)
            if self.counted:
                self.outcome.seconds[self.system.name].append(time.monotonic() - begun)
            time.sleep(max(0, min(self.random.expovariate(1 / self.plan.think), end - time.monotonic())))
        self.connection.close()


@dataclass(frozen=True)
class Plan:
    port: int
    clients: int
    seconds: float
    warm_up: float
    think: float        # mean seconds between two requests of a client
    seed: int
    processes: int


def play_part(plan, part, barrier, results):
    """In a process of its own: every plan.processes-th client."""
    acknowledged = Acknowledged()
    clients = [Client(SYSTEMS[number % len(SYSTEMS)], number // len(SYSTEMS), plan, acknowledged, barrier)
               for number in range(plan.clients) if number % plan.processes == part]
    for client in clients:
        client.start()
    total = Outcome()
    for client in clients:
        client.join()
        total.add(client.outcome)
    total.seconds = dict(total.seconds)
    results.put(total)


def play(plan, snapshot):
    """Runs the plan; the outcome, and what `snapshot` said at the end of the warm-up and at the end."""
    context = multiprocessing.get_context("fork")
    barrier, results, total = context.Barrier(plan.clients + 1), context.Queue(), Outcome()
    processes = [context.Process(target=play_part, args=(plan, part, barrier, results), daemon=True) for part in range(plan.processes)]
    for process in processes:
        process.start()
    before = after = None
    try:
        barrier.wait(90)
        time.sleep(plan.warm_up)        # not a wait for a condition: the time is what is measured
        before = snapshot()
        time.sleep(plan.seconds)
        after = snapshot()
    except threading.BrokenBarrierError:
        total.errors["not all clients could connect"] += 1
    for _ in processes:
        try:
            total.add(results.get(timeout=60))
        except queue.Empty:
            total.errors["a process gave no result"] += 1
    for process in processes:
        process.join(10)
        if process.is_alive():
            process.kill()
    return total, before, after


class Surveyor(Client):
    """A client that asks after each read what became of it."""

    def read(self, sql, parameters=(), facts=""):
        rows = super().read(sql, parameters, facts)
        # The daemon answers this unless it comes as a named statement, which psycopg makes of what is repeated.
        self.cursor.execute("SHOW LAST CACHE", **({"prepare": False} if self.system.driver == "psycopg" else {}))
        said = dict(zip((column[0] for column in self.cursor.description), self.cursor.fetchone()))
        self.said[sql] = " ".join(str(said[name]) for name in ("verdict", "rule", "reason") if said.get(name))
        return rows


def survey(plan):
    """[(system, read, what became of it)]: each page three times by one client; the last time counts."""
    found = []
    for system in SYSTEMS:
        client = Surveyor(system, 0, plan, Acknowledged(), None)
        client.said = {}
        client.connect()
        for page in system.pages:
            for _ in range(3):
                client.random.seed(plan.seed)       # the same choices each time
                client.request(page, False)
        client.connection.close()
        found += [(system.name, sql, said) for sql, said in client.said.items()]
        found += [(system.name, text, "error") for text in client.outcome.errors]
    return found
