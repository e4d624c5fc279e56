#!/usr/bin/env python3
"""Each of the 120 ways to get a cache wrong has a test under its number or a reason in tests/integration/cache_traps.md why not.

Never both: a reason that has become untrue goes.
"""
import re
import sys

from sources import ROOT, report

TRAPS = set(range(1, 121))
FOLDER = ROOT / "tests/integration"
CASE = re.compile(r"^TEST(?:_[FP])?\(\s*\w+,\s*((?:T\d+_)+)", re.MULTILINE)
NUMBER = re.compile(r"T(\d+)")


def tested():
    numbers = set()
    for source in sorted(FOLDER.glob("cache_*_pgtest.cpp")):
        for case in CASE.findall(source.read_text(encoding="utf-8")):
            numbers.update(int(number) for number in NUMBER.findall(case))
    return numbers


def explained():
    numbers = set()
    for row in (FOLDER / "cache_traps.md").read_text(encoding="utf-8").splitlines():
        if not row.startswith("| T"):
            continue
        cell = row.split("|")[1]
        for first, last in re.findall(r"T(\d+) to T(\d+)", cell):
            numbers.update(range(int(first), int(last) + 1))
        numbers.update(int(number) for number in NUMBER.findall(cell))
    return numbers


def main():
    here, there = tested(), explained()
    found = [f"T{number}: no test has this number, and cache_traps.md does not tell why" for number in sorted(TRAPS - here - there)]
    found += [f"T{number}: has a test, and cache_traps.md tells why it has none" for number in sorted(here & there)]
    found += [f"T{number}: there is no such trap" for number in sorted((here | there) - TRAPS)]
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
