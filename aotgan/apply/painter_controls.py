"""The row beneath the painter's canvas: model, grow, feather, and what to do with the hole."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import ipywidgets

if TYPE_CHECKING:
    from aotgan.models.generator import Generator

MOST_PX = 200  # of grow and feather

AnyModel: TypeAlias = "Generator | str | Path | None"
Action = Callable[[], None]


class Controls(ipywidgets.HBox):
    """The row beneath the canvas.

    Args:
        model: as `Painter` takes it.
        grow: px.
        feather: px.
        actions: what the buttons "fill", "cancel", "keep" and "restart" do.
    """

    def __init__(self, model: AnyModel, grow: int, feather: int, actions: dict[str, Action]):
        self._given, self._offered = model, False
        self.model = ipywidgets.Dropdown(
            options=[(_label(model), model)],
            value=model,
            description="Model",
            style={"description_width": "44px"},
            layout=ipywidgets.Layout(width="220px"),
        )
        # in the order in which they stand in the row
        self.grow = _number(grow, "Grow, px", "enlarges the hole: for outlines that stay")
        self.feather = _number(feather, "Feather, px", "blends the border of the fill")
        self.fill = _button("Fill", "fill the hole (Enter)", actions["fill"], "primary")
        self.cancel = _button("Cancel", "end the fill; nothing is changed", actions["cancel"])
        self.progress = ipywidgets.FloatProgress(max=1, layout=ipywidgets.Layout(width="140px"))
        self.keep = _button(
            "Keep and continue", "draw the next hole on it; Undo takes it back", actions["keep"]
        )
        self.restart = _button(
            "Start over", "back to the original; Undo takes it back", actions["restart"]
        )
        parts = [self.model, self.grow, self.feather, self.fill, self.cancel, self.progress]
        layout = ipywidgets.Layout(flex_flow="row wrap")
        super().__init__([*parts, self.keep, self.restart], layout=layout)
        self.add_class("ap-controls")
        # a cell has loaded it already: the choice costs no time
        if "torch" in sys.modules:
            self.offer_models()

    def offer_models(self) -> None:
        """Lets shipped models and classical fillings be chosen, headed by another given one.

        Not before PyTorch is loaded, which this does: it takes seconds, and drawing needs none.
        """
        from aotgan.models.registry import CLASSICAL, DECLARED
        from aotgan.models.weights import DEFAULT_MODEL, shipped_models, shipped_name

        if self._offered:
            return
        self._offered = True
        model = DEFAULT_MODEL if self._given is None else self._given
        # a name in any of its spellings is one entry, a file or a network its own
        known = shipped_name(model) if isinstance(model, str) else None
        known = model if model in CLASSICAL else known
        choices: list[tuple[str, Any]] = [(name, name) for name in shipped_models()]
        choices += [(DECLARED[name].row, name) for name in CLASSICAL]
        if known is None:
            choices.insert(0, (_label(model), model))
        with self.model.hold_sync():
            self.model.options = choices
            self.model.value = known or model

    def show(self, busy: bool, filled: bool) -> None:
        """Enables what can be pressed now."""
        self.fill.disabled = self.restart.disabled = busy
        self.keep.disabled = busy or not filled
        self.cancel.layout.display = self.progress.layout.display = None if busy else "none"


def _label(model: AnyModel) -> str:
    if model is None:
        return "loading ..."
    return Path(model).name if isinstance(model, str | Path) else "given generator"


def _number(value: int, description: str, tooltip: str) -> Any:
    return ipywidgets.BoundedIntText(
        value,
        min=0,
        max=MOST_PX,
        description=description,
        tooltip=tooltip,
        style={"description_width": "76px"},
        layout=ipywidgets.Layout(width="146px"),
    )


def _button(text: str, tooltip: str, action: Action, style: str = "") -> Any:
    layout = ipywidgets.Layout(width="auto")
    button = ipywidgets.Button(description=text, tooltip=tooltip, button_style=style, layout=layout)
    button.on_click(lambda _: action())
    return button
