"""Weights of generators on disk: safetensors with their configuration; the authors' files.

A weights file holds tensors only, no code; its metadata holds the network's `config`, so that a
file alone is enough to rebuild the network.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from aotgan.errors import InputError, did_you_mean
from aotgan.files import write_atomically
from aotgan.models.file_kinds import (
    AGAIN,
    PYTORCH,
    SAFETENSORS,
    FileKind,
    free_name,
    import_command,
    kind_of,
    printable,
    quoted,
)
from aotgan.models.generator import Generator
from aotgan.models.inpainter import Inpainter
from aotgan.models.registry import CLASSICAL, build
from aotgan.models.released import find_generator, released_name
from aotgan.models.skeleton import adopt, skeleton_of
from aotgan.models.skeleton import skeleton as skeleton  # notebooks have it from here
from aotgan.models.torch_files import read_tensors

FORMAT = "aotgan-generator"
ENDING = ".safetensors"
SHIPPED = Path(__file__).parents[1] / "weights"
PREFIX = "aotgan-"  # that names of shipped models may lack
DEFAULT_MODEL = "aotgan-scenes"  # what None stands for, wherever a model is asked for


def save_generator(
    generator: Inpainter, path: str | Path, metadata: Mapping[str, str] | None = None
) -> Path:
    """Writes weights and configuration to a .safetensors file, atomically.

    Args:
        generator: the network, of any model.
        path: destination.
        metadata: further facts worth keeping with the weights (data, steps, terms). The keys
            "format" and "config" are this function's own.
    """
    return write_atomically(path, packed(generator, metadata or {}))


def packed(generator: Inpainter, metadata: Mapping[str, str], half: bool = False) -> bytes:
    """Returns the content of a weights file; see `save_generator`, and for `half` also `halve`."""
    state = generator.state_dict()
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    if half:
        tensors = {name: _half(value) for name, value in tensors.items()}
    # ours come last, so that no fact can take their place
    facts = {**metadata, "format": FORMAT, "config": json.dumps(generator.config)}
    return _in_order(save(tensors, metadata=facts))


def halve(source: str | Path, destination: str | Path) -> Path:
    """Copies a weights file in half precision, atomically: half as large.

    `load_inpainter` makes float32 of it again. The rounding changes the shipped model's PSNR by
    0.0001 dB in the mean and by 0.002 dB at most over 120 pairs of bundled photographs, 256 px.

    Args:
        source: a file of `save_generator`.
        destination: of the copy, which keeps the metadata. Counters, and tensors with values beyond
            what half precision can hold, are copied as they are.
    """
    metadata, tensors = _read(Path(source))
    halved = {name: _half(value) for name, value in tensors.items()}
    return write_atomically(destination, _in_order(save(halved, metadata=metadata)))


def load_generator(path: str | Path | None = None, device: str | torch.device = "cpu") -> Generator:
    """Rebuilds AOT-GAN's generator from a weights file, in evaluation mode.

    Arguments, result and errors are those of `load_inpainter`; weights of another model are an
    InputError, too.
    """
    _check_learnt(path)
    model = load_inpainter(path, device)
    if not isinstance(model, Generator):
        raise InputError(
            f"{path} holds the model {model.config['model']!r}, expected AOT-GAN: load it with "
            "aotgan.models.weights.load_inpainter."
        )
    return model


def load_inpainter(path: str | Path | None = None, device: str | torch.device = "cpu") -> Inpainter:
    """Rebuilds a network of any model from a weights file, in evaluation mode.

    Args:
        path: a .safetensors file written by `save_generator` or `import_released`, the name of a
            shipped model (`shipped_models`) with or without "aotgan-", or None for `DEFAULT_MODEL`.
            The name of a classical filling (`aotgan.models.registry.CLASSICAL`) gives that, without
            a file.
        device: where the weights go.

    Returns:
        The network: `model(masked_image, mask)` is the raw prediction in [-1, 1],
        `model.complete(image, mask)` the filled image. Its weights are float64 if all in the
        file are, else float32.

    Raises:
        InputError: no such file, not such a file, names and shapes that do not fit, values that
            are not finite, or a device that this machine lacks.
    """
    if path in CLASSICAL:
        return build({"model": path}).eval()
    path = _resolve(path)
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} is a safetensors file without the mark {FORMAT!r}: expected a file written by "
            f"aotgan. If it holds the authors' generator, convert it: {import_command(path)}."
        )
    model = skeleton_of(metadata.get("config", ""), path, len(tensors))
    adopt(model, tensors, path)
    try:
        return model.to(device).eval()
    except (AssertionError, RuntimeError) as error:  # torch's two ways to say that it is not there
        raise InputError(
            f"device {device}: {error} Choose cpu, or a device that is there."
        ) from error


def load_filling(path: str | Path | None = None, device: str | torch.device = "cpu") -> Inpainter:
    """Returns what `aotgan.inpaint` fills with: AOT-GAN's generator, or a classical filling.

    Arguments and errors are those of `load_inpainter`; weights of another model are an InputError.
    """
    return load_inpainter(path) if path in CLASSICAL else load_generator(path, device)


def read_metadata(path: str | Path | None = None) -> dict[str, str]:
    """Returns the facts stored with a weights file; arguments and errors as `load_generator`."""
    _check_learnt(path)
    return _read(_resolve(path))[0]


def shipped_models() -> list[str]:
    """Names of the models inside the package, which load without a network."""
    return sorted(file.stem for file in SHIPPED.glob(f"*{ENDING}"))


def shipped_name(name: str) -> str | None:
    """Returns the full name of a shipped model, of that or without "aotgan-"; None for others."""
    return next((n for n in (name, f"{PREFIX}{name}") if n in shipped_models()), None)


def import_released(source: str | Path, destination: str | Path, prefix: str | None = None) -> Path:
    """Converts the authors' generator file (G0000000.pt) to this package's format.

    Their state-dict keys are mapped one to one (`released_name`); every name, shape and value is
    checked before anything is written. Names may begin with what a wrapper put before them, and the
    generator may lie in a container of other things; see `find_generator`.

    Args:
        source: the file, as torch.save or safetensors wrote it.
        destination: a .safetensors file; another one of other content is not replaced.
        prefix: with what the names of the generator to take begin, where the file has several.
            None: the only one, or the one called a moving average.

    Raises:
        InputError: not such a file, not their generator, values that are not finite, or a
            destination that cannot be used.
    """
    source, destination = Path(source), Path(destination)
    _check_destination(source, destination)
    # names are the same at every width
    names = [released_name(name) for name in _released_skeleton(1, source).state_dict()]
    begin, state = find_generator(_read_foreign(source), set(names), source, prefix)
    generator = _released_skeleton(state["encoder.1.weight"].shape[0], source)
    adopt(generator, {name: state[released_name(name)] for name in generator.state_dict()}, source)
    facts = {"source": "released by the paper's authors"} | ({"prefix": begin} if begin else {})
    data = packed(generator, facts)
    if destination.is_file() and destination.read_bytes() != data:
        raise InputError(
            f"{destination} is there already and holds something else than {source}: give another "
            f"name, for example {quoted(free_name(destination))}, or move it away."
        )
    return write_atomically(destination, data)


def _check_destination(source: Path, destination: Path) -> None:
    if destination.suffix != ENDING:
        raise InputError(
            f"{destination}: expected a name that ends in {ENDING}, for example "
            f"{quoted(free_name(destination))}."
        )
    if not source.is_file():
        raise InputError(
            f"no file {source}: give the path of the authors' G*.pt file.{_inside(source, 'G*.pt')}"
        )
    if destination.exists() and source.samefile(destination):
        raise InputError(
            f"{destination} is the file to read: give another name for the result, for example "
            f"{quoted(free_name(destination))}."
        )


def _read_foreign(source: Path) -> Any:
    """Reads a file of others: of torch.save, or safetensors without this package's mark."""
    if _kind_of(source).name != SAFETENSORS:
        return read_tensors(source, "a PyTorch state dict")
    metadata, tensors = _read(source)
    if metadata.get("format") == FORMAT:
        raise InputError(
            f"{source} is a weights file of this package already: give it where a model is asked "
            "for."
        )
    return tensors


