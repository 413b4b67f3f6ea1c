"""Adversarial losses of Section 3.2: SM-PatchGAN as written, as released, and its ablations.

All are least-squares losses on the discriminator's logits map and differ in the target of D on a
composite (Fig. 4), in the target of D on a real image, and in how the generator's loss is averaged:

    name          D, real   D, composite            G      average of G's loss
    paper         1         blur(1 - m)     Eq. 3   1      over the hole        Eq. 4
    hm-patchgan   1         1 - hard mask           1      over the hole
    patchgan      1         0                       1      over the map
    released      0         blur(m)                 1      over the whole image, mask cancels
    mmagic        1         blur(m)                 1      over the whole image, mask cancels

"released" is the authors' code (src/loss/loss.py:77-104 at 2cd1afd): the labels of D are swapped,
and G is pulled to D's label for *holes*. "mmagic" is OpenMMLab's port (mmagic/models/losses/
gan_loss.py), which swaps them on composites only. Both compare at the size of the mask, the others
at the size of D's map.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.errors import InputError, check_choice
from aotgan.losses.checks import check_same_shape, full_precision
from aotgan.losses.labels import (
    check_mask,
    hard_mask,
    map_size,
    patch_mask,
    released_blur,
    soft_mask,
)


def soft_label(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """SM-PatchGAN, Eq. 3: blurred share of known pixels around each cell, (B, 1, h, w)."""
    return soft_mask(1 - mask, size)


def hard_label(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """HM-PatchGAN: 1 in known cells, 0 in hole cells, (B, 1, h, w)."""
    return 1 - hard_mask(mask, size)


def zero_label(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """PatchGAN: every cell of a composite is synthetic, (B, 1, h, w)."""
    return full_precision(mask).new_zeros(mask.shape[0], 1, *size)


def released_label(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Released code: 1 in holes, at the size of the mask whatever D's, (B, 1, H, W)."""
    return released_blur(mask)


def hole_mean(error: Tensor, mask: Tensor) -> Tensor:
    """Eq. 4: mean of the error over each image's hole, then over the images.

    Averaging per image makes the loss independent of how a batch is split over processes. An
    image whose cells hold no hole contributes zero.
    """
    weight = patch_mask(mask, map_size(error))  # (B, 1, h, w)
    total = weight.sum(dim=(1, 2, 3))  # (B,)
    total = torch.where(total > 0, total, 1.0)
    return ((weight * error).sum(dim=(1, 2, 3)) / total).mean()


def plain_mean(error: Tensor, mask: Tensor) -> Tensor:
    """PatchGAN: mean of the error over the whole map, whatever the mask."""
    return error.mean()


def cancelling_mean(error: Tensor, mask: Tensor) -> Tensor:
    """Released code: reduces to a scalar, then multiplies by m / mean(m), so that m cancels.

    Equal to `plain_mean`, and kept literally: NaN for a batch of empty masks.
    """
    mask = full_precision(mask)
    return (error.mean() * mask / mask.mean()).mean()


@dataclass(frozen=True)
class Objective:
    """One row of the table at the head of this module; `make_objective` returns it by name.

    Attributes:
        name: One of OBJECTIVES.
        label: Target of D on a composite, from the mask and the size of D's map.
        average: How the generator's squared error is averaged, from the error and the mask.
        real_label: Target of D on a real image.
        at_mask_size: Whether D's map is up-sampled to the mask before it is compared.
        leaks_into_discriminator: Whether the generator's loss also has to be back-propagated
            into D's parameters to repeat the released trainer (src/trainer/trainer.py:119-125).
    """

    name: str
    label: Callable[[Tensor, tuple[int, int]], Tensor]
    average: Callable[[Tensor, Tensor], Tensor]
    real_label: float = 1.0
    at_mask_size: bool = False
    leaks_into_discriminator: bool = False

    def discriminator_loss(self, d_real: Tensor, d_fake: Tensor, mask: Tensor) -> Tensor:
        """Eq. 3 with this objective's labels: error on composites plus error on real images.

        Args:
            d_real: D's logits on real images, (B, 1, h, w).
            d_fake: D's logits on composites, (B, 1, h, w), detached from the generator.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Returns:
            Scalar.

        Raises:
            InputError: Shapes do not belong together.
        """
        check_same_shape(d_real, d_fake, "D's maps of real images and composites")
        check_maps(d_fake, mask)
        with torch.no_grad():
            label = self.label(mask, map_size(d_fake))
        d_real, d_fake = self._compared(d_real, mask), self._compared(d_fake, mask)
        return (d_fake - label).square().mean() + (d_real - self.real_label).square().mean()

    def generator_loss(self, d_fake: Tensor, mask: Tensor) -> Tensor:
        """Eq. 4 with this objective's average; the target is 1 in all of them.

        Args:
            d_fake: D's logits on composites, (B, 1, h, w), differentiable in the generator.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Returns:
            Scalar.

        Raises:
            InputError: Shapes do not belong together.
        """
        check_maps(d_fake, mask)
        return self.average((self._compared(d_fake, mask) - 1).square(), mask)

    def _compared(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Logits in full precision, at the size at which they meet their labels."""
        logits = full_precision(logits)
        if not self.at_mask_size:
            return logits
        return F.interpolate(logits, size=mask.shape[2:], mode="bilinear", align_corners=True)


_OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("paper", soft_label, hole_mean),
        Objective("hm-patchgan", hard_label, hole_mean),
        Objective("patchgan", zero_label, plain_mean),
        Objective(
            "released",
            released_label,
            cancelling_mean,
            real_label=0.0,
            at_mask_size=True,
            leaks_into_discriminator=True,
        ),
        Objective("mmagic", released_label, cancelling_mean, at_mask_size=True),
    )
}
OBJECTIVES = tuple(_OBJECTIVES)


def make_objective(name: str) -> Objective:
    """Return the adversarial objective of that name.

    Args:
        name: One of OBJECTIVES.

    Raises:
        InputError: Another name.
    """
    check_choice("objective", name, OBJECTIVES)
    return _OBJECTIVES[name]


@torch.no_grad()
def label_map(objective_name: str, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Target of D on a composite, as drawn in Fig. 4.

    Args:
        objective_name: One of OBJECTIVES.
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.
        size: Height and width of D's map, H // 8 - 2 and W // 8 - 2.

    Returns:
        (B, 1, h, w) in [0, 1]; (B, 1, H, W) for "released" and "mmagic", which compare there.

    Raises:
        InputError: Unknown name, or `size` does not belong to the mask.
    """
    objective = make_objective(objective_name)
    check_mask(mask, size)
    return objective.label(mask, size)


def check_maps(logits: Tensor, mask: Tensor) -> None:
    """Raise InputError unless the map is D's for images of the mask's size."""
    if logits.dim() != 4 or logits.shape[1] != 1 or mask.shape[:1] != logits.shape[:1]:
        raise InputError(
            f"D's map has shape {tuple(logits.shape)} and the mask {tuple(mask.shape)}, expected "
            "(B, 1, h, w) and (B, 1, H, W) with the same B"
        )
    check_mask(mask, map_size(logits))
