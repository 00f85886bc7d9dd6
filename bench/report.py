"""Tables in Markdown, to read and to print, and plots in SVG, from the figures of bench/run."""
import math
import statistics
from html import escape

from engines import INTERPRETER, JIT, LIFTOFF, NATIVE, TURBOFAN

# Pairs whose ratio is worth one figure: run time of the first divided by that of the second.
MEANS = [(JIT, TURBOFAN), (JIT, NATIVE), (LIFTOFF, JIT), (INTERPRETER, JIT),
         (INTERPRETER, TURBOFAN), (LIFTOFF, TURBOFAN), (LIFTOFF, NATIVE), (TURBOFAN, NATIVE)]
TOO_SLOW = 2.0      # times the reference: programs for which fnvm's compiler needs more are listed


def table(head, rows):
    """A Markdown table, aligned for reading as text too; the first column to the left."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]

    def line(cells):
        padded = [str(cells[0]).ljust(widths[0])]
        padded += [str(cell).rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return "| " + " | ".join(padded) + " |"

    return "\n".join(map(line, [head, rule, *rows])) + "\n"


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def run_ms(program, engine):
    return program["engines"].get(engine, {}).get("run_ms")


def ratio(program, engine, to):
    a, b = run_ms(program, engine), run_ms(program, to)
    return a / b if a and b else None


def ratios(programs, engine, to):
    return [r for r in (ratio(p, engine, to) for p in programs.values()) if r]


def about_run(part):
    versions = "; ".join(f"{name}: {version}" for name, version in part["versions"].items())
    return f"`{part['command']}` with {part['fnvm']}, on {part['machine']}.\n{versions}.\n"


def save(directory, name, text):
    (directory / name).write_text(text)
    if name.endswith(".md"):
        print(text)


# ---- Programs ----

RUN_TIME = """## Run time

Milliseconds of one run of a program's kernel by the guest's own clock: the {} of all processes,
and half the distance between the fastest and the slowest.
"""
AROUND = """## Around the run

