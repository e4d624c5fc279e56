#!/usr/bin/env python3
"""`systemd-analyze verify` has nothing to say about systemd/, with the binary of the first argument in the place of /usr/bin's."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sources import ROOT


def main():
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for unit in sorted((ROOT / "systemd").glob("pgweir.s[eo]*")):
            if unit.suffix in (".service", ".socket"):
                copy = Path(folder) / unit.name
                copy.write_text(unit.read_text().replace("/usr/bin/pgweir", str(binary)))
                units.append(str(copy))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # Units of this machine that ours refer to may have faults of their own.
        complaints = [line for line in done.stdout.splitlines() if "pgweir" in line]
        for kind, file in (("systemd-sysusers", "pgweir.sysusers"), ("systemd-tmpfiles", "pgweir.tmpfiles")):
            if shutil.which(kind):
                tried = subprocess.run([kind, "--dry-run" if kind == "systemd-sysusers" else "--cat-config",
                                        str(ROOT / "systemd" / file)], capture_output=True, text=True)
                complaints += tried.stderr.splitlines() if tried.returncode else []
    print("\n".join(complaints) if complaints else f"{len(units)} units are clean")
    return 1 if complaints or len(units) != 2 else 0


if __name__ == "__main__":
    sys.exit(main())
