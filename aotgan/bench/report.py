"""Records of the benchmark as a table and a picture, made from the records alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from aotgan.bench.cases import COMPILED, DIRECT, FAST, LABELS, ONNX, RELEASED
from aotgan.bench.measure import GROWTH, Record, load
from aotgan.files import write_atomically
from aotgan.reproduce.figures.style import COLOURS, FAINT, INK, Drawing, house_style, save_figure
from aotgan.reproduce.tables.text import markdown

TABLE, PICTURE, NOTE = "bench.md", "bench.png", "note.md"
BUSY = 0.05  # share of the processors' time from which on a machine counts as shared
RIVALS = {
    RELEASED: "released code",
    DIRECT: "PyTorch's convolutions",
    ONNX: "ONNX Runtime",
    COMPILED: "torch.compile",
}
COLOUR_OF = dict(zip((FAST, RELEASED, DIRECT, ONNX, COMPILED), COLOURS, strict=False))
CAPTION = """\
- seconds: median over rounds in which all variants of a case run in turn; on one thread processor
  time, which other programs do not lengthen, on several threads and on a GPU the wall's
- ours is faster by: median of the rounds' ratios, with a 95 % interval by order statistics
- of matmul: the convolutions' arithmetic by their definition, as a share of what a large matrix
  product reaches in the same precision on the same threads; Winograd's algorithm needs about a
  quarter of the multiplications, so that it can exceed 100 %
