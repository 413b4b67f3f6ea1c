"""Times our training step against a plain formulation of the released one, side by side.

The plain step computes the same losses in the arrangement of the authors' code: two feature
networks to relu5_4, each run on both images (loss/loss.py:18-56); three discriminator passes, with
gradients of the generator's loss through it (trainer/trainer.py:108-125); a dense 71x71 blur whose
kernel is rebuilt in every step (loss/common.py:68-131). Both steps alternate in one process, so
that whatever else the machine does falls on both.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from aotgan.errors import InputError
from aotgan.losses.features import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PERCEPTUAL_LAYERS,
    STYLE_LAYERS,
    VGG19Features,
    torchvision_indices,
)
from aotgan.losses.perceptual import perceptual_loss, style_loss
from aotgan.models.generator import Generator
from aotgan.models.inpainter import composite, erase
from aotgan.training.config import DataConfig, LossConfig, OptimConfig, TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.step import Step

BLUR_TAPS, BLUR_SIGMA = 71, 10.0
PEAK_SIDE = 4096  # of the matrix product that measures the device's peak; a quarter of it on CPU


@dataclass(frozen=True)
class Timing:
    """What `compare` measured.

    Attributes:
        device: its name, "cpu" for processors.
        size_px, batch: of the images.
        ours_s, plain_s: median seconds a step.
        ratio: median over rounds of plain / ours; how many times faster ours is.
        lowest, highest: of the rounds' ratios.
        images_per_s: of our step.
        tflops: arithmetic that our step does a second, multiply and add counted as two.
        peak_tflops: of a large matrix product in the same precision on the same device.
    """

    device: str
    size_px: int
    batch: int
    ours_s: float
    plain_s: float
    ratio: float
    lowest: float
    highest: float
    images_per_s: float
    tflops: float
    peak_tflops: float


class TorchvisionFeatures(nn.Module):
    """VGG-19 to its last activation, relu5_4, with the taps of both losses."""

    mean: Tensor
    std: Tensor

    def __init__(self, ours: VGG19Features):
        super().__init__()
        from torchvision.models import vgg19

        self.layers = vgg19(weights=None).features[:36]
        self.names = dict(zip(torchvision_indices(), ours.convs, strict=True))
        for index, name in self.names.items():
            self.layers[index].load_state_dict(ours.convs[name].state_dict())
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Returns the activations that the losses compare, of images in [-1, 1]."""
        x = ((image + 1) / 2 - self.mean) / self.std
        taps = {}
        for index, layer in enumerate(self.layers):
            x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
            name = self.names.get(index - 1)  # a ReLU follows its convolution
            if name in PERCEPTUAL_LAYERS or name in STYLE_LAYERS:
                taps[str(name)] = x
        return taps


