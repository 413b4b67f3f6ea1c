"""What every model that fills holes has in common, and Eq. 2.

One convention for all of them: images RGB in [-1, 1], masks 1 in the hole. A model that was
published with another one converts inside its own `forward`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.models.surface import smooth_surface

SURFACE = "surface"  # the fill that is no constant


def erase(image: Tensor, mask: Tensor, fill: float | str = 0.0) -> Tensor:
    """Replaces what the hole shows by a constant, x (1 - m) + fill m, or by a smooth surface.

    Args:
        image: (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.
        fill: value of the erased pixels; 0 in Eq. 2, +1 in the released code (trainer.py:99). Or
            `SURFACE`: they continue the known ones, see `aotgan.models.surface.smooth_surface`.
    """
    if fill == SURFACE:
        return smooth_surface(image, mask)
    return image * (1 - mask) + float(fill) * mask


def composite(image: Tensor, prediction: Tensor, mask: Tensor) -> Tensor:
    """Eq. 2: z = x (1 - m) + G m; shapes and ranges as in `erase`."""
    return image * (1 - mask) + prediction * mask


class Inpainter(nn.Module):
    """Completes an image from its known pixels and the mask of its hole.

    Attributes:
        config: JSON values from which `aotgan.models.registry.build` makes the same network again.
        fill: value that the erased pixels have in the masked image, as `erase` takes it.
        multiple: both sides of an image must be multiples of it.
        published_width: the argument `width` of the published network.
        width_step: what `width` must be a multiple of.
        qualifier: what a table adds to the model's name, such as features that replace others.
        simplified: how model and training differ from the publication, a sentence each.
    """

    config: dict[str, Any]
    fill: float | str
    multiple = 1
    published_width = 64
    width_step = 1
    qualifier: str = ""
    simplified: tuple[str, ...] = ()

    @classmethod
    def scaled(cls, share: float, size_px: int) -> dict[str, Any]:
        """Returns the arguments for a share of the published width and images of this side."""
        steps = max(1, round(share * cls.published_width / cls.width_step))
        return {"width": steps * cls.width_step}

    @property
    def device(self) -> torch.device:
        """Where its parameters lie; the CPU for a filling that has none."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    @property
    def min_side(self) -> int:
        """Smallest side of an image, in pixels."""
        return self.multiple

    def complete(self, image: Tensor, mask: Tensor) -> Tensor:
        """Returns the inpainted result z of Eq. 2; known pixels are the image's own.

        A prediction beyond [-1, 1] is cut off there.

        Args:
            image: (B, 3, H, W) in [-1, 1]; what it shows inside the hole is not looked at, as long
                as it is finite.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Raises:
            InputError: as `forward`.
        """
        self.check(image, mask)
        prediction = self(erase(image, mask, self.fill), mask)
        return composite(image, prediction.clamp(-1, 1), mask)

    def check(self, image: Tensor, mask: Tensor) -> None:
        """Refuses what the network cannot take.

        Raises:
            InputError: integers or booleans, shapes that do not match, a side that `multiple` does
                not divide, or an image smaller than `min_side`.
        """
        if image.ndim != 4 or image.shape[1] != 3 or mask.shape != _mask_shape(image):
            raise InputError(
                f"image {tuple(image.shape)} and mask {tuple(mask.shape)}: expected (B, 3, H, W) "
                "and (B, 1, H, W) of the same B, H and W."
            )
        if not (image.is_floating_point() and mask.is_floating_point()):
            raise InputError(
                f"image of {image.dtype} and mask of {mask.dtype}: expected floating point, the "
                "image in [-1, 1] and the mask 0 or 1."
            )
        height, width = image.shape[2:]
        if height % self.multiple or width % self.multiple or min(height, width) < self.min_side:
            raise InputError(
                f"an image of {height}x{width} pixels: both sides must be multiples of "
                f"{self.multiple} and at least {self.min_side}. Pad or resize it first."
            )


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Puts a network into evaluation mode for a while: its statistics stay as they are."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _mask_shape(image: Tensor) -> tuple[int, ...]:
    return (image.shape[0], 1, *image.shape[2:])
