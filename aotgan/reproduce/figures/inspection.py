"""What trained networks look at: gates, the discriminator's scores, receptive fields (section 4.7).

Computations alone; `aotgan.reproduce.figures.networks` draws them. Networks stay on their device
and in their mode, and no gradient is left in them.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from aotgan.data.masks import free_form_mask
from aotgan.errors import InputError, check_choice
from aotgan.models.blocks import GatedConvResidual, GatedResidual
from aotgan.models.discriminator import Discriminator
from aotgan.models.generator import STRIDE, Generator
from aotgan.models.inpainter import erase, evaluating
from aotgan.models.reach import PLACES
from aotgan.training.checkpoint import load_state

HOLE = (0.4, 0.5)  # hole fraction of the masks of the ablations


@torch.no_grad()
def gate_maps(generator: Generator, image: Tensor, mask: Tensor) -> Tensor:
    """Returns how much each block renews its features, and where (section 4.7.2).

    Args:
        generator: with residual "gated" (Eq. 1), where the value is the weight of x2, the other
            weight being that of x1; or "gatedconv", where it is the selection s of x1 + x2 s.
        image: (1, 3, H, W) in [-1, 1].
        mask: (1, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        (blocks, H / 4, W / 4) in (0, 1), the mean over channels.

    Raises:
        InputError: a generator whose residual has no gate, several images, or shapes that
            `Generator.forward` does not take.
    """
    merges = [block.get_submodule("merge") for block in generator.middle]
    if not all(isinstance(merge, GatedResidual | GatedConvResidual) for merge in merges):
        raise InputError(
            f"a generator with residual={generator.config['residual']!r} has no gate to show: give "
            'one with "gated", "gatedconv" or "gatedconv-only".'
        )
    if len(image) != 1:
        raise InputError(f"{len(image)} images were given: gates are shown for one at a time.")
    maps: list[Tensor] = []
    # gates are no outputs: they are read as the network computes them
    handles = [
        merge.register_forward_pre_hook(lambda merge, x: maps.append(_weight(merge, x[0])))
        for merge in merges
    ]
    try:
        generator.complete(image, mask)
    finally:
        for handle in handles:
            handle.remove()
    return torch.cat(maps)


def _weight(merge: nn.Module, x1: Tensor) -> Tensor:
    """Weight of x2, (B, C, H, W) to (B, H, W)."""
    if isinstance(merge, GatedResidual):
        return merge.update_map(x1).mean(1)
    return torch.sigmoid(merge.get_submodule("conv")(x1)).mean(1)


def hole_means(maps: Tensor, mask: Tensor) -> Tensor:
    """Averages maps inside and outside the hole.

    Args:
        maps: (N, h, w), at a fraction of the mask's size such as that of `gate_maps`.
        mask: (1, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        (N, 2): mean in the hole and mean in the known part. A position counts for each by the
        share of its pixels that belong to it; NaN where there is none.
    """
    hole = F.adaptive_avg_pool2d(mask.to(maps), (maps.shape[1], maps.shape[2]))[0]  # (1, h, w)
    sums = [(maps * weight).sum((1, 2)) / weight.sum() for weight in (hole, 1 - hole)]
    return torch.stack(sums, dim=1)


@torch.no_grad()
def discriminator_map(discriminator: Discriminator, image: Tensor) -> Tensor:
    """Returns the scores of patches, (B, 3, H, W) in [-1, 1] to (B, H / 8 - 2, W / 8 - 2).

    Cell j is centred at pixel 8 j + 11.5; under Eq. 3 a score of 1 stands for real. In training
    mode spectral normalisation would go on estimating with each call, so the mode is switched.
    """
    with evaluating(discriminator):
        return discriminator(image)[:, 0]


def load_discriminator(state_path: str | Path, device: str | torch.device = "cpu") -> Discriminator:
    """Rebuilds the discriminator of a run from its state.pt, in evaluation mode.

    Raises:
        InputError: no such file, or not a training state with a discriminator.
    """
    if not Path(state_path).is_file():
        raise InputError(f"no file {state_path}: give the state.pt of a run.")
    state = load_state(state_path)
    try:
        discriminator = Discriminator(state["config"]["discriminator_width"])
        discriminator.load_state_dict(state["recipe"]["networks"]["discriminator"])
    # no such key; a state of another kind; layers of other names or shapes
    except (KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{state_path} holds no discriminator that fits its configuration ({error!r}). It was "
            "written by another version: train the run anew."
        ) from error
    return discriminator.to(device).eval()


def effective_receptive_field(
    generator: Generator,
    size_px: int,
    samples: int = 8,
    seed: int = 0,
    at: str = "output",
    images: Tensor | None = None,
) -> NDArray[np.float64]:
    """Measures which pixels decide the network's value at the centre (Luo et al., 2016).

    The mean over samples of |d y / d masked image|, summed over the channels of both. The centre
    lies in a free-form hole of 40-50 %, another one in each sample. Where the field in theory
    (`theoretical_field`) exceeds the image, reflection at the border folds it back inside.

    Args:
        generator: the network.
        size_px: side S of the images.
        samples: number of images of uniform noise.
        seed: of the noise and the holes.
        at: "output": y is the raw prediction at pixel (S // 2, S // 2). "features": what the last
            block gives at the position that covers this pixel. Its many channels are summed with
            random signs, which differ between samples, and not one by one.
        images: (N, 3, S, S) in [-1, 1], photographs in place of the noise; `samples` is then N.

    Returns:
        (S, S), sums to 1. Row and column S // 2 are the centre.

    Raises:
        InputError: a size that the generator does not take, no samples, images of another size, or
            a network whose gradient is zero everywhere.
    """
    check_choice("at", at, PLACES)
    rng = np.random.default_rng(seed)
    if images is None:
        images = torch.from_numpy(rng.uniform(-1, 1, (samples, 3, size_px, size_px)).astype("f4"))
    if not len(images) or images.shape[1:] != (3, size_px, size_px):
        raise InputError(
            f"images of shape {tuple(images.shape)}: expected (N, 3, {size_px}, {size_px}), N > 0."
        )
    total = torch.zeros(size_px, size_px, dtype=torch.float64, device="cpu")
    with evaluating(generator), torch.enable_grad():
        for image in images:
            total += _gradient(generator, image[None], _hole_over_centre(size_px, rng), at, rng)
    if not total.sum() > 0:
        raise InputError("the gradient is zero everywhere: this network does not see its input.")
    return (total / total.sum()).numpy()


def _hole_over_centre(size: int, rng: np.random.Generator) -> Tensor:
    mask = free_form_mask(size, size, HOLE, rng)
    while not mask[size // 2, size // 2]:
        mask = free_form_mask(size, size, HOLE, rng)
    return torch.from_numpy(mask)[None, None].float()  # (1, 1, S, S)


def _gradient(
    generator: Generator, image: Tensor, mask: Tensor, at: str, rng: np.random.Generator
) -> Tensor:
    """|d y / d masked image| of one image, summed over channels, (S, S)."""
    weight = next(generator.parameters())
    image, mask = image.to(weight), mask.to(weight)
    masked = erase(image, mask, generator.fill).detach().requires_grad_()
    centre = image.shape[-1] // 2
    if at == "output":
        y = generator(masked, mask)[0, :, centre, centre]  # (3,)
        # channel by channel: slopes of different signs would cancel out in a sum
        directions = torch.eye(3)
    else:
        features = generator.middle(generator.encode(masked, mask))
        y = features[0, :, centre // STRIDE, centre // STRIDE]  # (4 width,)
        # hundreds of channels one by one would take as many backward passes
        directions = torch.from_numpy(rng.choice([-1.0, 1.0], (1, len(y))))
    total = torch.zeros_like(masked[0, 0])
    for direction in directions.to(y):
        (slope,) = torch.autograd.grad(y @ direction, masked, retain_graph=True)
        total += slope[0].abs().sum(0)
    return total.double().cpu()


def field_radius(field: NDArray[np.floating], share: float) -> int:
    """Returns the radius in px that holds a share of a receptive field.

    Args:
        field: (S, S), non-negative, as `effective_receptive_field` returns it.
        share: in (0, 1].

    Returns:
        The smallest r for which the square of 2 r + 1 px around (S // 2, S // 2) holds it.

    Raises:
        InputError: another share, or a field that is empty, negative or not square.
    """
    values = np.asarray(field, dtype=np.float64)
    if not 0 < share <= 1 or values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise InputError(
            f"share={share} of a field of shape {values.shape}: expected 0 < share <= 1 and (S, S)."
        )
    if not (values.min() >= 0 and values.sum() > 0):
        raise InputError("a field with negative values or without any was given.")
    away = np.abs(np.arange(len(values)) - len(values) // 2)
    distance = np.maximum(away[:, None], away)  # (S, S), Chebyshev
    within = np.bincount(distance.ravel(), weights=values.ravel()).cumsum()
    # a share of 1 must not be missed by the last digit of a sum
    return int(np.argmax(within >= share * within[-1] * (1 - 1e-12)))
