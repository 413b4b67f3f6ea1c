"""Reconstruction loss of Section 3.3.

Paper: Aggregated Contextual Transformations for High-Resolution Image Inpainting, arXiv 2104.01431.
"""

from torch import Tensor

from aotgan.losses.checks import check_same_shape, full_precision


def l1_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Eq. 5: mean absolute difference over the whole image, known pixels included.

    The paper writes a norm; a mean is what its weight of 1 and the released code imply.

    Args:
        prediction: Raw output of the generator, (B, 3, H, W) in [-1, 1].
        target: Original images, (B, 3, H, W) in [-1, 1].
        weight: Factor on the difference of each pixel, (B, 1, H, W); the mean is that of the
            products, not divided by the weights' own. None, as in the paper, is 1 everywhere.

    Returns:
        Scalar, in units of the [-1, 1] range.

    Raises:
        InputError: The shapes differ.
    """
    check_same_shape(prediction, target, "prediction and target")
    difference = (full_precision(prediction) - full_precision(target)).abs()
    return (difference if weight is None else weight * difference).mean()
