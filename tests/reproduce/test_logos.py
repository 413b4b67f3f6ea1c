"""Logo removal is measured where the truth is known, and each photograph counts once."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tolerances import ROUNDED, SINGLE_NET

from aotgan.data.catalogue import ImageSet, load
from aotgan.data.masks import box_mask
from aotgan.errors import InputError
from aotgan.metrics.pixel import measure
from aotgan.models.generator import Generator
from aotgan.models.weights import DEFAULT_MODEL, save_generator
from aotgan.reproduce.runs.record import save_record
from aotgan.reproduce.runs.scales import SCALES
from aotgan.reproduce.studies import logos as applications
from aotgan.reproduce.studies.logos import (
    ALL,
    GROUPS,
    LogoCase,
    at_short_side,
    fill_smoothly,
    fill_with_rim,
    free_places,
    logo_cases,
    measure_logos,
    measure_removal,
    network_filler,
    summarise_logos,
)
from aotgan.reproduce.studies.study import read_result

BOXES = {"a.png": [(10, 20, 30, 16), (60, 50, 8, 9)], "b.png": [(0, 0, 96, 40)]}


@pytest.fixture
def logos(tmp_path, rng):
    """Two photographs of 96 x 64 px; the only logo of the second is too large to be moved."""
    lines = ["file,x,y,w,h,label"]
    for name, boxes in BOXES.items():
        Image.fromarray(rng.integers(0, 256, (64, 96, 3), np.uint8)).save(tmp_path / name)
        lines += [f"{name},{x},{y},{w},{h},ours" for x, y, w, h in boxes]
    (tmp_path / "annotations.csv").write_text("\n".join(lines))
    return ImageSet("ours", "test", tuple(tmp_path / name for name in BOXES), tmp_path)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_pictures_keep_their_shape_and_boxes_cover_what_they_covered(rng):
    picture = rng.integers(0, 256, (300, 451, 3), np.uint8)
    resized, [box, low] = at_short_side(picture, [(101, 31, 50, 21), (440, 290, 11, 10)], 128)
    assert resized.shape == (128, 192, 3)
    x, y = 192 / 451, 128 / 300
    left, top, width, height = box
    assert left <= 101 * x < left + 1 and top <= 31 * y < top + 1
    assert left + width - 1 < 151 * x <= left + width and top + height - 1 < 52 * y <= top + height
    assert (low[0] + low[2], low[1] + low[3]) == (192, 128)


def test_free_places_are_all_that_touch_nothing(rng):
    taken = rng.random((12, 15)) < 0.08
    found = {tuple(place) for place in free_places((4, 3), taken).tolist()}
    expected = {
        (left, top)
        for left in range(15 - 4 + 1)
        for top in range(12 - 3 + 1)
        if not taken[top : top + 3, left : left + 4].any()
    }
    assert found == expected and 0 < len(expected) < 120
    assert len(free_places((16, 3), taken)) == 0


def test_holes_have_the_size_of_logos_and_lie_beside_all_of_them(logos):
    cases = list(logo_cases(logos, 64, places=5))
    assert [(c.photograph, c.logo) for c in cases] == [("a.png", 0)] * 5 + [("a.png", 1)] * 5
    taken = box_mask(64, 96, BOXES["a.png"])
    for case in cases:
        hole = box_mask(64, 96, [case.box])
        assert case.box[2:] == BOXES["a.png"][case.logo][2:]
        assert hole.sum() == case.box[2] * case.box[3]  # nothing is cut off
        assert not (hole & taken).any()
        assert case.share == hole.mean()
    assert len({case.box for case in cases}) > 5


def test_places_do_not_depend_on_the_rest_of_the_set(logos):
    alone = replace(logos, files=logos.files[:1])
    assert [c.box for c in logo_cases(alone, 64)] == [c.box for c in logo_cases(logos, 64)]


def test_places_differ_between_photographs(logos):
    (logos.root / "c.png").write_bytes(logos.files[0].read_bytes())
    with open(logos.root / "annotations.csv", "a") as table:
        table.writelines(f"\nc.png,{x},{y},{w},{h},ours" for x, y, w, h in BOXES["a.png"])
    both = replace(logos, files=(logos.files[0], logos.root / "c.png"))
    cases = list(logo_cases(both, 64))
    first, second = (
        [case.box for case in cases if case.photograph == name] for name in ("a.png", "c.png")
    )
    assert len(first) == len(second) and first != second


def test_a_set_without_boxes_is_refused():
    with pytest.raises(InputError, match="bundled has no boxes of logos"):
        next(logo_cases(load("bundled", "test"), 64))


def test_simple_fillers_continue_what_surrounds_a_hole():
    columns = np.arange(64, dtype=np.uint8)
    ramp = np.stack([2 * columns, 255 - 3 * columns, 50 + columns], 1)
    picture = np.broadcast_to(ramp, (40, 64, 3)).copy()
    mask = box_mask(40, 64, [(20, 10, 12, 12)])
    hidden = np.where(mask[..., None], np.uint8(255), picture)
    smooth, flat = fill_smoothly(hidden, mask), fill_with_rim(hidden, mask)
    assert np.abs(smooth.astype(int) - picture).max() <= 1
    assert np.abs(flat[mask].astype(int) - picture[16, 25:27].mean(0)).max() <= 1
    for filled in (smooth, flat):
        assert np.array_equal(filled[~mask], picture[~mask])


def test_smooth_surfaces_reach_the_edges_of_a_picture(rng):
    picture = np.full((30, 40, 3), 77, np.uint8)
    mask = box_mask(30, 40, [(0, 0, 12, 9), (30, 20, 10, 10)])
    filled = fill_smoothly(np.where(mask[..., None], np.uint8(0), picture), mask)
    assert np.array_equal(filled, picture)
    picture[:, :8] = 200
    filled = fill_smoothly(picture, mask).astype(int)
    sides = (
        filled[3, 4:7].mean(),
        (filled[2, 4:7] + filled[4, 4:7] + filled[3, 3:6] + filled[3, 5:8]).mean() / 4,
    )
    assert abs(sides[0] - sides[1]) <= 1 and 77 < filled[3, 11, 0] < 200


def test_measurements_are_those_of_the_hole_and_its_windows(rng):
    picture = rng.integers(0, 256, (48, 64, 3), np.uint8)
    case = LogoCase("a.png", 0, 0, picture, (20, 16, 10, 8))
    mask = box_mask(48, 64, [case.box])

    def invert(image, hole):
        return np.where(hole[..., None], 255 - image, image)

    frame = measure_logos(iter([case]), {"truth": lambda image, _: image, "inverse": invert})
    truth, inverse = (row for _, row in frame.iterrows())
    assert (truth.l1_hole, truth.psnr_hole, truth.ssim) == (0, np.inf, 1)
    expected = measure(picture, invert(picture, mask), mask)
    assert inverse.l1_hole == expected["l1_hole"] and inverse.psnr_hole == expected["psnr_hole"]
    # Windows that do not touch the hole have SSIM 1: the mean over those that do is smaller.
    windows, touching = (48 - 6) * (64 - 6), (8 + 6) * (10 + 6)
    assert (1 - inverse.ssim) * touching == pytest.approx(
        (1 - expected["ssim"]) * windows, rel=SINGLE_NET
    )
    assert truth.share == pytest.approx(80 / (48 * 64))


def test_a_photograph_counts_once_however_many_logos_it_shows():
    rows = []
    for photograph, logos, error, share in (("a", 1, 0.1, 0.001), ("b", 3, 0.3, 0.3)):
        for logo in range(logos):
            about = {"photograph": photograph, "logo": logo, "place": 0, "share": share}
            psnr = np.inf if photograph == "a" else 20.0
            ours = about | {
                "filler": DEFAULT_MODEL,
                "l1_hole": error,
                "psnr_hole": psnr,
                "ssim": 0.5,
            }
            rows += [ours, ours | {"filler": "other", "l1_hole": error + 0.02 * (logo + 1)}]
    table = summarise_logos(pd.DataFrame(rows)).set_index(["group", "filler"])
    both = table.loc[(ALL, DEFAULT_MODEL)]
    assert (both.photographs, both.holes) == (2, 4)
    assert both.l1_hole == pytest.approx(0.2)  # not (0.1 + 3 * 0.3) / 4
    assert both.psnr_hole == 20 and both.l1_hole_change == 0
    other = table.loc[(ALL, "other")]
    assert other.l1_hole_change == pytest.approx((0.02 + 0.04) / 2)
    assert other.l1_hole_change_low < other.l1_hole_change < other.l1_hole_change_high
    groups = list(table.index.unique("group"))
    assert groups == [ALL, GROUPS[0], GROUPS[2]]
    assert table.loc[(GROUPS[2], DEFAULT_MODEL)].l1_hole == pytest.approx(0.3)


@pytest.fixture
def openlogo(tmp_path, rng):
    """The layout of the paper's set, with one photograph."""
    root = tmp_path / "data"
    for name in ("ImageSets", "JPEGImages", "Annotations"):
        (root / "openlogo" / name).mkdir(parents=True)
    (root / "openlogo" / "ImageSets" / "val.txt").write_text("one\n")
    photograph = rng.integers(0, 256, (60, 84, 3), np.uint8)
    Image.fromarray(photograph).save(root / "openlogo" / "JPEGImages" / "one.jpg")
    box = "<xmin>11</xmin><ymin>21</ymin><xmax>30</xmax><ymax>36</ymax>"
    xml = f"<annotation><object><bndbox>{box}</bndbox></object></annotation>"
    (root / "openlogo" / "Annotations" / "one.xml").write_text(xml)
    return root


