"""What perceptual and style loss ask of a network, whichever it is."""

from torch import Tensor, nn

from aotgan.errors import InputError


class FeatureNetwork(nn.Module):
    """A frozen network that returns the activations that the losses compare, in one forward.

    Gradients flow to the input image, never to the weights. A subclass returns, from `forward`,
    a dictionary of activations (B, C_i, H_i, W_i), of images (B, 3, H, W) in [-1, 1].

    Attributes:
        name: which network it is, for records and table headers.
        perceptual_layers: keys of the activations that Eq. 6 compares.
        style_layers: keys of those whose Gram matrices Eq. 7 compares.
        min_size_px: least side of the images.
    """

    name: str
    perceptual_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    min_size_px: int

    def check(self, images: Tensor) -> None:
        """Raises InputError unless images are RGB, (B, 3, H, W), and large enough."""
        least = self.min_size_px
        if images.dim() != 4 or images.shape[1] != 3 or min(images.shape[2:]) < least:
            raise InputError(
                f"images have shape {tuple(images.shape)}, expected (B, 3, H, W) with H and W of "
                f"at least {least}"
            )
