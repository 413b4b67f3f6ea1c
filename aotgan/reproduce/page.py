"""`figures/<scale>/README.md`: all results of a scale on one page, made from records alone."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aotgan.files import write_atomically
from aotgan.reproduce.runs.batch import duration
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.outputs import FIGURES, PAGE, RECORDS, file_stem, tables_with
from aotgan.reproduce.runs.record import Record, load_record
from aotgan.reproduce.tables.captions import heading
from aotgan.reproduce.tables.curves import GATE, GATE_SUM, Curves
from aotgan.reproduce.tables.elsewhere import FOLDER as ELSEWHERE
from aotgan.reproduce.tables.published import ABSENT
from aotgan.reproduce.tables.report import ENDS, holes, readable
from aotgan.reproduce.tables.rows import TITLES, name_of
from aotgan.reproduce.tables.significance import MEANING
from aotgan.reproduce.tables.table import Table
from aotgan.reproduce.tables.text import markdown
from aotgan.reproduce.tables.words import sentences

NOTEBOOKS = {
    "1": "11_compare_models",
    "2": "12_compare_centre_holes",
    "4": "07_compare_dilation_rates",
    "5": "10_add_components",
    "6": "08_compare_residuals",
    "7": "09_compare_discriminators",
    "readings": "16_compare_readings",
}
STUDIES = {
    "logo_removal": "logos removed, where the truth is known (section 4.8; notebook 14)",
    "mask_borders": "masks that miss the border of what they remove (section 4.9; notebook 15)",
    "image_sizes": "networks at other image sizes than they were trained at (notebook 15)",
    "hole_depths": "deep holes, in one pass and from coarse to fine (notebook 15)",
}
REPAIRS = "repairs.png"
OF_TABLE = {
    "4": ("figure6.png", "receptive_fields.png"),
    "6": ("figure7.png", "gate_maps.png"),
    "7": ("figure8.png", "discriminators.png"),
    "readings": ("readings_discriminators.png",),
    "1": ("figure1.png", "figure5.png"),
}


def write_page(scale: str, figures: str | Path) -> Path:
    """Writes the page of a scale from the records in `<figures>/<scale>/records`.

    Raises:
        InputError: records that cannot be read or do not belong into one table.
    """
    folder = Path(figures) / scale
    records = [load_record(path) for path in sorted((folder / RECORDS).glob("*-seed*.json"))]
    return write_atomically(folder / PAGE, "\n\n".join(_parts(scale, folder, records)) + "\n")


def _parts(scale: str, folder: Path, records: list[Record]) -> Iterator[str]:
    names = {record.experiment for record in records}
    trained = [record for record in records if record.trained]
    # classical fillings are runs too, but took no training
    seconds = sum(record.train_seconds for record in trained)
    yield heading(scale)
    yield (
        f"{len(records)} runs of {len(names)} experiments, {len(trained)} of them trained, in "
        f"{duration(seconds)}. Each number on this page comes from a record in `{RECORDS}/`, or, "
        f"of a model from elsewhere, in `{ELSEWHERE}/`. A record holds the configuration, hashes "
        "of data, pairs and code, package versions, and what each metric is. `aotgan collect` "
        "wrote the page; nothing was typed in."
    )
    yield f"{ENDS} {MEANING}"
    # a section for each table of the paper of which a row was run
    for name in tables_with(names):
        table = Table.load(name, folder)
        if table is not None:
            yield from _of_table(table, names)
    yield from _of_gate(folder)
    yield from _of_shipped(names)
    # logos, mask borders and image sizes are in no numbered table: links to their numbers
    rows = [
        f"- [{name}.csv]({name}.csv) and [how it was measured]({name}.json): {what}"
        for name, what in STUDIES.items()
        if (folder / f"{name}.csv").exists()
    ]
    if rows:
        yield "## Beside the tables"
        yield "\n".join(rows)


def _of_table(table: Table, names: set[str]) -> Iterator[str]:
    """A section; its pictures are those that the runs with these names suffice for."""
    stem, notebook = file_stem(table.name), NOTEBOOKS[table.name]
    yield f"## {name_of(table.name)}: {TITLES[table.name]}"
    yield (
        f"{len(table.have)} of {len(table.rows)} rows, {len(table.records)} runs: "
        f"[all numbers]({stem}.md), [CSV]({stem}.csv), [LaTeX]({stem}.tex), "
        f"[notebook](../../notebooks/{notebook}.ipynb). {holes(table.whole)}:"
    )
    numbers = readable(table, elsewhere=True)
    # a column without a number in any row is left out
    yield markdown(numbers.loc[:, [set(map(str, numbers[name])) != {ABSENT} for name in numbers]])
    yield "\n".join(sentences(table))
    for file in OF_TABLE.get(table.name, ()):
        # a figure is drawn only where each model in it was run
        if names.issuperset(FIGURES[file]):
            yield f"![{name_of(table.name)}: {', '.join(FIGURES[file])}]({file})"


def _of_gate(folder: Path) -> Iterator[str]:
    """A section on what Eq. 1 changes along its training, where it was trained beside a sum."""
    curves = Curves(folder, list(GATE))
    others = [name for name in curves.runs if name != GATE_SUM]
    # without a plain sum there is nothing to compare with
    if not others or GATE_SUM not in curves.runs:
        return
    yield "## Does the gate catch up?"
    yield (
        "What Eq. 1 changes in PSNR (dB) against a plain sum in its place, after so many images; "
        "in brackets the 95 % interval over photographs, of these very weights "
        "([notebook](../../notebooks/08_compare_residuals.ipynb)):"
    )
    for name in others:
        yield f"{GATE[name]}:"
        yield markdown(curves.readable(GATE_SUM, name))


def _of_shipped(names: set[str]) -> Iterator[str]:
    """A section on the models that the package ships, where one of them was run."""
    shipped = [name for name in names if EXPERIMENTS[name].group == "shipped"]
    if not shipped:
        return
    yield "## Models in the package"
    yield "\n".join(
        f"- [{name}]({name}.md): {EXPERIMENTS[name].title}; beside fillings that learn nothing in "
        f"[its card](../../aotgan/weights/{name}.md)"
        # a set has no order, and the page is to have the same bytes each time
        for name in sorted(shipped)
    )
    if names.issuperset(FIGURES[REPAIRS]):
        caption = "Photographs with white holes, above what the shipped model makes of them"
        yield f"![{caption}]({REPAIRS})"


def brief(table: Table) -> pd.DataFrame:
    """Returns PSNR and SSIM over all pairs as text, our rows alone, best first: for a README."""
    frame = table.frame()
    frame = frame[(frame["bin"] == table.whole) & frame["row"].isin(table.have)]
    metrics = [table.metric(key) for key in ("psnr", "ssim")]
    # rows with equal numbers stay in the table's order
    frame = frame.sort_values(metrics[0].title, ascending=False, kind="stable")
    columns = {"model": frame["row"].map(table.titles)}
    for metric in metrics:
        columns[metric.title] = frame[metric.title].map(f"{{:.{metric.digits}f}}".format)
    return pd.DataFrame(columns)
