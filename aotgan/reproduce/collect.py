"""From finished runs to tables and figures: `figures/<scale>/` is made from what runs recorded."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from aotgan.data.catalogue import load as load_images
from aotgan.data.manifest import make_manifest
from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.models.generator import Generator
from aotgan.reproduce.figures.gallery import Trained, draw_all
from aotgan.reproduce.figures.style import Drawing, fills, loss_curves, save_figure
from aotgan.reproduce.page import write_page
from aotgan.reproduce.runs.evaluation import EVALUATION_SEED
from aotgan.reproduce.runs.experiments import runs_of, select
from aotgan.reproduce.runs.outputs import (
    CURVES,
    FILLS,
    NUMBERS,
    has_own_files,
    kept_files,
    tables_with,
)
from aotgan.reproduce.runs.record import Record, load_record
from aotgan.reproduce.runs.run import RECORD, run_directory
from aotgan.reproduce.runs.samples import one_of_each_bin
from aotgan.reproduce.runs.scales import CHECK_LABEL, CHECK_SCALE, get_scale
from aotgan.reproduce.tables.report import write_table
from aotgan.reproduce.tables.summary import write_tables
from aotgan.reproduce.tables.table import Table
from aotgan.training.log import read_log

LOG = "log.csv"
PICTURES_NOTE = f"""![Held-out photographs: masked, filled, original]({{0}}{FILLS})

Whatever the runs were trained on, these are the bundled test photographs (astronaut by NASA, public
domain; chelsea and coffee, CC0; china by Dan Buechele, CC BY 2.0), filled by the first seed.

![Losses during training]({{0}}{CURVES})"""


def collect(
    scale: str,
    out: str | Path = "runs",
    figures: str | Path = "figures",
    experiments: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> list[Path]:
    """Writes the tables, figures and records of a scale from its finished runs.

    Args:
        scale: a name of `aotgan.reproduce.runs.scales.SCALES`.
        out: folder of all runs.
        figures: folder of all results; its sub-folder `<scale>` is written.
        experiments: names or groups to collect; by default all that have a finished run.
        seeds: those to collect; by default all that are there.

    Returns:
        The files written, as `aotgan.reproduce.runs.outputs` lists them.

    Raises:
        InputError: an unknown scale, a run that is asked for but not finished, or runs that do
            not belong into one table.
    """
    runs = finished_runs(scale, out, experiments, seeds)
    return write_tables_of(runs, scale, figures, seeds) + write_figures_of(runs, scale, figures)


def finished_runs(
    scale: str,
    out: str | Path = "runs",
    experiments: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> list[tuple[Path, Record]]:
    """Returns directory and record of the finished runs; arguments and errors as `collect`."""
    # an unknown name is refused as such, not as a folder without runs
    get_scale(scale)
    names = None if experiments is None else select(experiments)
    runs = [(folder, load_record(folder / RECORD)) for folder in _finished(scale, out)]
    runs = [
        (folder, record)
        for folder, record in runs
        if (names is None or record.experiment in names)
        # what is not trained stands beside every seed
        and (seeds is None or record.seed in seeds or not record.trained)
    ]
    _check_complete(scale, out, [record for _, record in runs], names, seeds)
    return runs


def write_tables_of(
    runs: Sequence[tuple[Path, Record]],
    scale: str,
    figures: str | Path,
    seeds: Sequence[int] | None = None,
) -> list[Path]:
    """Copies the records of runs and writes every table that they feed.

    The paper's tables are made from all records of the folder, those of earlier runs included, but
    of the given seeds alone.
    """
    # records first: tables and page are made of those in the folder
    written = [path for folder, record in runs for path in _copy_record(folder, record, figures)]
    for name, of_name in _main_runs(runs).items():
        records = [record for _, record in of_name]
        written += write_tables(scale, records, figures, [PICTURES_NOTE.format(name)])
    for name in tables_with(record.experiment for _, record in runs):
        table = Table.load(name, Path(figures) / scale, seeds)
        if table is not None:
            written += write_table(table, Path(figures) / scale)
    return [*written, write_page(scale, figures)]


def write_figures_of(
    runs: Sequence[tuple[Path, Record]], scale: str, figures: str | Path
) -> list[Path]:
    """Draws every figure for which the runs suffice, with the first seed of each experiment."""
    # reversed, so that of several seeds the first one stays
    first = {record.experiment: (folder, record) for folder, record in reversed(runs)}
    trained = Trained({n: f for n, (f, _) in first.items()}, {n: r for n, (_, r) in first.items()})
    drawn = {}
    for name, of_name in _main_runs(runs).items():
        curves = {f"{name}, seed {record.seed}": read_log(f / LOG) for f, record in of_name}
        drawn[f"{name}{CURVES}"] = loss_curves(curves)
        drawn[f"{name}{FILLS}"] = _filled_photographs(
            trained.generator(name), trained.records[name]
        )
    drawn |= draw_all(trained)
    folder = Path(figures) / scale
    written = [save_figure(figure, folder / name) for name, figure in drawn.items()]
    for name, figure in drawn.items():
        if isinstance(figure, Drawing) and figure.numbers is not None:
            # the same bytes on every system
            text = figure.numbers.to_csv(index=False, lineterminator="\n")
            written.append(write_atomically(folder / NUMBERS[name], text))
    return written


def _main_runs(runs: Sequence[tuple[Path, Record]]) -> dict[str, list[tuple[Path, Record]]]:
    """Those of the runs that have files of their own name, by experiment."""
    main: dict[str, list[tuple[Path, Record]]] = {}
    for folder, record in runs:
        if has_own_files(record.experiment):
            main.setdefault(record.experiment, []).append((folder, record))
    return main


def _copy_record(folder: Path, record: Record, figures: str | Path) -> list[Path]:
    """Copies record, losses and measurements, as far as they are there."""
    targets = Path(figures) / record.scale
    return [
        write_atomically(targets / target, (folder / source).read_bytes())
        for source, target in kept_files(record.experiment, record.seed).items()
        if (folder / source).exists()
    ]


def _finished(scale: str, out: str | Path) -> list[Path]:
    """The directories of a scale's finished runs, seeds in numerical order."""
    folders = [path.parent for path in (Path(out) / scale).glob(f"*/seed*/{RECORD}")]
    # by length first: seed10 comes after seed9
    return sorted(folders, key=lambda folder: (folder.parent.name, len(folder.name), folder.name))


