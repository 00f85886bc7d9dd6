"""The engines that are compared and the guests they run: how each is started and built."""
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("BUILD", BENCH.parent / "build")).resolve()
OUT = BUILD / "bench"
FNVM = os.environ.get("FNVM", str(BUILD / "fnvm"))

FAST_ROUNDS, SLOW_ROUNDS = 20, 2   # of a kernel, in one process
NATIVE, INTERPRETER, JIT = "native", "fnvm interp", "fnvm jit"
LIFTOFF, TURBOFAN = "node Liftoff", "node TurboFan"
TIMEOUT_SECONDS = "120"

# One compiler, no other tier behind it, and all of it before the program starts.
ALL_AT_ONCE = ["--no-wasm-tier-up", "--no-wasm-dynamic-tiering", "--no-wasm-lazy-compilation"]
# Features that some versions of V8 have behind a flag.
FEATURES = ["--experimental-wasm-return-call", "--experimental-wasm-exnref"]


class Failed(Exception):
    """An engine could not do what was asked; the text says why."""


@dataclass
class Engine:
    """`command` comes before the file, `after` between it and the guest's arguments."""
    name: str
    command: list
    after: list = field(default_factory=list)
    slow: bool = False      # an interpreter: fewer rounds
    ours: bool = False      # what it cannot run is an error, and not only a gap in the table
    version: str = ""

    def line(self, file, args):
        return [*self.command, str(file), *self.after, *args]


@dataclass
class Cost:
    wall_ns: int
    cpu_ns: int
    peak_bytes: int


def version_of(command):
    try:
        text = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    lines = (text.stdout or text.stderr).strip().splitlines()
    return lines[0].strip() if lines else "?"


def node_flags(wanted):
    """Those of the flags that this node has; V8's option list spells them without `no-`."""
    text = subprocess.run(["node", "--v8-options"], capture_output=True, text=True).stdout
    known = set(re.findall(r"^\s+--([a-z0-9-]+)", text, re.MULTILINE))
    return [flag for flag in wanted if re.sub("^--(no-)?", "", flag) in known]


def fnvm_has_jit():
    try:
        text = subprocess.run([FNVM, "run", "--help"], capture_output=True, text=True).stdout
    except OSError as error:
        raise Failed(f"{FNVM}: {error.strerror}; `make` builds it, FNVM names another") from error
    return re.search(r"--engine\b.*\bjit\b", text) is not None


def node_command(*flags):
    return ["node", "--no-warnings", *node_flags([*flags, *FEATURES]), str(BENCH / "node-wasi.mjs")]


def engines_here():
    """Every engine that is on this machine, in the order of the table's columns."""
    found = [Engine(NATIVE, [], version=version_of([os.environ.get("CC", "gcc")]))]
    if fnvm_has_jit():
        found.append(Engine(JIT, [FNVM, "run", "--engine=jit"], ours=True))
    found.append(Engine(INTERPRETER, [FNVM, "run", "--engine=interp"], slow=True, ours=True))
    if shutil.which("node"):
        found.append(Engine(LIFTOFF, node_command("--liftoff-only", *ALL_AT_ONCE)))
        found.append(Engine(TURBOFAN, node_command("--no-liftoff", *ALL_AT_ONCE)))
    others = [
        Engine("wasmtime", ["wasmtime", "run", "-W", "all-proposals=y"]),
        Engine("wasmer", ["wasmer", "run"], after=["--"]),
        Engine("wasmedge", ["wasmedge", "--enable-all"], slow=True),
        Engine("iwasm", ["iwasm"], slow=True),
        Engine("wasm3", ["wasm3"], slow=True),
    ]
    found += [engine for engine in others if shutil.which(engine.command[0])]
    for engine in found[1:]:
        engine.version = version_of(["node" if "node" in engine.name else engine.command[0]])
    return found


# ---- Running ----