- peak: most memory of a process that does nothing else, Python, PyTorch and the weights included
- idle: the same process before its first run"""


def write_report(folder: Path) -> list[Path]:
    """Writes the table and the picture of a folder of records; a note there ends the table.

    Raises:
        InputError: no records, or a file that is none.
    """
    records = load(folder)
    note = folder / NOTE
    parts = [
        "# How fast everything is",
        "How many times as fast ours is as (x) the others, with a 95 % interval; peak memory "
        "of ours, and of the first of those that it is set against:",
        markdown(summary_table(records)),
        "## Every variant",
        markdown(variant_table(records)),
        CAPTION + "\n" + circumstances(records),
        *([note.read_text("utf-8").strip()] if note.exists() else []),
    ]
    return [
        write_atomically(folder / TABLE, "\n\n".join(parts) + "\n"),
        save_figure(speed_plot(records), folder / PICTURE),
    ]


def summary_table(records: Sequence[Record]) -> pd.DataFrame:
    """Returns one row for each timed record.

    How many times as fast ours is as every rival, and the peak memory of ours and of the rival that
    the goal speaks of: the released code where it takes part, else PyTorch's convolutions.
    """
    timed = [record for record in records if record["rounds"]]
    shown = [name for name in RIVALS if any(_ratio(record, name) for record in timed)]
    rows = []
    for record in timed:
        row = {"what": record["title"], "on": _place(record)}
        ours, other = (record["variants"][record[key]] for key in ("ours", "against"))
        row["ours (s)"] = f"{ours['seconds']:.3g}"
        row |= {f"x {RIVALS[name]}": _interval(record, name) for name in shown}
        row["goal"] = _verdict(record)
        rows.append(row | {"peak (MB)": f"{ours['peak_mb']:.0f}, {other['peak_mb']:.0f}"})
    return pd.DataFrame(rows)


def variant_table(records: Sequence[Record]) -> pd.DataFrame:
    """Returns one row for each variant of each record."""
    return pd.DataFrame([row for record in records for row in _rows(record)])


def circumstances(records: Sequence[Record]) -> str:
    """Says on what, and how busy with other things, the records were measured."""
    own = [record["environment"] for record in records]
    places = dict.fromkeys(
        f"- measured on {one['device']}, {one['processors']} processors, {one['instructions']}, "
        f"PyTorch {one['packages']['torch']}"
        for one in own
    )
    lines = list(places)
    shares = [record["others_share"] for record in records if record["others_share"] is not None]
    if shares and max(shares) > BUSY:
        lines.append(
            f"- the machine was shared: other programs had {100 * min(shares):.0f} to "
            f"{100 * max(shares):.0f} % of the processors' time during the measurements"
        )
    return "\n".join(lines)


def speed_plot(records: Sequence[Record]) -> Figure:
    """Draws how many times as fast ours is and, where it was measured, how costs grow with size."""
    timed = [record for record in records if record["rounds"]]
    growth = [record for record in records if record["group"] == GROWTH]
    with house_style():
        height = max(3.4, 0.42 * len(timed) + 1.1)
        figure = Drawing(figsize=(11.5 if growth else 6.5, height), layout="constrained")
        widths = (1.5, 1, 1) if growth else (1,)
        axes = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
        _draw_ratios(axes[0], timed)
        if growth:
            _draw_growth(axes[1], growth, "seconds", "seconds per image")
            _draw_growth(axes[2], growth, "peak_mb", "peak memory (MB)")
    return figure


def _rows(record: Record) -> Iterator[dict[str, str]]:
    for name, values in record["variants"].items():
        of_peak = values.get("of_peak")
        yield {
            "what": record["title"],
            "on": _place(record),
            "variant": LABELS[name] if len(record["variants"]) > 1 else "ours",
            "seconds": f"{values['seconds']:.3g}",
            "ours is faster by": _interval(record, name),
            "of matmul (%)": "-" if of_peak is None else f"{100 * of_peak:.0f}",
            "peak (MB)": f"{values['peak_mb']:.0f}",
            "idle (MB)": f"{values['before_mb']:.0f}",
        }


def _place(record: Record) -> str:
    if record["device"] != "cpu":
        return str(record["environment"]["device"])
    return "1 thread" if record["threads"] == 1 else f"{record['threads']} threads"


def _ratio(record: Record, name: str) -> list[float] | None:
    return record["variants"].get(name, {}).get("ours_faster")


def _interval(record: Record, name: str) -> str:
    speedup = _ratio(record, name)
    return "-" if speedup is None else "{:.2f} ({:.2f} to {:.2f})".format(*speedup)


def _verdict(record: Record) -> str:
    """The goal, and whether the median reaches it; "-" without one."""
    goal, speedup = record["goal"], _ratio(record, record["against"])
    if goal is None or speedup is None:
        return "-"
    return f"{goal:.1f}, {'met' if speedup[0] >= goal else 'missed'}"


def _draw_ratios(axes: Axes, timed: Sequence[Record]) -> None:
    axes.axvline(1, color=FAINT, lw=1.2)
    names = [name for name in RIVALS if any(_ratio(record, name) for record in timed)]
    for at, record in enumerate(reversed(timed)):
        if record["goal"] is not None:
            axes.plot(record["goal"], at, "|", ms=15, mew=1.4, color=INK)
        for i, name in enumerate(names):
            if speedup := _ratio(record, name):
                # rivals of one row are shifted, or their intervals would hide each other
                y = at + 0.16 * ((len(names) - 1) / 2 - i)
                axes.hlines(y, speedup[1], speedup[2], color=COLOUR_OF[name], lw=2.2)
                axes.plot(speedup[0], y, "o", ms=4.5, color=COLOUR_OF[name])
    for name in names:
        axes.plot([], [], "o-", ms=4.5, color=COLOUR_OF[name], label=f"than {RIVALS[name]}")
    axes.plot([], [], "|", ms=10, mew=1.4, color=INK, label="goal")
    axes.set_yticks(range(len(timed)), [_label(record) for record in reversed(timed)])
    axes.set_ylim(-0.5, max(len(timed), 1) - 0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("times as fast, 95 % interval")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)


def _label(record: Record) -> str:
    """What was measured and where, in lines that break at commas."""
    parts = [*record["title"].split(", "), _place(record)]
    return fill(", ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts), 40)


def _draw_growth(axes: Axes, growth: Sequence[Record], key: str, label: str) -> None:
    curves: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for record in growth:
        for name, values in record["variants"].items():
            points = curves.setdefault((name, _place(record)), [])
            points.append((record["size_px"], values[key]))
    for (name, place), points in curves.items():
        # a colour is a variant: where it ran is told by the dashes
        style = "o-" if place == _place(growth[0]) else "o--"
        sides, values = zip(*sorted(points), strict=True)
        text = f"{LABELS[name]}, {place}"
        axes.plot(sides, values, style, ms=4.5, color=COLOUR_OF[name], label=text)
        axes.set_xticks(sides)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5) if key == "peak_mb" else (1, 3)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("side of the image (px)")
    axes.set_ylabel(label)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0))
