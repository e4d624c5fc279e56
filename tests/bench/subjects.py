"""Who is compared: PostgreSQL alone, PgBouncer, pgpool-II and Redis for cache hits, and pgweir in the shapes that the rows need."""
import csv
import os
import re
import socket
import subprocess

from machine import DATABASE, HOST, USER, Unable, ask, program

POOL = 10
CACHE_RULE = "cache: {rules: [{name: accounts, tables: [pgbench_accounts], ttl: 1h}]}\n"


class Direct:
    """PostgreSQL itself; what it costs is PostgreSQL's own CPU time."""
    name = "direct"

    def __init__(self, machine, server):
        self.port, self.pid, self.process = machine.postgres_port, server.pid, server

    def measure(self, machine, options, script, limit):
        return machine.run_pgbench(self.port, options, script, limit)


class Pooler(Direct):
    """A program between pgbench and PostgreSQL."""
    unprivileged = True

    def __init__(self, machine):
        self.port = machine.port()
        self.restart(machine)

    def restart(self, machine):
        self.process = machine.start(self.name, self.command(machine), lambda: ask(self.port, "SELECT 1"), self.unprivileged)
        self.pid = self.process.pid

    def command(self, machine):
        """Writes the configuration; the command line."""
        raise NotImplementedError


class PgBouncer(Pooler):
    name = "pgbouncer"

    def command(self, machine):
        binary = program("pgbouncer")
        if not binary:
            raise Unable("it is not installed")
        users = machine.write("userlist.txt", f'"{USER}" ""\n')
        return [binary, machine.write("pgbouncer.ini", f"""\
[databases]
{DATABASE} = host={HOST} port={machine.postgres_port}
[pgbouncer]
listen_addr = {HOST}
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {POOL}
max_client_conn = 5000
""")]


class Pgpool(Pooler):
    name = "pgpool"

    def command(self, machine):
        binary = program("pgpool")
        if not binary:
            raise Unable("it is not installed")
        folder = machine.folder
        return [binary, "-n", "-D", "-F", machine.write("pcp.conf", ""), "-f", machine.write("pgpool.conf", f"""\
backend_clustering_mode = 'raw'
listen_addresses = '{HOST}'
port = {self.port}
pcp_port = {machine.port()}
backend_hostname0 = '{HOST}'
backend_port0 = {machine.postgres_port}
num_init_children = 40
max_pool = 1
sr_check_period = 0
socket_dir = '{folder}'
pcp_socket_dir = '{folder}'
pid_file_name = '{folder}/pgpool.pid'
logdir = '{folder}'
memory_cache_enabled = on
memqcache_oiddir = '{folder}'
""")]


class Pgweir(Pooler):
    """Slow log and HTTP on, as in normal use. `pgweir` is plain, `pgweir-cache` has a rule, `pgweir-4` has four threads."""
    unprivileged = False

    def __init__(self, machine, binary, name="pgweir", threads=1, cache=False):
        self.name, self.binary, self.threads, self.cache, self.http = name, os.path.abspath(binary), threads, cache, machine.port()
        super().__init__(machine)

    def command(self, machine):
        return [self.binary, "--config", machine.write(f"{self.name}.yaml", f"""\
listen: {{host: {HOST}, port: {self.port}}}
threads: {self.threads}
http: {{listen: "{HOST}:{self.http}"}}
auth: {{type: trust}}
pool: {{mode: transaction, size: {POOL}, overflow: 0}}
databases:
  {DATABASE}: {{upstream: "host={HOST} port={machine.postgres_port} dbname={DATABASE}"}}
slow_log: {{threshold: 500ms}}
{CACHE_RULE if self.cache else ""}""")]


class Redis:
    """GET of 100 bytes out of 1000 keys: what an answer from another process's memory costs at least."""
    name = "redis"

    def __init__(self, machine):
        server, self.client = program("redis-server"), program("redis-benchmark")
        if not (server and self.client):
            raise Unable("it is not installed")
        self.port = machine.port()
        command = [server, "--port", str(self.port), "--bind", HOST, "--save", "", "--dir", str(machine.folder)]
        self.process = machine.start(self.name, command, lambda: socket.create_connection((HOST, self.port), 5).close(), False)
        self.pid = self.process.pid
        self.requests("set", 20000)
        self.rate = self.requests("get", 20000)["tps"]

    def requests(self, test, count):
        done = subprocess.run([self.client, "-h", HOST, "-p", str(self.port), "-c", "16", "-t", test, "-d", "100", "-r", "1000",
                               "-n", str(count), "--csv"], capture_output=True, text=True, timeout=120)
        row = next(csv.DictReader(done.stdout.splitlines()), {})
        if "p99_latency_ms" not in row:
            raise Unable("redis-benchmark 6.2 or later is needed")
        return {"count": count, "tps": float(row["rps"]), "avg_ms": float(row["avg_latency_ms"]), "p99_ms": float(row["p99_latency_ms"])}

    def measure(self, machine, options, script, limit):
        seconds = float(re.search(r"-T(\S+)", " ".join(options))[1])
        return self.requests("get", max(1000, int(self.rate * seconds)))
