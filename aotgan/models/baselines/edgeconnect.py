"""EdgeConnect: edges first, then colours (Nazeri et al., 2019).

EdgeConnect: Generative Image Inpainting with Adversarial Edge Learning,
https://arxiv.org/abs/1901.00212; released at github.com/knazeri/edge-connect.

G1 completes the edges that Canny's detector finds in known pixels, G2 the image from those edges.
Both networks see images in [0, 1], with 1 in the hole.
"""

import numpy as np
import torch
from skimage.feature import canny
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aotgan.errors import InputError
from aotgan.models.generator import init_normal
from aotgan.models.inpainter import Inpainter, composite, erase
from aotgan.winograd.convolution import Conv2d

BLOCKS = 8
SIGMA = 2.0  # of the Gaussian in front of Canny's detector, pixels
# A pixel further than this from the hole, along either axis, has the gradients and is thinned as
# without it: 8 for the Gaussian, 1 for the Sobel filter, 1 for the neighbours in thinning. Only a
# chain of weak edge pixels can still need a strong one that lies nearer.
CANNY_RADIUS = 10
LUMINANCE = (0.2125, 0.7154, 0.0721)  # of R, G and B in scikit-image's rgb2gray


class EdgeConnect(Inpainter):
    """G1 and G2 in a row.

    Args:
        width: channels of the first layer of both, 64 as published.

    Attributes:
        edge_network: G1, (B, 3, H, W) of `edge_input` to edges (B, 1, H, W) in (0, 1).
        image_network: G2, (B, 4, H, W) of `image_input` to the image (B, 3, H, W) in (-1, 1).

    Weights are N(0, 0.02) as published, by `init_normal`; only that of the two last layers matters,
    for the others are normalised.

    Simplified: see `simplified`.

    Raises:
        InputError: no channels.
    """

    simplified: tuple[str, ...] = (
        "The three stages of training are shares of the steps, at a constant learning rate.",
        # as in the authors' own schedule
        "No joint tuning of both networks after the third stage.",
        "Edges of known pixels are Canny's, as in training; the released test code takes G1's.",
    )
    fill = 1.0
    multiple = 4

    def __init__(self, width: int = 64):
        super().__init__()
        if width < 1:
            raise InputError(f"width={width}: must be at least 1.")
        self.config = {"model": "edgeconnect", "width": width}
        self.edge_network = nn.Sequential(*_layers(3, 1, width, spectral=True), nn.Sigmoid())
        # the released (tanh + 1) / 2 in this project's range
        self.image_network = nn.Sequential(*_layers(4, 3, width, spectral=False), nn.Tanh())

    @property
    def min_side(self) -> int:
        """Smallest image side: reflection by two needs three features."""
        return 3 * self.multiple

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns G2's prediction on the edges of `edges`, (B, 3, H, W) in (-1, 1).

        Args:
            masked_image: (B, 3, H, W) in [-1, 1], its hole set to 1 by `erase`.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Raises:
            InputError: see `check`.
        """
        edges = self.edges(masked_image, mask)
        return self.image_network(image_input(masked_image, edges, mask))

    def edges(self, image: Tensor, mask: Tensor) -> Tensor:
        """Returns the edges that G2 is given, (B, 1, H, W) in [0, 1].

        Canny's in known pixels, found by them alone, and G1's in the hole.

        Args:
            image: (B, 3, H, W) in [-1, 1]; what it shows inside the hole is not looked at, as long
                as it is finite.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Raises:
            InputError: see `check`.
        """
        self.check(image, mask)
        gray = to_gray(image)
        known = canny_edges(gray, mask)
        return composite(known, self.edge_network(edge_input(gray, known, mask)), mask)


def to_gray(image: Tensor) -> Tensor:
    """Luminance (B, 1, H, W) in [0, 1] of images (B, 3, H, W) in [-1, 1]."""
    weights = torch.tensor(LUMINANCE, dtype=image.dtype, device=image.device).view(1, 3, 1, 1)
    return ((image + 1) / 2 * weights).sum(dim=1, keepdim=True)


def canny_edges(gray: Tensor, mask: Tensor | None = None) -> Tensor:
    """Edges by scikit-image's Canny detector, sigma 2, on the CPU; no gradient flows through.

    Thresholds are the default 0.1 and 0.2, which belong to the range [0, 1].

    Args:
        gray: (B, 1, H, W) in [0, 1].
        mask: (B, 1, H, W) in {0, 1}, 1 = hole: takes no part in smoothing, and neither it nor its
            border shows edges. None for whole images.

    Returns:
        (B, 1, H, W) in {0, 1}, on gray's device.
    """
    images = gray.detach().cpu().double().numpy()[:, 0]  # integers would silently give no edges
    known = [None] * len(images) if mask is None else (mask == 0).cpu().numpy()[:, 0]
    edges = [canny(image, SIGMA, mask=part) for image, part in zip(images, known, strict=True)]
    return torch.from_numpy(np.stack(edges))[:, None].to(gray.device, gray.dtype)


def edge_input(gray: Tensor, edges: Tensor, mask: Tensor) -> Tensor:
    """What G1 sees: gray with 1 in the hole, edges with 0 in the hole, mask; (B, 3, H, W)."""
    return torch.cat([erase(gray, mask, 1.0), erase(edges, mask), mask], dim=1)


def image_input(image: Tensor, edges: Tensor, mask: Tensor) -> Tensor:
    """What G2 sees: RGB in [0, 1] with 1 in the hole, edges everywhere; (B, 4, H, W)."""
    return torch.cat([(erase(image, mask, 1.0) + 1) / 2, edges], dim=1)


class _Residual(nn.Module):
    """x + two 3x3 convolutions of x, the first of them dilated; no activation at the end."""

    def __init__(self, channels: int, width: int, spectral: bool):
        super().__init__()
        first, second = (
            _initialised(
                Conv2d(
                    channels,
                    channels,
                    3,
                    padding=rate,
                    dilation=rate,
                    padding_mode="reflect",
                    bias=not spectral,
                ),
                width,
                spectral,
            )
            for rate in (2, 1)
        )
        norm = nn.InstanceNorm2d(channels)
        self.layers = nn.Sequential(first, norm, nn.ReLU(), second, norm)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _layers(in_channels: int, out_channels: int, width: int, spectral: bool) -> list[nn.Module]:
    """Encoder to a quarter of the size, residual blocks, decoder."""
    # all convolutions are made first, then normalised in the order in which they run
    encoder = (
        nn.Conv2d(in_channels, width, 7, padding=3, padding_mode="reflect"),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
    )
    decoder = (
        nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
    )
    last = nn.Conv2d(width, out_channels, 7, padding=3, padding_mode="reflect")

    def normalised(convs: tuple[nn.Conv2d | nn.ConvTranspose2d, ...]) -> list[nn.Module]:
        return [
            layer
            for conv in convs
            for layer in (
                _initialised(conv, width, spectral),
                nn.InstanceNorm2d(conv.out_channels),
                nn.ReLU(),
            )
        ]

    # the last one is read as logits or colours, which a norm would level
    return [
        *normalised(encoder),
        *(_Residual(4 * width, width, spectral) for _ in range(BLOCKS)),
        *normalised(decoder),
        _initialised(last, width, spectral=False),
    ]


def _initialised(conv: nn.Module, width: int, spectral: bool) -> nn.Module:
    init_normal(conv, width)
    return spectral_norm(conv) if spectral else conv
