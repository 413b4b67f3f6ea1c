"""Result files of other programs: paired, measured as a model is, refused where they mislead."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tolerances import SINGLE_SUM

from aotgan.data.images import read_image
from aotgan.data.mask_files import read_mask
from aotgan.data.masks import RATIO_BINS, bin_label, centre_mask
from aotgan.errors import InputError
from aotgan.metrics import Embedding, evaluate, measure
from aotgan.metrics.files import KnownPixels, bin_of, evaluate_files, pair_files

SIZE = 32
NAMES = ("a", "b", "sub/c", "d")
RATIOS = (0.55, 0.05, 0.15, 0.12)


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def hole(ratio, seed=0):
    mask = np.zeros(SIZE * SIZE, dtype=bool)
    mask[: int(ratio * SIZE * SIZE)] = True
    return np.random.default_rng(seed).permutation(mask).reshape(SIZE, SIZE)


@pytest.fixture
def place(tmp_path):
    """Photographs, masks, and predictions with grey holes; other endings for each kind."""
    rng = np.random.default_rng(0)
    for number, (name, ratio) in enumerate(zip(NAMES, RATIOS, strict=True)):
        image = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        mask = hole(ratio, number)
        save(image, tmp_path / "real" / f"{name}.bmp")
        save((mask * 255).astype(np.uint8), tmp_path / "masks" / f"{name}.png")
        save(np.where(mask[..., None], np.uint8(128), image), tmp_path / "pred" / f"{name}.tif")
    return tmp_path


def pair(place, **options):
    return pair_files(place / "pred", place / "real", place / "masks", **options)


def run(place, hole="white", **options):
    return evaluate_files(pair(place, hole=hole), progress=False, **options)


def change(place, name, function):
    """Replaces a prediction's pixels (H, W, 3) and gives its mask to the function."""
    path = place / "pred" / f"{name}.tif"
    mask = np.array(Image.open(place / "masks" / f"{name}.png")) > 0
    values = function(np.array(Image.open(path)).astype(int), mask)
    save(values.clip(0, 255).astype(np.uint8), path)


def test_a_set_is_described_without_its_pictures(place):
    files = pair(place)
    assert "FilePair" in repr(files) and "originals" not in repr(files)


def test_the_numbers_are_those_of_the_same_results_of_a_model(place):
    """The report with a model that fills with grey, on the same images, gives the same tables."""

    def grey(image, mask):
        return image * (1 - mask) + (2 * 128 / 255 - 1) * mask

    embedding = Embedding("random")
    found, _ = run(place, embedding=embedding, batch_size=3)
    expected = evaluate(grey, pair(place), 4, embedding, progress=False)
    pd.testing.assert_frame_equal(found.per_image, expected.per_image)
    pd.testing.assert_frame_equal(found.per_bin, expected.per_bin, rtol=SINGLE_SUM)
    assert found.protocol == expected.protocol
    assert not found.per_bin["kd"].tail(1).isna().any()


def test_each_file_is_measured_against_its_own_photograph_and_mask(place):
    result, _ = run(place)
    assert result.per_image["image"].tolist() == ["b", "d", "sub/c", "a"]
    for row in result.per_image.to_dict("records"):
        files = [
            read_image(place / folder / f"{row['image']}.{ending}")
            for folder, ending in (("real", "bmp"), ("pred", "tif"), ("masks", "png"))
        ]
        expected = measure(*files[:2], files[2][..., 0] > 0)
        assert {name: row[name] for name in expected} == expected


def test_bins_are_in_order_and_hold_their_masks(place):
    result, _ = run(place)
    table = result.per_bin.set_index("bin")
    assert table.index.tolist() == ["1-10%", "10-20%", "50-60%", "all"]
    assert table["n"].tolist() == [1, 2, 1, 4]


@pytest.mark.parametrize("ratio", RATIO_BINS, ids=map(bin_label, RATIO_BINS))
def test_a_bin_begins_with_its_lower_bound(ratio):
    mask = np.zeros((100, 100), dtype=bool)
    low, high = (round(10_000 * bound) for bound in ratio)
    mask.flat[:low] = True
    assert bin_of(mask) == bin_label(ratio)
    mask.flat[: high - 1] = True
    assert bin_of(mask) == bin_label(ratio)


