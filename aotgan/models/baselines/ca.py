"""CA: contextual attention beside a column of dilated convolutions.

Generative Image Inpainting with Contextual Attention (Yu et al., 2018); layers as released
(JiahuiYu/generative_inpainting v1.0.0, inpaint_model.py).
"""

from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.models.baselines.two_stage import Layer, TwoStageInpainter, same_padding
from aotgan.winograd.convolution import Conv2d


class CA(TwoStageInpainter):
    """Two stages of plain convolutions with ELU; predictions are clipped to [-1, 1].

    Simplified: see `simplified`.

    Args:
        width: channels of the first convolutions, 32 as published; even.

    Raises:
        InputError: an odd width, or one below 2.
    """

    simplified = (
        "Strided convolutions are padded evenly on all sides, unlike in TensorFlow.",
        "The local critic sees a square around each image's hole, at least half of the image's "
        "side and scaled to that, instead of one box of that size for the batch.",
        "The spatial discount counts from the nearest known pixel of the row or column, in pixels "
        "of a 256 px image, because a free-form hole has no box.",
        "Losses of hole and known pixels are averaged over each image's own, because the masks of "
        "a batch differ.",
        "The five critic steps see the generator's batch instead of batches of their own.",
    )
    published_width = 32
    width_step = 2
    refinement_sees_mask = True

    def __init__(self, width: int = 32):
        if width < 2 or width % 2:
            raise InputError(f"width={width}: CA needs an even number, at least 2.")
        super().__init__(width)
        self.config = {"model": "ca", "width": width}

    def convolution(
        self, in_channels: int, channels: int, layer: Layer, activation: nn.Module
    ) -> tuple[nn.Module, int]:
        """Makes a convolution and its activation; see `TwoStageInpainter`."""
        conv = Conv2d(
            in_channels, channels, layer.kernel, layer.stride, same_padding(layer), layer.rate
        )
        return nn.Sequential(conv, activation), channels

    def end(self, picture: Tensor) -> Tensor:
        """Clips to [-1, 1]."""
        return picture.clamp(-1, 1)
