"""On which pairs the runs of a scale are measured, and in which features."""

from collections.abc import Sequence
from pathlib import Path

import torch

from aotgan.data.catalogue import load as load_images
from aotgan.data.manifest import Manifest, make_manifest
from aotgan.data.masks import RATIO_BINS
from aotgan.losses.lite0 import NAME as LITE0
from aotgan.metrics.embedding import Embedding
from aotgan.metrics.report import Evaluation, Keep, evaluate
from aotgan.models.inpainter import Inpainter, evaluating
from aotgan.reproduce.runs.experiments import get_experiment
from aotgan.reproduce.runs.scales import get_scale
from aotgan.training.config import TrainConfig

EVALUATION_SEED = 0  # the pairs are the same for every run of a scale and data set


def manifest_of(
    experiment: str, scale: str, config: TrainConfig, data_root: str | Path | None = None
) -> Manifest:
    """Returns the image-mask pairs on which a run is measured."""
    what, data = get_experiment(experiment), config.data
    masks = what.masks or data.masks
    return evaluation_manifest(
        data.name, data.size_px, scale, data_root, what.bins, masks, what.measure
    )


def evaluation_manifest(
    data: str,
    size_px: int,
    scale: str,
    data_root: str | Path | None = None,
    bins: Sequence[tuple[float, float]] | None = None,
    masks: str = "free-form",
    share: float = 1.0,
) -> Manifest:
    """Returns the image-mask pairs on which every run of a scale, data set and bins is measured.

    `share` is that of the scale's pairs; two a bin are the least that a distance needs.
    """
    test = load_images(data, "test", data_root)
    bins = bins or RATIO_BINS
    each = max(2, round(share * get_scale(scale).pairs) // len(bins))
    return make_manifest(test.files, size_px, bins, each, seed=EVALUATION_SEED, masks=masks)


def evaluate_generator(
    generator: Inpainter,
    manifest: Manifest,
    features: str = LITE0,
    device: str | torch.device = "cpu",
    progress: bool = True,
    keep: Keep | None = None,
) -> Evaluation:
    """Measures a generator on a manifest; `features` is the network of its losses."""
    embedding = embedding_of(features, device)
    fill = generator.complete
    with evaluating(generator):
        return evaluate(
            fill, manifest, embedding=embedding, progress=progress, device=device, keep=keep
        )


def embedding_of(features: str, device: str | torch.device = "cpu") -> Embedding:
    """Returns FID's network where the losses have VGG-19, else the losses' own."""
    return Embedding("inception" if features == "imagenet" else features, device=device)
