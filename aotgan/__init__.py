"""AOT-GAN (https://arxiv.org/abs/2104.01431): built, trained, tested and reproduced in PyTorch.

filled = aotgan.inpaint("photo.jpg", "mask.png")  # any picture, any size; known pixels stay
generator = aotgan.load_generator()  # or the path of a weights file
z = generator.complete(image, mask)  # image (B, 3, H, W) in [-1, 1]; mask (B, 1, H, W), 1 = hole
generator = aotgan.Generator(variant="released", width=16)  # untrained, a quarter of the width
"""

from importlib import import_module
from typing import TYPE_CHECKING

from aotgan.errors import InputError

if TYPE_CHECKING:
    from aotgan.apply.inpaint import inpaint
    from aotgan.models.discriminator import Discriminator
    from aotgan.models.generator import Generator
    from aotgan.models.weights import load_generator

    __version__: str

__all__ = [
    "Discriminator",
    "Generator",
    "InputError",
    "__version__",
    "inpaint",
    "load_generator",
]

# Loaded on first use: torch alone takes seconds, and `aotgan --help` needs none of it.
_HOMES = {
    "Discriminator": "aotgan.models.discriminator",
    "Generator": "aotgan.models.generator",
    "inpaint": "aotgan.apply.inpaint",
    "load_generator": "aotgan.models.weights",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'aotgan' has no attribute {name!r}")
    globals()[name] = value  # the next look-up finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """The installed version; "0+unknown" for a source tree that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("aotgan")
    except PackageNotFoundError:
        return "0+unknown"
