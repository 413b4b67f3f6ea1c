"""Models by name: AOT-GAN, the seven that section 4.2 compares it with, and classical fillings.

One declaration says everything that is particular to a model. Its code is named there and imported
where it is used, so that who only builds a network loads no training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from aotgan.errors import check_choice
from aotgan.models.inpainter import Inpainter

AOT_GAN = "aot-gan"


@dataclass(frozen=True)
class Declaration:
    """The declaration of a model.

    Attributes:
        row: its label in the tables, for the paper's models that of `published.csv`.
        network: "module:class" of the `aotgan.models.inpainter.Inpainter`.
        training: "module:class" of the `aotgan.training.recipe.Recipe`; None for what has no
            parameters and is not trained.
    """

    row: str
    network: str
    training: str | None = None


DECLARED = {
    AOT_GAN: Declaration(
        row="AOT-GAN",
        network="aotgan.models.generator:Generator",
        training="aotgan.training.step:Step",
    ),
    "ca": Declaration(
        row="CA",
        network="aotgan.models.baselines.ca:CA",
        training="aotgan.training.baselines.ca:CAStep",
    ),
    "pen-net": Declaration(
        row="PEN-Net",
        network="aotgan.models.baselines.pennet:PENNet",
        training="aotgan.training.baselines.pennet:PENNetStep",
    ),
    "pconv": Declaration(
        row="PConv",
        network="aotgan.models.baselines.pconv:PConv",
        training="aotgan.training.baselines.pconv:PConvStep",
    ),
    "edgeconnect": Declaration(
        row="EdgeConnect",
        network="aotgan.models.baselines.edgeconnect:EdgeConnect",
        training="aotgan.training.baselines.edgeconnect:EdgeConnectStep",
    ),
    "gatedconv": Declaration(
        row="GatedConv",
        network="aotgan.models.baselines.gatedconv:GatedConv",
        training="aotgan.training.baselines.gatedconv:GatedConvStep",
    ),
    "hifill": Declaration(
        row="HiFill",
        network="aotgan.models.baselines.hifill:HiFill",
        training="aotgan.training.baselines.hifill:HiFillStep",
    ),
    "mnps": Declaration(
        row="MNPS",
        network="aotgan.models.baselines.mnps:MNPS",
        training="aotgan.training.baselines.mnps:MNPSStep",
    ),
    "telea": Declaration(row="Telea", network="aotgan.models.classical:Telea"),
    "navier-stokes": Declaration(
        row="Navier-Stokes", network="aotgan.models.classical:NavierStokes"
    ),
    "smooth": Declaration(row="Smooth surface", network="aotgan.models.classical:SmoothSurface"),
}
MODELS = tuple(name for name, model in DECLARED.items() if model.training)
CLASSICAL = tuple(name for name, model in DECLARED.items() if not model.training)


def model_class(name: str) -> type[Inpainter]:
    """Returns the class of a declared model.

    Raises:
        InputError: another name; the message lists them.
    """
    check_choice("model", name, DECLARED)
    return imported(DECLARED[name].network)


def imported(place: str) -> Any:
    """Returns what "module:name" says."""
    module, name = place.split(":")
    return getattr(import_module(module), name)


def build(config: Mapping[str, Any]) -> Inpainter:
    """Makes an untrained network.

    Args:
        config: "model", the name of a declared model and AOT-GAN where it is not given, and the
            arguments of its class; or the `config` of a network.
    """
    name, options = split_config(config)
    return model_class(name)(**options)


def split_config(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the name of the model and the arguments of its class."""
    options = dict(config)
    return options.pop("model", AOT_GAN), options