def _half(value: Tensor) -> Tensor:
    narrow = value.half() if value.is_floating_point() else value
    # above 65,504 half precision has no number
    return narrow if narrow.isfinite().all() else value


def _in_order(data: bytes) -> bytes:
    """Sorts the metadata of a safetensors file, which come in a new order each time.

    Equal weights then give equal bytes, and a hash tells them.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors behind it start at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + data[end:]


def _released_skeleton(width: int, source: Path) -> Inpainter:
    return skeleton_of(json.dumps({"variant": "released", "width": width}), source)


def _kind_of(path: Path) -> FileKind:
    try:
        return kind_of(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Check who may.") from error


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    failure, kind = f"{path} is not a readable safetensors file", _kind_of(path)
    if kind.name == PYTORCH:
        raise InputError(
            f"{failure}: it is {kind.what}. If it holds the authors' generator, convert it: "
            f"{import_command(path)}. Of a training, give generator.safetensors beside it."
        )
    if kind.name != SAFETENSORS:
        raise InputError(f"{failure}: it is {kind.what}. {kind.remedy}")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{failure}: it is cut off or damaged ({printable(str(error))}). {AGAIN}"
        ) from error


def _check_learnt(path: str | Path | None) -> None:
    if path in CLASSICAL:
        raise InputError(
            f"{path} learns nothing and has no weights: give a weights file or one of the shipped "
            f"models ({', '.join(shipped_models()) or 'none'})."
        )


def _resolve(path: str | Path | None) -> Path:
    path = DEFAULT_MODEL if path is None else path
    if isinstance(path, str) and (name := shipped_name(path)):
        return SHIPPED / f"{name}{ENDING}"
    if not Path(path).is_file():
        names = shipped_models()
        raise InputError(
            f"no weights file {path}: give a .safetensors file or one of the shipped "
            f"models ({', '.join(names) or 'none'}).{_instead_of(Path(path), names)}"
        )
    return Path(path)


def _instead_of(path: Path, names: list[str]) -> str:
    """A sentence, after a space, on what else may be meant by a path that is no file."""
    choices = [*names, *(name.removeprefix(PREFIX) for name in names), *CLASSICAL]
    if str(path) in choices:
        return f" The name of a model is given as text, {str(path)!r}, not as a path."
    return _inside(path, f"*{ENDING}") or did_you_mean(path, choices)


def _inside(path: Path, pattern: str) -> str:
    """A sentence, after a space, on the files in a folder that was given; "" for none."""
    files = sorted(path.glob(pattern)) if path.is_dir() else []
    listed = ", ".join(map(quoted, files[:3]))
    return f" It is a folder that holds {listed}: give one of these." if files else ""
