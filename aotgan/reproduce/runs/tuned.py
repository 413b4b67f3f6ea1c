"""Trainings that depart from the paper to get farther in a short time.

`FIRST` is where the search began. `PILOTS` make one choice otherwise each, for a short time; by
their curves and by eye `TUNED` was chosen. `SHIPPED` are the models that come with the package.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aotgan.reproduce.runs.experiment import Experiment

FIRST = Experiment(
    "pilot-first",
    "where the search began",
    "pilots",
    subject="scenes-more",
    bins=None,
    generator={"gate_bias": 2.0, "fill": "surface", "correction": True},
    loss={"hole": 6.0},
    optim={
        "learning_rate": 1e-3,
        "betas": (0.9, 0.99),
        "schedule": "cosine",
        "warmup_steps": 100,
        "clip_norm": 1.0,
        "ema_decay": 0.998,
    },
    departs="the gate's initial bias is 2; erased pixels are a smooth surface, which the "
    "network corrects; a pixel of the hole weighs 6 times in L1; Adam has betas 0.9, 0.99, "
    "a warm-up to 1e-3, then a cosine to 0, and gradients cut to norm 1; a moving average "
    "of the weights is measured",
    train_more=1 / 3,
    measure=0.2,
    curve=(0.25, 0.5, 0.75),
)
BALANCE: Mapping[str, Any] = {"loss": {"hole": 6.0, "adversarial": 0.06}, "style": 6.0}
BILINEAR = {"upsampling": "bilinear"}
TUNED = replace(
    FIRST,
    name="aotgan-tuned",
    title="AOT-GAN tuned for a short training: it corrects a smooth surface",
    group="tuned",
    subject="scenes",
    generator={**FIRST.generator, **BILINEAR},
    **BALANCE,
    departs=f"{FIRST.departs}; adversarial and style loss weigh 6 times, as L1 does in the hole; "
    "the decoder is the released code's",
    train_more=2.0,
    measure=1.0,
    curve=(),
)


def _pilot(name: str, title: str, **changes: Any) -> Experiment:
    generator = {**FIRST.generator, **changes.pop("generator", {})}
    return replace(FIRST, name=f"pilot-{name}", title=title, generator=generator, **changes)


def _shipped(name: str, title: str, subject: str, **settings: Any) -> Experiment:
    """`TUNED` for a long time, twice as wide, on growing images."""
    return replace(
        TUNED,
        name=name,
        title=title,
        group="shipped",
        subject=subject,
        data={"masks": "mixed"},
        masks="free-form",
        wider=2.0,
        refine=0.25,
        departs=f"{TUNED.departs}; images grow, a quarter of the holes is thick, and in as many "
        "steps it refines its own fill of the image at half or a quarter of the side",
        curve=(1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4),
        **settings,
    )


PILOTS = (
    FIRST,
    _pilot("wide", "twice as wide", wider=2.0),
    _pilot("bilinear", "bilinear decoder", generator=BILINEAR),
    _pilot("balance", "bilinear, adversary and style 6 times", generator=BILINEAR, **BALANCE),
    _pilot("stages", "half of the steps at half of the side", stages=((0.5, 0.5), (1, 1))),
    _pilot("mixed", "a quarter of the holes is thick", data={"masks": "mixed"}, masks="free-form"),
    _pilot("refine", "in a quarter of the steps it refines its own coarse fill", refine=0.25),
    _pilot("seen", "the surface is erased value alone", generator={"correction": False}),
    _pilot("zero", "erased pixels are 0", generator={"correction": False, "fill": 0.0}),
    _pilot("gate", "the gate's bias is 0", generator={"gate_bias": 0.0}),
    _pilot("hole", "hole and known pixels weigh the same", loss={}),
    _pilot("stuck", "the same with the bilinear decoder", generator=BILINEAR, loss={}),
)
SHIPPED = (
    _shipped(
        "aotgan-scenes",
        "AOT-GAN tuned and trained for long, for photographs of places",
        "scenes-more",
        train_more=50 / 3,
        stages=((0.6, 0.5), (0.88, 1), (1, 2)),
        measure=0.5,
    ),
    _shipped(
        "aotgan-faces",
        "AOT-GAN tuned and trained for long, for faces",
        "faces",
        train_more=25 / 3,
        stages=((0.6, 0.5), (0.88, 1), (1, 1.375)),
    ),
)
