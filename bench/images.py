"""Starting from an image: CPython, frozen at its first read of standard input after it has imported
json, re and hashlib, against the same script without an image, other engines, and a static C program
that prints the same line.  Every command gets the same lines on its standard input.  What counts is
the time from before exec to the printed answer; how long a process takes to end is its own business
(CPython gives back every object)."""
import statistics
import tempfile
from pathlib import Path

import engines as E

SCRIPT = "import json, re, hashlib, sys; exec(sys.stdin.read())"
REQUEST = 'print(json.dumps({"answer": 42}), hashlib.sha256(b"x").hexdigest()[:8])\n'
ANSWER = '{"answer": 42} 2d711642\n'
# Trained by a request that ends there, so that what CPython does to end is not taken for needed.
TRAINING = REQUEST.rstrip() + "; sys.stdout.flush(); import os; os._exit(0)\n"
STATIC, IMAGE, TRAINED = "static C program", "fnvm, from an image", "fnvm, from a trained image"


def cases(found, python, image, trained):
    """(name, command)"""
    here = {e.name for e in found}
    line = E.OUT / "line"
    E.compile_native(E.BENCH / "line.c", line, ["-static"])
    result = [(STATIC, [str(line)])]
    if E.JIT in here:
        result += [(IMAGE, [E.FNVM, "run", str(image)]),
                   (TRAINED, [E.FNVM, "run", str(trained)]),
                   ("fnvm jit, warm cache", [E.FNVM, "run", python, "-c", SCRIPT])]
    if E.LIFTOFF in here:
        result += [("node", [*E.node_command(), python, "-c", SCRIPT]),
                   (E.LIFTOFF, [*E.node_command("--liftoff-only"), python, "-c", SCRIPT])]
    told = (E.NATIVE, E.INTERPRETER, E.JIT, E.LIFTOFF, E.TURBOFAN)
    return result + [(e.name, e.line(python, ["-c", SCRIPT])) for e in found if e.name not in told]


def median_of(costs):
    return {"wall_ms": statistics.median(c.wall_ns for c in costs) / 1e6,
            "cpu_ms": statistics.median(c.cpu_ns for c in costs) / 1e6,
            "peak_mib": statistics.median(c.peak_bytes for c in costs) / 2**20}


def measure(rounds, all_cases, env, progress):
    costs, failures = {name: [] for name, _ in all_cases}, {}
    for n in range(-1, rounds):     # the first fills caches and does not count
        for name, command in all_cases:
            if name in failures:
                continue
            progress(f"images {n + 1} of {rounds}: {name}")
            try:
                printed, cost = E.run(command, env, REQUEST, to_answer=True)
                if printed != ANSWER:
                    raise E.Failed(f"printed {printed[:60]!r}")
                costs[name] += [cost] if n >= 0 else []
            except E.Failed as failure:
                failures[name] = str(failure)
    progress("")
    return {name: {"failure": failures[name]} if name in failures else median_of(costs[name])
            for name, _ in all_cases}


def run(rounds, found, python, progress):
    with tempfile.TemporaryDirectory(prefix="fnvm-bench-") as directory:
        env = {"FNVM_CACHE_DIR": str(Path(directory) / "cache")}
        image, trained = Path(directory) / "python.fnvmi", Path(directory) / "trained.fnvmi"
        request = Path(directory) / "request.py"
        request.write_text(TRAINING)
        snapshot = [E.FNVM, "snapshot", "--quiet", "--at=stdin"]
        E.run([*snapshot, "-o", str(image), python, "-c", SCRIPT], env)
        E.run([*snapshot, "--train", f"'{E.FNVM}' run \"$FNVM_IMAGE\" < '{request}'",
               "-o", str(trained), python, "-c", SCRIPT], env)
        return measure(rounds, cases(found, python, image, trained), env, progress)
