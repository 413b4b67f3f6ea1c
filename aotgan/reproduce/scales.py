"""How big a run is: from seconds on a laptop's CPU to the paper's own settings.

Batch, optimiser, learning rate and loss weights are the paper's at every scale, with one exception.
The style weight of 250 belongs to trained VGG-19 features. Random features are far more alike from
channel to channel, and narrow ones are divided by fewer channels, so that with 250 the style
gradient on the prediction is 13 times that of L1 (measured at width 16) and nothing else is learnt.
Where the features are random, the weight is `RANDOM_STYLE`, scaled with their width.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aotgan.errors import InputError
from aotgan.losses.features import VGG_WIDTH
from aotgan.models.generator import Generator
from aotgan.models.registry import model_class, split_config
from aotgan.reproduce.experiments import get_experiment
from aotgan.training.config import DataConfig, LossConfig, OptimConfig, TrainConfig

RANDOM_STYLE = 32.0  # at VGG_WIDTH; the style gradient starts at 0.4 times that of L1


@dataclass(frozen=True)
class Scale:
    """One size of experiment.

    Attributes:
        name: "smoke", "laptop", "gpu" or "paper".
        about: what a table at this scale is worth, for its caption.
        sets: image set of each subject, used unless another is named.
        size_px: side of the images.
        width: channels of the generator's and the discriminator's first layers; 64 in the paper.
            The compared models get the same share of their published widths.
        features: feature network of perceptual and style loss, and of the Frechet distance.
        feature_width: its first stage.
        steps: training steps; batch_size images each.
        ema_decay: moving average of the weights, evaluated beside the raw ones; None for none.
        pairs: evaluated image-mask pairs, spread evenly over the bins of the experiment.
        log_every_steps: rows of the loss table.
        save_every_steps: training state and sample pictures.
        precision: Fabric's name.
        compiled: torch.compile the generator.
    """

    name: str
    about: str
    sets: Mapping[str, str]
    size_px: int
    width: int
    features: str
    feature_width: int
    steps: int
    ema_decay: float | None
    pairs: int
    log_every_steps: int
    save_every_steps: int
    batch_size: int = 8
    precision: str = "32-true"
    compiled: bool = False


SCALES: dict[str, Scale] = {
    scale.name: scale
    for scale in (
        Scale(
            "smoke",
            "a check of the pipeline: the numbers say nothing about the method",
            sets={
                "faces": "bundled",
                "scenes": "bundled",
                "logos": "bundled",
                "objects": "bundled",
            },
            size_px=64,
            width=16,
            features="random",
            feature_width=16,
            steps=150,
            ema_decay=None,
            pairs=24,
            log_every_steps=10,
            save_every_steps=50,
        ),
        Scale(
            "laptop",
            "quarter width and few steps: orderings need seeds and paired tests",
            sets={
                "faces": "faces",
                "scenes": "scenes",
                "logos": "logos",
                "objects": "imagenet-sample",
            },
            size_px=128,
            width=16,
            features="random",
            feature_width=16,
            steps=1500,
            ema_decay=0.995,
            pairs=600,
            log_every_steps=25,
            save_every_steps=250,
        ),
        Scale(
            "gpu",
            "full width, a quarter of the paper's side, minutes of training",
            sets={
                "faces": "faces",
                "scenes": "scenes",
                "logos": "logos",
                "objects": "imagenet-sample",
            },
            size_px=128,
            width=64,
            features="random",
            feature_width=64,
            steps=5000,
            ema_decay=0.999,
            pairs=600,
            log_every_steps=50,
            save_every_steps=1000,
            precision="bf16-mixed",
        ),
        Scale(
            "paper",
            "the paper's settings; it gives no step count, the released code one million",
            sets={
                "faces": "celeba-hq",
                "scenes": "places2",
                "logos": "openlogo",
                "objects": "imagenet",
            },
            size_px=512,
            width=64,
            features="imagenet",
            feature_width=64,
            steps=1_000_000,
            ema_decay=None,
            pairs=36_000,
            log_every_steps=100,
            save_every_steps=5000,
        ),
    )
}


def get_scale(name: str) -> Scale:
    """Returns a declared scale; an unknown name is an InputError that lists them."""
    if name not in SCALES:
        raise InputError(f"no scale {name!r}: choose one of {', '.join(SCALES)}.")
    return SCALES[name]


def make_config(
    experiment: str, scale: str, seed: int = 0, data: str | None = None, steps: int | None = None
) -> TrainConfig:
    """Returns the training configuration of a run.

    Args:
        experiment: a name of `EXPERIMENTS`.
        scale: a name of `SCALES`.
        seed: of weights, crops and masks; runs of equal seed see equal batches.
        data: image set or folder, instead of the scale's.
        steps: training steps, instead of the scale's.

    Raises:
        InputError: unknown names, values that no run can have, or steps or a seed of a filling that
            is not trained.
    """
    what, size = get_experiment(experiment), get_scale(scale)
    if not what.trained and seed:
        raise InputError(f"seed={seed}: {experiment} is the same for every seed. Give 0.")
    planned = round(size.steps * what.train_more) if what.trained else 0
    images = DataConfig(name=data or size.sets[what.subject], size_px=size.size_px)
    return TrainConfig(
        generator=_model(what.generator, size),
        discriminator_width=size.width,
        data=replace(images, **what.data),
        loss=replace(_loss(size), **what.loss),
        optim=replace(
            OptimConfig(size.batch_size, ema_decay=size.ema_decay),
            **what.optim,
        ),
        steps=planned if steps is None else steps,
        seed=seed,
        precision=size.precision,
    )


def _model(options: Mapping[str, Any], size: Scale) -> dict[str, Any]:
    """The network at a scale: its share of the published width, for images of this side."""
    kind = model_class(split_config(options)[0])
    own = kind.scaled(size.width / Generator.published_width, size.size_px)
    if "features" in inspect.signature(kind).parameters:
        own |= {"features": size.features, "feature_width": size.feature_width}
    return {**options, **own}


def _loss(size: Scale) -> LossConfig:
    """The losses at a scale: the paper's weights, but for the style of random features."""
    losses = LossConfig(features=size.features, feature_width=size.feature_width)
    if size.features == "imagenet":
        return losses
    return replace(losses, style=RANDOM_STYLE * size.feature_width / VGG_WIDTH)
