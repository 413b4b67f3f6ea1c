"""Painted masks and drawn logos lie where they are said to."""

import numpy as np
import pytest

from aotgan.data.masks import box_mask
from aotgan.reproduce.edits import OUTLINE, brush_mask, draw_logo, outline_boxes


@pytest.fixture
def grey():
    return np.full((40, 60, 3), 128, np.uint8)


def test_a_brush_covers_its_stroke_with_round_ends():
    mask = brush_mask((40, 60), [[(10, 20), (40, 20)]], px=9)
    assert mask.shape == (40, 60) and mask.dtype == bool
    assert mask[20, 6:45].all() and not mask[20, :5].any() and not mask[20, 46:].any()
    assert mask[:, 25].sum() in (9, 10) and not mask[16, 5]  # the end's corner is round


def test_a_point_is_a_dab_and_a_closed_stroke_is_filled():
    assert 40 < brush_mask((40, 60), [[(30, 20)]], px=8).sum() < 80
    ring = [(10, 5), (50, 5), (50, 35), (10, 35)]
    assert not brush_mask((40, 60), [ring], px=3)[20, 30]
    assert brush_mask((40, 60), [[*ring, ring[0]]], px=3)[20, 30]


def test_a_logo_stays_inside_its_box(grey):
    box = (12, 10, 36, 16)
    drawn = draw_logo(grey, box, "LOGO", ("white", "navy"))
    inside = box_mask(40, 60, [box])
    changed = (drawn != grey).any(-1)
    assert not changed[~inside].any() and changed[inside].mean() > 0.7
    assert not changed[10].any() and (grey == 128).all()  # 1 px is left, and nothing overwritten
    assert (drawn[inside] == 255).all(-1).any() and (drawn[inside] == (0, 0, 128)).all(-1).any()


def test_outlines_surround_boxes_and_leave_their_pixels(grey):
    boxes = [(12, 10, 6, 8), (30, 2, 9, 5)]
    outlined = outline_boxes(grey, boxes)
    inside = box_mask(40, 60, boxes)
    assert (outlined[inside] == 128).all()
    around = box_mask(40, 60, [(x - 1, y - 1, w + 2, h + 2) for x, y, w, h in boxes]) & ~inside
    assert (outlined[around] == OUTLINE).all() and (outlined[~around] == 128).all()