def test_other_holes_have_bins_too():
    mask = np.zeros((100, 100), dtype=bool)
    mask[0, 0] = True
    assert bin_of(mask) == "0-1%" and bin_of(~mask) == "60-100%"
    assert bin_of(np.ones((8, 8), dtype=bool)) == "60-100%"
    assert bin_of(centre_mask(64, 64)) == "centre"
    assert bin_of(np.roll(centre_mask(64, 64), 1, axis=0)) == "10-20%"


def test_copies_of_a_photograph_count_as_one(place):
    for folder, ending in (("real", "bmp"), ("pred", "tif")):
        shutil.copy(place / folder / f"a.{ending}", place / folder / f"d.{ending}")
    save((hole(0.15) * 255).astype(np.uint8), place / "masks" / "d.png")
    save(read_image(place / "real" / "a.bmp"), place / "pred" / "d.tif")
    result, _ = run(place)
    table = result.per_bin.set_index("bin")
    assert table.loc["all", ["n", "images", "identical"]].tolist() == [4, 3, 1]
    assert math.isfinite(table.loc["all", "psnr"])


def test_the_hash_names_the_pairs_and_not_the_predictions(place):
    before = pair(place).hash
    change(place, "a", lambda image, mask: 255 - image)
    for folder, ending in (("real", "bmp"), ("pred", "tif"), ("masks", "png")):
        (place / folder / f"b.{ending}").rename(place / folder / f"z.{ending}")
    assert pair(place).hash == before and len(before) == 64
    inverted = ~(np.array(Image.open(place / "masks/a.png")) > 0)
    save((inverted * 255).astype(np.uint8), place / "masks/a.png")
    assert pair(place).hash != before


def test_a_set_of_other_photographs_has_another_hash(place):
    before = pair(place).hash
    save(255 - read_image(place / "real/a.bmp"), place / "real/a.bmp")
    assert pair(place).hash != before


def test_black_holes_are_understood(place):
    expected, _ = run(place)
    for path in (place / "masks").rglob("*.png"):
        save(255 - np.array(Image.open(path)), path)
    found, _ = run(place, hole="black")
    pd.testing.assert_frame_equal(found.per_bin, expected.per_bin)


def test_small_changes_of_known_pixels_are_replaced_and_told(place):
    expected, exact = run(place)
    assert exact.mean == 0 and not exact.look_inverted()
    change(place, "a", lambda image, mask: image + 6 * ~mask[..., None] * (image < 200))
    found, known = run(place)
    pd.testing.assert_frame_equal(found.per_bin, expected.per_bin)
    worst, name = known.worst
    image, mask = read_image(place / "real/a.bmp"), read_mask(place / "masks/a.png")
    levels = 6 * (image[~mask] < 200).mean()
    assert name == "a" and worst == pytest.approx(levels, rel=SINGLE_SUM)
    assert known.mean == pytest.approx(worst / 4)


