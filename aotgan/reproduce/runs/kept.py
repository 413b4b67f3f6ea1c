"""What a finished run keeps: its measurements, its weights in half precision, and its fills."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from aotgan.data.manifest import Manifest
from aotgan.files import write_atomically
from aotgan.metrics.fills import keep_fills
from aotgan.metrics.report import Evaluation, Keep
from aotgan.models.inpainter import Inpainter
from aotgan.models.weights import halve
from aotgan.training.loop import EMA_WEIGHTS, WEIGHTS

PAIRS = "pairs.csv"  # rows as `Evaluation.per_image`, after a column "weights"
RESAMPLES = "resamples.csv"  # rows as `Evaluation.resamples`, after the same
FILLS = {"raw": "fills.zip", "ema": "fills-ema.zip"}  # by weights; see `aotgan.metrics.fills`
HALVES = {WEIGHTS: "generator.fp16.safetensors", EMA_WEIGHTS: "generator-ema.fp16.safetensors"}


def measure_and_keep(
    networks: Mapping[str, Inpainter],
    manifest: Manifest,
    directory: Path,
    evaluate: Callable[[Inpainter, Keep], Evaluation],
) -> dict[str, Evaluation]:
    """Measures networks, "raw" and perhaps "ema", and keeps the fills of each in `FILLS`.

    Args:
        networks: by weights.
        manifest: the pairs that they fill.
        directory: of the run.
        evaluate: measures a network on these pairs and passes on what it fills.
    """
    results = {}
    for weights, network in networks.items():

        def work(keep: Keep, network: Inpainter = network) -> Evaluation:
            return evaluate(network, keep)

        results[weights] = keep_fills(directory / FILLS[weights], manifest, work)
    return results


def keep_measurements(directory: Path, results: Mapping[str, Evaluation]) -> None:
    """Writes `PAIRS` and `RESAMPLES` of evaluations, by weights."""
    for file, table in ((PAIRS, "per_image"), (RESAMPLES, "resamples")):
        write_atomically(directory / file, measurements_csv(by_weights(results, table)))


def measurements_csv(frame: pd.DataFrame) -> str:
    """Returns a table of measurements as CSV, five significant digits."""
    return frame.to_csv(index=False, float_format="%.5g", lineterminator="\n")


def keep_halves(directory: Path) -> None:
    """Copies the weights of a run in half precision, beside those that a longer training needs."""
    for whole, half in HALVES.items():
        if (directory / whole).exists():
            halve(directory / whole, directory / half)


def by_weights(results: Mapping[str, Evaluation], table: str = "per_image") -> pd.DataFrame:
    """Returns a table of each evaluation, by default of its pairs, below a column "weights"."""
    frames = pd.concat({name: getattr(result, table) for name, result in results.items()})
    return frames.rename_axis(["weights", None]).reset_index(level="weights")