def _check_complete(
    scale: str,
    out: str | Path,
    records: Sequence[Record],
    experiments: Sequence[str] | None,
    seeds: Sequence[int] | None,
) -> None:
    finished = {(record.experiment, record.seed) for record in records}
    names = experiments or sorted({name for name, _ in finished})
    for name, seed in runs_of(names, seeds or []):
        if (name, seed) not in finished:
            folder = run_directory(out, scale, name, seed)
            raise InputError(
                f"{folder} holds no finished run. Run `aotgan train --experiment {name} "
                f"--scale {scale} --seed {seed} --out {out}` first."
            )
    # where no seed is asked for, any one will do
    for name in names:
        if not any(name == other for other, _ in finished):
            raise InputError(
                f"{Path(out) / scale / name} holds no finished run. Run `aotgan train "
                f"--experiment {name} --scale {scale} --out {out}` first, or leave {name} out."
            )
    if not finished:
        raise InputError(
            f"{Path(out) / scale} holds no finished run. Train one first, for example with "
            f"`aotgan train --scale {scale} --out {out}`."
        )


def _filled_photographs(network: Generator, record: Record) -> Figure:
    """Draws bundled test photographs, one a bin, filled by the network of a run."""
    files = load_images("bundled", "test").files
    side = record.evaluation["size_px"]
    manifest = make_manifest(files, side, per_bin=len(files), seed=EVALUATION_SEED)
    where = CHECK_LABEL if record.scale == CHECK_SCALE else f"scale {record.scale}"
    note = f"{where},\n{record.steps:,} steps"
    return fills({record.experiment: network}, one_of_each_bin(manifest), note)