def timed_program():
    """The program that measures a process from outside (timed.c); made when it is not there."""
    source, program = BENCH / "timed.c", OUT / "timed"
    if is_older(program, source):
        compile_native(source, program, ["-static"])
    return str(program)


def run(command, env=None, given="", to_answer=False):
    """Runs a command with `given` on its standard input; returns what it printed, what it cost:
    to its end, or to the first line it prints."""
    with tempfile.NamedTemporaryFile("r", prefix="fnvm-bench-") as report:
        timed = [timed_program(), *(["--answer"] if to_answer else [])]
        done = subprocess.run([*timed, report.name, TIMEOUT_SECONDS, *command],
                              capture_output=True, text=True, input=given,
                              env={**os.environ, **(env or {})})
        if done.returncode != 0:
            raise Failed(reason_of(done))
        return done.stdout, Cost(*map(int, report.read().split()))


def reason_of(done):
    """The line of a failed command's output that says most: one with "error" in it, or the last."""
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    telling = [line for line in lines if re.search("error", line, re.IGNORECASE)] or lines[-1:]
    return (telling[0] if telling else f"exit status {done.returncode}")[:160]


# ---- Building guests ----

def is_older(made, *sources):
    return not made.exists() or made.stat().st_mtime < max(s.stat().st_mtime for s in sources)


def build(*command):
    OUT.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}; see scripts/install-deps") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stderr}")


def compile_native(source, program, flags=()):
    build(os.environ.get("CC", "gcc"), "-std=gnu17", "-O2", "-ffp-contract=off", *flags,
          "-o", program, source, "-lm")


def compile_guest(source, wasm):
    """A line `wasm: FLAGS` in the opening comment of a program names features that it needs."""
    flags = re.search(r"^ \* wasm: (.*?) \*/", source.read_text(), re.MULTILINE)
    build("clang", "--target=wasm32-wasi", "-std=gnu17", "-O3", "-ffp-contract=off",
          *(flags.group(1).split() if flags else []), "-Wl,--strip-debug",
          "-o", wasm, source, "-lm")


@dataclass
class Program:
    """A guest: its module, the same natively or None, and the checksum it must have or None."""
    name: str
    about: str
    wasm: Path
    native: Path = None
    checksum: str = None


def program_in_c(source):
    wasm, native = OUT / f"{source.stem}.wasm", OUT / f"{source.stem}.native"
    needs = [source, source.with_name("kernel.h"), Path(__file__)]
    if is_older(wasm, *needs):
        compile_guest(source, wasm)
    if is_older(native, *needs):
        compile_native(source, native)
    about = re.match(r"/\* (.*?)(\.?\n \* wasm:| \*/)", source.read_text(), re.DOTALL).group(1)
    return Program(source.stem, about.replace("\n * ", " "), wasm, native)


def program_in_text(source):
    wasm, driver = OUT / f"{source.stem}.wasm", source.with_name("kernel.wat")
    text = source.read_text()
    if is_older(wasm, source, driver):
        OUT.mkdir(parents=True, exist_ok=True)
        whole = OUT / f"{source.stem}.wat"
        whole.write_text(driver.read_text() + text)
        build(FNVM, "wat", whole, "-o", wasm)
    opening = re.match(r"(?:;; .*\n)+", text).group(0)
    about, checksum = re.match(r"(.*)\n;; checksum: ([0-9a-f]{16})", opening, re.DOTALL).groups()
    return Program(source.stem, about[3:].replace("\n;; ", " "), wasm, None, checksum)


def programs(names=None):
    """The programs of bench/programs, built; `names` chooses some."""
    sources = sorted((BENCH / "programs").glob("*.[cw]*"))
    found = [s for s in sources if s.stem != "kernel" and (not names or s.stem in names)]
    missing = set(names or []) - {s.stem for s in found}
    if missing:
        raise Failed(f"no such program in bench/programs: {', '.join(sorted(missing))}")
    return [program_in_c(s) if s.suffix == ".c" else program_in_text(s) for s in found]
