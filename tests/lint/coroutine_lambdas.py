#!/usr/bin/env python3
"""No lambda with captures is a coroutine or is built inside a co_await or co_spawn expression, and nothing is detached.

The closure of such a lambda dies before its coroutine frame does, and g++ 11 and 12 may destroy it twice. `detached` drops the
exception and lets nobody wait for the end.
"""
import re
import sys

from sources import ROOMS, code_of, cpp_files, line_of, report

LAMBDA = re.compile(r"\[([^\[\]]*)\]\s*(?=[({]|mutable\b|noexcept\b|->)")
COROUTINE = re.compile(r"\bco_(?:await|return|yield)\b")
DETACHED = re.compile(r"\basio::detached\b|[(,]\s*detached\s*[),]")


def closing(text, start, pair):
    """The offset just after the bracket that closes the one at `start`; the end of the text when none does."""
    depth = 0
    for offset in range(start, len(text)):
        depth += (text[offset] == pair[0]) - (text[offset] == pair[1])
        if depth == 0:
            return offset + 1
    return len(text)


def lambdas(code):
    """(offset, captures, body, statement before it) of each lambda."""
    for found in LAMBDA.finditer(code):
        before = code[:found.start()].rstrip()
        if before.endswith("]") or re.search(r"\w$", before) and not re.search(r"\b(?:return|co_return|co_await|co_yield)$", before):
            continue        # a subscript, an array or an attribute
        brace = code.find("{", found.end())
        if brace < 0:
            continue
        if code[found.end()] == "(":
            brace = code.find("{", closing(code, found.end(), "()"))
        body = code[brace:closing(code, brace, "{}")]
        statement = re.split(r"[;{}]", before)[-1]
        yield found.start(), found[1].strip(), body, statement


def check(path):
    code = code_of(path)
    spans = list(lambdas(code))
    for offset, captures, body, statement in spans:
        if not captures:
            continue
        own = body
        for inner_offset, _, inner, _ in spans:     # what a lambda inside it does is that lambda's affair
            if inner_offset > offset and inner in own and inner != body:
                own = own.replace(inner, "")
        where = f"{path}:{line_of(code, offset)}"
        if COROUTINE.search(own):
            yield f"{where}: a lambda with captures is a coroutine; make it a named member"
        elif re.search(r"\bco_await\b|\bco_spawn\b", statement):
            yield f"{where}: a lambda with captures is built inside a co_await or co_spawn expression"
    for found in DETACHED.finditer(code):
        yield f"{path}:{line_of(code, found.start())}: detached drops the exception, and nobody can wait for it"


if __name__ == "__main__":
    sys.exit(report([problem for path in cpp_files(*ROOMS) for problem in check(path)]))