def test_raw_outputs_are_measured_by_their_composites_if_asked_for(place):
    expected, _ = run(place)
    for name in NAMES:
        change(place, name, lambda image, mask: np.where(mask[..., None], image, image // 2))
    with pytest.raises(InputError, match=r"pred.b.tif: known pixels differ by \d\d.*real.b.bmp"):
        run(place)
    with pytest.raises(InputError, match="--composite"):
        run(place)
    found, known = run(place, composite=True)
    pd.testing.assert_frame_equal(found.per_bin, expected.per_bin)
    assert known.mean > 50


def inverted(place):
    """Masks of the wrong polarity; none so large that `read_mask` notices by itself."""
    for name in ("b", "sub/c", "d"):
        for folder, ending in (("real", "bmp"), ("pred", "tif"), ("masks", "png")):
            (place / folder / f"{name}.{ending}").unlink()
    path = place / "masks/a.png"
    save(255 - np.array(Image.open(path)), path)


@pytest.mark.parametrize("composite", [False, True])
@pytest.mark.parametrize("slight", [False, True])
def test_masks_of_the_wrong_polarity_are_noticed(place, composite, slight):
    """Also with --composite, which would find a perfect model."""
    inverted(place)
    if slight:
        real = read_image(place / "real/a.bmp").astype(int)
        change(place, "a", lambda image, mask: real + 3 * ~mask[..., None] * (real < 200))
    with pytest.raises(InputError, match='white is the hole.*hole="black" .--hole black'):
        run(place, composite=composite)


def test_masks_that_are_nearly_all_hole_are_refused_at_once(place):
    path = place / "masks/b.png"
    save(255 - np.array(Image.open(path)), path)
    with pytest.raises(InputError, match=r'b.png: 9\d% of the pixels are hole.*hole="black"'):
        pair(place)


@pytest.mark.parametrize(
    ("folder", "name", "message"),
    [
        ("pred", "a.tif", r"1 of 4 names have no prediction in .*pred, .*expected .*pred.a\.\*"),
        ("real", "sub/c.bmp", r"no photograph in .*real, .*expected .*real.sub.c\.\*"),
        ("masks", "d.png", r"no mask in .*masks, the first is that of .*d\.\w+: expected"),
    ],
)
def test_a_missing_counterpart_is_named(place, folder, name, message):
    (place / folder / name).unlink()
    with pytest.raises(InputError, match=message):
        pair(place)


def test_a_name_in_a_single_folder_is_missing_in_the_others(place):
    save(np.zeros((SIZE, SIZE, 3), np.uint8), place / "pred/extra.png")
    with pytest.raises(InputError, match=r"extra\.png: expected .*real.extra"):
        pair(place)


def test_two_files_of_one_name_are_refused(place):
    shutil.copy(place / "pred/a.tif", place / "pred/a.tiff")
    with pytest.raises(InputError, match=r"a.tiff and a.tif have one name"):
        pair(place)


def test_empty_and_absent_folders_are_refused(place):
    (place / "empty").mkdir()
    with pytest.raises(InputError, match="predictions .*empty: no image"):
        pair_files(place / "empty", place / "real", place / "masks")
    with pytest.raises(InputError, match="masks .*absent: no such folder"):
        pair_files(place / "pred", place / "real", place / "absent")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("pred/a.tif", r"a.tif: 16 x 24 px .*a.bmp has 32 x 32.*size that was filled"),
        ("real/b.bmp", r"b.bmp: 16 x 24 px .*a.bmp has 32 x 32.*One size"),
        ("masks/a.png", r"a.png has 16 x 24 px .*its image 32 x 32"),
    ],
)
def test_another_size_is_refused(place, path, message):
    Image.open(place / path).resize((24, 16)).save(place / path)
    with pytest.raises(InputError, match=message):
        pair(place)


def test_folders_may_lie_in_each_other(place):
    expected = pair(place).hash
    shutil.move(place / "pred", place / "real" / "results")
    shutil.move(place / "masks", place / "real" / "results" / "masks")
    results = place / "real" / "results"
    assert pair_files(results, place / "real", results / "masks").hash == expected


def test_a_prediction_that_cannot_be_read_is_named(place):
    path = place / "pred/a.tif"
    data = path.read_bytes()
    path.write_bytes(data[:200])
    with pytest.raises(InputError, match="a.tif"):
        run(place)


def test_every_mask_is_looked_at_before_anything_is_measured(place):
    save(np.zeros((SIZE, SIZE), np.uint8), place / "masks/sub/c.png")
    with pytest.raises(InputError, match="c.png: no hole"):
        pair(place)


def test_good_predictions_do_not_look_inverted():
    good, raw, wrong = (
        KnownPixels(["a", "b"], known, hole)
        for known, hole in (([0.0, 0.0], [9.0, 7.0]), ([4.0, 3.0], [9.0, 0.1]), ([9, 7], [0, 0.5]))
    )
    assert [good.look_inverted(), raw.look_inverted(), wrong.look_inverted()] == [0, 0, 1]


def test_a_full_hole_has_no_known_pixels(place, monkeypatch):
    full = np.full((SIZE, SIZE), 255, np.uint8)
    inverted(place)
    save(full, place / "masks/a.png")
    monkeypatch.setattr(
        "aotgan.metrics.files.read_mask", lambda *_, **__: np.array(full, dtype=bool)
    )
    result, known = run(place)
    assert known.mean == 0 and torch.isfinite(torch.tensor(result.per_image["l1"][0]))
