"""Evaluation pairs: the same for every model, on every machine, or a named error."""

import json

import numpy as np
import pytest
from PIL import Image

from aotgan.data.images import load_square, read_image, resize
from aotgan.data.manifest import Manifest, make_manifest
from aotgan.data.mask_files import fit_mask, read_mask
from aotgan.data.masks import RATIO_BINS, centre_mask, thick_mask
from aotgan.errors import InputError

BINS = ((0.1, 0.2), (0.5, 0.6))


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, shape in (("a", (40, 60)), ("b", (64, 48)), ("c", (50, 50))):
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(
            folder / f"{name}.png"
        )
    return sorted(folder.iterdir())


@pytest.fixture
def mask_folder(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    for tenths in (1, 2, 5):
        mask = np.zeros((64, 64), bool)
        mask[:, : 6 * tenths + 4] = True
        Image.fromarray(mask).save(folder / f"{tenths}.png")
    return folder


def same(first, second):
    pairs = list(zip(first, second, strict=True))
    return all((a == x).all() and (b == y).all() and p == q for (a, b, p), (x, y, q) in pairs)


def test_pairs_are_squares_with_masks_of_their_bin(photos):
    manifest = make_manifest(photos, 32, per_bin=2)
    assert len(manifest) == 12
    assert manifest.bins == ("1-10%", "10-20%", "20-30%", "30-40%", "40-50%", "50-60%")
    for number, (image, mask, pair) in enumerate(manifest):
        low, high = RATIO_BINS[number // 2]
        assert image.shape == (32, 32, 3) and image.dtype == np.uint8
        assert mask.shape == (32, 32) and mask.dtype == bool
        assert low <= mask.mean() <= high and pair.ratio == mask.mean()


def test_every_bin_has_the_same_squares(photos):
    manifest = make_manifest(photos, 32, BINS, per_bin=7)
    squares = [[(p.image, p.box) for p in manifest.pairs if p.bin == b] for b in manifest.bins]
    assert squares[0] == squares[1] and len(squares[0]) == 7


def test_enough_photographs_serve_once_by_their_centre(photos):
    manifest = make_manifest(photos, 32, BINS)
    assert sorted(pair.image for pair in manifest.pairs[:3]) == ["a.png", "b.png", "c.png"]
    for image, _, pair in manifest:
        path = next(p for p in photos if p.name == pair.image)
        assert np.array_equal(image, load_square(path, 32))


def test_few_photographs_serve_by_different_large_squares(photos):
    manifest = make_manifest(photos, 32, BINS[:1], per_bin=30)
    counts = {name: 0 for name in ("a.png", "b.png", "c.png")}
    for image, _, pair in manifest:
        counts[pair.image] += 1
        photo = read_image(next(p for p in photos if p.name == pair.image))
        left, top, right, bottom = pair.box
        assert right - left == bottom - top >= 0.6 * min(photo.shape[:2])
        assert 0 <= left and 0 <= top and right <= photo.shape[1] and bottom <= photo.shape[0]
        assert np.array_equal(image, resize(photo, (32, 32), pair.box))
    assert set(counts.values()) == {10}
    assert len({(pair.image, pair.box) for pair in manifest.pairs}) > 25


def test_the_same_arguments_give_the_same_pairs(photos):
    first, second = (make_manifest(photos, 32, BINS, 4, seed=3) for _ in range(2))
    assert first == second and first.hash == second.hash and same(first, second)
    assert same(first, first), "iterating twice must not differ"
    assert make_manifest(photos[::-1], 32, BINS, 4, seed=3).hash == first.hash
    assert make_manifest(photos, 32, BINS, 4, seed=4).hash != first.hash
    assert make_manifest(photos, 36, BINS, 4, seed=3).hash != first.hash


def test_masks_differ_from_pair_to_pair(photos):
    manifest = make_manifest(photos, 32, BINS, 8)
    assert len({pair.mask_digest for pair in manifest.pairs}) == 16
    assert len({pair.seed for pair in manifest.pairs}) == 16


@pytest.mark.parametrize("masks", ["free-form", "thick"])
def test_border_is_allowed_for_every_second_mask_or_as_asked(photos, masks):
    kinds = [p.mask for p in make_manifest(photos, 64, BINS, 4, masks=masks).pairs]
    assert kinds == [masks, f"{masks}-no-border"] * 4
    for border, kind in ((True, masks), (False, f"{masks}-no-border")):
        manifest = make_manifest(photos, 64, BINS, 6, masks=masks, border=border)
        assert {pair.mask for pair in manifest.pairs} == {kind}
        edge = [mask[:6].any() or mask[:, :6].any() for _, mask, _ in manifest]
        assert any(edge) == border


@pytest.mark.parametrize("masks", ["free-form", "thick"])
def test_json_rebuilds_the_manifest_wherever_the_files_lie(photos, tmp_path, masks):
    manifest = make_manifest(photos, 32, BINS, 4, masks=masks)
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in photos:
        (moved / path.name).write_bytes(path.read_bytes())
    again = Manifest.from_json(manifest.to_json(), sorted(moved.iterdir()))
    assert again == manifest and again.hash == manifest.hash and same(again, manifest)
    assert str(tmp_path) not in manifest.to_json()
    assert again.to_json() == manifest.to_json()


def test_a_hash_covers_every_field_of_a_pair(photos):
    manifest = make_manifest(photos, 32, BINS, 2)
    for key, value in (("seed", 1), ("ratio", 0.11), ("bin", "x"), ("box", [0, 0, 9, 9])):
        content = json.loads(manifest.to_json())
        content["pairs"][0][key] = value
        assert Manifest.from_json(json.dumps(content), photos).hash != manifest.hash


def test_changed_photographs_and_masks_are_found(photos, mask_folder):
    manifest = make_manifest(photos, 32, BINS[:1], masks=mask_folder)
    (mask_folder / "1.png").write_bytes((mask_folder / "2.png").read_bytes())
    (mask_folder / "2.png").write_bytes((mask_folder / "5.png").read_bytes())
    with pytest.raises(InputError, match="comes out different"):
        list(manifest)
    manifest = make_manifest(photos, 32, BINS)
    Image.new("RGB", (40, 40)).save(photos[1])
    with pytest.raises(InputError, match=r"b\.png: its content changed"):
        list(manifest)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pairs": 3}', '{"format": 9}'])
def test_other_json_is_refused(text, photos):
    with pytest.raises(InputError, match="not a manifest"):
        Manifest.from_json(text, photos)


def test_missing_files_of_a_manifest_are_named(photos, mask_folder):
    text = make_manifest(photos, 32, BINS).to_json()
    with pytest.raises(InputError, match=r"missing, first: a\.png"):
        Manifest.from_json(text, photos[1:])
    text = make_manifest(photos, 32, BINS, masks=mask_folder).to_json()
    with pytest.raises(InputError, match=r"missing, first: \d\.png"):
        Manifest.from_json(text, photos)
    assert len(Manifest.from_json(text, photos, mask_folder)) == 6


def test_mask_files_are_sorted_into_bins(photos, mask_folder):
    manifest = make_manifest(photos, 32, BINS, 4, masks=mask_folder)
    for _, mask, pair in manifest:
        assert np.array_equal(mask, fit_mask(read_mask(mask_folder / pair.mask), 32, 32))
        assert pair.mask in (("1.png",) if pair.bin == "10-20%" else ("5.png",))
    with pytest.raises(InputError, match=r"40-50%.*span 15\.6% to 53"):
        make_manifest(photos, 32, ((0.4, 0.5),), masks=mask_folder)


def test_thick_masks_are_drawn_from_their_seeds(photos):
    manifest = make_manifest(photos, 64, [(0.4, 0.5)], 6, masks="thick")
    for _, mask, pair in manifest:
        rng, exact = np.random.default_rng(pair.seed), (pair.ratio, pair.ratio)
        assert np.array_equal(mask, thick_mask(64, 64, exact, rng, pair.mask == "thick"))
        assert pair.bin == "40-50%" and 0.4 <= mask.mean() <= 0.5


def test_centre_holes_are_one_bin(photos):
    manifest = make_manifest(photos, 64, masks="centre")
    assert manifest.bins == ("centre",) and len(manifest) == 3
    for _, mask, _ in manifest:
        assert np.array_equal(mask, centre_mask(64, 64))


def test_boxes_are_rectangles_that_their_names_tell(photos):
    manifest = make_manifest(photos, 64, [(0.01, 0.3), (0.3, 0.5)], 4, masks="boxes")
    assert len({pair.mask for pair in manifest.pairs}) == 8
    for _, mask, pair in Manifest.from_json(manifest.to_json(), photos):
        left, top, width, height = map(int, pair.mask.split()[1:])
        assert mask[top : top + height, left : left + width].all()
        assert mask.sum() == width * height == round(pair.ratio * 64 * 64)
    again = make_manifest(photos, 64, [(0.01, 0.3), (0.3, 0.5)], 4, masks="boxes")
    other = make_manifest(photos, 64, [(0.01, 0.3), (0.3, 0.5)], 4, seed=1, masks="boxes")
    assert manifest.hash == again.hash != other.hash


def test_names_of_nested_folders_stay_apart(photos, tmp_path):
    twins = []
    for place in ("x", "y"):
        (tmp_path / place).mkdir()
        twins.append(tmp_path / place / "same.png")
        twins[-1].write_bytes(photos[len(twins)].read_bytes())
    manifest = make_manifest(twins, 32, BINS)
    assert {pair.image for pair in manifest.pairs} == {"x/same.png", "y/same.png"}
    with pytest.raises(InputError, match="listed twice"):
        make_manifest([photos[0], photos[0]], 32)


@pytest.mark.parametrize("wrong", [{"size": 8}, {"per_bin": 0}, {"seed": -1}, {"files": []}])
def test_impossible_manifests_are_refused(photos, wrong):
    with pytest.raises(InputError, match="expected at least one file"):
        make_manifest(**{"files": photos, "size": 32, **wrong})
    with pytest.raises(InputError, match="no such folder"):
        make_manifest(photos, 32, masks="free form")
    with pytest.raises(InputError, match="no such folder"):
        make_manifest(photos, 32, masks="free-form-no-border")
