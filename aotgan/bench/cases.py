"""What is measured: each case in several variants, which do the same work in different ways."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aotgan.apply.inpaint import inpaint
from aotgan.bench.plain import PlainGenerator, PlainStep
from aotgan.bench.timing import Work
from aotgan.errors import InputError
from aotgan.losses.features import VGG19Features
from aotgan.models.generator import Generator
from aotgan.models.onnx import PACKAGES, export_onnx
from aotgan.reproduce.runs.scales import make_config
from aotgan.training.config import DataConfig, LossConfig, OptimConfig, TrainConfig
from aotgan.training.devices import RunOptions, start_fabric
from aotgan.training.step import Step
from aotgan.winograd.convolution import winograd

RELEASED, DIRECT, FAST, COMPILED, ONNX = "released", "direct", "winograd", "compiled", "onnxruntime"
LABELS = {
    RELEASED: "released code, plain",
    DIRECT: "ours, PyTorch's convolutions",
    FAST: "ours",
    COMPILED: "ours, torch.compile",
    ONNX: "ours, ONNX Runtime",
}


@dataclass(frozen=True)
class Setting:
    """Where and how the cases run.

    Attributes:
        threads: of PyTorch, and of ONNX Runtime.
        folder: where exported networks lie that several processes read.
        device: "cpu", "cuda" or "mps".
        compiled: whether torch.compile is measured as well.
    """

    threads: int
    folder: Path
    device: str = "cpu"
    compiled: bool = False

    @property
    def place(self) -> torch.device:
        """The device as PyTorch has it."""
        return torch.device(self.device)

    @property
    def clock(self) -> str:
        """Which clock decides: "processor" or "wall".

        On one thread the processor's, which waiting for other programs does not move. On several
        that one misses how well the work is shared out, and on a GPU it means nothing.
        """
        return "processor" if self.device == "cpu" and self.threads == 1 else "wall"

    @property
    def ours(self) -> str:
        """The variant that users get."""
        return FAST if self.device == "cpu" and find_spec("numba") else DIRECT


@dataclass(frozen=True)
class Benchmark:
    """Something that is measured; it can be sent to another process.

    Attributes:
        name: for files.
        title: for people.
        size_px: longer side of the images.
        variants: ways to do it, of `LABELS`.
        against: the one that ours is to beat.
        make: builds a variant and returns what runs it once.
        goal: how many times as fast ours is to be at least; None where none was set.
    """

    name: str
    title: str
    size_px: int
    variants: tuple[str, ...]
    against: str
    make: Callable[[str, Setting], Work]
    goal: float | None = None

    def runnable(self, setting: Setting) -> list[str]:
        """Returns the variants that can run here."""
        on_cpu = setting.device == "cpu"
        there = {
            FAST: setting.ours == FAST,
            COMPILED: setting.compiled,
            ONNX: on_cpu and all(map(find_spec, (*PACKAGES, ONNX))),
        }
        return [name for name in self.variants if there.get(name, True)]


def inference(
    reading: str,
    size_px: int,
    goal: float | None = None,
    width: int = Generator.published_width,
) -> Benchmark:
    """One image with a hole, completed; `reading` is "released" or "paper"."""
    title = {"released": "released reading", "paper": "text's reading"}[reading]
    plain = (RELEASED,) if reading == "released" else ()
    variants = (*plain, DIRECT, FAST, COMPILED, ONNX)
    make = partial(_make_inference, reading, size_px, width)
    name = f"{reading}-{size_px}px"
    title = f"inference, {title}, {size_px} px"
    return Benchmark(name, title, size_px, variants, variants[0], make, goal)


def scale_step(
    width: int, batch: int, goal: float | None = None, size_px: int | None = None
) -> Benchmark:
    """One training step of the scale `laptop`, of another width and batch."""
    config = make_config("aotgan", "laptop")
    config = replace(
        config,
        generator={**config.generator, "width": width},
        discriminator_width=width,
        data=replace(config.data, size_px=size_px or config.data.size_px),
        optim=replace(config.optim, batch_size=batch),
    )
    size = config.data.size_px
    title = f"training step, width {width}, {size} px, batch {batch}"
    make = partial(_make_scale_step, config)
    return Benchmark(f"width{width}", title, size, (DIRECT, FAST), DIRECT, make, goal)


def released_step(
    size_px: int, batch: int, goal: float | None = None, width: int = Generator.published_width
) -> Benchmark:
    """One training step of the released code: its reading, losses, optimiser and weights."""
    config = TrainConfig(
        generator={"variant": "released", "width": width},
        discriminator_width=width,
        data=DataConfig(size_px=size_px),
        loss=LossConfig(objective="released", on_composite=False, features="random"),
        optim=OptimConfig(batch, betas=(0.5, 0.999)),
    )
    title = f"training step, released reading, width {width}, {size_px} px, batch {batch}"
    variants = (RELEASED, DIRECT, FAST, COMPILED)
    make = partial(_make_released_step, config)
    return Benchmark(f"released-{size_px}px", title, size_px, variants, RELEASED, make, goal)


def large_photograph(width: int, height: int, hole_px: int) -> Benchmark:
    """A photograph with a square hole in its middle, filled with the shipped model."""
    title = f"aotgan.inpaint, {width * height / 1e6:.3g} megapixels, hole of {hole_px} px"
    make = partial(_make_photograph, width, height, hole_px)
    name, longer = f"{width}x{height}", max(width, height)
    return Benchmark(name, title, longer, (DIRECT, FAST), DIRECT, make)


def _make_inference(reading: str, size_px: int, width: int, variant: str, setting: Setting) -> Work:
    torch.manual_seed(0)  # weights are drawn: time does not depend on them
    generator = Generator(reading, width=width).eval()
    image, mask = example(size_px, 1, setting.place)
    if variant == ONNX:
        file = setting.folder / f"{reading}-{width}.onnx"
        # exported once, for this process and those that measure memory
        if not file.exists():
            export_onnx(generator, file)
        return _runtime(file, setting.threads, image, mask)
    network = PlainGenerator(generator) if variant == RELEASED else generator
    network = network.to(setting.place)
    if variant == COMPILED:
        network.compile(options={"cpp.threads": setting.threads})
    complete = torch.no_grad()(network.complete)
    return _switched(partial(complete, image, mask), variant)


def _make_scale_step(config: TrainConfig, variant: str, setting: Setting) -> Work:
    step = Step(config, start_fabric(config, RunOptions(device=setting.device)))
    batch = example(config.data.size_px, config.optim.batch_size, setting.place)
    return _switched(partial(step, *batch), variant)


def _make_released_step(config: TrainConfig, variant: str, setting: Setting) -> Work:
    features = VGG19Features("random").to(setting.place)  # nor on these
    # the authors' tensors are contiguous
    options = RunOptions(channels_last=variant != RELEASED, compiled=variant == COMPILED)
    fabric = start_fabric(config, RunOptions(device=setting.device))
    ours = Step(config, fabric, options, features)
    step: Callable = PlainStep(ours, features) if variant == RELEASED else ours
    batch = example(config.data.size_px, config.optim.batch_size, setting.place)
    return _switched(partial(step, *batch), variant)


def _make_photograph(width: int, height: int, hole_px: int, variant: str, setting: Setting) -> Work:
    row = np.random.default_rng(0).integers(0, 255, (width, 3), dtype=np.uint8)
    image = np.tile(row, (height, 1, 1))
    left, top = (width - hole_px) // 2, (height - hole_px) // 2
    hole = [(left, top, left + hole_px, top + hole_px)]
    return _switched(partial(inpaint, image, hole, device=setting.device), variant)


CASES: dict[str, tuple[Benchmark, ...]] = {
    "inference": (
        inference("released", 256, goal=2.0),
        inference("released", 512, goal=2.0),
        inference("paper", 256),
    ),
    "training": (
        scale_step(width=16, batch=8, goal=2.2),
        scale_step(width=32, batch=4, goal=2.2),
        scale_step(width=64, batch=2, goal=2.2),
        released_step(size_px=256, batch=2, goal=3.5),
    ),
    "growth": tuple(
        replace(inference("released", side), variants=(RELEASED, FAST))
        for side in (128, 256, 512, 1024)
    ),
    "large": (large_photograph(6000, 4000, 512),),
}


def example(size_px: int, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Noise images (B, 3, H, W) in [-1, 1] with a square hole of a quarter of the area."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, size_px, size_px, generator=generator) * 2 - 1
    mask = torch.zeros(batch, 1, size_px, size_px)
    mask[:, :, size_px // 4 : 3 * size_px // 4, size_px // 4 : 3 * size_px // 4] = 1
    return image.to(device), mask.to(device)


def check_compiler() -> None:
    """Raises InputError where torch.compile cannot work, after seconds instead of minutes."""
    try:
        torch.compile(torch.sin)(torch.ones(2))
    except torch._dynamo.exc.TorchDynamoException as error:
        raise InputError(
            f"--compiled: torch.compile does not work here ({str(error).strip().splitlines()[0]}). "
            "It needs a C++ compiler, such as g++. Install one, or leave --compiled out."
        ) from error


def _switched(work: Work, variant: str) -> Work:
    def run() -> object:
        with winograd(variant == FAST):
            return work()

    return run


def _runtime(file: Path, threads: int, image: Tensor, mask: Tensor) -> Work:
    runtime = import_module(ONNX)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(
        str(file), sess_options=options, providers=["CPUExecutionProvider"]
    )
    inputs = {"image": image.numpy(), "mask": mask.numpy()}
    return lambda: session.run(None, inputs)
