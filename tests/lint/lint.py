#!/usr/bin/env python3
"""All static checks, behind `./dev lint`: formatting, clang-tidy, the rules of tests/lint/*.py, and shellcheck.

clang-tidy cannot read the precompiled headers of g++, so a build folder of its own is configured with clang, and only its
precompiled headers are built. Most of its time goes into the headers of the libraries, so files with the same flags are read
as one, in batches; those whose names for internal things collide with another's are taken out into a batch of their own. What
passed is remembered by the hash of all it depends on, and is not checked again.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from sources import ROOT, cpp_files

RULES = ("include_direction.py", "coroutine_lambdas.py", "monitoring.py", "options_documented.py", "traps_tested.py")
SHELL = ("dev", ".ci/run", "systemd/debian/postinst", "systemd/debian/prerm", "systemd/debian/postrm")
OURS = f"^{re.escape(str(ROOT))}/(protocol|pool|querycache|daemon|tests)/"
SHIM = ROOT / "tests/lint/clang14.hpp"
BATCH = 40      # files read as one (700 MB); more would leave a worker idle at the end
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


def digest(flags, files, salt):
    total = hashlib.sha256(salt + "\0".join(flags).encode())
    names = set(files)
    for name in files:
        dependencies(name, names)
    for name in sorted(names):
        total.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return total.hexdigest()


def configure(build):
    """Configures the folder and builds the precompiled and the generated headers; the compile commands of our own sources."""
    done = run(["cmake", "-S", ".", "-B", str(build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                "-DCMAKE_CXX_COMPILER=clang++", "-DWEIR_CCACHE=", "-DWEIR_FUZZ=OFF"])
    if done.returncode:
        raise RuntimeError(done.stdout)
    entries = json.loads((build / "compile_commands.json").read_text())
    headers = [re.search(r" -o (\S+)", entry["command"])[1] for entry in entries if "cmake_pch" in entry["file"]]
    generated = run(["ninja", "-C", str(build), "-t", "targets", "rule", "CUSTOM_COMMAND"]).stdout.split()
    headers += [name for name in generated if name.endswith((".hpp", ".h"))]
    if headers:
        done = run(["ninja", "-C", str(build), *headers])
        if done.returncode:
            raise RuntimeError(done.stdout)
    return [entry for entry in entries
            if "cmake_pch" not in entry["file"] and Path(entry["file"]).is_relative_to(ROOT) and "/build/" not in entry["file"]]


def batches(entries):
    """[(flags, files)]: files of the same flags, many together."""
    groups = {}
    for entry in entries:
        flags = shlex.split(entry["command"])
        for option in ("-o", "-c"):
            del flags[flags.index(option):flags.index(option) + 2]
        groups.setdefault(tuple(flags), []).append(os.path.relpath(entry["file"], ROOT))
    parts = [(flags, sorted(files)[start:start + BATCH])
             for flags, files in groups.items() for start in range(0, len(files), BATCH)]
    return sorted(parts, key=lambda part: -len(part[1]))        # the longest first, so that all workers end together


class Tidy:
    """Runs clang-tidy over batches. Thread-safe."""

    def __init__(self, build):
        self.build = build
        self.passed = build / "tidy-passed"
        self.passed.mkdir(exist_ok=True)
        version = subprocess.run(["clang-tidy", "--version"], capture_output=True).stdout
        self.salt = version + (ROOT / ".clang-tidy").read_bytes() + SHIM.read_bytes()

    def check(self, flags, files):
        """The complaints about these files, empty when there are none."""
        key = digest(flags, files, self.salt)
        mark = self.passed / key
        if mark.exists():
            return ""
        source = self.build / f"tidy-{key[:16]}.cpp"
        source.write_text("".join(f'#include "{ROOT / name}"\n' for name in files))
        try:
            if apart := self.colliding(flags, files, source):
                return self.check(flags, [name for name in files if name not in apart]) + self.check(flags, apart)
            done = run(["clang-tidy", "--quiet", f"--config-file={ROOT / '.clang-tidy'}", f"--header-filter={OURS}", str(source),
                        "--", *flags[1:], "-include", str(SHIM)])
        finally:
            source.unlink()
        if done.returncode == 0:
            mark.touch()
            return ""
        lines = [line for line in done.stdout.splitlines() if not re.match(r"\d+ (?:warnings|errors)|Error while processing", line)]
        return "\n".join(lines) + "\n"

    def colliding(self, flags, files, source):
        """Those of the files that do not compile behind the others: they are read on their own, and need not have a fault."""
        if len(files) == 1:
            return []
        done = run([*flags, "-w", "-include", str(SHIM), "-fsyntax-only", "-ferror-limit=0", str(source)])
        if done.returncode == 0:
            return []
        faulty = set(re.findall(r"^(\S+?):\d+:\d+: (?:fatal )?error:", done.stdout, re.MULTILINE))
        apart = [name for name in files if str(ROOT / name) in faulty]
        return apart if 0 < len(apart) < len(files) else files[len(files) // 2:]


def tidy(args):
    try:
        work = batches(configure(Path(args.build)))
    except RuntimeError as error:
        return str(error)
    checker = Tidy(Path(args.build))
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as workers:
        return "".join(workers.map(lambda batch: checker.check(*batch), work))


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
