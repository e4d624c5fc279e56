"""What a benchmark needs of the machine: a private PostgreSQL, programs that end with us, and their CPU time and memory."""
import contextlib
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

HOST, USER, DATABASE = "127.0.0.1", "postgres", "bench"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"PATH": PATH, "LC_ALL": "C"}
CORES = len(os.sched_getaffinity(0))


class Unable(Exception):
    """A subject cannot do this; it is left out with a note."""


def program(name):
    """Path of a program: the newest in Debian's layout of PostgreSQL, else on PATH, else None."""
    found = glob.glob(f"/usr/lib/postgresql/*/bin/{name}")
    return max(found, key=lambda path: int(path.split("/")[4])) if found else shutil.which(name, path=PATH)


def fields_of_stat(pid):
    """/proc/PID/stat after the name, which may hold anything; of a process that is gone, zeros."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 50


def family(root):
    """A process and all its descendants."""
    parents = {int(pid): int(fields_of_stat(pid)[1]) for pid in os.listdir("/proc") if pid.isdigit()}
    pids = [root]
    for pid in pids:        # grows while it is walked
        pids += [child for child, parent in parents.items() if parent == pid]
    return pids


def cpu_us(root):
    """CPU microseconds, user and system, of a process, its threads, and its children, also those that it has reaped."""
    ticks = sum(int(field) for pid in family(root) for field in fields_of_stat(pid)[11:15])
    return ticks * 1e6 / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    with contextlib.suppress(OSError):
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
    return 0


def ask(port, sql, database=DATABASE, user=USER):
    """Logs in without a password and runs one simple query: the first column of its rows, and the socket, still open."""
    connection = socket.create_connection((HOST, port), 10)
    stream, rows = connection.makefile("rb"), []
    login = f"user\0{user}\0database\0{database}\0\0".encode()
    for head, body in ((b"", struct.pack("!I", 196608) + login), (b"Q", sql.encode() + b"\0")):
        connection.sendall(head + struct.pack("!I", len(body) + 4) + body)
        kind = b""
        while kind != b"Z":
            header = stream.read(5)
            if len(header) < 5:
                raise ConnectionError(f"port {port} closed the connection")
            kind, size = struct.unpack("!cI", header)
            body = stream.read(size - 4)
            if kind == b"E":
                raise ConnectionError(re.search(rb"\0M([^\0]*)", body)[1].decode(errors="replace"))
            if kind == b"D":
                rows.append(body[6:6 + struct.unpack("!i", body[2:6])[0]].decode())
    return rows, connection


class Machine:
    """A temporary folder, what was started in it, and a PostgreSQL with pgbench's tables. close() ends and removes all."""

    def __init__(self, scale):
        self.running, self.unprivileged, self.taken = [], {}, set()
        self.folder = Path(tempfile.mkdtemp(prefix="pgweir-bench-"))
        self.folder.chmod(0o755)
        if os.geteuid() == 0:       # PostgreSQL, PgBouncer and pgpool refuse root
            owner = next(user for name in ("postgres", "nobody") for user in pwd.getpwall() if user.pw_name == name)
            self.unprivileged = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.scale = scale

    def port(self):
        """A port below those that Linux gives to outgoing connections, free now and not given out before."""
        for port in range(23100, 23900):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if port not in self.taken and not self._bind_fails(probe, port):
                    self.taken.add(port)
                    return port
        raise Unable("no free port")

    @staticmethod
    def _bind_fails(probe, port):
        try:
            probe.bind((HOST, port))
            return False
        except OSError:
            return True

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def start(self, name, command, probe, unprivileged=True):
        """Starts a program and returns when `probe` no longer fails. A session of its own: Ctrl-C must reach us alone."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder, env=ENVIRONMENT,
                                       start_new_session=True, **(self.unprivileged if unprivileged else {}))
        self.running.append(process)
        deadline, why = time.monotonic() + 20, "it ended"
        while time.monotonic() < deadline and process.poll() is None:
            try:
                probe()
                return process
            except OSError as error:
                why = error
                time.sleep(0.05)
        self.stop(process)
        raise Unable(f"{name} did not start ({why}): {log.read_text(errors='replace').strip()[-300:]}")

    def stop(self, process):
        """SIGINT is the fast stop of all of them; who does not obey is killed with its descendants."""
        for number in (signal.SIGINT, signal.SIGKILL):
            if process.poll() is None:
                for pid in [process.pid] if number == signal.SIGINT else reversed(family(process.pid)):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(8)
        self.running.remove(process)

    def close(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process in self.running[::-1]:
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_postgres(self, **more):
        """PostgreSQL without fsync, with `more` settings, and pgbench's tables; gives its process."""
        initdb, postgres, self.pgbench = (program(name) for name in ("initdb", "postgres", "pgbench"))
        if not (initdb and postgres and self.pgbench):
            raise Unable("initdb, postgres or pgbench is missing")
        data = ["-D", str(self.folder / "pg")]
        subprocess.run([initdb, *data, "-U", USER, "-A", "trust", "-N", "-E", "UTF8", "--locale=C"], check=True, env=ENVIRONMENT,
                       cwd=self.folder, stdout=subprocess.DEVNULL, **self.unprivileged)
        self.postgres_port = self.port()
        settings = {"port": self.postgres_port, "listen_addresses": HOST, "unix_socket_directories": "", "max_connections": 300,
                    "jit": "off", "shared_buffers": "256MB", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
                    "autovacuum": "off", "max_parallel_workers_per_gather": 0, "max_wal_size": "4GB", "checkpoint_timeout": "1h"} | more
        server = self.start("postgres", [postgres, *data] + [f"--{name}={value}" for name, value in settings.items()],
                            lambda: ask(self.postgres_port, f"CREATE DATABASE {DATABASE}", "postgres"))
        subprocess.run([self.pgbench, "-h", HOST, "-U", USER, "-p", str(self.postgres_port), "-i", "-q", "-s", str(self.scale), DATABASE],
                       check=True, capture_output=True, env=ENVIRONMENT)
        return server

    def run_pgbench(self, port, options, script, limit):
        """One run with half of the cores: transactions, their rate, the average and the 99th percentile in ms."""
        logs = Path(tempfile.mkdtemp(prefix="log-", dir=self.folder))
        file = ["-f", self.write("script.sql", script)] if script else []
        done = subprocess.run([self.pgbench, "-h", HOST, "-U", USER, "-p", str(port), "-n", "-l", "--log-prefix", str(logs / "l"),
                               f"-j{max(1, CORES // 2)}", *options, *file, DATABASE],
                              capture_output=True, text=True, env=ENVIRONMENT, timeout=limit)
        count, average, rate = (re.search(rf"{what} ([\d.]+)", done.stdout)
                                for what in ("actually processed:", "latency average =", "tps ="))
        if done.returncode or not (count and average and rate) or int(count[1]) == 0:
            raise Unable((re.findall(r"pgbench: error: (.*)", done.stderr) or [done.stderr.strip() or "no transaction"])[0])
        latencies = sorted(int(line.split()[2]) for log in logs.iterdir() for line in log.open())
        shutil.rmtree(logs)
        return {"count": int(count[1]), "tps": float(rate[1]), "avg_ms": float(average[1]),
                "p99_ms": latencies[len(latencies) * 99 // 100] / 1000}
