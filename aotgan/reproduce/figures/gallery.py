"""Figs. 1 and 5 to 8, and what is beyond the paper, drawn from the networks of finished runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from aotgan.files import sha256_of
from aotgan.models.discriminator import Discriminator
from aotgan.models.generator import Generator
from aotgan.models.reach import theoretical_field
from aotgan.models.weights import load_generator, load_inpainter
from aotgan.reproduce.figures.inspection import (
    effective_receptive_field,
    field_radius,
    load_discriminator,
)
from aotgan.reproduce.figures.networks import (
    SCENES,
    SHARES,
    comparison,
    discriminator_figure,
    face_cases,
    gate_figure,
    receptive_field_figure,
    scene_cases,
)
from aotgan.reproduce.figures.repairs import repairs
from aotgan.reproduce.figures.style import Case, fill_bytes
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.outputs import FIGURES
from aotgan.reproduce.runs.record import Record
from aotgan.reproduce.runs.scales import CHECK_LABEL, CHECK_SCALE
from aotgan.training.loop import EMA_WEIGHTS, STATE, WEIGHTS

FIELD_PX = 256  # receptive fields: in smaller images much of those with rate 8 is folded back


@dataclass(frozen=True)
class Trained:
    """Finished runs of one scale, one for each experiment: directory and record by name."""

    directories: Mapping[str, Path]
    records: Mapping[str, Record]

    def weights(self, name: str) -> Path:
        """The weights that tables show."""
        averaged = self.records[name].weights == "ema"
        return self.directories[name] / (EMA_WEIGHTS if averaged else WEIGHTS)

    def generator(self, name: str) -> Generator:
        """AOT-GAN with these weights."""
        return load_generator(self.weights(name))

    def discriminator(self, name: str) -> Discriminator:
        """The adversary as it was at the end of the training."""
        return load_discriminator(self.directories[name] / STATE)

    def size_px(self, name: str) -> int:
        """Side of the images that a run was trained and measured on."""
        return int(self.records[name].evaluation["size_px"])

    def note(self, *names: str) -> str:
        """Says what the networks of a figure are, by the run of the first one, and their seeds."""
        record = self.records[names[0]]
        check = f"{CHECK_LABEL}: " if record.scale == CHECK_SCALE else ""
        return (
            f"{check}scale {record.scale}, {record.steps:,} steps on {record.data['name']}, "
            f"{self._seeds(names)}"
        )

    def _seeds(self, names: tuple[str, ...]) -> str:
        """One seed, or that of every network where they differ."""
        seeds = [str(self.records[name].seed) for name in names]
        if len(set(seeds)) == 1:
            return f"seed {seeds[0]}"
        return f"seeds in this order: {', '.join(seeds)}"


def draw_all(trained: Trained) -> dict[str, Figure]:
    """Returns the figures by file name for which every run is there."""
    ready = {file: names for file, names in FIGURES.items() if set(names) <= {*trained.records}}
    return {file: DRAWN[file](trained, names) for file, names in ready.items()}


def _compared(
    labels: Mapping[str, str], cases_of: Callable[[int], list[Case]] = face_cases
) -> Callable[[Trained, tuple[str, ...]], Figure]:
    def draw(trained: Trained, names: tuple[str, ...]) -> Figure:
        networks = {labels[name]: load_inpainter(trained.weights(name)) for name in names}
        cases = cases_of(trained.size_px(names[0]))
        return comparison(networks, cases, note=trained.note(*names))

    return draw


def _fields(trained: Trained, names: tuple[str, ...]) -> Figure:
    maps, bounds, rows = {}, {}, []
    for name in names:
        network, title = trained.generator(name), _rates(name)
        maps[title] = effective_receptive_field(network, FIELD_PX)
        bounds[title] = theoretical_field(network)
        rows += [
            {
                "experiment": name,
                "seed": trained.records[name].seed,
                "weights_sha256": sha256_of(trained.weights(name)),
                "size_px": FIELD_PX,
                "share": share,
                "radius_px": field_radius(maps[title], share),
                "at_most_px": bounds[title] // 2,
            }
            for share in SHARES
        ]
    figure = receptive_field_figure(maps, bounds, trained.note(*names))
    figure.numbers = pd.DataFrame(rows)
    return figure


def _gates(trained: Trained, names: tuple[str, ...]) -> Figure:
    case = face_cases(trained.size_px(names[0]))[0]
    return gate_figure(trained.generator(names[0]), case, trained.note(names[0]))


def _discriminators(trained: Trained, names: tuple[str, ...]) -> Figure:
    """One fill, that of AOT-GAN, before every adversary."""
    image, mask, pair = face_cases(trained.size_px(names[0]))[0]
    # scores of different fills could not be compared
    fill = fill_bytes(trained.generator("sm-patchgan"), image, mask)
    judges = {str(trained.records[n].config["loss"]["objective"]): n for n in names}
    networks = {objective: trained.discriminator(name) for objective, name in judges.items()}
    return discriminator_figure(networks, (image, mask, pair), fill, trained.note(*names))


def _repairs(trained: Trained, names: tuple[str, ...]) -> Figure:
    return repairs(trained.generator(names[0]))


def _rates(name: str) -> str:
    return "rates " + ", ".join(map(str, EXPERIMENTS[name].generator["rates"]))


MODELS = {e.name: label for e in EXPERIMENTS.values() for table, label in e.rows if table == "1"}
DRAWN: dict[str, Callable[[Trained, tuple[str, ...]], Figure]] = {
    "figure1.png": _compared(MODELS, partial(scene_cases, names=SCENES[:1])),
    "figure5.png": _compared(MODELS, scene_cases),
    "figure6.png": _compared({"rates-2": "one branch, rate 2", "rates-1-2-4-8": "AOT block"}),
    "figure7.png": _compared(
        {
            "rates-1-2-4-8": "identity",
            "residual-gatedconv": "GatedConv",
            "residual-1x1": "1x1 conv.",
            "residual-gated": "gated (ours)",
        }
    ),
    "figure8.png": _compared(
        {"residual-gated": "PatchGAN", "hm-patchgan": "HM-PatchGAN", "sm-patchgan": "SM-PatchGAN"}
    ),
    "receptive_fields.png": _fields,
    "gate_maps.png": _gates,
    "discriminators.png": _discriminators,
    "readings_discriminators.png": _discriminators,
    "repairs.png": _repairs,
}
