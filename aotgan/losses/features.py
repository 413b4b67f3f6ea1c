"""Networks whose activations the perceptual and style losses of Section 3.3 compare (Eq. 6 and 7).

The paper's is Simonyan and Zisserman's VGG-19 (arXiv 1409.1556), cut after relu5_2, the deepest
activation that a loss uses. The layers are those of the released code (src/loss/loss.py:28-56); the
paper only says "the i-th layers". Where it cannot be downloaded, EfficientNet-Lite0 takes its place
(`aotgan.losses.lite0`), or a seeded random VGG on request.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.files import sha256_of
from aotgan.losses.lite0 import NAME as LITE0
from aotgan.losses.lite0 import Lite0Features
from aotgan.losses.network import FeatureNetwork
from aotgan.winograd.convolution import Conv2d

FEATURES = ("imagenet", LITE0, "random")

PERCEPTUAL_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
STYLE_LAYERS = ("relu2_2", "relu3_4", "relu4_4", "relu5_2")

CONVS_PER_STAGE = (2, 2, 4, 4, 2)  # VGG-19 has four in the fifth stage; nothing taps the last two
WIDTH_PER_STAGE = (1, 2, 4, 8, 8)  # in multiples of the first stage's width
VGG_WIDTH = 64
MIN_SIZE_PX = 16  # four poolings by two must leave a pixel

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of images in [0, 1]
IMAGENET_STD = (0.229, 0.224, 0.225)

CALIBRATION_IMAGES, CALIBRATION_SIZE_PX = 4, 128


class VGGFeatures(FeatureNetwork):
    """Frozen convolutions of a VGG; a subclass says which, and returns their activations.

    Args:
        features: "imagenet" for torchvision's trained weights (downloaded on first use), "random"
            for a seeded random network in which every activation has unit second moment. The two
            are not interchangeable: whoever uses "random" has to say so, and `name` does.
        width: Channels of the first stage; 64 gives VGG's 64, 128, 256, 512, 512.
        seed: Seed of the random weights.
        raw: Whether the network sees images in [0, 1] as they are, without ImageNet's mean and
            deviation.

    Attributes:
        depth: The number in the network's name.
        convs_per_stage: Convolutions between two poolings, as far as a loss uses them.

    Raises:
        InputError: Unknown `features`, a width that trained weights do not have, a width or seed
            out of range, or trained weights that cannot be downloaded or read.
    """

    depth: int
    convs_per_stage: Sequence[int]
    random_name: str
    min_size_px = MIN_SIZE_PX
    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        features: str = "imagenet",
        width: int = VGG_WIDTH,
        seed: int = 0,
        raw: bool = False,
    ) -> None:
        super().__init__()
        check_network(features, width, seed)
        # trained weights, or random ones that a seed tells and the name says
        layers = plan(width, self.convs_per_stage)
        if features == "imagenet":
            self.name = f"vgg{self.depth}-imagenet"
            weights = imagenet_weights(self.depth, self.convs_per_stage)
        else:
            self.name = f"{self.random_name}-{width}-seed{seed}"
            weights = random_weights(layers, seed)
        # on the meta device a convolution draws no default weights, so the global seed is untouched
        self.convs = nn.ModuleDict(
            {name: Conv2d(i, o, 3, padding=1, device="meta") for name, i, o in layers}
        )
        self.convs.load_state_dict(weights, assign=True)
        # [-1, 1] -> [0, 1] -> ImageNet's mean and deviation, as one multiplication and addition
        mean, std = (
            torch.tensor(v, dtype=torch.float32, device="cpu").view(1, 3, 1, 1)
            for v in (IMAGENET_MEAN, IMAGENET_STD)
        )
        # some releases feed their VGG with images in [0, 1] as they are
        if raw:
            self.name += "-raw"
            mean, std = torch.zeros_like(mean), torch.ones_like(std)
        self.register_buffer("scale", 0.5 / std, persistent=False)
        self.register_buffer("shift", (0.5 - mean) / std, persistent=False)
        # random layers are scaled until all of them count alike, as trained ones do
        if features == "random":
            self._normalise(seed)
        self.requires_grad_(False).eval()

    def prepare(self, images: Tensor) -> Tensor:
        """Returns what the first convolution sees of images (B, 3, H, W) in [-1, 1].

        Raises:
            InputError: Not RGB, or smaller than 16 x 16.
        """
        self.check(images)
        return images * self.scale + self.shift

    @torch.no_grad()
    def _normalise(self, seed: int) -> None:
        """Scale the layers in sequence to unit second moment after ReLU (Mishkin and Matas 2016).

        Three significant digits of the scale are kept: the moment is then within 1 % of one, and
        differences in the last bits between thread counts cannot change the network.
        """
        x = calibration_images(seed) * self.scale + self.shift
        for name, conv in self.convs.named_children():
            y = activation(x, name, conv)
            rms = float(f"{y.double().square().mean().sqrt().item():.3g}")
            conv.get_parameter("weight").div_(rms)
            x = y / rms  # biases are zero, so scaling the weight scales the activation


class VGG19Features(VGGFeatures):
    """Frozen VGG-19 that returns the activations Eq. 6 and 7 compare, in one forward.

    Arguments and errors are those of `VGGFeatures`; `name` is "vgg19-imagenet" or
    "random-<width>-seed<seed>", with "-raw" at its end for raw images.
    """

    depth = 19
    convs_per_stage = CONVS_PER_STAGE
    random_name = "random"
    perceptual_layers = PERCEPTUAL_LAYERS
    style_layers = STYLE_LAYERS

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the activations under the names of PERCEPTUAL_LAYERS and STYLE_LAYERS.

        Args:
            images: RGB, (B, 3, H, W) in [-1, 1], at least 16 x 16.

        Returns:
            Activations after their ReLU; stage s has shape (B, C_s, H / 2^(s-1), W / 2^(s-1)).

        Raises:
            InputError: Not RGB or too small.
        """
        x = self.prepare(images)
        taps = {}
        for name, conv in self.convs.named_children():
            x = activation(x, name, conv)
            if name in PERCEPTUAL_LAYERS or name in STYLE_LAYERS:
                taps[name] = x
        return taps


