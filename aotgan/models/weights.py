"""Weights of generators on disk: safetensors with their configuration; the authors' files.

A weights file holds tensors only, no code; its metadata holds the network's `config`, so that a
file alone is enough to rebuild the network.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.overrides import TorchFunctionMode

from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.models.generator import Generator
from aotgan.models.inpainter import Inpainter
from aotgan.models.registry import CLASSICAL, build

FORMAT = "aotgan-generator"
SHIPPED = Path(__file__).parents[1] / "weights"


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
    state = generator.state_dict()
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    facts = {**(metadata or {}), "format": FORMAT, "config": json.dumps(generator.config)}
    return write_atomically(path, _in_order(save(tensors, metadata=facts)))


def halve(source: str | Path, destination: str | Path) -> Path:
    """Copies a weights file in half precision, atomically: half as large.

    `load_inpainter` makes float32 of it again. The rounding changes the shipped model's PSNR by
    0.0006 dB in the mean and by 0.004 dB at most over 120 held-out pairs.

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
            shipped model (`shipped_models`), or None for the first of these. The name of a
            classical filling (`aotgan.models.registry.CLASSICAL`) gives that, without a file.
        device: where the weights go.

    Returns:
        The network: `model(masked_image, mask)` is the raw prediction in [-1, 1],
        `model.complete(image, mask)` the filled image. Its weights are float64 if all in the
        file are, else float32.

    Raises:
        InputError: no such file, not such a file, names and shapes that do not fit, or a device
            that this machine lacks.
    """
    if path in CLASSICAL:
        return build({"model": path}).eval()
    path = _resolve(path)
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} is a safetensors file without the mark {FORMAT!r}: expected a file written by "
            "aotgan. Import the authors' .pt file with `aotgan weights import` first."
        )
    model = _skeleton_of(metadata.get("config", ""), path)
    _adopt(model, tensors, path)
    try:
        return model.to(device).eval()
    except (AssertionError, RuntimeError) as error:  # torch's two ways to say that it is not there
        raise InputError(
            f"device {device}: {error} Choose cpu, or a device that is there."
        ) from error


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
    state = _read_released(source)
    width = state["encoder.1.weight"].shape[0]
    generator = _released_skeleton(width, source)
    _adopt(generator, {name: state[released_name(name)] for name in generator.state_dict()}, source)
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


def _read_released(source: str | Path) -> dict[str, Tensor]:
    """Returns the authors' state dict, once its entries are known to be those of the generator."""
    if not Path(source).is_file():
        raise InputError(f"no file {source}: give the path of the authors' G*.pt file.")
    state = read_tensors(
        source, "a PyTorch state dict", "Expected a G*.pt; files that hold code are refused."
    )
    expected = {released_name(name) for name in _released_skeleton(1, source).state_dict()}
    names = set(state) if isinstance(state, dict) else set()
    if names != expected:
        raise InputError(
            f"{source} holds {len(names)} entries, {len(names & expected)} of the "
            f"{len(expected)} that their generator has.{_hint(names)} Give the file named G*.pt."
        )
    if not all(isinstance(value, Tensor) and value.ndim for value in state.values()):
        raise InputError(
            f"{source}: some of its entries are no weights. Give the file named G*.pt."
        )
    return state


def read_tensors(path: str | Path, kind: str, remedy: str) -> Any:
    """Reads onto the CPU what torch.save wrote, and refuses files that hold code.

    Args:
        path: the file.
        kind: what it should be, for the message.
        remedy: the sentence of the message that says what to do.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged files; all mean the same here
        raise InputError(
            f"{path} cannot be read as {kind} ({type(error).__name__}). {remedy}"
        ) from error


def _half(value: Tensor) -> Tensor:
    narrow = value.half() if value.is_floating_point() else value
    return narrow if narrow.isfinite().all() else value


def _hint(names: set[object]) -> str:
    if "optimG" in names:
        return " This is their optimiser file (O*.pt)."
    if any(str(name).startswith("conv.") for name in names):
        return " This is their discriminator (D*.pt)."
    return ""


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


class _NoInit(TorchFunctionMode):
    """Leaves weights undrawn and spectral norms unestimated.

    On the meta device, where nothing has numbers, both would import torch's compiler: seconds.
    What they return has the right shape alone.
    """

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func in (torch.mv, torch.vdot):
            return args[0][..., 0]
        drawn = getattr(func, "__module__", None) == "torch.nn.init"
        if drawn or func in (Tensor.normal_, F.normalize, Tensor.div):
            return args[0] if args else None
        return func(*args, **(kwargs or {}))


def skeleton(config: Mapping[str, Any]) -> Inpainter:
    """Makes a network without memory and without random numbers; argument as `registry.build`."""
    with torch.device("meta"), _NoInit():
        return build({**config})


def _skeleton_of(config: str, source: str | Path) -> Inpainter:
    """Makes the network of a JSON configuration that a file holds."""
    try:
        return skeleton(json.loads(config))
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise InputError(
            f"{source}: its configuration {config!r} describes no model ({error}). The file is "
            "damaged or was written by another version."
        ) from error


def _released_skeleton(width: int, source: str | Path) -> Inpainter:
    return _skeleton_of(json.dumps({"variant": "released", "width": width}), source)


def _adopt(generator: Inpainter, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Puts the tensors into a network that has none yet, once names, shapes and types fit."""
    own = generator.state_dict()
    if wrong := sorted(set(own) ^ set(tensors)):
        raise InputError(f"{source}: {len(wrong)} names do not fit the network, first {wrong[0]}.")
    for name, value in tensors.items():
        floating = own[name].is_floating_point()  # all but the counters of batch normalisation
        if value.shape != own[name].shape or value.is_floating_point() != floating:
            raise InputError(
                f"{source}: {name} is {value.dtype} of shape {tuple(value.shape)}, expected "
                f"{'floating point' if floating else own[name].dtype} of shape "
                f"{tuple(own[name].shape)}."
            )
    types = {value.dtype for value in tensors.values() if value.is_floating_point()}
    dtype = torch.float64 if types == {torch.float64} else torch.float32
    # copies: the file may be mapped into memory, and may change
    copies = {
        name: value.to(dtype if value.is_floating_point() else value.dtype, copy=True)
        for name, value in tensors.items()
    }
    generator.load_state_dict(copies, assign=True)


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
            f"no weights file {path or 'given'}: give a .safetensors file or one of the shipped "
            f"models ({', '.join(names) or 'none'})."
        )
    return Path(path)
