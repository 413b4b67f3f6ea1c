"""The catalogue: splits that do not leak, verified content, errors that say where to look."""

import csv
import hashlib
import re
import socket
import sys
from importlib import resources

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from aotgan.data.catalogue import (
    CATALOGUE,
    ImageSet,
    in_test_split,
    load,
    logo_boxes,
    verify,
)
from aotgan.data.images import read_image
from aotgan.data.listing import Listed, listing_of
from aotgan.data.manifest import make_manifest
from aotgan.errors import InputError

STAND_INS = ("faces", "scenes", "logos", "imagenet-sample", "masks")


@pytest.fixture(autouse=True)
def no_network_and_no_root(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the catalogue opened a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.delenv("AOTGAN_DATA", raising=False)


def save(path, colour=0, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour, 0, 0)).save(path)


def stems(image_set):
    return [file.stem for file in image_set.files]


def test_bundled_photographs_need_no_root_and_are_those_listed():
    train, test = load("bundled"), load("bundled", "test")
    assert sorted(stems(test)) == ["astronaut", "chelsea", "china", "coffee"]
    assert {"motorcycle_left", "rocket", "flower", "hubble_deep_field"} <= set(stems(train))
    assert len(train) == 11 and not set(stems(train)) & set(stems(test))
    assert "motorcycle_right" not in stems(train) + stems(test), "a near duplicate of the left"
    for image_set in (train, test):
        verify(image_set)
        assert all(read_image(file).shape[2] == 3 for file in image_set.files)


def test_every_entry_says_what_it_is():
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert all((entry.expected, entry.source, entry.licence, entry.citation, entry.used_for))
        assert all(re.fullmatch("[0-9a-f]{40}", origin.commit) for origin in entry.origins)
        assert bool(entry.download) != bool(entry.origins)
        if entry.stands_for and name != "masks":
            assert entry.stands_for in CATALOGUE


def test_listings_are_whole_checksums_and_small():
    folder = resources.files("aotgan.data") / "manifests"
    total = 0
    for name in (*STAND_INS, "scenes-more", "bundled"):
        text = (folder / f"{name}.csv").read_text()
        rows = list(csv.DictReader(text.splitlines()))
        total += len(text)
        assert rows and len({row["file"] for row in rows}) == len(rows)
        assert all(len(bytes.fromhex(row["sha256"])) == 32 for row in rows)
        if CATALOGUE[name].making:
            assert all(len(bytes.fromhex(row["pixels"])) == 8 for row in rows)
    assert total < 1_500_000


@pytest.mark.parametrize("name", [n for n in CATALOGUE if n != "bundled"])
def test_a_missing_set_names_folder_layout_and_source(name, tmp_path):
    with pytest.raises(InputError) as error:
        load(name, root=tmp_path)
    entry = CATALOGUE[name]
    for part in (str(tmp_path / entry.folder), entry.expected, entry.source):
        assert part in str(error.value)
    command = f"aotgan data prepare {name} --from SOURCES --data-root {tmp_path} "
    assert (command in str(error.value)) == bool(entry.origins)
    (tmp_path / entry.folder).mkdir()
    with pytest.raises(InputError, match=entry.extends or name):
        load(name, root=tmp_path)


def test_without_a_root_the_error_names_the_ways_to_give_one():
    with pytest.raises(InputError, match=r"--data-root.*AOTGAN_DATA.*data prepare faces --from"):
        load("faces")


def test_the_environment_gives_the_root(monkeypatch, tmp_path):
    for number in (0, 28_000):
        save(tmp_path / f"celeba-hq/CelebA-HQ-img/{number}.jpg")
    monkeypatch.setenv("AOTGAN_DATA", str(tmp_path))
    assert stems(load("celeba-hq")) == ["0"]


def test_unknown_names_and_splits_are_refused():
    with pytest.raises(InputError, match="bundled"):
        load("celebahq")
    with pytest.raises(InputError, match='expected "train" or "test"'):
        load("bundled", "val")


def test_celeba_hq_is_split_by_number(tmp_path):
    for number in (10, 9, 27_999, 28_000, 29_999):
        save(tmp_path / f"celeba-hq/CelebA-HQ-img/{number}.jpg")
    save(tmp_path / "celeba-hq/mask/0_hair.png")
    assert stems(load("celeba-hq", "train", tmp_path)) == ["9", "10", "27999"]
    assert stems(load("celeba-hq", "test", tmp_path)) == ["28000", "29999"]


