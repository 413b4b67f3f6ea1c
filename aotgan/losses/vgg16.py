"""VGG-16 activations, which partial convolutions (Liu et al., 2018) are trained with."""

import torch.nn.functional as F
from torch import Tensor

from aotgan.losses.features import VGGFeatures

POOLS = ("pool1", "pool2", "pool3")  # what both losses of Liu et al. compare


class VGG16Features(VGGFeatures):
    """Frozen VGG-16 (arXiv 1409.1556) that returns its first three poolings, in one forward.

    Arguments and errors are those of `VGGFeatures`; `name` is "vgg16-imagenet" or
    "random-vgg16-<width>-seed<seed>", with "-raw" at its end for raw images.
    """

    depth = 16
    convs_per_stage = (2, 2, 3)
    random_name = "random-vgg16"
    perceptual_layers = style_layers = POOLS

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Returns the activations under the names of POOLS.

        Args:
            images: RGB, (B, 3, H, W) in [-1, 1], at least 16 x 16.

        Returns:
            Pooled activations; stage s has shape (B, C_s, H / 2^s, W / 2^s), C_s = 64, 128, 256 at
            full width.

        Raises:
            InputError: Not RGB or too small.
        """
        x = self.prepare(images)
        taps = {}
        for stage, (name, convs) in enumerate(zip(POOLS, self.convs_per_stage, strict=True), 1):
            for index in range(1, convs + 1):
                x = F.relu(self.convs[f"relu{stage}_{index}"](x), inplace=True)
            x = taps[name] = F.max_pool2d(x, 2)
        return taps
