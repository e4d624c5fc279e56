#!/usr/bin/env python3
"""All static checks, behind `./dev lint`: formatting, clang-tidy, the rules of tests/lint/*.py, and shellcheck.

clang-tidy cannot read the precompiled headers of g++, so a build folder of its own is configured with clang, and only its
precompiled headers are built. What passed is remembered by the hash of all it depends on, and is not checked again.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from sources import ROOT, cpp_files

RULES = ("include_direction.py", "coroutine_lambdas.py", "options_documented.py")
SHELL = ("dev", ".ci/run")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def run(command, **options):
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **options)


def formatting(args):
    files = [str(path) for path in cpp_files()]
    done = run(["clang-format", "--dry-run", "-Werror", *files])
    return done.stdout + ("run: clang-format -i FILE...\n" if done.returncode else "")


def rule(script):
    done = run([sys.executable, f"tests/lint/{script}"])
    return done.stdout or (f"{script} ended with status {done.returncode}\n" if done.returncode else "")


def shell(args):
    return run(["shellcheck", "-x", *SHELL]).stdout


def dependencies(path, seen):
    """The project's headers that a file includes, directly or not."""
    for name in INCLUDE.findall((ROOT / path).read_text(encoding="utf-8")):
        if name not in seen and (ROOT / name).is_file():
            seen.add(name)
            dependencies(name, seen)
    return seen


def digest(entry, salt):
    path = os.path.relpath(entry["file"], ROOT)
    total = hashlib.sha256(salt + entry["command"].encode())
    for name in [path, *sorted(dependencies(path, set()))]:
        total.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return total.hexdigest()


def configure(build):
    """Configures the folder and builds the precompiled and the generated headers; the compile commands of our own sources."""
    done = run(["cmake", "-S", ".", "-B", str(build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                "-DCMAKE_CXX_COMPILER=clang++", "-DWEIR_CCACHE=", "-DWEIR_FUZZ=OFF"])
    if done.returncode:
        raise RuntimeError(done.stdout)
    entries = json.loads((build / "compile_commands.json").read_text())
    headers = [entry["output"] for entry in entries if "cmake_pch" in entry["file"]]
    generated = run(["ninja", "-C", str(build), "-t", "targets", "rule", "CUSTOM_COMMAND"]).stdout.split()
    headers += [name for name in generated if name.endswith((".hpp", ".h"))]
    if headers:
        done = run(["ninja", "-C", str(build), *headers])
        if done.returncode:
            raise RuntimeError(done.stdout)
    return [entry for entry in entries
            if "cmake_pch" not in entry["file"] and Path(entry["file"]).is_relative_to(ROOT) and "/build/" not in entry["file"]]


def tidy(args):
    build = Path(args.build)
    try:
        entries = configure(build)
    except RuntimeError as error:
        return str(error)
    passed = build / "tidy-passed"
    passed.mkdir(exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True).stdout
    salt = version + (ROOT / ".clang-tidy").read_bytes()

    def check(entry):
        mark = passed / digest(entry, salt)
        if mark.exists():
            return ""
        done = run(["clang-tidy", "--quiet", "-p", str(build), entry["file"]])
        if done.returncode == 0:
            mark.touch()
            return ""
        lines = [line for line in done.stdout.splitlines() if not re.match(r"\d+ (?:warnings|errors)", line)]
        return "\n".join(lines) + "\n"

    entries.sort(key=lambda entry: -os.path.getsize(entry["file"]))     # the longest first: both cores end together
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as workers:
        return "".join(workers.map(check, entries))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="folder for clang's precompiled headers and the memory of what passed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="one step: format, rules, shell or tidy")
    args = parser.parse_args()
    steps = {"format": formatting, "shell": shell, "tidy": tidy}
    steps |= {f"rules: {script}": lambda args, script=script: rule(script) for script in RULES}
    failed = []
    for name in sorted(steps):
        if args.only and not name.startswith(args.only):
            continue
        begin = time.monotonic()
        complaints = steps[name](args)
        print(f"lint {name}: {'FAILED' if complaints else 'clean'} ({time.monotonic() - begin:.1f} s)", flush=True)
        if complaints:
            print(complaints.rstrip("\n"), flush=True)
            failed.append(name)
    print(f"lint: {len(failed)} failed: {', '.join(failed)}" if failed else "lint: clean")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
