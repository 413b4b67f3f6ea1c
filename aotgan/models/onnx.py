"""The generator as one ONNX file, for programs without PyTorch.

The graph is Eq. 2 as a whole: what goes in is a picture and its mask, what comes out is the filled
picture. Erasing the hole and putting the known pixels back are part of it, so that a caller in
another language cannot get the fill value or the composite wrong.
"""

import copy
import json
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.models.generator import STRIDE, Generator
from aotgan.models.inpainter import SURFACE, composite, erase
from aotgan.models.surface_onnx import surface_graph, surface_operation
from aotgan.models.weights import DEFAULT_MODEL, load_generator, read_metadata

FORMAT = "aotgan-onnx"
OPSET = 18  # runtimes from 2023 on read it
PACKAGES = ("onnx", "onnxscript")


def export_onnx(model: Generator | str | Path | None, path: str | Path) -> Path:
    """Writes a generator as a single ONNX file of any batch, height and width, atomically.

    The graph has two inputs and one output, all float32:

        image   (B, 3, H, W), RGB in [-1, 1]; what it shows in the hole does not matter
        mask    (B, 1, H, W), 1 = hole, 0 elsewhere
        filled  (B, 3, H, W) in [-1, 1], z of Eq. 2; known pixels are the image's own

    H and W must be multiples of 4 and at least `Generator.min_side`. The file's metadata has
    `format`, `config` (the generator's, as JSON), `interface` (the lines above, in short),
    `source`, and whatever facts the weights file holds, such as the terms of its data.

    Args:
        model: a network, the name of a shipped model, the path of a weights file, or None for
            `aotgan.models.weights.DEFAULT_MODEL`.
        path: destination, by custom ending in .onnx.

    Returns:
        The path as it was given.

    Raises:
        InputError: the packages that PyTorch exports with are not installed, no such model, or a
            destination that cannot be written.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"exporting to ONNX needs {' and '.join(missing)}: pip install 'aotgan[onnx]'."
        )
    generator = model if isinstance(model, Generator) else load_generator(model)
    facts = {"source": "a network in memory"} if isinstance(model, Generator) else _facts(model)
    program = _program(generator)
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces with the folders of this machine
    program.model.metadata_props.update(_metadata(generator, facts))
    return write_atomically(path, program.model_proto.SerializeToString())


class _Completion(nn.Module):
    """`Generator.complete` without its checks, whose conditions a graph cannot hold."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.network = copy.deepcopy(generator).float().cpu()  # the caller's stays as it is

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        network = self.network
        surface = network.fill == SURFACE
        masked = surface_operation(image, mask) if surface else erase(image, mask, network.fill)
        features = network.middle(network.encode(masked, mask))
        prediction = network.decode(features, masked)
        return composite(image, prediction.clamp(-1, 1), mask)


def _program(generator: Generator) -> Any:
    """The exported graph, a torch.onnx.ONNXProgram."""
    least = generator.min_side // STRIDE
    batch = torch.export.Dim("batch")
    height, width = (torch.export.Dim(name, min=least) for name in ("h", "w"))
    dynamic = {0: batch, 2: STRIDE * height, 3: STRIDE * width}
    # Sizes that are small, all different and not 1, which the exporter would take for constants.
    example = torch.zeros(2, 4, STRIDE * (least + 1), STRIDE * (least + 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on names of axes that two inputs share
        return torch.onnx.export(
            _Completion(generator).eval(),
            (example[:, :3], example[:, 3:]),
            input_names=["image", "mask"],
            output_names=["filled"],
            dynamic_shapes=(dynamic, dynamic),
            opset_version=OPSET,
            dynamo=True,
            custom_translation_table={torch.ops.aotgan.smooth_surface.default: surface_graph},
            optimize=True,
            verbose=False,
        )


def _facts(model: str | Path | None) -> dict[str, str]:
    """What the weights file says of itself; `source` is its name if it says nothing else."""
    name = Path(model or DEFAULT_MODEL).name
    return {"source": name} | read_metadata(model)


def _metadata(generator: Generator, facts: Mapping[str, str]) -> dict[str, str]:
    interface = (
        "image (B, 3, H, W) RGB in [-1, 1], mask (B, 1, H, W) with 1 = hole -> filled (B, 3, H, W)"
        f"; H and W multiples of {STRIDE}, at least {generator.min_side}"
    )
    own = {"format": FORMAT, "config": json.dumps(generator.config), "interface": interface}
    return {**facts, **own}
