"""Generator weights on disk: safetensors with their configuration, and the authors' published files.

A weights file holds tensors only, no code; its metadata holds `Generator.config`, so that a file
alone is enough to rebuild the network.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # raised by torch.load(weights_only=True) on code

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.models.generator import Generator

FORMAT = "aotgan-generator"
SHIPPED = Path(__file__).parents[1] / "weights"


def save_generator(
    generator: Generator, path: str | Path, metadata: Mapping[str, str] | None = None
) -> Path:
    """Writes weights and configuration to a .safetensors file, atomically.

    Args:
        generator: the network.
        path: destination.
        metadata: further facts worth keeping with the weights (data, steps, terms).
    """
    state = generator.state_dict()
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    facts = {**(metadata or {}), "format": FORMAT, "config": json.dumps(generator.config)}
    return write_atomically(path, save(tensors, metadata=facts))


def load_generator(path: str | Path | None = None, device: str = "cpu") -> Generator:
    """Rebuilds a generator from a weights file, in evaluation mode.

    Args:
        path: a .safetensors file written by `save_generator` or `import_released`, the name of a
            shipped model (`shipped_models`), or None for the first of these.
        device: where the weights go.

    Returns:
        The network: `generator(masked_image, mask)` is the raw prediction in [-1, 1],
        `generator.complete(image, mask)` the filled image.

    Raises:
        InputError: no such file, not such a file, or names and shapes that do not fit.
    """
    path = _resolve(path)
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} is a safetensors file without the mark {FORMAT!r}: expected a file written by "
            "aotgan. Import the authors' .pt file with `aotgan weights import` first."
        )
    generator = Generator(**json.loads(metadata["config"]))
    if all(value.dtype == torch.float64 for value in tensors.values()):
        generator.double()
    _load(generator, tensors, str(path))  # half-precision files become float32 here
    return generator.to(device).eval()


def read_metadata(path: str | Path | None = None) -> dict[str, str]:
    """Returns the facts stored with a weights file; arguments and errors as `load_generator`."""
    return _read(_resolve(path))[0]


def shipped_models() -> list[str]:
    """Names of the models inside the package, which load without a network."""
    return sorted(file.stem for file in SHIPPED.glob("*.safetensors"))


def import_released(source: str | Path, destination: str | Path) -> Path:
    """Converts the authors' generator file (G0000000.pt) to this package's format.

    Their state-dict keys are mapped one to one (`released_name`); every name and shape is checked
    before anything is written.

    Raises:
        InputError: not a plain state dict, or not that of their generator.
    """
    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"no file {source}: give the path of the authors' G*.pt file.") from error
    except (UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise InputError(
            f"{source} is not a readable PyTorch state dict ({type(error).__name__}). Expected the "
            "authors' G*.pt file; files that hold code are refused."
        ) from error
    _check_released(state, source)
    first = state["encoder.1.weight"]
    generator = Generator("released", width=first.shape[0]).to(first.dtype)
    renamed = {name: state[released_name(name)] for name in generator.state_dict()}
    _load(generator, renamed, str(source))
    return save_generator(generator, destination, {"source": "released by the paper's authors"})


def released_name(name: str) -> str:
    """Maps the name of one of our parameters to the authors' name of it.

    encoder.2.weight -> encoder.3.weight, middle.0.branches.3.bias -> middle.0.block03.1.bias,
    middle.0.fuse.weight -> middle.0.fuse.1.weight, middle.0.merge.conv.bias ->
    middle.0.gate.1.bias; the decoder's names are the same.
    """
    part, *rest = name.split(".")
    if part == "encoder":
        return f"encoder.{int(rest[0]) + 1}.{rest[1]}"
    if part == "decoder":
        return name
    block, layer, *rest = rest
    kind = rest[-1]
    if layer == "branches":
        return f"middle.{block}.block{int(rest[0]):02d}.1.{kind}"
    return f"middle.{block}.{'gate' if layer == 'merge' else layer}.1.{kind}"


def _check_released(state: object, source: str | Path) -> None:
    expected = {released_name(name) for name in Generator("released", width=4).state_dict()}
    names = set(state) if isinstance(state, dict) else set()
    if names != expected:
        hint = ""
        if "optimG" in names:
            hint = " This is their optimiser file (O*.pt)."
        elif any(str(name).startswith("conv.") for name in names):
            hint = " This is their discriminator (D*.pt)."
        raise InputError(
            f"{source} holds {len(names)} entries, {len(names & expected)} of the "
            f"{len(expected)} that their generator has.{hint} Give the file named G*.pt."
        )


def _load(generator: Generator, tensors: Mapping[str, Tensor], source: str) -> None:
    own = generator.state_dict()
    wrong = sorted(set(own) ^ set(tensors))
    if wrong:
        raise InputError(f"{source}: {len(wrong)} names do not fit the network, first {wrong[0]}.")
    for name, value in tensors.items():
        if value.shape != own[name].shape:
            raise InputError(
                f"{source}: {name} has shape {tuple(value.shape)}, expected "
                f"{tuple(own[name].shape)}."
            )
    generator.load_state_dict(dict(tensors))


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is not a readable safetensors file ({error}). Expected a file written by "
            "aotgan."
        ) from error


def _resolve(path: str | Path | None) -> Path:
    names = shipped_models()
    if path is None and names:
        path = names[0]
    if isinstance(path, str) and path in names:
        return SHIPPED / f"{path}.safetensors"
    if path is None or not Path(path).is_file():
        raise InputError(
            f"no weights file {path}: give a .safetensors file or one of the shipped models "
            f"({', '.join(names) or 'none'})."
        )
    return Path(path)

