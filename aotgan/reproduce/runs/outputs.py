"""Which files the results of a set of experiments consist of; read by the workflow at each start.

Everything lies in `figures/<scale>/`. A table is written as soon as one of its rows was run, a
figure when all of the networks that it shows are there.
"""

from collections.abc import Iterable

from aotgan.reproduce.runs.experiments import EXPERIMENTS, READINGS

RECORDS = "records"
PAGE = "README.md"  # all results of a scale
PAIRS_SUFFIX = "-pairs.csv"
RESAMPLES_SUFFIX = "-resamples.csv"
CURVE_PAIRS_SUFFIX = "-curve-pairs.csv"
OWN_GROUPS = ("main", "shipped")  # of experiments that have files of their own name
MAIN_TABLES = (".md", ".csv")  # endings of these, after the name
FILLS, CURVES = "_fills.png", "_loss_curves.png"
ABLATIONS = ("4", "5", "6", "7", READINGS)  # tables of one bin
COMPARISONS = ("1", "2")  # tables of models
TABLES = (*COMPARISONS, *ABLATIONS)
RATES = tuple(e.name for e in EXPERIMENTS.values() if any(table == "4" for table, _ in e.rows))
FIGURES: dict[str, tuple[str, ...]] = {
    "figure1.png": ("gatedconv", "hifill", "aotgan"),
    "figure5.png": ("ca", "pen-net", "pconv", "edgeconnect", "gatedconv", "hifill", "aotgan"),
    "figure6.png": ("rates-2", "rates-1-2-4-8"),
    "figure7.png": ("rates-1-2-4-8", "residual-gatedconv", "residual-1x1", "residual-gated"),
    "figure8.png": ("residual-gated", "hm-patchgan", "sm-patchgan"),
    "receptive_fields.png": RATES,
    "gate_maps.png": ("sm-patchgan",),
    "discriminators.png": ("residual-gated", "hm-patchgan", "sm-patchgan"),
    "readings_discriminators.png": ("sm-patchgan", "objective-released", "objective-mmagic"),
    "repairs.png": ("aotgan-scenes",),
}
NUMBERS = {"receptive_fields.png": "receptive_fields.csv"}  # measured for a figure alone


def file_stem(table: str) -> str:
    """Returns the name of a table's files without their ending: table4, readings."""
    return table if table == READINGS else f"table{table}"


def tables_of(experiment: str) -> list[str]:
    """Returns those of `TABLES` that an experiment feeds."""
    return [table for table, _ in EXPERIMENTS[experiment].rows if table in TABLES]


def tables_with(experiments: Iterable[str]) -> list[str]:
    """Returns those of `TABLES` that these fill, wholly or in part.

    The table of readings compares with the text's, and needs another row than that one.
    """
    names = set(experiments)
    fed = {table for name in names for table in tables_of(name)}
    if all(EXPERIMENTS[name].group != READINGS for name in names):
        fed.discard(READINGS)
    return [table for table in TABLES if table in fed]


def has_own_files(experiment: str) -> bool:
    """Whether an experiment is measured on every mask ratio, and has files of its own name."""
    return EXPERIMENTS[experiment].group in OWN_GROUPS


def table_files(experiments: Iterable[str]) -> list[str]:
    """Returns the tables that these experiments fill, wholly or in part, and the page of all."""
    names = list(dict.fromkeys(experiments))
    stems = [file_stem(table) for table in tables_with(names)]
    main = [f"{name}{ending}" for name in names if has_own_files(name) for ending in MAIN_TABLES]
    return [*main, *(f"{stem}.{end}" for stem in stems for end in ("md", "csv", "tex")), PAGE]


def figure_files(experiments: Iterable[str]) -> list[str]:
    """Returns the figures that these experiments suffice for, and `NUMBERS` of these."""
    names = dict.fromkeys(experiments)
    main = [
        f"{name}{ending}" for name in names if has_own_files(name) for ending in (CURVES, FILLS)
    ]
    drawn = [file for file, needed in FIGURES.items() if names.keys() >= set(needed)]
    return main + drawn + [NUMBERS[file] for file in drawn if file in NUMBERS]


def kept_files(experiment: str, seed: int | str) -> dict[str, str]:
    """Returns what is kept of a run: files in `figures/<scale>/` by their name in the run's folder.

    Record, losses, and measurements by pair and by resample; of an experiment that is compared with
    others on its way also those of the points on its learning curve.
    """
    what, stem = EXPERIMENTS[experiment], f"{RECORDS}/{experiment}-seed{seed}"
    kept = {"record.json": ".json", "log.csv": ".csv", "pairs.csv": PAIRS_SUFFIX}
    kept |= {"resamples.csv": RESAMPLES_SUFFIX, "curve_pairs.csv": CURVE_PAIRS_SUFFIX}
    # no training, no losses
    if not what.trained:
        del kept["log.csv"]
    if not (what.curve and (what.rows or what.group == "gate")):
        del kept["curve_pairs.csv"]
    return {source: f"{stem}{suffix}" for source, suffix in kept.items()}


def record_files(experiment: str, seed: int | str) -> list[str]:
    """Returns the files of `kept_files`."""
    return list(kept_files(experiment, seed).values())
