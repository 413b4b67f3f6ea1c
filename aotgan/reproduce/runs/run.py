"""One run from start to record: train, evaluate on fixed pairs, write down what was measured.

A run lives in `<out>/<scale>/<experiment>/seed<k>/` and holds `state.pt`, `log.csv`, the weights,
`samples.png`, where it is measured on the way the tables of `aotgan.reproduce.runs.curve`, and,
when it is finished, `record.json` and what `aotgan.reproduce.runs.kept` keeps. The same call goes
on where it stopped.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.utils.data import DataLoader

from aotgan.data.catalogue import ImageSet
from aotgan.data.catalogue import load as load_images
from aotgan.data.manifest import Manifest
from aotgan.data.sources import CATALOGUE
from aotgan.errors import InputError
from aotgan.metrics.report import Evaluation
from aotgan.models.inpainter import Inpainter, evaluating
from aotgan.models.registry import build
from aotgan.reproduce.runs.cost import cost_row
from aotgan.reproduce.runs.curve import CURVE, measure_on_the_way, networks_of, read_curve
from aotgan.reproduce.runs.evaluation import embedding_of, evaluate_generator, manifest_of
from aotgan.reproduce.runs.experiments import get_experiment
from aotgan.reproduce.runs.kept import keep_halves, keep_measurements, measure_and_keep
from aotgan.reproduce.runs.record import (
    Record,
    environment,
    load_record,
    portable,
    rows_of,
    save_record,
)
from aotgan.reproduce.runs.samples import Sample, read_samples, save_samples
from aotgan.reproduce.runs.scales import CHECK_SCALE, get_scale, make_config
from aotgan.training.balance import adversarial_share
from aotgan.training.config import TrainConfig, changes, with_defaults
from aotgan.training.devices import RunOptions, check_processes, is_first_process
from aotgan.training.log import read_log
from aotgan.training.loop import Trainer, prepare
from aotgan.training.recipe import NO_FEATURES
from aotgan.training.running import running
from aotgan.training.step import Step

RECORD = "record.json"
SAMPLES = "samples.png"
UNFINISHED = "interrupt"
SHARE_BATCHES = 8  # over which the adversary's share of the gradient is averaged


def run_directory(out: str | Path, scale: str, experiment: str, seed: int) -> Path:
    """Returns the folder of a run: `<out>/<scale>/<experiment>/seed<k>`."""
    return Path(out) / scale / experiment / f"seed{seed}"


def run(
    experiment: str,
    scale: str,
    seed: int = 0,
    data: str | None = None,
    out: str | Path = "runs",
    data_root: str | Path | None = None,
    options: RunOptions | None = None,
    steps: int | None = None,
    on_sample: Callable[[Trainer], None] | None = None,
) -> Record | None:
    """Trains and evaluates one run, or goes on with it, or returns its finished record.

    A run that a time limit ended goes on when it is called with a longer limit or none, and a
    finished one when it is called with more steps. A classical filling is measured alone.

    Args:
        experiment: a name of `aotgan.reproduce.runs.experiments.EXPERIMENTS`.
        scale: a name of `aotgan.reproduce.runs.scales.SCALES`.
        seed: of weights, crops and masks.
        data: image set or folder instead of the scale's.
        out: folder of all runs.
        data_root: folder of the named image sets.
        options: device, progress display, time limit; logging intervals are the scale's.
        steps: training steps instead of the scale's.
        on_sample: called with the trainer after each new `samples.png`.

    Returns:
        The record, or None if the training was interrupted, and on all but the first of several
        processes.

    Raises:
        InputError: unknown names, missing data, networks or devices, or a folder that holds
            another run.
        FloatingPointError: the training diverged; see `Trainer.fit`.
    """
    # a finished run is shown, whatever this machine could train
    options = options or RunOptions()
    config = make_config(experiment, scale, seed, data, steps)
    directory = run_directory(out, scale, experiment, seed)
    record = finished_record(directory, config, options.minutes, data_root)
    if record is not None:
        return record
    check_processes(config, options)
    embedding_of(config.loss.features)  # its network is missed now, not after the training
    manifest = manifest_of(experiment, scale, config, data_root)
    with running(directory) if is_first_process() else nullcontext():
        return _run(experiment, scale, config, directory, manifest, data_root, options, on_sample)


def _run(
    experiment: str,
    scale: str,
    config: TrainConfig,
    directory: Path,
    manifest: Manifest,
    data_root: str | Path | None,
    options: RunOptions,
    on_sample: Callable[[Trainer], None] | None,
) -> Record | None:
    """What `run` does where nothing is finished yet."""
    size = get_scale(scale)
    # a classical filling has nothing to train: one process measures it
    if not get_experiment(experiment).trained:
        if not is_first_process():
            return None
        record, results = measure_untrained(
            config, manifest, experiment, scale, directory, options, data_root
        )
        return _written(directory, record, results)
    # what is logged, saved and drawn how often is the scale's to say
    options = replace(
        options,
        compiled=options.compiled or size.compiled,
        log_every_steps=size.log_every_steps,
        save_every_steps=size.save_every_steps,
        sample_every_steps=size.save_every_steps,
    )
    # the samples are pairs that the run will be measured on, none that it trains on
    draw = partial(save_samples, manifest=manifest, path=directory / SAMPLES, then=on_sample)
    trainer = Trainer(
        config,
        directory,
        options,
        data_root,
        on_sample=draw,
        on_mark=partial(measure_on_the_way, manifest=manifest),
        marks=[round(share * config.steps) for share in get_experiment(experiment).curve],
    )
    if trainer.fabric.is_global_zero:
        (directory / RECORD).unlink(missing_ok=True)  # of a shorter time; the weights outgrow it
    if trainer.fit() == UNFINISHED or not trainer.fabric.is_global_zero:
        return None
    record, results = measure(trainer, manifest, experiment, scale)
    keep_halves(directory)
    return _written(directory, record, results)


def train_briefly(experiment: str, seed: int, steps: int) -> tuple[Record, list[Sample]]:
    """Trains and measures a row at the smallest scale, on the CPU, and leaves no files.

    Args:
        experiment: as `run`.
        seed: as `run`.
        steps: training steps; the few of a check say nothing about the row.

    Returns:
        Its record, and its samples, one a bin.

    Raises:
        InputError: as `run`.
    """
    quiet = RunOptions(device="cpu", workers=0, progress="none")
    with TemporaryDirectory() as out:
        record = run(experiment, CHECK_SCALE, seed, out=out, options=quiet, steps=steps)
        if record is None:
            raise InputError(f"the training of {experiment} was interrupted: run it again.")
        directory = run_directory(out, CHECK_SCALE, experiment, seed)
        return record, read_samples(directory / SAMPLES)


def _written(directory: Path, record: Record, results: Mapping[str, Evaluation]) -> Record:
    # the record comes last: a run that has one is finished
    keep_measurements(directory, results)
    save_record(record, directory / RECORD)
    return record


def finished_record(
    directory: Path,
    config: TrainConfig,
    minutes: float | None = None,
    data_root: str | Path | None = None,
) -> Record | None:
    """Returns the record in a run directory if the run has used up its steps or its minutes.

    Raises:
        InputError: the record is of other settings or photographs, or cannot be read.
    """
    if not (directory / RECORD).exists():
        return None
    # steps may differ, for a finished run can go on
    record, asked = load_record(directory / RECORD), portable(config.to_dict())
    stored = with_defaults(record.config)
    difference = changes({**stored, "steps": max(record.steps, config.steps)}, asked)
    if config.data.name not in CATALOGUE:  # the name of a folder says little about its content
        images = load_images(config.data.name, "train", data_root)
        if record.data["manifest_sha256"] != images.manifest_hash:
            difference = difference or f"other photographs in {config.data.name}"
    if difference:
        raise InputError(
            f"{directory} holds a finished run of other settings ({difference}). Choose another "
            "folder, or move it away."
        )
    # rounded as the seconds of a record are
    late = minutes is not None and record.train_seconds >= round(60 * minutes, 3)
    return record if late or record.steps >= config.steps else None


def measure(
    trainer: Trainer, manifest: Manifest, experiment: str, scale: str
) -> tuple[Record, dict[str, Evaluation]]:
    """Evaluates a trained run, raw weights and moving average, and keeps the fills of both.

    Returns:
        Its record, and the evaluations by weights, "raw" and perhaps "ema".
    """
    rates = [row["images_per_s"] for row in read_log(trainer.directory / "log.csv")]
    return _measured(
        networks_of(trainer),
        trainer.config,
        trainer.images,
        manifest,
        trainer.directory,
        trainer.fabric.device,
        trainer.options.progress == "bar",
        trainer.fabric.world_size,
        experiment=experiment,
        scale=scale,
        features=trainer.recipe.features_name,
        steps=trainer.step,
        images_seen=trainer.step * trainer.config.optim.batch_size,
        train_seconds=round(trainer.seconds, 3),
        seconds_on={name: round(seconds, 3) for name, seconds in trainer.seconds_on.items()},
        images_per_s=round(median(rates), 2) if rates else 0.0,
        curve=rows_of(read_curve(trainer.directory / CURVE)),
        restarts=trainer.restarts,
        adversarial_share=_adversarial_share(trainer),
    )


def _adversarial_share(trainer: Trainer) -> float | None:
    """How strong the adversary is in the last batches of a training; None for other models."""
    recipe, batch = trainer.recipe, trainer.config.optim.batch_size
    if not isinstance(recipe, Step):
        return None
    seen = range(max(0, trainer.step - SHARE_BATCHES) * batch, trainer.step * batch)
    device = trainer.fabric.device
    batches = DataLoader(trainer.samples, batch, sampler=seen)
    share = adversarial_share(recipe, ((x.to(device), m.to(device)) for x, m, _ in batches))
    return float(f"{share:.6g}")


def measure_untrained(
    config: TrainConfig,
    manifest: Manifest,
    experiment: str,
    scale: str,
    directory: Path,
    options: RunOptions,
    data_root: str | Path | None = None,
) -> tuple[Record, dict[str, Evaluation]]:
    """Evaluates a classical filling; result as `measure`, of 0 steps."""
    prepare(directory)
    return _measured(
        {"raw": build(config.generator)},
        config,
        load_images(config.data.name, "train", data_root),
        manifest,
        directory,
        torch.device("cpu"),  # where OpenCV computes
        options.progress == "bar",
        experiment=experiment,
        scale=scale,
        features=NO_FEATURES,
        steps=0,
        images_seen=0,
        train_seconds=0.0,
        images_per_s=0.0,
    )


def _measured(
    networks: Mapping[str, Inpainter],
    config: TrainConfig,
    images: ImageSet,
    manifest: Manifest,
    directory: Path,
    device: torch.device,
    show: bool,
    processes: int = 1,
    **about: Any,
) -> tuple[Record, dict[str, Evaluation]]:
    """Evaluates networks, "raw" and perhaps "ema"; `about` are the record's other fields."""
    features, masks = config.loss.features, get_experiment(about["experiment"]).masks
    results = measure_and_keep(
        networks,
        manifest,
        directory,
        lambda network, keep: evaluate_generator(network, manifest, features, device, show, keep),
    )
    record = Record(
        **about,
        seed=config.seed,
        config=portable(config.to_dict()),
        data=images.facts(),
        evaluation={**manifest.facts(images.name), **({"masks": masks} if masks else {})},
        protocol=results["raw"].protocol,
        metrics={name: rows_of(result.per_bin) for name, result in results.items()},
        environment=environment(device) | {"processes": processes},
        cost=cost_of(networks["raw"], manifest.size),
    )
    return record, results


def cost_of(network: Inpainter, size_px: int) -> dict[str, Any]:
    """Returns what one image of this side costs, for the record."""
    with evaluating(network):
        cost = cost_row(network, size_px)
    if cost["parameters"]:
        return cost
    # A filling may compute outside of PyTorch, where neither products nor memory are counted.
    return {key: cost[key] for key in ("parameters", "seconds")}
