"""`aotgan list`, `reproduce`, `status`, `queue`, `remeasure` and `collect`: many runs at once."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aotgan.commands.options import (
    DEFAULT_EXPERIMENTS,
    INTERRUPTED,
    Data,
    DataRoot,
    Device,
    Experiments,
    Figures,
    Out,
    Scale,
    Seeds,
    Workers,
    numbers_of,
)
from aotgan.errors import InputError, check_choice

ONLY = ("tables", "figures")


def list_() -> None:
    """Lists the declared experiments and scales."""
    from aotgan.reproduce.runs.experiments import EXPERIMENTS, GROUPS
    from aotgan.reproduce.runs.scales import SCALES

    for group in GROUPS:
        print(f"{group} (experiments)")
        for experiment in EXPERIMENTS.values():
            if experiment.group == group:
                # a table with a name in place of a number is ours, not the paper's
                rows = ", ".join(
                    f"Table {table}" for table, _ in experiment.rows if table.isdigit()
                )
                print(f"  {experiment.name:20} {experiment.title}{f' ({rows})' if rows else ''}")
    print("scales")
    for scale in SCALES.values():
        print(f"  {scale.name:20} {scale.size_px} px, width {scale.width}, {scale.steps} steps")


def reproduce(
    scale: Scale = "smoke",
    experiments: Experiments = DEFAULT_EXPERIMENTS,
    seeds: Seeds = "0",
    data: Data = None,
    data_root: DataRoot = None,
    out: Out = Path("runs"),
    figures: Figures = Path("figures"),
    device: Device = "auto",
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Begin no step after so long; what is unfinished then is saved, and the same "
            "command goes on.",
            show_default="no limit",
        ),
    ] = None,
    workers: Workers = -1,
) -> None:
    """Trains what is missing and writes tables and figures, in one process, without notebooks.

    `make reproduce` does the same through papermill and Snakemake; the records are equal.
    """
    from aotgan.files import check_writable
    from aotgan.reproduce.runs.batch import make_batch, run_batch
    from aotgan.training.devices import RunOptions

    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes={minutes}: must be above 0.")
    numbers = numbers_of(seeds)
    # each name and value is checked here, before the first run begins
    batch = make_batch(scale, experiments.split(","), numbers, out, data)
    check_writable(figures)  # now, not after days of training
    options = RunOptions(
        device=device, workers=workers, progress="bar" if sys.stderr.isatty() else "lines"
    )
    outcome = run_batch(batch, options, data_root, minutes)
    # what is finished has its tables, even where the rest is not
    if outcome.records:
        from aotgan.reproduce.collect import collect

        names = list(dict.fromkeys(record.experiment for record in outcome.records))
        for path in collect(scale, out, figures, names):
            print(path)
    if text := outcome.remarks():
        print(text, file=sys.stderr)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.failed:
        raise typer.Exit(1)


def status(
    scale: Scale = "smoke",
    experiments: Experiments = DEFAULT_EXPERIMENTS,
    seeds: Seeds = "0",
    data: Data = None,
    out: Out = Path("runs"),
    queue: Annotated[
        bool, typer.Option("--queue", help="Of `aotgan queue` in place of experiments and seeds.")
    ] = False,
) -> None:
    """Says how far a batch has come, whoever runs it: runs done, running, time left."""
    from aotgan.files import check_folder
    from aotgan.reproduce.runs.batch import each, make_batch, overview
    from aotgan.reproduce.runs.queue import make_queue

    if queue:
        batch = make_queue(scale, out)
        print("\n".join(each(batch)))
    else:
        batch = make_batch(scale, experiments.split(","), numbers_of(seeds), out, data)
        # a mistyped folder would read as a batch of which nothing is done
        check_folder("runs of this scale are looked for in", out / scale)
    print(overview(batch))


def queue_(
    scale: Scale = "laptop",
    processes: Annotated[int, typer.Option(min=1, help="Runs at a time, a thread each.")] = 1,
    data_root: DataRoot = None,
    out: Out = Path("runs"),
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so long.", show_default="no limit")
    ] = None,
) -> None:
    """Trains what the committed results rest on, in its declared order, beside other work.

    Ctrl-C saves the runs and stops; the same command goes on. `aotgan status --queue
    --scale laptop` tells the order and how far it is.
    """
    from aotgan.reproduce.runs.queue import make_queue, work

    # lines are flushed: in a log file, those of the last hours would stay in the buffer
    if work(
        make_queue(scale, out), processes, data_root, minutes, lambda line: print(line, flush=True)
    ):
        raise typer.Exit(1)


def remeasure(
    scale: Scale = "smoke",
    experiments: Experiments = DEFAULT_EXPERIMENTS,
    seeds: Seeds = "0",
    data: Data = None,
    data_root: DataRoot = None,
    out: Out = Path("runs"),
    device: Device = "cpu",
) -> None:
    """Measures finished runs again, by the present metrics, from the fills that they kept.

    Their records are renewed; `aotgan collect` makes tables of them.
    """
    from aotgan.devices import find_device
    from aotgan.reproduce.runs.batch import make_batch
    from aotgan.reproduce.runs.remeasure import remeasure as measure_again

    device = find_device(device)
    batch = make_batch(scale, experiments.split(","), numbers_of(seeds), out, data)
    jobs = batch.done()
    if not jobs:
        raise InputError(f"{out / scale} holds no finished run of these. See `aotgan status`.")
    for job in jobs:
        measure_again(job.experiment, scale, job.seed, data, out, data_root, device)
        print(f"measured again: {job}", flush=True)


def collect(
    scale: Annotated[str, typer.Argument(help="How big: a name of `aotgan list`.")],
    out: Out = Path("runs"),
    figures: Figures = Path("figures"),
    experiments: Annotated[
        str | None,
        typer.Option(help="Names or groups, by commas.", show_default="all that are finished"),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Numbers, by commas.", show_default="all that are finished")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="tables or figures.", show_default="both")
    ] = None,
) -> None:
    """Writes the tables and figures of a scale from its finished runs, and copies their records."""
    # a mistyped word is refused before matplotlib and PyTorch are loaded, which takes seconds
    if only is not None:
        check_choice("only", only, ONLY)
    from aotgan.reproduce.collect import finished_runs, write_figures_of, write_tables_of

    names = experiments.split(",") if experiments else None
    numbers = numbers_of(seeds) if seeds else None
    runs = finished_runs(scale, out, names, numbers)
    # the workflow asks for each alone: tables need no networks, figures do
    if only != "figures":
        for path in write_tables_of(runs, scale, figures, numbers):
            print(path)
    if only != "tables":
        for path in write_figures_of(runs, scale, figures):
            print(path)
