"""Every training run of the paper, declared once (sections 4.4 to 4.7).

An experiment says what is trained; a scale (`aotgan.reproduce.scales`) says how big; together with
a seed they are a run. A row that several tables share is one experiment with several rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aotgan.errors import InputError


@dataclass(frozen=True)
class Experiment:
    """One training of the paper, and the table rows that it feeds.

    Attributes:
        name: unique, used for folders: letters, digits and hyphens.
        title: one line for captions.
        rows: (table, row label) pairs that this run feeds.
        generator: arguments of `aotgan.models.Generator`, without the width, which is the scale's.
        loss, optim, data: fields of the training configuration that differ from the scale's.
        train_more: factor on the scale's steps.
    """

    name: str
    title: str
    rows: tuple[tuple[str, str], ...] = ()
    generator: Mapping[str, Any] = field(default_factory=dict)
    loss: Mapping[str, Any] = field(default_factory=dict)
    optim: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    train_more: float = 1.0


EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "aotgan",
            "AOT-GAN as the paper's text has it",
            rows=(
                ("1", "AOT-GAN"),
                ("5", "AOT block + gated residual + SM-PatchGAN"),
                ("7", "SM-PatchGAN"),
            ),
            generator={"variant": "paper"},
        ),
        Experiment(
            "aotgan-released",
            "AOT-GAN as the authors' code has it",
            generator={"variant": "released"},
            loss={"objective": "released", "on_composite": False},
            optim={"betas": (0.5, 0.999)},
            data={"crop_scale": (0.08, 1.0), "crop_aspect": (3 / 4, 4 / 3), "jitter": 0.05},
        ),
        Experiment(
            "aotgan-demo",
            "AOT-GAN, trained longer: the model that the package ships",
            generator={"variant": "paper"},
            train_more=4.0,
        ),
    )
}


def get_experiment(name: str) -> Experiment:
    """Returns a declared experiment; an unknown name is an InputError that lists them."""
    if name not in EXPERIMENTS:
        raise InputError(f"no experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]
