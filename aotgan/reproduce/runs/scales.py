"""How big a run is: from seconds on a laptop's CPU to the paper's own settings.

Batch, optimiser, learning rate and loss weights are the paper's at every scale, with one exception.
The style weight of 250 belongs to VGG-19. For every other feature network it is such that the
gradient of the style loss on the prediction starts at 0.3 to 0.5 times that of L1; see
`style_weight`.

An experiment may declare a warm-up and a moving average for runs of a thousand steps and more. In a
shorter one the warm-up is a tenth of the steps, and the average reaches back over as many.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aotgan.errors import InputError, did_you_mean
from aotgan.losses.features import VGG_WIDTH
from aotgan.losses.lite0 import NAME as LITE0
from aotgan.models.generator import Generator
from aotgan.models.registry import model_class, split_config
from aotgan.reproduce.runs.experiments import Experiment, get_experiment
from aotgan.training.config import DataConfig, LossConfig, OptimConfig, TrainConfig

CHECK_SCALE = "smoke"
CHECK_LABEL = "pipeline check"  # what every result of that scale is called
LITE0_STYLE = 1.0
RANDOM_STYLE = 32.0  # at VGG_WIDTH


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
        features: feature network of perceptual and style loss, and of the distances.
        steps: training steps; batch_size images each.
        adapts: whether an experiment may ask for another length and growing images.
        ema_decay: moving average of the weights, evaluated beside the raw ones; None for none.
        pairs: evaluated image-mask pairs, spread evenly over the bins of the experiment.
        log_every_steps: rows of the loss table.
        save_every_steps: training state and sample pictures.
        precision: Fabric's name.
        compiled: torch.compile the generator.
        feature_width: first stage of a random feature network; trained ones have their own.
    """

    name: str
    about: str
    sets: Mapping[str, str]
    size_px: int
    width: int
    features: str
    steps: int
    ema_decay: float | None
    pairs: int
    log_every_steps: int
    save_every_steps: int
    batch_size: int = 8
    precision: str = "32-true"
    compiled: bool = False
    feature_width: int = VGG_WIDTH
    adapts: bool = True


SCALES: dict[str, Scale] = {
    scale.name: scale
    for scale in (
        Scale(
            "smoke",
            "a check of the pipeline: the numbers say nothing about the method",
            sets={
                "faces": "bundled",
                "scenes": "bundled",
                "scenes-more": "bundled",
                "logos": "bundled",
                "objects": "bundled",
            },
            size_px=64,
            width=16,
            features=LITE0,
            steps=150,
            ema_decay=None,
            pairs=24,
            log_every_steps=10,
            save_every_steps=50,
            adapts=False,
        ),
        Scale(
            "laptop",
            "quarter width and few steps: orderings need seeds and paired tests",
            sets={
                "faces": "faces",
                "scenes": "scenes",
                "scenes-more": "scenes-more",
                "logos": "logos",
                "objects": "imagenet-sample",
            },
            size_px=128,
            width=16,
            features=LITE0,
            steps=3000,
            ema_decay=0.995,
            pairs=600,
            log_every_steps=25,
            save_every_steps=250,
        ),
        Scale(
            "gpu",
            "full width, a quarter of the paper's side, as many images as laptop",
            sets={
                "faces": "faces",
                "scenes": "scenes",
                "scenes-more": "scenes-more",
                "logos": "logos",
                "objects": "imagenet-sample",
            },
            size_px=128,
            width=64,
            features=LITE0,
            steps=3000,
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
                "scenes-more": "places2",
                "logos": "openlogo",
                "objects": "imagenet",
            },
            size_px=512,
            width=64,
            features="imagenet",
            steps=1_000_000,
            ema_decay=None,
            pairs=36_000,
            log_every_steps=100,
            save_every_steps=5000,
            adapts=False,
        ),
    )
}


def get_scale(name: str) -> Scale:
    """Returns a declared scale; an unknown name is an InputError that lists them."""
    if name not in SCALES:
        raise InputError(
            f"no scale {name!r}: choose one of {', '.join(SCALES)}.{did_you_mean(name, SCALES)}"
        )
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
    # a second seed would be the same numbers, and would count as a second run
    if not what.trained and seed:
        raise InputError(f"seed={seed}: {experiment} is the same for every seed. Give 0.")
    if steps is None:
        longer = what.train_more if size.adapts else 1
        steps = round(size.steps * longer) if what.trained else 0
    # images that grow end at the side of the last stage, which is measured
    stages = [(share, round(times * size.size_px)) for share, times in what.stages if size.adapts]
    images = DataConfig(
        name=data or size.sets[what.subject],
        size_px=stages[-1][1] if stages else size.size_px,
        stages=tuple(stages),
    )
    return TrainConfig(
        generator=_model(what, size),
        discriminator_width=size.width,
        data=replace(images, **what.data),
        loss=replace(_loss(size, what.style), **what.loss),
        optim=replace(
            OptimConfig(size.batch_size, ema_decay=size.ema_decay),
            **_for_steps(what.optim, steps),
        ),
        refine=what.refine,
        steps=steps,
        seed=seed,
        precision=size.precision,
    )


def _model(what: Experiment, size: Scale) -> dict[str, Any]:
    """The network at a scale: its share of the published width, for images of this side."""
    kind = model_class(split_config(what.generator)[0])
    widths = kind.scaled(what.wider * size.width / Generator.published_width, size.size_px)
    if "features" in inspect.signature(kind).parameters:  # those of MNPS are a VGG's, see there
        vgg = "imagenet" if size.features == "imagenet" else "random"
        widths |= {"features": vgg, "feature_width": size.width}
    return {**what.generator, **widths}


def _for_steps(optim: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """Declared settings of the optimiser, those that a run is too short for cut to its length."""
    settings = dict(optim)
    if "warmup_steps" in settings:
        settings["warmup_steps"] = min(settings["warmup_steps"], steps // 10)
    if "ema_decay" in settings:
        # an average reaches back over 1 / (1 - decay) steps: here about a tenth of them
        settings["ema_decay"] = min(settings["ema_decay"], steps / (steps + 10))
    return settings


def _loss(size: Scale, style: float) -> LossConfig:
    """The losses at a scale: the paper's weights, but for the style's, times a factor."""
    return LossConfig(
        features=size.features,
        feature_width=size.feature_width,
        style=style * style_weight(size.features, size.feature_width),
    )


def style_weight(features: str, width: int = VGG_WIDTH) -> float:
    """Returns the weight of the style loss on the activations of a feature network.

    The paper's 250 for VGG-19. For others, what `aotgan.training.balance.gradient_ratios` measures
    on an untrained generator of width 16 is to lie between 0.3 and 0.5, means over 32 photographs:

    =========================  ======  ==============  ======  ==============  =============
    network                    weight  bundled, 64 px  128 px  scenes, 128 px  faces, 128 px
    =========================  ======  ==============  ======  ==============  =============
    EfficientNet-Lite0         1       0.36            0.35    0.40            0.40
    random VGG-19 of width 16  8       0.30            0.33    0.44            0.46
    =========================  ======  ==============  ======  ==============  =============

    With 250 the style gradient would be 90 and 10 times that of L1, and nothing else be learnt.
    Gradients of the perceptual loss, whose weight of 0.1 is kept, start at 5 and at 0.7 times L1's.

    Args:
        features: a name of `aotgan.losses.FEATURES`.
        width: channels of the first stage of a random network, whose Gram matrices are divided by
            as many.
    """
    if features == "random":
        return RANDOM_STYLE * width / VGG_WIDTH
    return LITE0_STYLE if features == LITE0 else LossConfig.style
