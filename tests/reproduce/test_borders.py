"""The sweep of masks moves borders by what it says, and its measures mean what they say."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tolerances import DOUBLE_NET, FIVE_PERCENT, PERCENT, SINGLE_NET

from aotgan.apply.holes import grow_mask
from aotgan.data.images import to_tensor
from aotgan.models.weights import DEFAULT_MODEL
from aotgan.reproduce.runs.scales import SCALES
from aotgan.reproduce.studies import borders as mask_borders
from aotgan.reproduce.studies.borders import (
    EDGES,
    SHIFTS,
    border_result,
    measure_borders,
    plant,
    shift_border,
    star_mask,
    summarise_borders,
    sweep,
)
from aotgan.reproduce.studies.study import read_result

SIDE = 128


@pytest.fixture
def clean():
    """A grey photograph with a little noise."""
    rng = np.random.default_rng(0)
    return rng.integers(90, 110, (SIDE, SIDE, 3)).astype(np.uint8)


def planted(clean, edge="hard", seed=0):
    return plant(clean, np.random.default_rng(seed), EDGES[edge])


def disc(radius):
    y, x = np.mgrid[:64, :64] - 32
    return x**2 + y**2 <= radius**2


def test_borders_move_by_pixels_both_ways():
    for px in (1, 2, 5):
        assert np.array_equal(shift_border(disc(12), px), grow_mask(disc(12), px))
        moved = shift_border(disc(12), -px)
        assert moved[32].sum() == 25 - 2 * px and not (moved & ~disc(12)).any()
    assert np.array_equal(shift_border(disc(12), 0), disc(12))


def test_stars_have_five_thin_points():
    mask = star_mask(SIDE, np.array([64.0, 64.0]), 26, 0.0)
    y, x = np.nonzero(mask)
    distance = np.hypot(x - 64, y - 64)
    assert 24.5 <= distance.max() <= 27.5
    area = 5 * 26 * 13 * np.sin(np.pi / 5)
    assert area <= mask.sum() <= 1.08 * area  # Pillow counts the outline in
    opened = shift_border(shift_border(mask, -6), 6)
    assert opened.sum() < 0.85 * mask.sum()  # growing does not bring thin points back


def test_an_object_covers_its_mask_and_leaves_the_rest(clean):
    hard, soft = planted(clean), planted(clean, "soft")
    assert np.array_equal(hard.mask, soft.mask) and hard.colour == soft.colour
    assert (hard.shown[shift_border(hard.mask, -1)] == hard.colour).all()
    assert np.array_equal(hard.shown[~hard.mask], clean[~hard.mask])
    halo = (soft.shown != clean).any(-1) & ~soft.mask
    assert halo.any() and not (halo & ~shift_border(soft.mask, 4)).any()
    assert (soft.shown[soft.core] == soft.colour).all()
    cover = (soft.shown[..., 0].astype(float) - 100) / (soft.colour[0] - 100)
    assert cover[soft.mask].min() > 0.4 and cover[halo].max() < 0.6


def test_colours_stand_out(clean):
    assert planted(clean).colour == (255, 255, 255)
    assert planted(np.full_like(clean, 250)).colour == (230, 0, 40)


def test_every_mask_covers_the_core_and_stays_where_errors_count(clean):
    for seed in range(5):
        case = planted(clean, seed=seed)
        assert case.core.any() and not case.region[[0, -1]].any() and not case.region[:, -1].any()
        for shift, grow in sweep():
            mask = grow_mask(shift_border(case.mask, shift), grow)
            assert mask[case.core].all() and not mask[~case.region].any()
    assert (min(SHIFTS), 0) in sweep() and (0, 0) in sweep() and len(set(sweep())) == len(sweep())


def test_error_and_tint_are_0_for_the_truth_and_1_for_the_object(clean):
    case = planted(clean)
    assert (case.error(case.clean), case.tint(case.clean)) == (0, 0)
    assert case.tint(case.shown) == pytest.approx(1)
    share = case.mask.sum() / case.region.sum()
    visible = np.abs(np.asarray(case.colour) - clean[case.mask].astype(float)).mean() / 255
    assert case.error(case.shown) == pytest.approx(share * visible, rel=FIVE_PERCENT)
    half = ((case.shown.astype(int) + case.clean) // 2).astype(np.uint8)
    assert case.tint(half) == pytest.approx(0.5, abs=PERCENT)
    truth = case.clean[case.core].mean(0)
    other = np.cross(np.asarray(case.colour) - truth, [0.0, 0.0, 1.0])  # not towards the object
    turned = (case.clean + 0.2 * other).round().clip(0, 255).astype(np.uint8)
    assert case.tint(turned) == pytest.approx(0, abs=PERCENT)


class Oracle:
    """Knows the photograph and paints it into every hole."""

    def __init__(self, clean):
        self.clean = to_tensor(clean)

    def complete(self, image, mask):
        return torch.where(mask.bool(), self.clean, image)


def test_a_perfect_network_leaves_what_the_mask_leaves(clean):
    frame = measure_borders(Oracle(clean), [clean])
    assert len(frame) == len(EDGES) * len(sweep())
    hard = frame[frame["edge"] == "hard"].set_index(["shift", "grow"])
    assert (frame["tint"].abs() < DOUBLE_NET).all()
    alone = hard.xs(0, level="grow")["error"]
    assert alone.loc[:0].is_monotonic_decreasing and alone.loc[-1] > 0
    assert (alone.loc[0:] == 0).all()
    assert 0 < hard.loc[(-6, 8), "error"] < hard.loc[(-6, 0), "error"]  # points stay uncovered
    soft = frame[frame["edge"] == "soft"].set_index(["shift", "grow"])["error"]
    assert soft.loc[(0, 0)] > 0 and soft.loc[(4, 0)] == 0 and soft.loc[(0, 4)] == 0


def test_summaries_compare_with_the_own_mask_photograph_by_photograph():
    rows = [
        {"photograph": n, "edge": "hard", "shift": shift, "grow": 0, "error": e, "tint": 2 * e}
        for n, base in enumerate((0.1, 0.5))
        for shift, e in ((-2, base + 0.1 + 0.02 * n), (0, base))
    ]
    table = summarise_borders(pd.DataFrame(rows)).set_index("shift")
    assert table.loc[0, "error"] == pytest.approx(0.3) and table.loc[0, "error_change"] == 0
    assert table.loc[-2, "error_change"] == pytest.approx(0.11)
    assert table.loc[-2, "error_change_low"] == pytest.approx(0.11 - 12.7062 * 0.01, rel=SINGLE_NET)
    assert table.loc[-2, "tint_change"] == pytest.approx(0.22)


def test_results_are_written_for_the_shipped_model(tmp_path, monkeypatch, photographs):
    monkeypatch.setattr(mask_borders, "SHIFTS", (-6, 0))
    monkeypatch.setattr(mask_borders, "GROWN_SHIFTS", ())
    sets = {"scenes": str(photographs)}
    small = SCALES["laptop"].__class__(**{**SCALES["laptop"].__dict__, "sets": sets, "size_px": 80})
    monkeypatch.setitem(SCALES, "laptop", small)
    written = border_result("laptop", tmp_path, None, photographs=1)
    assert [path.name for path in written] == ["mask_borders.csv", "mask_borders.json"]
    frame, about = read_result(tmp_path / "laptop", "mask_borders")
    assert len(frame) == len(EDGES) * 2 and about["photographs"] == 1
    assert about["size_px"] == 80 and list(about["weights"]) == [DEFAULT_MODEL]
    assert Image.open(next(photographs.iterdir())).size == (56, 48)
