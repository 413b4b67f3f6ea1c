"""Generator and discriminator of AOT-GAN (section 3.1)."""

from aotgan.models.blocks import AOTBlock, ResidualBlock
from aotgan.models.discriminator import Discriminator, receptive_field
from aotgan.models.generator import Generator
from aotgan.models.inpainter import composite, erase

__all__ = [
    "AOTBlock",
    "Discriminator",
    "Generator",
    "ResidualBlock",
    "composite",
    "erase",
    "receptive_field",
]
