"""One run from start to record: train, evaluate on fixed pairs, write down what was measured.

A run lives in `<out>/<scale>/<experiment>/seed<k>/` and holds `state.pt`, `log.csv`, the weights,
`samples.png`, and, when it is finished, `record.json`. The same call goes on where it stopped.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torchvision.utils import make_grid, save_image

from aotgan.data.catalogue import load as load_images
from aotgan.data.images import to_tensor
from aotgan.data.manifest import Manifest, make_manifest
from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.metrics.frechet import FrechetDistance
from aotgan.metrics.report import Evaluation, evaluate
from aotgan.models.generator import Generator, composite, erase
from aotgan.reproduce.records import (
    Record,
    environment,
    load_record,
    rows_of,
    save_record,
)
from aotgan.reproduce.scales import get_scale, make_config
from aotgan.training.log import read_log
from aotgan.training.loop import RunOptions, Trainer

RECORD = "record.json"
SAMPLES = "samples.png"
EVALUATION_SEED = 0  # the pairs are the same for every run of a scale and data set
SAMPLE_COUNT = 6
UNFINISHED = "interrupt"


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
    options: RunOptions = RunOptions(),
) -> Record | None:
    """Trains and evaluates one run, or goes on with it, or returns its finished record.

    Args:
        experiment: a name of `aotgan.reproduce.experiments.EXPERIMENTS`.
        scale: a name of `aotgan.reproduce.scales.SCALES`.
        seed: of weights, crops and masks.
        data: image set or folder instead of the scale's.
        out: folder of all runs.
        data_root: folder of the named image sets.
        options: device, progress display, time limit; logging intervals are the scale's.

    Returns:
        The record, or None if the training was interrupted.

    Raises:
        InputError: unknown names, missing data, or a folder that holds another run.
    """
    size = get_scale(scale)
    config = make_config(experiment, scale, seed, data)
    directory = run_directory(out, scale, experiment, seed)
    if (directory / RECORD).exists():
        record = load_record(directory / RECORD)
        if record.config == config.to_dict():
            return record
        raise InputError(
            f"{directory} holds a finished run of other settings. Choose another folder, or move "
            "it away."
        )
    manifest = evaluation_manifest(config.data.name, config.data.size_px, scale, data_root)
    options = replace(
        options,
        compiled=options.compiled or size.compiled,
        log_every_steps=size.log_every_steps,
        save_every_steps=size.save_every_steps,
        sample_every_steps=size.save_every_steps,
    )
    draw = partial(save_samples, manifest=manifest, path=directory / SAMPLES)
    trainer = Trainer(config, directory, options, data_root, on_sample=draw)
    if trainer.fit() == UNFINISHED or not trainer.fabric.is_global_zero:
        return None
    record = measure(trainer, manifest, experiment, scale)
    save_record(record, directory / RECORD)
    return record


def evaluation_manifest(
    data: str, size_px: int, scale: str, data_root: str | Path | None = None
) -> Manifest:
    """Returns the image-mask pairs on which every run of a scale and data set is measured."""
    test = load_images(data, "test", data_root)
    pairs = get_scale(scale).pairs_per_bin
    return make_manifest(test.files, size_px, per_bin=pairs, seed=EVALUATION_SEED)


def measure(trainer: Trainer, manifest: Manifest, experiment: str, scale: str) -> Record:
    """Evaluates a trained run, raw weights and moving average, and composes its record."""
    config, device = trainer.config, trainer.fabric.device
    networks = {"raw": trainer.players.generator}
    if trainer.average is not None:
        networks["ema"] = trainer.averaged
    show = trainer.options.progress == "bar"
    results = {
        name: evaluate_generator(network, manifest, config.loss.features, device, show)
        for name, network in networks.items()
    }
    rates = [row["images_per_s"] for row in read_log(trainer.directory / "log.csv")]
    return Record(
        experiment=experiment,
        scale=scale,
        seed=config.seed,
        config=config.to_dict(),
        features=trainer.features_name,
        steps=trainer.step,
        images_seen=trainer.step * config.optim.batch_size,
        train_seconds=round(trainer.seconds, 1),
        images_per_s=round(median(rates), 2) if rates else 0.0,
        data={
            "name": trainer.images.name,
            "split": "train",
            "images": len(trainer.images),
            "manifest_sha256": trainer.images.manifest_hash,
        },
        evaluation={
            "name": config.data.name,
            "split": "test",
            "images": len(manifest.image_digests),
            "pairs": len(manifest),
            "size_px": manifest.size,
            "manifest_sha256": manifest.hash,
        },
        protocol=results["raw"].protocol,
        metrics={name: rows_of(result.per_bin) for name, result in results.items()},
        environment=environment(device),
    )


def evaluate_generator(
    generator: Generator,
    manifest: Manifest,
    features: str = "random",
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> Evaluation:
    """Measures a generator on a manifest; `features` is the Frechet distance's network."""
    frechet = FrechetDistance("inception" if features == "imagenet" else "random", device=device)
    training = generator.training
    generator.eval()
    try:
        return evaluate(
            generator.complete, manifest, frechet=frechet, progress=progress, device=device
        )
    finally:
        generator.train(training)


def save_samples(trainer: Trainer, manifest: Manifest, path: Path) -> None:
    """Writes a picture of held-out images: masked, filled by the averaged weights, original."""
    if not trainer.fabric.is_global_zero:
        return
    cases = [case for _, case in zip(range(len(manifest)), manifest, strict=False)]
    chosen = cases[:: max(1, len(cases) // SAMPLE_COUNT)][:SAMPLE_COUNT]
    grid = sample_grid(trainer.averaged, chosen, trainer.fabric.device)
    write_atomically(path, lambda temporary: save_image(grid, temporary, format="png"))


@torch.no_grad()
def sample_grid(
    generator: Generator, cases: Iterable[tuple[Any, Any, Any]], device: str | torch.device = "cpu"
) -> Tensor:
    """Returns a picture (3, h, w) in [0, 1] with one column a case: masked, filled, original.

    Args:
        generator: the network.
        cases: (image uint8 (H, W, 3), mask bool (H, W), anything) of one size.
        device: where the generator is.
    """
    cases = list(cases)
    image = torch.stack([to_tensor(case[0]) for case in cases]).to(device)  # (B, 3, H, W)
    mask = torch.stack([torch.from_numpy(case[1])[None].float() for case in cases]).to(device)
    masked = erase(image, mask, generator.fill)
    filled = composite(image, generator(masked, mask), mask)
    rows = torch.cat([erase(image, mask, 1.0), filled, image])
    return make_grid((rows + 1) / 2, nrow=len(cases), padding=2, pad_value=1.0).cpu()
