"""The networks whose features the distances between sets of images are computed on (section 4.3).

Only with Inception's published weights is the Fréchet distance called FID. Where these cannot be
downloaded nothing is substituted: the caller asks for other features, and the name says so.

Pitfalls that are settled here: images go in as bytes, Inception is torch-fidelity's with
TensorFlow's bilinear resize, and features are float64, whatever the caller's autocast and TF32
settings are.

The released code's FID is yet another quantity (metric/inception.py): torchvision's ImageNet
weights, align_corners=True, and images in [0, 1] put through a transform meant for standardised
ones. The FID columns of the paper may stem from it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.files import sha256_of
from aotgan.losses.features import VGG19Features
from aotgan.losses.lite0 import NAME as LITE0
from aotgan.losses.lite0 import Lite0Features
from aotgan.losses.network import FeatureNetwork
from aotgan.metrics.distances import FRECHET, INTERVAL, KERNEL

FEATURES = ("inception", LITE0, "random")
INCEPTION_SIZE = 2048  # features of the last average pooling
RANDOM_WIDTH = 16  # channels of the first stage, a quarter of VGG-19
SMALLEST_PX = 16  # four halvings precede the deepest activation

# The activations whose channel means are compared. Of EfficientNet-Lite0 the rectified ones at 1/8
# of the side, in the middle of the network: 240, so that the 600 pairs of a table suffice for their
# covariance; no loss compares this layer. A cell sees 35 px. On the held-out scenes of scale laptop
# the kernel distance has the shipped model (0.29) ahead of cv2's Telea (0.42), nine standard errors
# of the difference, Navier-Stokes (0.46) and a harmonic surface (0.71). The Fréchet distance has
# the same order (5.1, 5.4, 5.7, 9.1), in which shipped model and Telea are not resolved, at 1.3.
# That of random features at five depths has Telea ahead (0.53 against 0.61).
LITE0_LAYERS = ("expand4",)
RANDOM_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

_OWN_SIZE = {
    "resize": "none: the network is applied at the image's own size",
    "input": "8-bit RGB, scaled to [-1, 1]",
}
_DETAILS = {
    "inception": {
        "features": "Inception v3, TensorFlow weights of 2015-12-05, last average pooling",
        "resize": "to 299 x 299, TensorFlow 1 bilinear without antialiasing (that of FID)",
        "input": "8-bit RGB, scaled to (x - 128) / 128",
    },
    LITE0: {
        "features": "EfficientNet-Lite0 trained on ImageNet, channel means of "
        + ", ".join(LITE0_LAYERS)
    }
    | _OWN_SIZE,
    "random": {
        "features": f"random VGG-19 of first width {RANDOM_WIDTH}, channel means of "
        + ", ".join(RANDOM_LAYERS)
    }
    | _OWN_SIZE,
}


class Embedding:
    """Turns images into features, for `aotgan.metrics.distances`.

    Args:
        features: "inception", the network of FID (its weights are downloaded on first use);
            "efficientnet-lite0", trained as well, whose weights are installed; or "random", a
            seeded random network.
        seed: seed of the random network; the others ignore it.
        device: where the features are computed.

    Attributes:
        protocol: what the two distances are, "frechet" and "kernel", for the record.

    Raises:
        InputError: unknown features, or trained weights that are neither there nor reachable.
    """

    def __init__(
        self, features: str = LITE0, seed: int = 0, device: str | torch.device = "cpu"
    ) -> None:
        if features not in FEATURES:
            raise InputError(f"features={features!r} is not known: give one of {FEATURES}.")
        self.device = torch.device(device)
        self._network = _network(features, seed).to(self.device)
        names = {
            LITE0: "EfficientNet-Lite0 features",
            "random": f"random features (seed {seed})",
        }
        # the established names are of Inception alone
        fid = features == "inception"
        details = _DETAILS[features] | {
            "dimensions": self._network.num_features,
            "interval": INTERVAL,
        }
        frechet = "FID" if fid else f"Frechet distance, {names[features]}"
        kernel = "KID" if fid else f"Kernel distance, {names[features]}"
        self.protocol = {
            "frechet": {"name": frechet, "formula": FRECHET, **details},
            "kernel": {"name": kernel, "formula": KERNEL, **details},
        }

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Returns the features, float64 (B, d), of uint8 images (B, 3, H, W).

        Raises:
            InputError: another type or shape, or less than 16 px a side.
        """
        _check(images)
        with _full_precision(self.device):
            return self._network(images.to(self.device))


def _network(features: str, seed: int) -> "InceptionFeatures | ChannelMeans":
    if features == "inception":
        return InceptionFeatures()
    if features == LITE0:
        return ChannelMeans(Lite0Features(LITE0_LAYERS), LITE0_LAYERS)
    return ChannelMeans(VGG19Features("random", width=RANDOM_WIDTH, seed=seed), RANDOM_LAYERS)


class InceptionFeatures(nn.Module):
    """Inception v3 as FID defines it: uint8 (B, 3, H, W) -> float64 (B, 2048)."""

    num_features = INCEPTION_SIZE

    def __init__(self) -> None:
        super().__init__()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        self.network = FeatureExtractorInceptionV3(
            "inception-v3-compat",
            [str(INCEPTION_SIZE)],
            feature_extractor_weights_path=str(inception_weights()),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Returns the pooled features of uint8 images."""
        return self.network(images)[0].double()


class ChannelMeans(nn.Module):
    """Spatial means of the activations of a network: uint8 (B, 3, H, W) -> float64 (B, d)."""

    def __init__(self, network: FeatureNetwork, layers: Sequence[str]) -> None:
        super().__init__()
        self.network, self.layers = network, layers
        probe = torch.zeros(1, 3, SMALLEST_PX, SMALLEST_PX, dtype=torch.uint8)
        self.num_features = self(probe).shape[1]

    def forward(self, images: Tensor) -> Tensor:
        """Returns the means of uint8 images, layer after layer."""
        taps = self.network(images.float() / 127.5 - 1)
        return torch.cat([taps[name].double().mean(dim=(2, 3)) for name in self.layers], dim=1)


def inception_weights() -> Path:
    """Returns the path of FID's Inception weights in torch's cache, downloading them if absent.

    Raises:
        InputError: no download possible, or the file's checksum is not the published one.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[1]
    digest = path.stem.rsplit("-", 1)[1]  # the name ends in the first digits of the SHA-256
    if path.exists():
        if not sha256_of(path).startswith(digest):
            raise InputError(f"{path} is damaged (its SHA-256 is not {digest}...). Delete it.")
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), digest, progress=False)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"Inception's weights cannot be downloaded ({error}). Put {URL_INCEPTION_V3} "
            f"at {path}, or ask for features='{LITE0}', whose values are not FID."
        ) from error
    return path


def _check(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise InputError(
            f"images are {images.dtype} of shape {tuple(images.shape)}: "
            "expected torch.uint8 of shape (B, 3, H, W)."
        )
    if min(images.shape[2:]) < SMALLEST_PX:
        raise InputError(
            f"images are {images.shape[2]} x {images.shape[3]} px: "
            f"features need at least {SMALLEST_PX} px a side."
        )


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Keeps the caller's autocast and TF32 settings out of the features."""
    cudnn: Any = torch.backends.cudnn
    current = hasattr(cudnn, "conv")  # torch 2.9 renamed the switch and refuses to mix the two
    holder, switch, exact = (
        (cudnn.conv, "fp32_precision", "ieee") if current else (cudnn, "allow_tf32", False)
    )
    before = getattr(holder, switch)
    setattr(holder, switch, exact)
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        setattr(holder, switch, before)