def make_features(
    features: str,
    width: int = VGG_WIDTH,
    vgg: type[VGGFeatures] = VGG19Features,
    raw: bool = False,
) -> FeatureNetwork:
    """Returns the network that a configuration names, frozen.

    Args:
        features: one of FEATURES. "efficientnet-lite0" takes the place of any VGG.
        width: channels of the first stage of a random network; the default for others.
        vgg: which VGG the other two stand for.
        raw: of it, see `VGGFeatures`.

    Raises:
        InputError: as `VGGFeatures` and `Lite0Features`, or another width than a trained network's.
    """
    if features != LITE0:
        return vgg(features, width, raw=raw)
    check_width(features, width)
    return Lite0Features()


def activation(x: Tensor, name: str, conv: nn.Module) -> Tensor:
    """Layer `name` of a VGG: pooling in front of a stage's first convolution, then conv, ReLU."""
    if name.endswith("_1") and name != "relu1_1":
        x = F.max_pool2d(x, 2)
    # in place is safe: it overwrites the convolution's own output, never an activation handed out
    return F.relu(conv(x), inplace=True)


def plan(width: int, convs_per_stage: Sequence[int]) -> list[tuple[str, int, int]]:
    """Name, input channels and output channels of each convolution."""
    layers, channels = [], 3
    for stage, convs in enumerate(convs_per_stage, start=1):
        factor = WIDTH_PER_STAGE[stage - 1]
        for index in range(1, convs + 1):
            layers.append((f"relu{stage}_{index}", channels, factor * width))
            channels = factor * width
    return layers


def random_weights(layers: Sequence[tuple[str, int, int]], seed: int) -> dict[str, Tensor]:
    """He-initialised weights and zero biases, drawn from a generator of their own."""
    generator = torch.Generator("cpu").manual_seed(seed)
    weights = {}
    for name, fan_in, out in layers:
        noise = torch.randn(
            (out, fan_in, 3, 3), generator=generator, device="cpu", dtype=torch.float32
        )
        weights[f"{name}.weight"] = noise * math.sqrt(2 / (9 * fan_in))
        weights[f"{name}.bias"] = torch.zeros(out, device="cpu", dtype=torch.float32)
    return weights


