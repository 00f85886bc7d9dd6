#!/usr/bin/env python3
"""Reads Prometheus' text format from standard input as strictly as its documentation has it, and more: what
a histogram must add up to, and that no series comes twice.  Prints what it found; status 1 if it is wrong.

  prometheus.py [NAME...]     also: families that must be there
"""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Wrong(Exception):
    pass


def number(text):
    if text in ("+Inf", "-Inf", "NaN"):
        return float(text.replace("Inf", "inf"))
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", text):
        raise Wrong(f"{text!r} is not a number")
    return float(text)


def parse(text):
    """Families in order: name to (type, list of (suffix, labels, value))."""
    families, help_of, current = {}, set(), None
    if not text.endswith("\n"):
        raise Wrong("the last line has no end")
    for n, line in enumerate(text.split("\n")[:-1], 1):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            if name in help_of or len(line.split(" ", 3)) < 4:
                raise Wrong(f"line {n}: HELP of {name} is empty or there twice")
            help_of.add(name)
            current = None
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in families or name not in help_of or kind not in SUFFIXES:
                raise Wrong(f"line {n}: TYPE of {name}, {kind}")
            families[name] = (kind, [])
            current = name
        else:
            match = SAMPLE.fullmatch(line)
            if not match or current is None:
                raise Wrong(f"line {n}: not a sample of the family before it: {line}")
            kind, samples = families[current]
            if match[1] not in [current + s for s in SUFFIXES[kind]]:
                raise Wrong(f"line {n}: {match[1]} in the family {current}")
            labels = re.findall(LABEL, match[2] or "")
            if len({name for name, _ in labels}) != len(labels):
                raise Wrong(f"line {n}: a label twice")
            value = number(line.rsplit(" ", 1)[1])
            samples.append((match[1][len(current):], tuple(sorted(labels)), value))
    return families


def check_histogram(name, samples):
    series = {}
    for suffix, labels, value in samples:
        rest = tuple(l for l in labels if l[0] != "le")
        one = series.setdefault(rest, {"buckets": []})
        if suffix == "_bucket":
            one["buckets"].append((number(dict(labels)["le"]), value))
        else:
            one[suffix] = value
    for labels, one in series.items():
        bounds = [b for b, _ in one["buckets"]]
        counts = [c for _, c in one["buckets"]]
        if bounds != sorted(set(bounds)) or bounds[-1] != float("inf") or counts != sorted(counts):
            raise Wrong(f"{name}{labels}: buckets out of order")
        if counts[-1] != one["_count"] or one["_sum"] < 0:
            raise Wrong(f"{name}{labels}: {counts[-1]} in buckets, count {one['_count']}")


def check(text, expected):
    families = parse(text)
    for name, (kind, samples) in families.items():
        if len({(s, l) for s, l, _ in samples}) != len(samples):
            raise Wrong(f"{name}: a series twice")
        if kind == "counter" and not name.endswith("_total") or any(v < 0 for _, _, v in samples):
            raise Wrong(f"{name}: not a {kind}'s name, or below 0")
        if kind == "histogram":
            check_histogram(name, samples)
    for name in expected:
        if name not in families or not families[name][1]:
            raise Wrong(f"there is no {name}")
    return len(families), sum(len(s) for _, s in families.values())


try:
    print("%d families, %d samples" % check(sys.stdin.buffer.read().decode("utf-8"), sys.argv[1:]))
except (Wrong, UnicodeDecodeError, KeyError, IndexError) as wrong:
    print(f"wrong: {wrong}")
    sys.exit(1)
