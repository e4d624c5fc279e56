#!/usr/bin/env python3
"""`cmake --install` puts every file where it belongs, below the prefix and nowhere else, and what it installed passes --check.

Usage: install.py BUILD_FOLDER
"""
import subprocess
import sys
import tempfile
from pathlib import Path

from sources import ROOT

WANTED = {
    "bin/pgweir",
    "etc/pgweir/pgweir.yaml",
    "lib/systemd/system/pgweir.service",
    "lib/systemd/system/pgweir.socket",
    "lib/sysusers.d/pgweir.conf",
    "lib/tmpfiles.d/pgweir.conf",
    "share/doc/pgweir/CHANGELOG.md",
    "share/doc/pgweir/README.md",
    "share/doc/pgweir/copyright",
    "share/doc/pgweir/grafana/pgweir.json",
    "share/doc/pgweir/metrics.md",
    "share/doc/pgweir/pgweir-minimal.yaml",
    "share/doc/pgweir/prometheus/alerts.yaml",
    "share/doc/pgweir/prometheus/alerts_test.yaml",
    "share/doc/pgweir/reference.md",
}


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def complaints(build):
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "x"
        done = run("cmake", "--install", build, "--prefix", prefix)
        if done.returncode != 0:
            yield f"cmake --install ended with {done.returncode}: {done.stdout}"
            return
        found = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
        yield from (f"{path} is not installed" for path in sorted(WANTED - found))
        yield from (f"{path} is installed, but not expected" for path in sorted(found - WANTED))
        checked = run(prefix / "bin/pgweir", "--check", "--config", prefix / "etc/pgweir/pgweir.yaml")
        if checked.returncode != 0:
            yield f"the installed configuration does not pass --check: {checked.stdout}"
    # The package's control files and the units name these places.
    for name in ("pgweir.service", "debian/conffiles", "debian/postinst"):
        if "/etc/pgweir/pgweir.yaml" not in (ROOT / "systemd" / name).read_text():
            yield f"systemd/{name} does not name /etc/pgweir/pgweir.yaml"


def main():
    found = list(complaints(sys.argv[1]))
    print("\n".join(found) if found else f"{len(WANTED)} files are installed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
