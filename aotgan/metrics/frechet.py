"""Fréchet distance between real and filled images (FID, section 4.3), through torchmetrics.

Only with Inception's published weights is the distance called FID. Without a network connection
nothing is substituted: the caller asks for seeded random features, and the name says so.

Pitfalls of torchmetrics that are settled here: images go in as bytes (its float path truncates),
Inception is torch-fidelity's with TensorFlow's bilinear resize (torchmetrics' own copy antialiases
by default, or not, depending on its version), features are float64 before they are summed and the
result is not cast back to float32, and a process group does not make one process wait for others.

The released code's FID is yet another quantity (metric/inception.py): torchvision's ImageNet
weights, align_corners=True, and images in [0, 1] put through a transform meant for standardised
ones. The FID columns of the paper may stem from it.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from aotgan.errors import InputError
from aotgan.files import sha256_of

FEATURES = ("inception", "random")
INCEPTION_SIZE = 2048  # features of the last average pooling
RANDOM_WIDTH = 16  # channels of the first stage, a quarter of VGG-19
RANDOM_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SMALLEST_PX = 16  # four halvings precede the deepest tap

_FORMULA = "|mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)), covariances over n - 1"
_INCEPTION_PROTOCOL = {
    "features": "Inception v3, TensorFlow weights of 2015-12-05, last average pooling, 2048",
    "resize": "to 299 x 299, TensorFlow 1 bilinear without antialiasing (that of the original FID)",
    "input": "8-bit RGB, scaled to (x - 128) / 128",
}
_RANDOM_PROTOCOL = {
    "features": f"random VGG-19 of first width {RANDOM_WIDTH}, channel means of "
    + ", ".join(RANDOM_TAPS),
    "resize": "none: the network is applied at the image's own size",
    "input": "8-bit RGB, scaled to [-1, 1]",
}


class FrechetDistance:
    """Fréchet distance of two sets of images, fed in batches of any size and order.

    d^2 = |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)) for the means mu and covariances S of
    the features. It is biased upwards by a term that shrinks with the number of images: compare
    only values of equal counts.

    Args:
        features: "inception", the network of FID (its weights are downloaded on first use), or
            "random", a seeded random network that needs no download.
        seed: seed of the random network; Inception ignores it.
        device: where the features are computed and summed.

    Raises:
        InputError: unknown features, or Inception's weights are neither cached nor reachable.
    """

    def __init__(
        self, features: str = "inception", seed: int = 0, device: str | torch.device = "cpu"
    ) -> None:
        if features not in FEATURES:
            raise InputError(f"features={features!r} is not known: give one of {FEATURES}.")
        if features == "inception":
            network: InceptionFeatures | RandomFeatures = InceptionFeatures()
            self.name, details = "FID", _INCEPTION_PROTOCOL
        else:
            network = RandomFeatures(seed)
            self.name = f"Frechet distance, random features (seed {seed})"
            details = _RANDOM_PROTOCOL
        self.protocol = {"name": self.name, "formula": _FORMULA, **details}
        self.device = torch.device(device)
        self._network = network.to(self.device)
        self._statistics = _statistics(self._network.num_features, self.device)

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Adds images to both sets.

        Args:
            real: original images, uint8, (B, 3, H, W), at least 16 px a side.
            fake: filled images, uint8, (B, 3, H, W).

        Raises:
            InputError: another type or shape.
        """
        self.add(self.embed(real), self.embed(fake))

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Returns the features, float64 (B, d), of uint8 images (B, 3, H, W)."""
        _check(images)
        with _full_precision(self.device):
            return self._network(images.to(self.device))

    def add(self, real: Tensor, fake: Tensor) -> None:
        """Adds images by features that `embed` returned, so that several sets can share them."""
        self._statistics.update(real, real=True)
        self._statistics.update(fake, real=False)

    def compute(self) -> float:
        """Returns the distance, or NaN where a set has fewer than two images."""
        if self.count < 2:
            return float("nan")
        return max(0.0, float(self._statistics.compute()))  # rounding leaves -1e-5 for equal sets

    @property
    def count(self) -> int:
        """Number of images in the smaller set."""
        statistics = self._statistics
        return int(min(statistics.real_features_num_samples, statistics.fake_features_num_samples))

    def empty(self) -> "FrechetDistance":
        """Returns a distance that shares the network and has seen no images."""
        other = copy.copy(self)
        other._statistics = _statistics(self._network.num_features, self.device)
        return other


class _Given(nn.Identity):
    """Stands where torchmetrics expects a network: the features are computed beforehand."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def _statistics(num_features: int, device: torch.device) -> FrechetInceptionDistance:
    return FrechetInceptionDistance(_Given(num_features), sync_on_compute=False).to(device)


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


class RandomFeatures(nn.Module):
    """Channel means of a random VGG-19 at five depths: uint8 (B, 3, H, W) -> float64 (B, 368)."""

    num_features = RANDOM_WIDTH * (1 + 2 + 4 + 8 + 8)

    def __init__(self, seed: int) -> None:
        super().__init__()
        from aotgan.losses.features import VGG19Features

        self.network = VGG19Features("random", width=RANDOM_WIDTH, seed=seed)

    def forward(self, images: Tensor) -> Tensor:
        """Returns the spatial means of the taps of uint8 images."""
        taps = self.network(images.float() / 127.5 - 1)
        return torch.cat([taps[name].double().mean(dim=(2, 3)) for name in RANDOM_TAPS], dim=1)


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
            f"at {path}, or ask for features='random', whose values are not FID."
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
