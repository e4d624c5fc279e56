#!/usr/bin/env python3
"""What a storm of logins does to queries that run: their 99th percentile without it and with it, pgweir beside PgBouncer.

pgbench asks for rows by key with 8 clients for some seconds; in the second run --clients others log in at once with SCRAM (and TLS,
with --tls), and stay until all are in. Our own clients derive no keys: all have the same password and salt, so that
their cost is that of their sockets; and they run at the lowest priority, as they stand for other machines. Where cores are few, such
clients take their part all the same: in a third run they talk as much to a socket of their own, and nobody logs in. What the
pooler adds to that is its own part.
"""
import argparse
import asyncio
import base64
import hashlib
import hmac
import os
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import machine as bench_machine
from machine import DATABASE, HOST, USER, Machine
from subjects import PgBouncer, Pgweir

ITERATIONS, SALT, PASSWORD = 4096, b"0123456789abcdef", b"storm"
SALTED = hashlib.pbkdf2_hmac("sha256", PASSWORD, SALT, ITERATIONS)


def mac(key, text):
    return hmac.digest(key, text, "sha256")


CLIENT_KEY, SERVER_KEY = mac(SALTED, b"Client Key"), mac(SALTED, b"Server Key")
STORED_KEY = hashlib.sha256(CLIENT_KEY).digest()
SECRET = (f"SCRAM-SHA-256${ITERATIONS}:{base64.b64encode(SALT).decode()}"
          f"${base64.b64encode(STORED_KEY).decode()}:{base64.b64encode(SERVER_KEY).decode()}")


async def message(reader):
    kind, size = struct.unpack("!cI", await reader.readexactly(5))
    return kind, await reader.readexactly(size - 4)


def framed(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


async def log_in(port, context):
    """A client that has logged in; its writer."""
    reader, writer = await asyncio.open_connection(HOST, port)
    if context:
        writer.write(struct.pack("!II", 8, 80877103))
        if await reader.readexactly(1) != b"S":
            raise ConnectionError("no TLS")
        await writer.start_tls(context)
    writer.write(framed(b"", struct.pack("!I", 196608) + f"user\0{USER}\0database\0{DATABASE}\0\0".encode()))
    first_bare = b"n=,r=" + base64.b64encode(os.urandom(18))
    while True:
        kind, body = await message(reader)
        if kind == b"E":
            raise ConnectionError(body.decode(errors="replace"))
        if kind == b"Z":
            return writer
        if kind != b"R":
            continue
        method = struct.unpack("!I", body[:4])[0]
        if method == 10:
            writer.write(framed(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first_bare) + 3) + b"n,," + first_bare))
        if method == 11:
            server_first = body[4:]
            final = b"c=biws," + server_first.partition(b",")[0]
            signature = mac(STORED_KEY, first_bare + b"," + server_first + b"," + final)
            proof = bytes(a ^ b for a, b in zip(CLIENT_KEY, signature))
            writer.write(framed(b"p", final + b",p=" + base64.b64encode(proof)))


async def storm(port, clients, context):
    """All at once; the seconds that they took, and how many failed."""
    begin = time.monotonic()
    done = await asyncio.gather(*(log_in(port, context) for _ in range(clients)), return_exceptions=True)
    took = time.monotonic() - begin
    failed = [one for one in done if isinstance(one, BaseException)]
    for one in done:
        if not isinstance(one, BaseException):
            one.close()
    return took, failed


def talk_to_nobody(stop):
    """As a storm's clients, for as long as one takes, but the other end is here."""
    with socket.create_server((HOST, 0)) as listener:
        while not stop.is_set():
            with socket.create_connection(listener.getsockname()) as one, listener.accept()[0] as other:
                for asked, answered in ((70, 24), (60, 100), (110, 500)):
                    one.sendall(bytes(asked))
                    other.recv(1024)
                    other.sendall(bytes(answered))
                    one.recv(1024)


class ScramPgweir(Pgweir):
    tls = False

    def command(self, machine):
        line = super().command(machine)
        users = machine.write("users.txt", f'"{USER}" "{SECRET}"\n')
        file = Path(line[-1])
        text = file.read_text().replace("auth: {type: trust}", f"auth: {{type: scram-sha-256, users_file: {users}}}")
        text = text.replace("upstream: \"", f"upstream: \"user={USER} ")
        if self.tls:
            text = text.replace("listen: {", f"listen: {{tls: {{mode: prefer, cert_file: {self.tls[0]}, key_file: {self.tls[1]}}}, ")
        file.write_text(text)
        return line


class ScramPgBouncer(PgBouncer):
    tls = False

    def command(self, machine):
        line = super().command(machine)
        machine.write("userlist.txt", f'"{USER}" "{SECRET}"\n')
        file = Path(line[-1])
        text = file.read_text().replace("auth_type = trust", "auth_type = scram-sha-256")
        text = text.replace(f"host={HOST}", f"user={USER} host={HOST}")
        if self.tls:
            text += f"client_tls_sslmode = allow\nclient_tls_cert_file = {self.tls[0]}\nclient_tls_key_file = {self.tls[1]}\n"
        file.write_text(text)
        return line


def probe_port(port):
    """Answers a TCP connection; ask() would need the password."""
    socket.create_connection((HOST, port), 1).close()


def run(machine, subject, args, beside=None):
    """p99 in ms of pgbench and its transactions a second; `beside` runs from its first second on, and gets an event that is its end."""
    over = threading.Event()

    def other():
        os.nice(19)  # this thread only
        time.sleep(1)
        beside(over)
    thread = threading.Thread(target=other) if beside else None
    if thread:
        thread.start()
    figures = machine.run_pgbench(subject.port, ["-S", "-c8", f"-T{args.seconds}"], "", args.seconds + 60)
    over.set()
    if thread:
        thread.join()
    return figures["p99_ms"], figures["tps"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgweir", default="build/release/pgweir")
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tls", action="store_true")
    args = parser.parse_args()
    machine = Machine(1)
    bench_machine.ENVIRONMENT["PGPASSWORD"] = PASSWORD.decode()
    try:
        machine.start_postgres()
        context = tls = None
        if args.tls:
            cert, key = machine.folder / "cert.pem", machine.folder / "key.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                            "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
            if machine.unprivileged:
                os.chown(key, machine.unprivileged["user"], machine.unprivileged["group"])
            tls = (cert, key)
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for kind, make in (("pgbouncer", ScramPgBouncer), ("pgweir", ScramPgweir)):
            class Subject(make):
                def restart(self, machine):
                    self.process = machine.start(self.name, self.command(machine), lambda: probe_port(self.port), self.unprivileged)
                    self.pid = self.process.pid
            Subject.tls = tls or False
            subject = Subject(machine) if kind == "pgbouncer" else Subject(machine, args.pgweir)
            ratios, parts = [], []
            for _ in range(args.rounds):
                told = []
                before, _ = run(machine, subject, args)
                after, tps = run(machine, subject, args,
                                 lambda _: told.extend(asyncio.run(storm(subject.port, args.clients, context))))
                machines, _ = run(machine, subject, args, talk_to_nobody)
                took, failed = told
                ratios.append(after / before)
                parts.append(after / machines)
                print(f"{kind}: p99 {before:.2f} ms, with {args.clients} logins in {took:.2f} s {after:.2f} ms, with as busy clients and no "
                      f"login {machines:.2f} ms; {tps:.0f} tps; {len(failed)} failed {failed[:1]}", flush=True)
            print(f"{kind}: median ratio {statistics.median(ratios):.2f}, to the run without logins {statistics.median(parts):.2f}",
                  flush=True)
    finally:
        machine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