def test_places_and_imagenet_have_torchvisions_layout(tmp_path):
    save(tmp_path / "places2/data_256_standard/a/abbey/1.jpg")
    save(tmp_path / "places2/val_256/Places365_val_1.jpg")
    save(tmp_path / "imagenet/train/n01/x.JPEG")
    save(tmp_path / "imagenet/val/n01/y.JPEG")
    assert stems(load("places2", "train", tmp_path)) == ["1"]
    assert stems(load("places2", "test", tmp_path)) == ["Places365_val_1"]
    save(tmp_path / "places2/data_large_standard/a/abbey/2.jpg")
    assert stems(load("places2", "train", tmp_path)) == ["2"], "large images come first"
    assert stems(load("imagenet", "train", tmp_path)) == ["x"]
    assert stems(load("imagenet", "test", tmp_path)) == ["y"]


def openlogo(tmp_path):
    root = tmp_path / "openlogo"
    for stem in ("a", "b"):
        save(root / f"JPEGImages/{stem}.jpg")
    for name, text in (
        ("ImageSets/train.txt", "a\n"),
        ("ImageSets/val.txt", "b\n"),
        (
            "Annotations/b.xml",
            "<object><bndbox><xmin>3</xmin>\n<ymin>2</ymin><xmax>6</xmax><ymax>2</ymax></bndbox>"
            "</object>",
        ),
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


def test_openlogo_has_lists_and_boxes(tmp_path):
    root = openlogo(tmp_path)
    assert stems(load("openlogo", "train", tmp_path)) == ["a"]
    assert logo_boxes(load("openlogo", "test", tmp_path)) == {"b.jpg": [(2, 1, 4, 1)]}
    with pytest.raises(InputError, match=r"a\.xml: no box file"):
        logo_boxes(load("openlogo", "train", tmp_path))
    (root / "ImageSets/val.txt").write_text("b\ngone\n")
    with pytest.raises(InputError, match=r"gone\.jpg is absent"):
        load("openlogo", "test", tmp_path)
    (root / "ImageSets/val.txt").unlink()
    with pytest.raises(InputError, match=r"val\.txt is absent"):
        load("openlogo", "test", tmp_path)


def test_any_folder_is_a_set_split_by_name(tmp_path):
    for number in range(60):
        save(tmp_path / "mine" / f"{number}.png")
    (tmp_path / "mine/broken.png").write_text("no image")
    folder = tmp_path / "mine"
    train, test = load(str(folder)), load(f"folder:{folder}", "test")
    assert len(train) + len(test) == 60 and 1 <= len(test) <= 15
    for file in (*train.files, *test.files):
        first = hashlib.sha1(file.stem.encode()).digest()[0]  # noqa: S324
        assert (file in test.files) == (first < 26) == in_test_split(file.stem)
    assert [item.path.name for item in train.skipped] == ["broken.png"]
    with pytest.raises(InputError, match="no list of checksums"):
        verify(train)


def test_a_folder_too_small_for_a_split_is_named(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match="none of its 1 images falls into the test split"):
        load(str(tmp_path), "test")


def test_the_hash_names_the_files_and_not_their_place(tmp_path):
    for place in ("here", "there"):
        for number in range(3):
            save(tmp_path / place / "sub" / f"{number}.png")
    first, second = (
        ImageSet("x", "train", tuple(sorted((tmp_path / p).rglob("*.png"))), tmp_path / p)
        for p in ("here", "there")
    )
    assert first.manifest_hash == second.manifest_hash
    save(tmp_path / "there/sub/2.png", size=(40, 40))
    changed = ImageSet("x", "train", second.files, second.root)
    assert changed.manifest_hash != first.manifest_hash
    assert load("bundled").manifest_hash != load("bundled", "test").manifest_hash


def test_changed_and_missing_files_of_a_listed_set_are_found(tmp_path, stand_in_data):
    original = load("logos", "test", stand_in_data)
    for file in original.files:
        copy = tmp_path / "logos" / original.name_of(file)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    same = load("logos", "test", tmp_path)
    verify(same)
    assert same.manifest_hash == original.manifest_hash
    same.files[3].write_bytes(b"other")
    with pytest.raises(InputError, match=rf"1 of {len(same)} files.*{same.files[3].name}"):
        verify(same)
    same.files[5].unlink()
    with pytest.raises(InputError, match=f"1 of {len(same)} files are absent"):
        load("logos", "test", tmp_path)


def test_photographs_missing_from_a_package_are_named(monkeypatch):
    listing = {"skimage/data/cat.png": Listed("")}
    monkeypatch.setattr("aotgan.data.catalogue.read_listing", lambda _: listing)
    with pytest.raises(InputError, match=r"cat\.png is absent"):
        load("bundled")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match="sklearn is not installed"):
        load("bundled")


