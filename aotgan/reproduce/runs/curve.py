"""The learning curve of a run: its weights measured on the way, on the pairs of its record."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from aotgan.data.manifest import Manifest
from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.metrics.report import Evaluation
from aotgan.models.inpainter import Inpainter
from aotgan.reproduce.runs.evaluation import evaluate_generator
from aotgan.reproduce.runs.kept import by_weights
from aotgan.training.loop import Trainer

CURVE = "curve.csv"  # rows as `Evaluation.per_bin`, after columns "seen" (images) and "weights"
CURVE_PAIRS = "curve_pairs.csv"  # rows as `Evaluation.per_image`, after the same


def networks_of(trainer: Trainer) -> dict[str, Inpainter]:
    """Returns what is measured of a training: "raw" and, where it has one, "ema" weights."""
    networks = {"raw": trainer.recipe.generator}
    return networks if trainer.average is None else networks | {"ema": trainer.averaged}


def measure_on_the_way(trainer: Trainer, manifest: Manifest) -> None:
    """Adds a point to the learning curve of a training."""
    # of several processes one measures: all have the same weights
    if not trainer.fabric.is_global_zero:
        return
    config, device = trainer.config, trainer.fabric.device
    results = {
        weights: evaluate_generator(network, manifest, config.loss.features, device, False)
        for weights, network in networks_of(trainer).items()
    }
    add_point(trainer.directory, trainer.step * config.optim.batch_size, results)


def add_point(directory: Path, images: int, results: Mapping[str, Evaluation]) -> None:
    """Writes what was measured after so many images, in place of that point and later ones.

    Args:
        directory: of the run.
        images: seen in training.
        results: by weights, "raw" and perhaps "ema".
    """
    for name, frame in (
        (CURVE, by_weights(results, "per_bin")),
        (CURVE_PAIRS, by_weights(results)),
    ):
        frame.insert(0, "seen", images)
        before = read_curve(directory / name)
        if not before.empty:
            # a run that goes on from a saved state may pass a point again
            frame = pd.concat([before[before["seen"] < images], frame])
        text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_atomically(directory / name, text)


def read_curve(path: Path) -> pd.DataFrame:
    """Returns the table of `CURVE` or `CURVE_PAIRS`; an empty one where there is none.

    Raises:
        InputError: not such a table.
    """
    if not path.exists():
        return pd.DataFrame()
    try:
        # a photograph may be called 000012, which is no number
        frame = pd.read_csv(path, dtype={"image": str})
    except ValueError as error:  # pandas' parser errors are of this kind
        raise InputError(
            f"{path} is not a table of measurements ({error}). Move it away."
        ) from error
    if not {"seen", "weights"} <= set(frame):
        raise InputError(f"{path} has no columns seen and weights. Move it away.")
    return frame
