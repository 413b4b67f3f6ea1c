"""The seven models that section 4.2 compares AOT-GAN with, in the project's convention.

`aotgan.models.registry` builds them by name; here are the parts that each of them is known for.
"""

from aotgan.models.baselines.attention import match, paste, propagate, valid_keys, weigh
from aotgan.models.baselines.edgeconnect import canny_edges, to_gray
from aotgan.models.baselines.hifill import enlarge
from aotgan.models.baselines.pconv import PartialConv2d

__all__ = [
    "PartialConv2d",
    "canny_edges",
    "enlarge",
    "match",
    "paste",
    "propagate",
    "to_gray",
    "valid_keys",
    "weigh",
]
