"""Measures a case and writes down what was found, and where: a record is one JSON file."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from aotgan.bench.alone import alone
from aotgan.bench.cases import CASES, COMPILED, DIRECT, RELEASED, Benchmark, Setting
from aotgan.bench.timing import (
    OtherPrograms,
    Sample,
    Work,
    alternate,
    on_threads,
    peak_flops,
    ratio,
)
from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.reproduce.runs.record import environment

FORMAT = 1
GROWTH = "growth"  # measured in processes of their own alone, without rounds
RUNS_ALONE = 3  # of each there
ALL = "all"

Record = dict[str, Any]
Say = Callable[[str], object]


def chosen(what: str) -> list[tuple[str, Benchmark]]:
    """Returns the cases of groups named by commas, or of all, with their group.

    Raises:
        InputError: no such group.
    """
    names = list(CASES) if what == ALL else what.split(",")
    if unknown := [name for name in names if name not in CASES]:
        raise InputError(f"no {unknown[0]!r} to measure: choose of {', '.join(CASES)}, or {ALL}.")
    return [(name, case) for name in dict.fromkeys(names) for case in CASES[name]]


def measure(group: str, case: Benchmark, setting: Setting, rounds: int, say: Say = print) -> Record:
    """Measures all variants of a case that can run here.

    Args:
        group: of `CASES`.
        case: what to measure.
        setting: where and how.
        rounds: of the alternating timing.
        say: is told what is being done.

    Returns:
        The record. `variants` has for each `seconds` on the deciding clock (`clock`), `wall_s`,
        `processor_s`, `ours_faster` (median, low, high: how many times as long as ours it took),
        `gflop` by the definition of each layer, its `of_peak` of `peak_gflops` (a large matrix
        product), `peak_mb` and `before_mb` (see `aotgan.bench.alone.Alone`). `rounds` has wall and
        processor seconds of each round. `others_share` of the processors' time was other programs'.
    """
    names, others = case.runnable(setting), OtherPrograms()
    with on_threads(setting.threads):
        record: Record = {
            "format": FORMAT,
            "group": group,
            "name": case.name,
            "title": case.title,
            "size_px": case.size_px,
            "threads": setting.threads,
            "device": setting.device,
            "ours": setting.ours,
            "against": case.against,
            "goal": case.goal,
            "clock": setting.clock,
            "rounds": {},
            "variants": {name: {} for name in names},
        }
        # times first: their rounds run in this process, warm
        if group != GROWTH:  # that has no rounds
            _time(record, case, setting, rounds, say)
        for name in names:
            say(f"{name}: peak memory, in a process of its own")
            one_run = alone(case, name, setting, RUNS_ALONE if group == GROWTH else 1)
            # where there were rounds, their times stand in place of those of the one run
            record["variants"][name] = asdict(one_run) | record["variants"][name]
        # one clock decides, the other is kept beside it
        for values in record["variants"].values():
            values["seconds"] = values[f"{setting.clock}_s"]
        record["others_share"] = others.share
        record["environment"] = _environment(setting.place)
    return _rounded(record)


def save(record: Mapping[str, Any], folder: Path) -> Path:
    """Writes a record under the name of its case and setting."""
    where = f"threads{record['threads']}" if record["device"] == "cpu" else record["device"]
    path = folder / f"{record['group']}-{record['name']}-{where}.json"
    return write_atomically(path, json.dumps(record, indent=1) + "\n")


def load(folder: Path) -> list[Record]:
    """Reads all records of a folder, in the order in which the cases are declared.

    Raises:
        InputError: none, or a file that is no record.
    """
    records = [_read(path) for path in folder.glob("*.json")]
    if not records:
        raise InputError(f"no records in {folder}: `aotgan bench --out {folder}` makes them.")
    order = [(group, case.name) for group in CASES for case in CASES[group]]

    def place(record: Record) -> tuple:
        key = record["group"], record["name"]
        # records of cases that are not declared come last
        at = order.index(key) if key in order else len(order)
        return at, key, record["device"], record["threads"]

    return sorted(records, key=place)


def _read(path: Path) -> Record:
    with suppress(OSError, ValueError):
        record = json.loads(path.read_text("utf-8"))
        if isinstance(record, dict) and record.get("format") == FORMAT and "group" in record:
            return record
    raise InputError(f"{path} is no record of `aotgan bench`. Move it away.")


def _time(record: Record, case: Benchmark, setting: Setting, rounds: int, say: Say) -> None:
    # the first call of each compiles, tunes or allocates, and is not counted
    works = {}
    for name in record["variants"]:
        say(f"{name}: warming up")
        works[name] = case.make(name, setting)
        works[name]()
        if name == COMPILED:  # a second time with what the first has taught it
            works[name]()
    say(f"{rounds} rounds of {', '.join(works)}")
    samples = alternate(works, rounds, setting.place)
    record["rounds"] = {
        name: [[one.wall, one.processor] for one in runs] for name, runs in samples.items()
    }
    # flops are those of the plain convolutions, so that faster algorithms count as faster
    record["peak_gflops"] = peak_flops(setting.place, setting.clock) / 1e9
    counts = {name: _gflop(works[name]) for name in works if name in (RELEASED, DIRECT)}
    ours = samples[record["ours"]]
    for name, runs in samples.items():
        seconds = _seconds(runs, setting.clock)
        gflop = counts.get(name, counts[DIRECT])
        record["variants"][name] = {
            "wall_s": median(_seconds(runs, "wall")),
            "processor_s": median(_seconds(runs, "processor")),
            "gflop": gflop,
            "of_peak": gflop / median(seconds) / record["peak_gflops"],
        }
        if name != record["ours"]:
            faster = ratio(seconds, _seconds(ours, setting.clock))
            record["variants"][name]["ours_faster"] = list(asdict(faster).values())


def _seconds(samples: Sequence[Sample], clock: str) -> list[float]:
    return [getattr(one, clock) for one in samples]


def _gflop(work: Work) -> float:
    """1e9 additions and multiplications of the convolutions and products, counted in one run."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def _environment(device: torch.device) -> dict[str, Any]:
    """As other records have it; the memory of this process, which ran everything, says nothing."""
    own = {"processors": os.cpu_count(), "instructions": torch.backends.cpu.get_cpu_capability()}
    return {k: v for k, v in environment(device).items() if k != "peak_memory_mb"} | own


def _rounded(value: Any) -> Any:
    """Five significant digits of every number."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