*Outside*: the process's wall time without the kernels: starting, loading, compiling at once.
*First run*: what the first run of a kernel takes longer than the second: compiling on demand, pages
touched for the first time.  Medians over the programs; the largest peak is of one program.
"""


def write_programs(directory, part):
    programs, engines = part["figures"], list(part["versions"])
    reference = reference_of(engines)
    others = [e for e in engines if e != reference]
    sections = ["# Programs\n", about_run(part), RUN_TIME.format(part["run_ms"]),
                run_time_table(programs, engines)]
    if others:
        sections += ["## Ratios\n", ratio_table(programs, others, reference), means_list(programs),
                     slow_list(programs, others, reference)]
        plot_ratios(directory, programs, others, reference)
    sections += [AROUND, around_table(programs, engines), gaps_list(programs)]
    save(directory, "table.md", "\n".join(s for s in sections if s))
    plot_memory(directory, programs, engines)


def reference_of(engines):
    """What all else is compared with: the optimising compiler, or the best that was run."""
    return next(e for e in [TURBOFAN, NATIVE, *engines] if e in engines)


def run_time_table(programs, engines):
    def cell(result):
        if "run_ms" not in result:
            return "-"
        spread = f" ±{result['spread'] * 50:.0f}%" if len(result["all_run_ms"]) > 1 else ""
        return number(result["run_ms"]) + spread

    return table(["program", *engines], [[name, *(cell(p["engines"].get(e, {})) for e in engines)]
                                         for name, p in programs.items()])


def ratio_table(programs, others, reference):
    rows = [[name, *(number(ratio(p, e, reference)) for e in others)]
            for name, p in programs.items()]
    rows.append(["geometric mean",
                 *(number(geometric_mean(ratios(programs, e, reference))) for e in others)])
    return f"Run time relative to {reference}; less is faster.\n\n" + \
        table(["program", *others], rows)


def means_list(programs):
    lines = ["Geometric means over the programs that both run:\n"]
    for a, b in MEANS:
        both = ratios(programs, a, b)
        if both:
            lines.append(f"- {a} / {b}: {number(geometric_mean(both))} ({len(both)} programs)")
    return "\n".join(lines) + "\n"


def slow_list(programs, others, reference):
    if JIT not in others:
        return None
    slow = [(ratio(p, JIT, reference), name) for name, p in programs.items()]
    slow = sorted(((r, name) for r, name in slow if r and r > TOO_SLOW), reverse=True)
    names = ", ".join(f"{name} {number(r)}" for r, name in slow) or "none"
    return f"Over {TOO_SLOW:g} times {reference} with {JIT}: {names}.\n"


def around_table(programs, engines):
    rows = []
    for engine in engines:
        results = [p["engines"].get(engine, {}) for p in programs.values()]
        ran = [r for r in results if "run_ms" in r]
        if not ran:
            continue
        middle = {key: statistics.median(r[key] for r in ran)
                  for key in ("outside_ms", "first_ms", "peak_mib")}
        rows.append([engine, number(middle["outside_ms"]), number(middle["first_ms"]),
                     number(middle["peak_mib"]), number(max(r["peak_mib"] for r in ran))])
    return table(["engine", "outside, ms", "first run, ms", "peak, MiB", "largest peak, MiB"], rows)


def gaps_list(programs):
    """Why there is a "-" in a table."""
    reasons = {}
    for name, program in programs.items():
        for engine, result in program["engines"].items():
            if result.get("failure"):
                reasons.setdefault((engine, result["failure"]), []).append(name)
    if not reasons:
        return None
    return "Not run:\n\n" + "".join(f"- {engine}: {', '.join(names)}: `{why}`\n"
                                    for (engine, why), names in reasons.items())


# ---- Starting and compiling ----

def write_starts(directory, part):
    sections = ["# Starting\n", about_run(part),
                "From exec to exit, as a process; medians.\n"]
    for title, engines in part["figures"].items():
        rows = [[name, number(r.get("wall_ms")), number(r.get("cpu_ms")), number(r.get("peak_mib"))]
                for name, r in engines.items()]
        sections.append(table([title, "wall, ms", "CPU, ms", "peak, MiB"], rows))
        sections += [f"{name}: `{r['failure']}`\n" for name, r in engines.items() if "failure" in r]
    save(directory, "start.md", "\n".join(sections))
    groups = [(title, [(name, r["wall_ms"]) for name, r in engines.items() if "wall_ms" in r])
              for title, engines in part["figures"].items()]
    plot(directory / "start.svg", "From exec to exit: wall milliseconds, less is better", groups)


def write_images(directory, part):
    engines = part["figures"]
    least = next(iter(engines.values())).get("wall_ms")     # the static C program's
    rows = [[name, number(r.get("wall_ms")), number(r.get("wall_ms") and r["wall_ms"] / least),
             number(r.get("cpu_ms")), number(r.get("peak_mib"))] for name, r in engines.items()]
    failures = [f"{name}: `{r['failure']}`\n" for name, r in engines.items() if "failure" in r]
    save(directory, "images.md", "\n".join([
        "# From an image\n", about_run(part),
        "CPython, frozen where it reads its first line after importing json, re and hashlib; from "
        "before exec to the printed answer; medians.  CPU and peak are those of the whole process.\n",
        table(["way", "wall, ms", "times the first", "CPU, ms", "peak, MiB"], rows), *failures]))


def write_compiles(directory, part):
    figures = part["figures"]
    module, engines = figures["module"], figures["engines"]
    rows = [[name, number(r["seconds"] * 1000), number(r["mb_per_s"])]
            for name, r in engines.items()]
    what = f"All functions of {module} ({figures['code_bytes'] / 1e6:.2f} MB of code section) on " \
        "one thread; medians.\n"
    save(directory, "compile.md", "\n".join([
        "# Compiling\n", about_run(part), what, table(["engine", "ms", "MB/s"], rows)]))
    if rows:
        plot(directory / "compile.svg", "MB of code compiled per second, more is better",
             [(module, [(name, r["mb_per_s"]) for name, r in engines.items()])])


# ---- Plots ----

def plot_ratios(directory, programs, others, reference):
    """Compilers in one plot; interpreters, which would squeeze it, in another."""
    means = {e: geometric_mean(ratios(programs, e, reference)) for e in others}
    compilers = [e for e in others if means[e] and means[e] < 5]
    interpreters = [e for e in others if means[e] and means[e] >= 5]
    for file, chosen in (("compilers.svg", compilers), ("interpreters.svg", interpreters)):
        groups = [(name, [(e, ratio(p, e, reference)) for e in chosen if ratio(p, e, reference)])
                  for name, p in programs.items()]
        groups = [group for group in groups if group[1]]
        if groups:
            groups.append(("geometric mean", [(e, means[e]) for e in chosen]))
            plot(directory / file, f"Run time relative to {reference}, less is better", groups, 1)


def plot_memory(directory, programs, engines):
    groups = [(name, [(e, p["engines"][e]["peak_mib"]) for e in engines
                      if "peak_mib" in p["engines"].get(e, {})])
              for name, p in programs.items()]
    plot(directory / "memory.svg", "Peak memory of the process, MiB, less is better", groups)


# An engine has the same colour in every plot; the others take theirs in order.
COLOURS = {NATIVE: "#9498a0", "static C program": "#9498a0", JIT: "#4269d0",
           "fnvm jit, warm cache": "#4269d0", "fnvm jit, cold cache": "#97bbf5",
           INTERPRETER: "#a463f2", LIFTOFF: "#efb118", TURBOFAN: "#ff725c", "node": "#ff725c"}
OTHER_COLOURS = ["#6cc5b0", "#3ca951", "#9c6b4e", "#ff8ab7", "#b5bd4c"]
LEFT, WIDTH, TOP, BAR, GAP = 120, 640, 64, 9, 8     # pixels


def colours_of(names):
    others = [name for name in names if name not in COLOURS]
    return {name: COLOURS.get(name) or OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)]
            for name in names}


def plot(path, title, groups, origin=None):
    """Horizontal bars, grouped, on a logarithmic scale.  Those of ratios start at an `origin` of 1,
    to either side; without one all bars start at the left."""
    colours = colours_of(dict.fromkeys(name for _, bars in groups for name, _ in bars))
    values = [value for _, bars in groups for _, value in bars]
    values += [origin] if origin else [min(values) * 0.8]
    low = math.floor(math.log2(min(values)))
    high = max(math.ceil(math.log2(max(values))), low + 1)
    origin = origin or 2.0 ** low

    def x(value):
        return LEFT + WIDTH * (math.log2(value) - low) / (high - low)

    height = TOP + sum(len(bars) * BAR + GAP for _, bars in groups) + 24
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{height}" '
           'font-family="sans-serif" font-size="11">',
           f'<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="18" font-size="14">'
           f'{escape(title)}</text>', *legend(colours), *scale(x, low, high, origin, height)]
    y = TOP
    for label, bars in groups:
        out.append(f'<text x="{LEFT - 6}" y="{y + len(bars) * BAR / 2 + 4:.0f}" '
                   f'text-anchor="end">{escape(label)}</text>')
        for name, value in bars:
            out += bar(x(origin), x(value), y, colours[name],
                       f"{label}, {name}: {number(value)}", number(value))
            y += BAR
        y += GAP
    path.write_text("\n".join([*out, "</svg>", ""]))


def legend(colours):
    at, out = LEFT, []
    for name, colour in colours.items():
        out.append(f'<rect x="{at}" y="28" width="10" height="10" fill="{colour}"/>'
                   f'<text x="{at + 14}" y="37">{escape(name)}</text>')
        at += 30 + 7 * len(name)
    return out


def scale(x, low, high, origin, height):
    for power in range(low, high + 1):
        value = 2.0 ** power
        colour = "#333" if value == origin else "#ddd"
        label = f"{value:g}" if high - low <= 12 or power % 2 == 0 else ""
        yield (f'<line x1="{x(value):.1f}" y1="{TOP - 6}" x2="{x(value):.1f}" y2="{height - 20}" '
               f'stroke="{colour}"/><text x="{x(value):.1f}" y="{height - 7}" '
               f'text-anchor="middle" fill="#555">{label}</text>')


def bar(origin, end, y, colour, tip, label):
    left, right = min(origin, end), max(origin, end)
    anchor, at = ("start", right + 3) if end >= origin else ("end", left - 3)
    yield (f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" height="{BAR - 1}" '
           f'fill="{colour}"><title>{escape(tip)}</title></rect>'
           f'<text x="{at:.1f}" y="{y + BAR - 1.5}" font-size="8" text-anchor="{anchor}" '
           f'fill="#555">{label}</text>')