def test_a_finished_run_is_measured_beside_the_shipped_model(
    openlogo, tmp_path, make_run, monkeypatch
):
    sets = {**SCALES["laptop"].sets, "logos": "openlogo"}
    monkeypatch.setitem(SCALES, "laptop", replace(SCALES["laptop"], sets=sets, size_px=60))
    monkeypatch.setattr(applications, "PLACES", 2)
    folder = tmp_path / "runs" / "laptop" / "logo-removal" / "seed3"
    with pytest.raises(InputError, match="logo-removal holds no finished run"):
        measure_removal("laptop", tmp_path / "runs", tmp_path / "figures", openlogo)
    save_record(make_run("logo-removal", seed=3).record, folder / "record.json")
    small = Generator(width=4, blocks=1, rates=(1, 2))
    save_generator(small, folder / "generator-ema.safetensors")

    written = measure_removal("laptop", tmp_path / "runs", tmp_path / "figures", openlogo)
    assert [path.name for path in written] == ["logo_removal.csv", "logo_removal.json"]
    frame, about = read_result(tmp_path / "figures" / "laptop", "logo_removal")
    assert set(frame["filler"]) == {"logo-removal seed 3", DEFAULT_MODEL, *applications.FILLERS}
    assert about["logos_with_a_place"] == 1 and about["short_side_px"] == 60
    assert about["weights"]["logo-removal seed 3"]["steps"] == 1500
    assert str(tmp_path) not in json.dumps(about)

    case = next(logo_cases(load("openlogo", "test", openlogo), 60))
    again = measure_logos(iter([case]), {"it": network_filler(small)})
    ours = frame[frame["filler"] == "logo-removal seed 3"].iloc[0]
    assert ours["l1_hole"] == pytest.approx(again["l1_hole"][0], rel=ROUNDED)