def test_a_committed_list_is_that_of_its_folder(stand_in_data):
    folder = resources.files("aotgan.data") / "manifests"
    for name in ("imagenet-sample", "masks"):
        committed = (folder / f"{name}.csv").read_text()
        assert listing_of(stand_in_data / CATALOGUE[name].folder) == committed


@pytest.mark.parametrize("name", STAND_INS)
def test_stand_ins_are_complete_and_split_without_overlap(name, stand_in_data):
    train, test = load(name, "train", stand_in_data), load(name, "test", stand_in_data)
    folder = stand_in_data / CATALOGUE[name].folder
    on_disk = {file.name for file in folder.rglob("*") if file.suffix in (".jpg", ".png")}
    assert {f.name for f in train.files} | {f.name for f in test.files} == on_disk
    assert not set(train.files) & set(test.files)
    assert 0.05 < len(test) / len(on_disk) < 0.15
    few = ImageSet(name, "test", test.files[:20], test.root, listed=test.listed)
    verify(few)


def test_more_scenes_are_to_train_on_and_leave_the_test_split_as_it_is(stand_in_data):
    base, more = (
        {split: load(name, split, stand_in_data) for split in ("train", "test")}
        for name in ("scenes", "scenes-more")
    )
    assert more["test"].files == base["test"].files
    pairs = [make_manifest(sets["test"].files, 128, per_bin=2).hash for sets in (base, more)]
    assert pairs[0] == pairs[1], "tables are measured on the same pairs"
    added = [file for file in more["train"].files if file.parent.name == "scenes_more"]
    assert (len(base["train"]), len(more["train"]), len(added)) == (3498, 3497 + 2308, 2308)
    left_out = set(CATALOGUE["scenes-more"].left_out)
    kept = [file for file in base["train"].files if file.name not in left_out]
    assert more["train"].files == (*kept, *added)
    assert more["train"].manifest_hash != base["train"].manifest_hash
    listed = more["train"].listed
    held_out = {listed[more["test"].name_of(file)].sha256 for file in more["test"].files}
    trained = [listed[more["train"].name_of(file)].sha256 for file in more["train"].files]
    assert not held_out & set(trained) and len(set(trained)) == len(trained)
    verify(ImageSet("scenes-more", "train", tuple(added[::100]), more["train"].root, listed=listed))


def test_more_scenes_need_the_scenes_beside_them(tmp_path, stand_in_data):
    (tmp_path / "scenes_more").symlink_to(stand_in_data / "scenes_more")
    with pytest.raises(InputError, match='"scenes" is not in .*scenes: 3498 of 3498 files'):
        load("scenes-more", "train", tmp_path)
    (tmp_path / "scenes").symlink_to(stand_in_data / "scenes")
    assert len(load("scenes-more", "train", tmp_path)) == 3497 + 2308
    (tmp_path / "scenes_more").unlink()
    (tmp_path / "scenes_more").mkdir()
    with pytest.raises(InputError, match='"scenes-more" is not in .*2309 of 2309 files'):
        load("scenes-more", "train", tmp_path)


def details(file):
    """(48^2,) what a small grey copy shows beside its coarse shades, of length 1."""
    grey = Image.open(file).convert("L").resize((48, 48), Image.Resampling.BOX)
    levels = np.asarray(grey, dtype=np.float64)
    fine = levels - gaussian_filter(levels, 3)
    return (fine / np.linalg.norm(fine)).ravel()


@pytest.mark.slow
def test_no_photograph_of_more_scenes_is_trained_and_tested_on(stand_in_data):
    """Copies in another size correlate by 0.97 and more, where difference hashes may be far off."""
    train, test = (
        np.stack([details(file) for file in load("scenes-more", split, stand_in_data).files])
        for split in ("train", "test")
    )
    assert (train @ test.T).max() < 0.8
    for copy in CATALOGUE["scenes-more"].left_out:
        (path,) = stand_in_data.glob(f"scenes*/{copy}")
        assert (test @ details(path)).max() > 0.95


def test_stand_in_logos_have_boxes_inside_their_photographs(stand_in_data):
    logos = load("logos", "test", stand_in_data)
    boxes = logo_boxes(logos)
    assert set(boxes) == {file.name for file in logos.files} and all(boxes.values())
    for file in logos.files:
        height, width = np.array(read_image(file)).shape[:2]
        for x, y, w, h in boxes[file.name]:
            assert 0 <= x < x + w <= width + 1 and 0 <= y < y + h <= height + 1