def calibration_images(seed: int) -> Tensor:
    """Seeded noise with the statistics of photographs: amplitude 1 / f and correlated channels.

    Returns:
        (4, 3, 128, 128) in [-1, 1]; 0.9 of each channel's amplitude is shared luminance.
    """
    n, size = CALIBRATION_IMAGES, CALIBRATION_SIZE_PX
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn((n, 4, size, size), generator=generator, device="cpu", dtype=torch.float32)
    f_y = torch.fft.fftfreq(size, device="cpu", dtype=torch.float32)[:, None]
    f_x = torch.fft.rfftfreq(size, device="cpu", dtype=torch.float32)[None]
    frequency = torch.hypot(f_y, f_x).clamp_min(1 / size)  # (size, size / 2 + 1), finite at zero
    layers = torch.fft.irfft2(torch.fft.rfft2(noise) / frequency, s=(size, size))
    layers = layers / layers.std(dim=(2, 3), keepdim=True)  # (n, 4, size, size)
    images = 0.9 * layers[:, :1] + math.sqrt(1 - 0.9**2) * layers[:, 1:]  # (n, 3, size, size)
    return (0.5 * images).clamp(-1, 1)


def imagenet_weights(depth: int, convs_per_stage: Sequence[int]) -> dict[str, Tensor]:
    """Load the convolutions of torchvision's VGG, downloading the file on first use.

    Args:
        depth: 19 or 16.
        convs_per_stage: Which of them to keep, see `plan`.

    Raises:
        InputError: The file is neither in the cache nor downloadable, or is damaged.
    """
    from torchvision import models

    entry = getattr(models, f"VGG{depth}_Weights").IMAGENET1K_V1
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
    # PyTorch checks a download but never a file that is already there, such as a partial copy
    if path.exists() and not sha256_of(path).startswith(path.stem.split("-")[1]):
        raise InputError(f"{path} is damaged: its SHA-256 is not in its name; delete it, try again")
    try:
        state = entry.get_state_dict(
            progress=True, check_hash=True, map_location="cpu", weights_only=True
        )
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"VGG-{depth}'s ImageNet weights could not be loaded ({error}); expected {path}, "
            f'downloaded from {entry.url}: put that file there, or pass features="random" for a '
            "seeded random network, which gives different losses and has to be reported as such"
        ) from error
    # torchvision numbers the layers, the paper names them
    return {
        f"{name}.{kind}": state[f"features.{index}.{kind}"]
        for (name, _, _), index in zip(
            plan(VGG_WIDTH, convs_per_stage), torchvision_indices(convs_per_stage), strict=True
        )
        for kind in ("weight", "bias")
    }


def torchvision_indices(convs_per_stage: Sequence[int] = CONVS_PER_STAGE) -> list[int]:
    """Positions of the convolutions in `features` of torchvision's VGG, by default of VGG-19."""
    indices, position = [], 0
    for convs in convs_per_stage:
        indices += [position + 2 * i for i in range(convs)]  # conv, ReLU, conv, ReLU, ...
        position += 2 * convs + 1  # ... and a pooling
    return indices


def check_network(features: str, width: int, seed: int) -> None:
    """Raise InputError for a network that does not exist."""
    if features not in ("imagenet", "random"):
        raise InputError(f'features is {features!r}, expected "imagenet" or "random"')
    check_width(features, width)
    if width < 1 or seed < 0:
        raise InputError(f"width {width} and seed {seed} given, expected width >= 1 and seed >= 0")


def check_width(features: str, width: int) -> None:
    """Raise InputError for trained features with another width than the default."""
    if features != "random" and width != VGG_WIDTH:
        raise InputError(
            f"width {width} given, but trained networks have one width each; leave it at "
            f'{VGG_WIDTH}, or pass features="random" for another width'
        )
