"""What stands above and under every table: its title, and what its numbers are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aotgan.errors import InputError
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.outputs import RECORDS
from aotgan.reproduce.runs.record import Record
from aotgan.reproduce.runs.scales import CHECK_LABEL, CHECK_SCALE, get_scale
from aotgan.reproduce.tables.notes import distance_interval, distance_lines, weight_lines
from aotgan.training.config import with_defaults

HOLES = {
    "free-form": "free-form masks",
    "thick": "thick masks",
    "mixed": "free-form and thick masks",
    "boxes": "rectangles",
    "centre": "centre squares",
}


ENDS = (
    "± is half the 95 % interval: of one seed that of the mean over photographs, pairs of one "
    "counted as correlated; of three or more, that over seeds (Student's t of their means). Of two "
    "seeds the range stands in brackets."
)


def heading(scale: str, title: str = "Results") -> str:
    """Returns the title of a scale's table; a check of the pipeline says that it is one."""
    about = get_scale(scale).about
    if scale == CHECK_SCALE:
        return f"# {title} at scale {scale}: {CHECK_LABEL}\n\n**This is {about}.**"
    return f"# {title} at scale {scale}\n\nWhat they are worth: {about}."


def caption(records: Sequence[Record], intervals: str = ENDS) -> str:
    """Says what a table's numbers are: data, size, n, seeds, networks, steps, intervals, source.

    Args:
        records: those that the table is made from.
        intervals: says what the intervals are.
    """
    return "\n".join(f"- {line}" for line in _caption_lines(records, intervals))


def _caption_lines(records: Sequence[Record], intervals: str) -> Iterator[str]:
    groups = by_experiment(records)
    first = groups[0][0]
    # data, pairs and protocol are the same in all groups: the first speaks for them
    data, test = first.data, first.evaluation
    check = f"{CHECK_LABEL.capitalize()}. " if first.scale == CHECK_SCALE else ""
    trained = first.config.get("data", {}).get("masks", "free-form")  # `DataConfig`'s
    masks = first.evaluation.get("masks", trained)
    holes = HOLES.get(masks, f"masks of {masks}")
    yield (
        f"{check}Scale {first.scale}, {test['size_px']} px. Trained on {data['images']:,} "
        f"photographs of {data['name']}; measured on {test['pairs']:,} pairs of "
        f"{test['images']:,} held-out photographs of {test['name']} and {holes}, the same for "
        "every run."
    )
    # networks: a line an experiment, since steps and departures may differ
    for group in groups:
        if not group[0].trained:
            yield f"{group[0].experiment}: not trained, the same for every seed."
            continue
        record, seeds = group[0], ", ".join(str(record.seed) for record in group)
        word = "seed" if len(group) == 1 else f"{len(group)} seeds:"
        average = "moving average of the weights" if record.weights == "ema" else "final weights"
        known = EXPERIMENTS.get(record.experiment)
        departs = f" Not as in the paper: {known.departs}." if known and known.departs else ""
        yield (
            f"{record.experiment}: {record.steps:,} steps, {record.images_seen:,} images, "
            f"{word} {seeds}; {average}; feature network of the losses {record.features}.{departs}"
        )
    # what ± means, loss weights other than the paper's, and what the distances are
    yield intervals
    yield from distance_interval(first)
    yield from weight_lines(groups)
    yield from distance_lines(first)
    yield from _source_lines(groups)


def _source_lines(groups: Sequence[Sequence[Record]]) -> Iterator[str]:
    records = [record for group in groups for record in group]
    yield "Made from " + ", ".join(f"{RECORDS}/{record_name(record)}" for record in records) + "."
    hashes = sorted({record.environment.get("code_sha256", "unknown")[:12] for record in records})
    devices = sorted({record.environment.get("device", "unknown") for record in records})
    yield f"Code {', '.join(hashes)}; {', '.join(devices)}."


def record_name(record: Record) -> str:
    """Returns the file name of a record beside the tables."""
    return f"{record.experiment}-seed{record.seed}.json"


def by_experiment(records: Sequence[Record]) -> list[list[Record]]:
    """Groups records in the order of the declaration, seeds ascending, and checks that they fit."""
    if not records:
        raise InputError("no records were given: train a run first (aotgan train).")
    # records of experiments that are not declared here come last, by name
    order = {name: position for position, name in enumerate(EXPERIMENTS)}
    names = sorted({r.experiment for r in records}, key=lambda n: (order.get(n, len(order)), n))
    groups = [
        sorted((r for r in records if r.experiment == n), key=lambda r: r.seed) for n in names
    ]
    # rows may differ in configuration; seeds of one row may not
    check_equal(records, "table", evaluated)
    for group in groups:
        check_equal(group, f"experiment {group[0].experiment}", _configured)
        # the same seed twice would narrow the interval over seeds for nothing
        if len({record.seed for record in group}) < len(group):
            raise InputError(f"two records of {group[0].experiment} have the same seed.")
    return groups


def evaluated(record: Record) -> dict[str, Any]:
    """What all records of one table must have in common."""
    return {
        "scale": record.scale,
        "training data": record.data["manifest_sha256"],
        "evaluation pairs": record.evaluation["manifest_sha256"],
        "protocol": record.protocol,
    }


def _configured(record: Record) -> dict[str, Any]:
    """What the seeds of one experiment must have in common."""
    config = {key: value for key, value in with_defaults(record.config).items() if key != "seed"}
    return {"configuration": config, "steps": record.steps, "weights": record.weights}


def check_equal(
    records: Sequence[Record], where: str, facts: Callable[[Record], Mapping[str, Any]]
) -> None:
    """Refuses records that differ in a fact that a table needs them to share.

    Raises:
        InputError: names two records and the fact.
    """
    first = facts(records[0]) if records else {}
    for record in records[1:]:
        other = facts(record)
        for name in first:
            if first[name] != other[name]:
                raise InputError(
                    f"{record_name(records[0])} and {record_name(record)} differ in {name} and "
                    f"cannot share a {where}. Collect them separately."
                )
