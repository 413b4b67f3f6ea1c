"""Pictures: one style, the paper's figures redrawn, and what is behind them."""

from aotgan.reproduce.figures.diagrams import draw_blocks, draw_merges
from aotgan.reproduce.figures.display import Folded, HtmlTable, Jpeg, Note
from aotgan.reproduce.figures.figure2 import draw_overview
from aotgan.reproduce.figures.inspection import (
    discriminator_map,
    effective_receptive_field,
    field_radius,
    gate_maps,
    hole_means,
)
from aotgan.reproduce.figures.networks import (
    FACES,
    OBJECTIVE_TITLES,
    discriminator_figure,
    face_cases,
    gate_figure,
    receptive_field_figure,
    scene_cases,
)
from aotgan.reproduce.figures.style import (
    COLOURS,
    FAINT,
    INK,
    Drawing,
    fill_bytes,
    fills,
    frame,
    house_style,
    image_row,
    loss_curves,
    save_figure,
)

__all__ = [
    "COLOURS",
    "FACES",
    "FAINT",
    "INK",
    "OBJECTIVE_TITLES",
    "Drawing",
    "Folded",
    "HtmlTable",
    "Jpeg",
    "Note",
    "discriminator_figure",
    "discriminator_map",
    "draw_blocks",
    "draw_merges",
    "draw_overview",
    "effective_receptive_field",
    "face_cases",
    "field_radius",
    "fill_bytes",
    "fills",
    "frame",
    "gate_figure",
    "gate_maps",
    "hole_means",
    "house_style",
    "image_row",
    "loss_curves",
    "receptive_field_figure",
    "save_figure",
    "scene_cases",
]
