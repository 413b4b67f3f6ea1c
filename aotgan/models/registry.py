"""The models of the paper by name: AOT-GAN and the seven that section 4.2 compares it with."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from aotgan.models.blocks import check_choice
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
MODELS = tuple(_HOMES)


def model_class(name: str) -> type[Inpainter]:
    """Returns the class of a model of `MODELS`; another name is an InputError that lists them."""
    check_choice("model", name, MODELS)
    module, kind = _HOMES[name].split(":")
    return getattr(import_module(module), kind)


def build(config: Mapping[str, Any]) -> Inpainter:
    """Makes an untrained network.

    Args:
        config: "model", one of `MODELS` and AOT-GAN where it is not given, and the arguments of
            its class; or the `config` of a network.
    """
    name, options = split_config(config)
    return model_class(name)(**options)


def split_config(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the name of the model and the arguments of its class."""
    options = dict(config)
    return options.pop("model", AOT_GAN), options
