"""Finished runs measured again, from the fills that they kept: another metric needs no training."""

from dataclasses import replace
from pathlib import Path

from aotgan.errors import InputError
from aotgan.metrics.fills import KeptFills
from aotgan.metrics.report import evaluate
from aotgan.reproduce.runs.evaluation import embedding_of, manifest_of
from aotgan.reproduce.runs.kept import FILLS, keep_measurements
from aotgan.reproduce.runs.record import Record, code_hash, load_record, rows_of, save_record
from aotgan.reproduce.runs.run import RECORD, run_directory
from aotgan.reproduce.runs.scales import make_config


def remeasure(
    experiment: str,
    scale: str,
    seed: int = 0,
    data: str | None = None,
    out: str | Path = "runs",
    data_root: str | Path | None = None,
    device: str = "cpu",
) -> Record:
    """Measures the kept fills of a finished run by the present protocol and renews its record.

    Arguments as `aotgan.reproduce.runs.run.run`.

    Returns:
        The record with new measurements and their protocol; its environment gains the hash of the
        code that measured. What it says of the training stays.

    Raises:
        InputError: the run is not finished or kept no fills, or they are of other pairs.
    """
    directory = run_directory(out, scale, experiment, seed)
    if not (directory / RECORD).exists():
        raise InputError(f"{directory} holds no finished run. Train it first (aotgan train).")
    record = load_record(directory / RECORD)
    config = make_config(experiment, scale, seed, data)
    manifest = manifest_of(experiment, scale, config, data_root)
    # neither network nor training is needed: what it filled was kept to the byte
    kept = {name: KeptFills(directory / FILLS[name], manifest) for name in record.metrics}
    results = {
        name: evaluate(
            fills,
            manifest,
            embedding=embedding_of(config.loss.features, device),
            device=device,
        )
        for name, fills in kept.items()
    }
    # who trained it stays; which code measured it is another thing now
    record = replace(
        record,
        protocol=results["raw"].protocol,
        metrics={name: rows_of(result.per_bin) for name, result in results.items()},
        environment=record.environment | {"measured_code_sha256": code_hash()},
    )
    keep_measurements(directory, results)
    save_record(record, directory / RECORD)
    return record
