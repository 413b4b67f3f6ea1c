"""Packs a finished run's generator into the package, with a model card of what was measured."""

import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aotgan.data.manifest import Manifest
from aotgan.errors import InputError
from aotgan.files import check_writable, write_atomically
from aotgan.models.generator import Generator
from aotgan.models.weights import ENDING, SHIPPED, load_generator, packed
from aotgan.reproduce.bars import measure_bars
from aotgan.reproduce.model_card import model_card, terms_of
from aotgan.reproduce.runs.evaluation import manifest_of
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.record import Record, load_record
from aotgan.reproduce.runs.run import RECORD
from aotgan.reproduce.runs.scales import SCALES
from aotgan.training.checkpoint import load_state
from aotgan.training.config import TrainConfig, with_defaults
from aotgan.training.loop import EMA_WEIGHTS, SPARE, STATE, WEIGHTS

LIMIT_BYTES = 10_000_000  # the largest model that is committed


def ship(
    run_directory: str | Path,
    folder: str | Path = SHIPPED,
    data: str | None = None,
    data_root: str | Path | None = None,
    replaces: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Writes `<experiment>.safetensors`, in half precision, and `<experiment>.md`, its card.

    What is written is what is measured: the rounded weights are read back and fill the pairs of the
    run's record, beside the fillings that learn nothing. Nothing is written before all of it is
    there, and nothing is left where writing fails.

    Args:
        run_directory: holds `record.json` and the weights; the moving average is taken where the
            run kept one.
        folder: where the package keeps its models.
        data: folder of the photographs, where the run was trained on a folder.
        data_root: folder of the named image sets.
        replaces: a model of this name may be there already.
        progress: show a progress bar if standard error is a terminal.

    Raises:
        InputError: the run is not finished, its weights exceed 10 MB in half precision, its
            photographs are not there, or a model of its name is.
    """
    directory, folder = Path(run_directory), Path(folder)
    record = _finished(directory)
    weights, card = (folder / f"{record.experiment}{end}" for end in (ENDING, ".md"))
    if weights.exists() and not replaces:
        raise InputError(
            f"{record.experiment} is shipped already, in {weights}: give --replaces to put this "
            "run in its place."
        )
    generator = load_generator(directory / (EMA_WEIGHTS if record.weights == "ema" else WEIGHTS))
    content = packed(generator, _facts(record), half=True)
    if len(content) > LIMIT_BYTES:
        raise InputError(
            f"{directory}: its generator has {len(content) / 1e6:.1f} MB in half precision; a "
            f"shipped model has at most {LIMIT_BYTES / 1e6:.0f}. Train a narrower one."
        )
    # the last that can be refused before the pairs are filled, which takes minutes
    check_writable(folder)
    manifest = _pairs(record, data, data_root)
    bars = _measured(record, content, manifest, progress)
    _write_both(card, model_card(record, generator, content, bars), weights, content)
    return [weights, card]


def _finished(directory: Path) -> Record:
    """The record of a run; where there is none, the message says how to get one."""
    # a name in place of a folder is the likeliest mistake
    if directory.name in EXPERIMENTS and not directory.is_dir():
        raise InputError(
            f"{directory.name} is the name of an experiment: give the folder of a run of it, which "
            f"`aotgan train --experiment {directory.name} --scale laptop` makes in "
            f"runs/laptop/{directory.name}/seed0."
        )
    if (directory / RECORD).exists():
        return load_record(directory / RECORD)
    kept = next((name for name in (STATE, SPARE) if (directory / name).exists()), None)
    if kept is None:
        raise InputError(
            f"{directory} is no folder of a run: expected {RECORD} in it. Give a folder such as "
            "runs/laptop/aotgan-scenes/seed0."
        )
    state = load_state(directory / kept)
    config = TrainConfig.from_dict(with_defaults(state["config"]))
    raise InputError(
        f"{directory} holds an unfinished run, at step {state['step']:,} of {config.steps:,}: "
        f"finish it first.{_how_to_finish(directory, config)}"
    )


def _how_to_finish(directory: Path, config: TrainConfig) -> str:
    """The command, after a space, where the folder's place says what run it is; else ""."""
    # two empty parts, so that a short path can be unpacked as well
    *out, scale, experiment, seed = ("", "", *directory.parts)
    if scale not in SCALES or experiment not in EXPERIMENTS or seed != f"seed{config.seed}":
        return ""
    words = ["--experiment", experiment, "--scale", scale, "--seed", config.seed]
    words += ["--steps", config.steps, "--data", config.data.name, "--out", Path(*out)]
    return f" `aotgan train {shlex.join(map(str, words))}` goes on with it."


def _facts(record: Record) -> dict[str, str]:
    return {
        "data": record.data["name"],
        "features": record.features,
        "images": str(record.images_seen),
        "scale": record.scale,
        "steps": str(record.steps),
        "terms": terms_of(record),
    }


def _pairs(record: Record, data: str | None, data_root: str | Path | None) -> Manifest:
    """The pairs that the run was measured on."""
    config = TrainConfig.from_dict(with_defaults(record.config))
    if data is not None:
        config = replace(config, data=replace(config.data, name=data))
    elif config.data.name.startswith("folder:"):
        raise InputError(
            f"the run was trained on the folder {config.data.name.removeprefix('folder:')!r}, and "
            "a record does not say where that is: give its path by --data."
        )
    manifest = manifest_of(record.experiment, record.scale, config, data_root)
    # a card beside a record of other pairs would compare what cannot be compared
    if manifest.hash != record.evaluation["manifest_sha256"]:
        raise InputError(
            f"the pairs of {config.data.name} are not those that the run was measured on: its "
            "photographs or the code changed. Give the photographs of then by --data or "
            "--data-root, or measure the run anew by `aotgan remeasure`."
        )
    return manifest


def _measured(
    record: Record, content: bytes, manifest: Manifest, progress: bool
) -> Mapping[str, Any]:
    """What the weights do that are shipped, beside the fillings that learn nothing."""
    with tempfile.TemporaryDirectory() as folder:
        # read back from a file: half precision has rounded the weights
        network: Generator = load_generator(
            write_atomically(Path(folder) / f"{record.experiment}{ENDING}", content)
        )
    return measure_bars(record.experiment, network, manifest, record.data["name"], progress)


def _write_both(card: Path, text: str, weights: Path, content: bytes) -> None:
    """Writes both files or neither; the weights come last, for a model is what has weights."""
    before = card.read_bytes() if card.exists() else None
    write_atomically(card, text)
    try:
        write_atomically(weights, content)
    # Ctrl-C too must not leave the card of a model that is not there
    except BaseException:
        if before is None:
            card.unlink(missing_ok=True)
        else:
            write_atomically(card, before)
        raise