class PlainStep:
    """The released step, written straightforwardly; same losses, weights and optimisers as ours."""

    def __init__(self, ours: Step, features: VGG19Features):
        self.ours = ours
        self.perceptual_features = TorchvisionFeatures(features).to(features.shift.device)
        self.style_features = TorchvisionFeatures(features).to(features.shift.device)

    def __call__(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Updates both networks on a batch (B, 3, H, W), (B, 1, H, W) and returns its losses."""
        ours = self.ours
        prediction = ours.generator(erase(image, mask, ours.generator.fill), mask)
        fake = composite(image, prediction, mask)
        perceptual, style = self.perceptual_features, self.style_features
        losses = {
            "reconstruction": F.l1_loss(prediction, image),
            "perceptual": perceptual_loss(perceptual(image), perceptual(prediction)),
            "style": style_loss(style(image), style(prediction)),
        }
        losses["discriminator"], losses["adversarial"] = self.adversarial(image, fake, mask)
        total = (
            losses["reconstruction"]
            + 0.1 * losses["perceptual"]
            + 250 * losses["style"]
            + 0.01 * losses["adversarial"]
        )
        for optimiser in ours.optimisers.values():
            optimiser.zero_grad()
        total.backward()
        losses["discriminator"].backward()
        for optimiser in ours.optimisers.values():
            optimiser.step()
        return {name: value.detach() for name, value in losses.items()}

    def adversarial(self, image: Tensor, fake: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of D and G as released (loss/loss.py:77-104)."""
        judge, size = self.ours.discriminator, mask.shape[2:]
        g_fake, d_fake, d_real = (
            F.interpolate(judge(x), size=size, mode="bilinear", align_corners=True)
            for x in (fake, fake.detach(), image)
        )
        label = dense_blur(mask)
        loss_d = F.mse_loss(d_fake, label) + F.mse_loss(d_real, torch.zeros_like(d_real))
        loss_g = F.mse_loss(g_fake, torch.ones_like(g_fake)) * mask / mask.mean()
        return loss_d, loss_g.mean()


def dense_blur(mask: Tensor) -> Tensor:
    """The 71x71 Gaussian as one dense kernel, built anew, zero padding (loss/common.py:68-179)."""
    x = torch.arange(BLUR_TAPS, dtype=mask.dtype) - BLUR_TAPS // 2
    line = torch.exp(-(x**2) / (2 * BLUR_SIGMA**2))
    line = line / line.sum()
    kernel = torch.outer(line, line).to(mask.device)[None, None]  # (1, 1, 71, 71)
    return F.conv2d(mask, kernel, padding=BLUR_TAPS // 2)


def compare(
    size_px: int = 256,
    batch: int = 2,
    rounds: int = 5,
    width: int = Generator.published_width,
    device: str = "auto",
    precision: str = "32-true",
    compiled: bool = False,
) -> Timing:
    """Times both steps alternately and returns medians and ratios.

    Args:
        size_px: side of the images.
        batch: images in a step.
        rounds: timed pairs, after one untimed warm-up (three where something is compiled).
        width: first channels of generator and discriminator.
        device: Fabric's accelerator.
        precision: of our step; the plain one is float32, as released.
        compiled: compile our generator; the plain one stays eager.

    Raises:
        InputError: no rounds.
    """
    if rounds < 1:
        raise InputError(f"rounds={rounds}: give at least 1.")
    config = TrainConfig(
        generator={"variant": "released", "width": width},
        discriminator_width=width,
        data=DataConfig(size_px=size_px),
        loss=LossConfig(objective="released", on_composite=False, features="random"),
        optim=OptimConfig(batch, betas=(0.5, 0.999)),
        precision=precision,
    )
    fabric = Fabric(
        accelerator=device,
        devices=1,
        precision=precision,  # type: ignore[arg-type]  # the configuration checked it
    )
    features = VGG19Features("random").to(fabric.device)
    eager = Fabric(accelerator=device, devices=1)
    plain = PlainStep(Step(config, eager, RunOptions(channels_last=False), features), features)
    ours = Step(config, fabric, RunOptions(compiled=compiled))
    image, mask = example(size_px, batch, fabric.device)

    def seconds(step: Callable[[Tensor, Tensor], object]) -> float:
        _synchronise(fabric.device)
        start = time.perf_counter()
        step(image, mask)
        _synchronise(fabric.device)
        return time.perf_counter() - start

    for _ in range(3 if compiled else 1):
        seconds(ours)
    seconds(plain)
    pairs = [(seconds(ours), seconds(plain)) for _ in range(rounds)]
    ratios = sorted(slow / fast for fast, slow in pairs)
    ours_s = median(fast for fast, _ in pairs)
    return Timing(
        device=_name(fabric.device),
        size_px=size_px,
        batch=batch,
        ours_s=ours_s,
        plain_s=median(slow for _, slow in pairs),
        ratio=median(ratios),
        lowest=ratios[0],
        highest=ratios[-1],
        images_per_s=batch / ours_s,
        tflops=count_flops(ours, features, image, mask) / ours_s / 1e12,
        peak_tflops=peak_flops(fabric.device, precision) / 1e12,
    )


def example(size_px: int, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Noise images (B, 3, H, W) in [-1, 1] with a square hole of a quarter of the area."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, size_px, size_px, generator=generator) * 2 - 1
    mask = torch.zeros(batch, 1, size_px, size_px)
    mask[:, :, size_px // 4 : 3 * size_px // 4, size_px // 4 : 3 * size_px // 4] = 1
    return image.to(device), mask.to(device)


def count_flops(step: Step, features: VGG19Features, image: Tensor, mask: Tensor) -> float:
    """Floating-point operations of one of our steps, from counted forward passes.

    A backward pass costs one forward for the gradients of the weights and one for those of the
    input. The generator needs both; the feature network runs on the real image, and on the fake
    with gradients of its input; the discriminator runs on both with both, and once more back to
    the composite.
    """
    costs = []
    for network, inputs in (
        (step.generator, (image, mask)),
        (features, (image,)),
        (step.discriminator, (image,)),
    ):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(*inputs)
        costs.append(counter.get_total_flops())
    generator, feature, discriminator = costs
    return float(3 * generator + (1 + 2) * feature + (3 + 4) * discriminator)


def peak_flops(device: torch.device, precision: str) -> float:
    """Floating-point operations a second of a large matrix product: best of five."""
    side = PEAK_SIDE if device.type == "cuda" else PEAK_SIDE // 4
    dtype = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    a = torch.randn(side, side, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        _synchronise(device)
        start = time.perf_counter()
        a @ a
        _synchronise(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
