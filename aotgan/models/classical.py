"""Fillings that learn nothing: the yardsticks beside every trained model.

They are models like any other, without parameters: the same fill whatever the seed.
"""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from aotgan.data.images import to_tensor, to_uint8
from aotgan.models.inpainter import SURFACE, Inpainter

RADIUS_PX = 3  # a pixel is computed from known ones so near; the value of OpenCV's tutorial


class Classical(Inpainter):
    """A filling without parameters."""

    name: str  # in `aotgan.models.registry.CLASSICAL`
    fill: float | str = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.config = {"model": self.name}

    @classmethod
    def scaled(cls, share: float, size_px: int) -> dict[str, Any]:
        """Returns no arguments: there is one size for all."""
        return {}


class SmoothSurface(Classical):
    """The known pixels, continued smoothly: see `aotgan.models.surface.smooth_surface`.

    Erasing alone does that.
    """

    name = "smooth"
    fill = SURFACE

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns the masked image (B, 3, H, W) as it is; of the mask (B, 1, H, W) no more."""
        return masked_image


class OpenCV(Classical):
    """An algorithm of `cv2.inpaint`, on 8-bit levels, from known pixels within 3 px.

    Near the image's border it looks at some pixels of the hole too, by a few levels: they have to
    be erased before, as `complete` does.
    """

    method: int
    simplified: tuple[str, ...] = (
        f"As OpenCV has it, on 8-bit levels, with a neighbourhood of {RADIUS_PX} px.",
    )

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Maps (B, 3, H, W) in [-1, 1] and (B, 1, H, W) to (B, 3, H, W) in [-1, 1]."""
        pictures = to_uint8(masked_image)  # (B, H, W, 3)
        holes = (mask[:, 0] > 0).to("cpu", torch.uint8).numpy()  # (B, H, W)
        pairs = zip(pictures, holes, strict=True)
        filled = [cv2.inpaint(picture, hole, RADIUS_PX, self.method) for picture, hole in pairs]
        return to_tensor(np.stack(filled)).to(masked_image)


class Telea(OpenCV):
    """Telea, An image inpainting technique based on the fast marching method, JGT 2004.

    From the rim inwards, each pixel is a weighted mean of what is known around it.
    """

    name = "telea"
    method = cv2.INPAINT_TELEA


class NavierStokes(OpenCV):
    """Bertalmio et al., Navier-Stokes, fluid dynamics, and image and video inpainting, CVPR 2001.

    Lines of equal brightness are continued like the streamlines of a fluid.
    """

    name = "navier-stokes"
    method = cv2.INPAINT_NS
