"""Tables 1 and 2 as files: Markdown for people, CSV for machines, LaTeX for papers.

The same records give the same bytes.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aotgan.files import write_atomically
from aotgan.reproduce.ablation_report import (
    NOT_CORRECTED,
    PAPER_TITLES,
    difference_row,
    interval_line,
    latex_table,
    ranked,
    records_of,
)
from aotgan.reproduce.ablations import (
    PAPER_COLUMNS,
    RANK,
    Runs,
    metrics_of_runs,
    rows_of_table,
)
from aotgan.reproduce.model_tables import (
    OURS,
    TITLES,
    bins_of,
    cost_table,
    departures,
    frechet_improvement,
    model_comparisons,
    model_table,
    model_titles,
    untrained,
)
from aotgan.reproduce.others import ELSEWHERE, Others
from aotgan.reproduce.outputs import file_stem
from aotgan.reproduce.published import PREFIX, check_columns
from aotgan.reproduce.tables import HIGH, caption, heading, markdown, with_interval

BIN_OF_ABSTRACT = "50-60%"  # where the paper's 38.60 % comes from, see the claims ledger


def write_models(table: str, scale: str, runs: Runs, folder: str | Path) -> list[Path]:
    """Writes `table1.md`, `.csv` and `.tex`, or those of Table 2, into `<folder>/<scale>`.

    Args:
        table: "1" or "2".
        scale: the scale of all runs.
        runs: as `aotgan.reproduce.model_tables.load_models` returns them.
        folder: folder of all figures and tables.

    Raises:
        InputError: runs that do not belong into one table.
    """
    stem = Path(folder) / scale / file_stem(table)
    texts = {
        ".md": model_report(table, scale, runs),
        ".csv": models_as_csv(table, runs),
        ".tex": models_as_latex(table, scale, runs),
    }
    return [write_atomically(stem.with_suffix(end), text) for end, text in texts.items()]


def model_report(table: str, scale: str, runs: Runs) -> str:
    """Returns a table in Markdown: numbers by bin, costs, differences, and their meaning."""
    parts = [heading(scale, f"Table {table}, {TITLES[table]},")]
    for at in bins_of(runs):
        holes = "All holes" if at == "all" else "Centre" if at == "centre" else f"Holes of {at}"
        parts += [f"{holes}:", markdown(readable_models(table, runs, at))]
    parts += ["What one image costs, completed alone:", markdown(readable_costs(table, runs))]
    differences = readable_model_differences(table, runs)
    if len(differences):
        parts += [f"What {OURS} changes over all pairs:", markdown(differences)]
    notes = "\n".join(f"- {note}" for note in _notes(table, runs))
    parts += [f"{caption(records_of(table, runs), interval_line(runs))}\n{notes}"]
    return "\n\n".join(parts) + "\n"


def models_as_csv(table: str, runs: Runs) -> str:
    """Returns a table as CSV: the averaged weights' rows, then, where both exist, the raw ones'."""
    names = sorted(records_of(table, runs)[0].metrics)
    frames = {name: model_table(table, runs, name) for name in names}
    frame = pd.concat(frames, names=["weights", None]).reset_index(level="weights")
    check_columns(frame)
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def models_as_latex(table: str, scale: str, runs: Runs) -> str:
    """Returns a table for LaTeX with the package booktabs, a block for each bin."""
    frames = [readable_models(table, runs, at) for at in bins_of(runs)]
    for frame, at in zip(frames, bins_of(runs), strict=True):
        frame["model"] = at + " " + frame["model"]
    about = caption(records_of(table, runs), interval_line(runs)).split("\n")[0].removeprefix("- ")
    title = f"{TITLES[table].capitalize()}, scale {scale}. {about}"
    return latex_table(pd.concat(frames), title)


def readable_models(
    table: str, runs: Runs, at: str, weights: str | None = None, others: Others | None = None
) -> pd.DataFrame:
    """Returns a bin for reading: ours with half of the interval and rank, beside the paper's.

    What is not trained has no seeds; models from elsewhere follow, without them too.
    """
    frame = model_table(table, runs, weights, others)
    frame = frame[frame["bin"] == at].reset_index(drop=True)
    names = frame["row"].map(model_titles(table, runs)).fillna(frame["row"])
    without = frame["row"].isin(untrained(table, runs)) | (frame["experiment"] == ELSEWHERE)
    seeds = frame["seeds"].astype(str).mask(without, "-")
    shown: dict[str, object] = {"model": names, "seeds": seeds}
    for metric in metrics_of_runs(runs):
        columns = (frame[metric.title + end] for end in ("", HIGH, RANK))
        shown[metric.title] = [
            ranked(with_interval(value, high, metric.digits), rank)
            for value, high, rank in zip(*columns, strict=True)
        ]
        if metric.key in PAPER_COLUMNS:
            title = f"{PREFIX}: {PAPER_TITLES[metric.key]}"
            shown[title] = frame[f"{PREFIX} {PAPER_COLUMNS[metric.key]}"]
    return pd.DataFrame(shown)


def readable_costs(table: str, runs: Runs) -> pd.DataFrame:
    """Returns `cost_table` as text of three significant digits, "-" where nothing was measured."""
    frame = cost_table(table, runs).rename(columns={"row": "model"})
    frame["model"] = frame["model"].map(model_titles(table, runs))
    numbers = frame.columns.drop("model")
    frame[numbers] = frame[numbers].map(lambda v: "-" if math.isnan(v) else f"{v:#.3g}".rstrip("."))
    return frame


def readable_model_differences(table: str, runs: Runs) -> pd.DataFrame:
    """Returns what AOT-GAN changes against each model: both intervals, p, and a verdict."""
    titles = model_titles(table, runs)
    rows = [
        {"against": titles[row]} | difference_row(found)
        for row, found in model_comparisons(table, runs)
    ]
    return pd.DataFrame(rows)


def _notes(table: str, runs: Runs) -> Iterator[str]:
    yield (
        "In brackets: our rank in the bin. Better or worse: the interval over seeds leaves out "
        "zero. The interval and p over photographs are of these very weights, pair by pair. "
        f"{NOT_CORRECTED}"
    )
    classical = untrained(table, runs)
    if classical:
        yield (
            f"{', '.join(classical)}: not in the paper and not trained, so that one run stands for "
            "every seed, without an interval over seeds. Against it the interval over seeds is of "
            f"{OURS}'s alone, and each of its seeds is compared pair by pair with the same fills."
        )
    yield (
        f"Every {'other ' if classical else ''}model was trained here, on the same images in the "
        "same number of steps and batch size, by its own published losses and optimiser. The paper "
        "does not say how it had the others trained; its numbers are of Places2 (Table 1) and "
        "ImageNet (Table 2) at 512 px. Only orders can be compared with ours."
    )
    found = frechet_improvement(table, runs, BIN_OF_ABSTRACT) if table == "1" else None
    if found is not None:
        other, ours, paper = found
        yield (
            f"Relative improvement of the Frechet distance over the best other model at "
            f"{BIN_OF_ABSTRACT}, as the abstract computes it: {ours:+.2%} here, over {other}; "
            f"the paper's FIDs give {paper:+.2%}."
        )
    for row, sentences in departures(table, runs).items():
        if sentences:
            yield f"{row}, beside its publication: {' '.join(sentences)}"
    missing = [label for label, name in rows_of_table(table).items() if name not in runs]
    if missing:
        yield f"Not run at this scale yet: {', '.join(missing)}."
