#!/usr/bin/env python3
"""Rooms include each other in one direction: protocol <- pool, protocol <- querycache, all <- daemon.

Also: protocol/ and querycache/ and pure files (*_fsm, *_state, *_sizing) know no Asio, and the first two read no clock and
log nothing; quoted includes are relative to the root and exist; every header says #pragma once.
"""
import re
import sys

from sources import ROOMS, ROOT, code_of, cpp_files, report

MAY_SEE = {
    "protocol": {"protocol"},
    "pool": {"protocol", "pool"},
    "querycache": {"protocol", "querycache"},
    "daemon": set(ROOMS),
}
SANS_IO = {"protocol", "querycache"}
PURE = re.compile(r"(^|_)(fsm|state|sizing)$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
CLOCK = re.compile(r"\b\w*_clock::now\s*\(|\bclock_gettime\s*\(|\bgettimeofday\s*\(|\btime\s*\(\s*(?:nullptr|NULL|0)\s*\)")


def is_generated(path, target):
    """Whether the build makes this header: then the CMakeLists.txt of its folder, or of the includer's, names it."""
    scripts = (ROOT / path.parent / "CMakeLists.txt", (ROOT / target).parent / "CMakeLists.txt")
    name = "/" + target.rsplit("/", 1)[-1]
    return any(script.exists() and name in script.read_text(encoding="utf-8") for script in scripts)


def check(path):
    room, text = path.parts[0], (ROOT / path).read_text(encoding="utf-8")
    sans_io = room in SANS_IO
    for found in INCLUDE.finditer(text):
        where, quote, target = f"{path}:{text.count(chr(10), 0, found.start()) + 1}", found[1], found[2]
        first = target.split("/")[0]
        if quote == '"' and not (ROOT / target).is_file() and not is_generated(path, target):
            yield f'{where}: "{target}" is not relative to the root of the repository, or does not exist'
        elif quote == '"' and "/" in target and room in MAY_SEE and first not in MAY_SEE[room]:
            yield f"{where}: {room}/ must not include {first}/"
        if target.startswith("boost/asio") and (sans_io or PURE.search(path.stem)):
            yield f"{where}: {'the room ' + room if sans_io else 'a pure file'} must not include Asio"
        if sans_io and target.startswith("spdlog"):
            yield f"{where}: {room}/ does not log"
    if path.suffix == ".hpp" and "#pragma once" not in text:
        yield f"{path}:1: no #pragma once"
    if sans_io:
        code = code_of(path)
        for found in CLOCK.finditer(code):
            yield f"{path}:{code.count(chr(10), 0, found.start()) + 1}: {room}/ reads no clock; take the time as an argument"


if __name__ == "__main__":
    sys.exit(report([problem for path in cpp_files(*ROOMS, "tests") for problem in check(path)]))
