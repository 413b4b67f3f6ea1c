"""Losses of Sections 3.2 and 3.3: reconstruction, perceptual, style and adversarial."""

from aotgan.losses.adversarial import OBJECTIVES, Objective, label_map, make_objective
from aotgan.losses.features import (
    FEATURES,
    PERCEPTUAL_LAYERS,
    STYLE_LAYERS,
    VGG19Features,
    make_features,
)
from aotgan.losses.labels import hard_mask, patch_mask, soft_mask
from aotgan.losses.perceptual import gram, perceptual_loss, style_loss
from aotgan.losses.reconstruction import l1_loss

__all__ = [
    "FEATURES",
    "OBJECTIVES",
    "PERCEPTUAL_LAYERS",
    "STYLE_LAYERS",
    "Objective",
    "VGG19Features",
    "gram",
    "hard_mask",
    "l1_loss",
    "label_map",
    "make_features",
    "make_objective",
    "patch_mask",
    "perceptual_loss",
    "soft_mask",
    "style_loss",
]
