#!/usr/bin/env python3
"""Every option of the table is in etc/pgweir.yaml and in etc/reference.md, and nothing else is.

The table is read from daemon/config/options.cpp as text, so that the check needs no build.
Usage: options_documented.py [ROOT]; prints what is missing or unknown and exits 1; silent when all agree.
"""

import pathlib
import re
import sys

ROW = re.compile(r'^ *\{\.path = "([^"]+)"(.*?)\.about =', re.S | re.M)
REFERENCE_ROW = re.compile(r"^\| `([^`]+)` \|", re.M)
# An example is a line whose "#" is followed by its own text or by its indentation; prose has one blank there.
EXAMPLE = re.compile(r"^#(?=\S|  )")
KEY = re.compile(r'^( *)(- )?("[^"]*"|[A-Za-z_][\w.]*):(\s|$)')
NAMED = ("databases", "users", "cache.functions", "cache.events")
POOL_SECTION = re.compile(r"^(?:databases|users)\.\*\.(pool\..*)$")


def table_options(source):
    """Maps each path of the table to whether it is a value (not a section)."""
    sections = ("named_sections", "section_list", "pool_section")
    rows = {}
    for path, rest in ROW.findall(source):
        rows[path] = not any(f".type = {kind}" in rest for kind in sections)
    return rows


def yaml_paths(text):
    """The option patterns that the file spells, examples in comments included."""
    paths = set()
    stack = []  # (indentation, key)
    for line in text.splitlines():
        match = KEY.match(EXAMPLE.sub("", line))
        if not match:
            continue
        indent = len(match[1]) + len(match[2] or "")
        while stack and stack[-1][0] >= (len(match[1]) if match[2] else indent):
            stack.pop()
        parent = ".".join(key for _, key in stack)
        key = match[3].strip('"')
        if parent in NAMED:
            key = "*"
        elif match[2]:
            stack.append((len(match[1]), stack.pop()[1] + "[]"))
        stack.append((indent, key))
        path = ".".join(key for _, key in stack)
        pool = POOL_SECTION.match(path)
        paths.add(pool[1] if pool else path)
    return paths


def differences(rows, documented, where, known_sections=frozenset()):
    for path in sorted(set(rows) - documented):
        yield f"{where}: option {path} of the table is missing"
    for path in sorted(documented - set(rows) - known_sections):
        yield f"{where}: {path} is not an option of the table"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    rows = table_options((root / "daemon/config/options.cpp").read_text())
    if len(rows) < 50:
        print(f"daemon/config/options.cpp: only {len(rows)} options were recognised; has the table's form changed?")
        return 1
    # "listen" is no row, but the section that holds "listen.port".
    sections = {path[:end] for path in rows for end in range(len(path)) if path[end] in ".["}
    sections |= {path + suffix for path in rows for suffix in ("[]", ".*")}
    found = list(differences(rows, yaml_paths((root / "etc/pgweir.yaml").read_text()), "etc/pgweir.yaml", sections))
    reference = set(REFERENCE_ROW.findall((root / "etc/reference.md").read_text()))
    found += differences(rows, reference, "etc/reference.md")
    print("".join(f"{line}\n" for line in found), end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
