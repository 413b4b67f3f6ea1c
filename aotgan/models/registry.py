"""Models by name: AOT-GAN, the seven that section 4.2 compares it with, and classical fillings."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from aotgan.errors import check_choice
from aotgan.models.inpainter import Inpainter

AOT_GAN = "aot-gan"
_HOMES = {
    AOT_GAN: "aotgan.models.generator:Generator",
    "ca": "aotgan.models.baselines.ca:CA",
    "pen-net": "aotgan.models.baselines.pennet:PENNet",
    "pconv": "aotgan.models.baselines.pconv:PConv",
    "edgeconnect": "aotgan.models.baselines.edgeconnect:EdgeConnect",
    "gatedconv": "aotgan.models.baselines.gatedconv:GatedConv",
    "hifill": "aotgan.models.baselines.hifill:HiFill",
    "mnps": "aotgan.models.baselines.mnps:MNPS",
}
_CLASSICAL_HOMES = {
    "telea": "aotgan.models.classical:Telea",
    "navier-stokes": "aotgan.models.classical:NavierStokes",
    "smooth": "aotgan.models.classical:SmoothSurface",
}
MODELS = tuple(_HOMES)
CLASSICAL = tuple(_CLASSICAL_HOMES)  # without parameters, not trained


def model_class(name: str) -> type[Inpainter]:
    """Returns the class of a model of `MODELS` or `CLASSICAL`.

    Raises:
        InputError: another name; the message lists them.
    """
    homes = _HOMES | _CLASSICAL_HOMES
    check_choice("model", name, tuple(homes))
    module, kind = homes[name].split(":")
    return getattr(import_module(module), kind)


def build(config: Mapping[str, Any]) -> Inpainter:
    """Makes an untrained network.

    Args:
        config: "model", one of `MODELS` or `CLASSICAL` and AOT-GAN where it is not given, and the
            arguments of its class; or the `config` of a network.
    """
    name, options = split_config(config)
    return model_class(name)(**options)


def split_config(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the name of the model and the arguments of its class."""
    options = dict(config)
    return options.pop("model", AOT_GAN), options
