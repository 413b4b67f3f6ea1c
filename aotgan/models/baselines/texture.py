"""The texture optimisation of MNPS: repaints a hole with patches of its surroundings.

Yang et al., High-Resolution Image Inpainting Using Multi-Scale Neural Patch Synthesis, CVPR 2017.
At one scale it minimises over the pixels of the hole::

    E(x) = E_c + alpha E_t + beta TV
    E_c  = squared distance of x to its start, summed over the hole
    E_t  = for relu3_1 and relu4_1 of VGG-19 the mean over the 3x3 patches that are centred in the
           hole of the squared distance to the most similar patch that lies clear of it
    TV   = squared differences of neighbouring pixels, summed over the image

The publication gives alpha = beta = 5e-6 and no units. Here pixels are in [-1, 1], as the content
network has them, and activations are those of an image of 8-bit levels, as the released network
has them. With pixels of 8-bit levels E_c would be 127.5^2 times as large, and alpha without effect.
Like the released code, the most similar patches are looked up once a scale, in the image that it
starts from.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.losses.features import IMAGENET_STD, VGG_WIDTH, VGG19Features, activation

LAYERS = {"relu3_1": 4, "relu4_1": 8}  # side of a cell of the activations, px
PATCH = 3  # side of a patch, cells
HISTORY = 25  # of L-BFGS (released code)
LEVELS = 255 * sum(IMAGENET_STD) / 3  # 8-bit levels per unit of VGG19Features' standardised input

Hole = tuple[int, int]  # first row and column of a square hole, and the first behind it


@lru_cache(maxsize=4)
def feature_network(
    features: str, width: int, device: torch.device, dtype: torch.dtype
) -> VGG19Features:
    """Returns the network whose patches are compared, the same object for equal arguments.

    It is no part of a model: it is not trained, saved or averaged.
    """
    return VGG19Features(features, width).to(device, dtype)


def activations(network: VGG19Features, image: Tensor) -> dict[str, Tensor]:
    """Returns the activations of `LAYERS`, (B, C, S / 4, S / 4) and (B, C', S / 8, S / 8)."""
    x, taps = network.prepare(image), {}
    for name, conv in network.convs.named_children():
        x = activation(x, name, conv)
        if name in LAYERS:
            taps[name] = x
        if len(taps) == len(LAYERS):
            break  # the deeper half of the network costs time and is not looked at
    return taps


def cells(hole: Hole, stride: int) -> Hole:
    """First cell that a hole touches, and the first behind it, for cells of `stride` px."""
    return hole[0] // stride, -(-hole[1] // stride)


def hole_patches(features: Tensor, inside: Hole) -> Tensor:
    """Patches whose centre is a cell of the hole: (1, C, h, w) to (9 C, n)."""
    first, stop = inside[0] - PATCH // 2, inside[1] + PATCH // 2
    return F.unfold(features[:, :, first:stop, first:stop], PATCH)[0]


def clear_patches(features: Tensor, inside: Hole) -> Tensor:
    """Patches without any cell of the hole: (1, C, h, w) to (9 C, m)."""
    height, width = features.shape[2:]
    row, column = (
        torch.arange(side - PATCH + 1, device=features.device) for side in (height, width)
    )
    first, stop = inside
    in_rows, in_columns = ((at + PATCH > first) & (at < stop) for at in (row, column))
    clear = ~(in_rows[:, None] & in_columns[None])  # by the upper left cell of a patch
    return F.unfold(features, PATCH)[0][:, clear.flatten()]


def most_similar(own: Tensor, candidates: Tensor) -> Tensor:
    """For each patch of (P, n) the candidate of (P, m) at the least squared distance: (P, n)."""
    # |a - b|^2 without |a|^2, which is the same for every candidate
    distance = candidates.square().sum(0) - 2 * own.T @ candidates  # (n, m)
    return candidates[:, distance.argmin(1)]


def total_variation(image: Tensor) -> Tensor:
    """Sum of the squared differences of neighbours in a row and in a column of (B, C, H, W)."""
    down, right = image.diff(dim=2), image.diff(dim=3)
    return down.square().sum() + right.square().sum()


def paste(image: Tensor, content: Tensor, hole: Hole) -> Tensor:
    """Returns (B, 3, S, S) with the pixels of its hole replaced; gradients reach both."""
    first, stop = hole
    result = image.clone()
    result[:, :, first:stop, first:stop] = content
    return result


class TextureEnergy:
    """E of one image at one scale, as a function of the pixels in its hole.

    A layer on which no patch is clear of the hole (relu4_1 of an image of 64 px) has no term.

    Args:
        image: (1, 3, S, S) in [-1, 1]; its hole shows the start.
        hole: where it is.
        network: of `feature_network`.
        alpha: weight of E_t.
        beta: weight of TV.

    Attributes:
        start: the pixels in the hole, (1, 3, h, h).
    """

    def __init__(
        self, image: Tensor, hole: Hole, network: VGG19Features, alpha: float, beta: float
    ):
        first, stop = hole
        self.image, self.hole, self.network = image, hole, network
        self.start = image[:, :, first:stop, first:stop]
        width = network.convs["relu1_1"].get_parameter("weight").shape[0]
        # a narrow network sums fewer channels
        self.alpha, self.beta = alpha * LEVELS**2 * VGG_WIDTH / width, beta
        self.matched: dict[str, Tensor] = {}
        with torch.no_grad():
            for layer, features in activations(network, image).items():
                inside = cells(hole, LAYERS[layer])
                candidates = clear_patches(features, inside)
                if candidates.shape[1]:
                    own = hole_patches(features, inside)
                    self.matched[layer] = most_similar(own, candidates)

    def __call__(self, content: Tensor) -> Tensor:
        """E, a scalar, of the pixels in the hole, (1, 3, h, h)."""
        image = paste(self.image, content, self.hole)
        anchor = (content - self.start).square().sum()
        return anchor + self.alpha * self.texture(image) + self.beta * total_variation(image)

    def texture(self, image: Tensor) -> Tensor:
        """E_t of an image in units of the network: the sum over the layers."""
        features = activations(self.network, image)
        terms = [
            (hole_patches(features[layer], cells(self.hole, LAYERS[layer])) - matched)
            .square()
            .sum(0)
            .mean()
            for layer, matched in self.matched.items()
        ]
        return torch.stack(terms).sum()


def minimise(energy: TextureEnergy, iterations: int) -> Tensor:
    """Returns the pixels of the hole, (1, 3, h, h), after L-BFGS from the start."""
    content = energy.start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [content], max_iter=iterations, history_size=HISTORY, line_search_fn="strong_wolfe"
    )

    def evaluate() -> Tensor:
        optimiser.zero_grad()
        value = energy(content)
        value.backward()
        return value

    optimiser.step(evaluate)
    return content.detach()
