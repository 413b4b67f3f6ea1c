"""MNPS: Multi-Scale Neural Patch Synthesis (Yang et al., CVPR 2017), for centre squares alone.

A content network (the Context Encoder of Pathak et al., CVPR 2016) predicts the centre of a small
image. Pasted into the photograph, it is the start of a texture optimisation from coarse to fine
(`aotgan.models.baselines.texture`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aotgan.data.masks import centre_mask
from aotgan.errors import InputError
from aotgan.losses.features import VGG_WIDTH, VGG19Features, check_network
from aotgan.models.baselines.texture import (
    Hole,
    TextureEnergy,
    feature_network,
    minimise,
    paste,
)
from aotgan.models.generator import init_normal
from aotgan.models.inpainter import Inpainter

FULL_BOTTLENECK = 4000
NETWORK_PX = 128  # side of the content network's input
CENTRE_PX = 64  # side of its output, which covers the hole of 56 px and a rim
RIM_PX = 4  # known pixels around the hole that the output covers, too
HOLE_LEVELS = (117, 104, 123)  # 8-bit RGB that the content network sees in the hole (released)
SCALES = 3
COARSEST_PX = 128  # side of the image at the coarsest scale
STEP_PX = 32  # the hole has whole pixels in images whose side is a multiple of it

PUBLISHED_ITERATIONS = 100  # of L-BFGS, a scale (released code)


class ContentNetwork(nn.Module):
    """Predicts the centre of a small image: the Context Encoder with ELU.

    4x4 convolutions to a bottleneck of one pixel and back, batch normalisation after all but the
    first and the last. Weights from N(0, 0.02), scaled with the width as `init_normal` does, those
    of the normalisation from N(1, 0.02).

    Args:
        width: channels of the first convolution, 64 in full.
        bottleneck: channels of the bottleneck, 4000 in full.
    """

    def __init__(self, width: int, bottleneck: int):
        super().__init__()
        w = width
        down = [3, w, w, 2 * w, 4 * w, 8 * w]
        up = [8 * w, 4 * w, 2 * w, w]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip(down, down[1:], strict=False)):
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            layers += [nn.ELU()] if i == 0 else [nn.BatchNorm2d(after), nn.ELU()]
        layers += [nn.Conv2d(8 * w, bottleneck, 4), nn.BatchNorm2d(bottleneck), nn.ELU()]
        layers += [nn.ConvTranspose2d(bottleneck, 8 * w, 4), nn.BatchNorm2d(8 * w), nn.ELU()]
        for before, after in zip(up, up[1:], strict=False):
            layers.append(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1))
            layers += [nn.BatchNorm2d(after), nn.ELU()]
        layers += [nn.ConvTranspose2d(w, 3, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        init_normal(self, width)
        init_normal(layers[0], 64)  # sums the same three channels at every width
        init_batch_norm(self)

    def forward(self, image: Tensor) -> Tensor:
        """Maps (B, 3, 128, 128) of `network_input` to the centre, (B, 3, 64, 64) in [-1, 1]."""
        return self.layers(image)


class MNPS(Inpainter):
    """Content network and texture optimisation for a centred square hole of 7/16 of the side.

    Publication and release work on 512 px: the content network sees the image at 128 px, and the
    scales of the optimisation are 128, 256 and 512 px. Here the content network sees every image at
    128 px, and the scales are the side, its half and its quarter, as far as they are at least 128
    px and multiples of 32: one scale for an image of up to 255 px, two for 256 px.

    The images of a batch are computed one by one, so that the result does not depend on the others.

    Simplified: see `simplified`.

    Args:
        width: channels after the first convolution of the content network.
        bottleneck: channels of its bottleneck; by default 4000 of width 64, in proportion.
        iterations: of L-BFGS, a scale.
        alpha: weight of the texture term.
        beta: weight of the total variation.
        features: network of the texture term: "imagenet" (VGG-19, the published one) or "random".
            No other trained network: alpha weighs squared distances of VGG's unbounded activations,
            in units of 8-bit levels, and has no meaning for bounded ones such as ReLU6's.
        feature_width: channels of its first stage.
    """

    multiple = STEP_PX
    simplified: tuple[str, ...] = (
        "The most similar patches are looked up once a scale, as in the released code.",
        "Pixels are in [-1, 1] and activations are those of 8-bit levels; no units are published.",
        "Pixels of the hole alone are optimised, known ones are fixed.",
        "No rotated or scaled copies of patches (released code only).",
        "The content network always works at 128 px; images below 512 px have fewer scales.",
        "Batch normalisation fills holes with its running statistics.",
    )

    def __init__(
        self,
        width: int = 64,
        bottleneck: int | None = None,
        iterations: int = PUBLISHED_ITERATIONS,
        alpha: float = 5e-6,
        beta: float = 5e-6,
        features: str = "imagenet",
        feature_width: int = VGG_WIDTH,
    ):
        super().__init__()
        # a narrow network keeps the published ratio of bottleneck to width
        if bottleneck is None:
            bottleneck = max(1, FULL_BOTTLENECK * width // self.published_width)
        if min(width, bottleneck, iterations) < 1 or min(alpha, beta) < 0:
            raise InputError(
                f"width={width}, bottleneck={bottleneck}, iterations={iterations}, alpha={alpha}, "
                f"beta={beta}: the first three must be at least 1, the last two at least 0."
            )
        # a wrong name is noticed here, though the features are built at first use
        check_network(features, feature_width, 0)
        self.fill = 0.0
        self.config = {
            "model": "mnps",
            "width": width,
            "bottleneck": bottleneck,
            "iterations": iterations,
            "alpha": alpha,
            "beta": beta,
            "features": features,
            "feature_width": feature_width,
        }
        # what departs from the publication goes into captions
        if iterations != PUBLISHED_ITERATIONS:
            text = f"{iterations} iterations a scale instead of {PUBLISHED_ITERATIONS}."
            self.simplified = (text, *self.simplified)
        if features == "random":
            self.qualifier = "texture term on random features"
            text = "The texture term compares random features instead of VGG-19's."
            self.simplified = (text, *self.simplified)
        self.content = ContentNetwork(width, bottleneck)

    @property
    def min_side(self) -> int:
        """In smaller images no patch of relu3_1 is clear of the hole."""
        return 2 * STEP_PX

    def check(self, image: Tensor, mask: Tensor) -> None:
        """Refuses what `Inpainter.check` does, images that are not square, and other holes."""
        super().check(image, mask)
        height, width = image.shape[2:]
        hole = torch.from_numpy(centre_mask(height, width)).to(mask)
        if height != width or not bool((mask == hole).all()):
            first, stop = hole_of(min(height, width))
            raise InputError(
                f"MNPS fills nothing but the centred square of 7/16 of the side of a square image, "
                f"{stop - first} px here: the image has {height}x{width} px and a mask with "
                f"{float(mask.mean()):.1%} hole. Use masks of the kind 'centre', or another model."
            )

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns the images with their holes filled, (B, 3, S, S) in [-1, 1].

        It optimises, whether or not the caller records gradients, and passes none on: the content
        network is trained by itself.

        Args:
            masked_image: (B, 3, S, S) in [-1, 1]; what it shows in the hole is not looked at.
            mask: (B, 1, S, S), 1 in the centred square.

        Raises:
            InputError: another shape or hole, or features that cannot be loaded.
        """
        self.check(masked_image, mask)
        with (
            torch.inference_mode(False),  # which records gradients, as the optimisation needs
            torch.autocast(masked_image.device.type, enabled=False),
            self._running_statistics(),
        ):
            images = masked_image.detach().clone()  # an inference tensor's gradient is refused
            return torch.cat([self._fill(image) for image in images.split(1)])

    def features(self, device: torch.device, dtype: torch.dtype) -> VGG19Features:
        """Returns the network of the texture term.

        Raises:
            InputError: trained weights that cannot be loaded.
        """
        kind, width = self.config["features"], self.config["feature_width"]
        return feature_network(kind, width, device, dtype)

    def paste_content(self, image: Tensor, side: int) -> Tensor:
        """Returns images (B, 3, S, S) at `side` px with the prediction in the hole."""
        prediction = self.content(network_input(image))  # (B, 3, 64, 64)
        rim = RIM_PX * side // NETWORK_PX
        inner = resize(prediction, side // 2)[:, :, rim:-rim, rim:-rim]
        return paste(shrink(image, side), inner, hole_of(side))

    def _fill(self, image: Tensor) -> Tensor:
        """Fills one image, (1, 3, S, S)."""
        network = self.features(image.device, image.dtype)
        alpha, beta = self.config["alpha"], self.config["beta"]
        sides = scales_of(image.shape[-1])
        with torch.no_grad():
            filled = self.paste_content(image, sides[0])
        for side in sides:
            hole = hole_of(side)
            first, stop = hole
            guess = resize(filled, side)[:, :, first:stop, first:stop]
            start = paste(shrink(image, side), guess, hole)  # (1, 3, side, side)
            energy = TextureEnergy(start, hole, network, alpha, beta)
            content = minimise(energy, self.config["iterations"]).clamp(-1, 1)
            filled = paste(start, content, hole)
        return filled

    @contextmanager
    def _running_statistics(self) -> Iterator[None]:
        """Has batch normalisation neither look at the other images nor learn from them."""
        training = self.content.training
        self.content.eval()
        try:
            yield
        finally:
            self.content.train(training)


def scales_of(side: int) -> list[int]:
    """Sides of the image from coarse to fine; see `MNPS`."""
    halved = [side // 2**level for level in range(1, SCALES)]
    coarse = [part for part in halved if part >= COARSEST_PX and part % STEP_PX == 0]
    return [*reversed(coarse), side]


def hole_of(side: int) -> Hole:
    """Where the hole of an image of this side is: 144 to 368 of 512 px."""
    return 9 * side // STEP_PX, 23 * side // STEP_PX


def network_input(image: Tensor) -> Tensor:
    """Returns images (B, 3, S, S) as the content network sees them, (B, 3, 128, 128)."""
    small = shrink(image, NETWORK_PX)
    colour = small.new_tensor(HOLE_LEVELS).view(1, 3, 1, 1) / 127.5 - 1
    return paste(small, colour, hole_of(NETWORK_PX))


def network_target(image: Tensor) -> Tensor:
    """Returns what the content network should answer: hole and rim, (B, 3, 64, 64)."""
    first, stop = hole_of(NETWORK_PX)
    part = slice(first - RIM_PX, stop + RIM_PX)
    return shrink(image, NETWORK_PX)[:, :, part, part]


def shrink(image: Tensor, side: int) -> Tensor:
    """Averages over areas, whose edges meet those of the hole: nothing of it leaks out."""
    return image if image.shape[-1] == side else F.interpolate(image, (side, side), mode="area")


def resize(image: Tensor, side: int) -> Tensor:
    """Resamples (B, 3, S, S) bilinearly, antialiased where it shrinks."""
    if image.shape[-1] == side:
        return image
    return F.interpolate(image, (side, side), mode="bilinear", antialias=True)


def init_batch_norm(network: nn.Module) -> None:
    """Draws the scales of batch normalisation from N(1, 0.02), as DCGAN does."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
