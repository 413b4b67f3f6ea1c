"""Making the listed sets: what is right is written once, what is not is told and left out."""

import csv
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from aotgan.data.listing import Listed, State, compare, pixels_of, read_listing
from aotgan.data.prepare import (
    boxes_table,
    condition,
    crop_to_aspect,
    files_of,
    inspect,
    make_file,
    missing_sources,
    prepare,
)
from aotgan.data.sources import CATALOGUE, Entry, Making, Origin, read_entries
from aotgan.errors import InputError

DECLARED = """
[tiny]
folder = "tiny"
layout = "listed"
size = "short side 32 px"
used_for = "tests"
expected = "four photographs"
licence = "CC0"
citation = "nobody"
making = { short_side = 32, aspect = 2, quality = 90 }

[[tiny.origins]]
repository = "somebody/photographs"
commit = "0123456789012345678901234567890123456789"
names = 'a_(\\d+)\\.jpg'
paths = ["there/{0:04d}.png", "elsewhere/{origin}.jpg"]
"""
ORIGIN = "somebody/photographs"


def photograph(seed, height=80, width=60):
    """(H, W, 3) uint8, smooth, of one's own."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A declared set of four photographs, and its sources; the folder of both."""
    entry = read_entries(DECLARED)["tiny"]
    clone = tmp_path / "sources" / ORIGIN
    for folder in ("there", "elsewhere"):
        (clone / folder).mkdir(parents=True)
    for seed, (height, width) in enumerate([(80, 60), (50, 200)]):
        (clone / f"there/{seed:04d}.png").write_bytes(
            encoded(photograph(seed, height, width), "PNG")
        )
    as_it_was = encoded(photograph(2, 32, 40), quality=70)
    (clone / "elsewhere/x.jpg").write_bytes(as_it_was)
    commented = encoded(photograph(3), quality=95, comment=b"taken by nobody")
    (clone / "elsewhere/y.jpg").write_bytes(commented)
    made = {
        "a_0.jpg": (make_file(clone / "there/0000.png", entry.making), ""),
        "a_1.jpg": (make_file(clone / "there/0001.png", entry.making), ""),
        "a_2.jpg": (as_it_was, "x"),
        "a_3.jpg": (make_file(clone / "elsewhere/y.jpg", entry.making), "y"),
    }
    listing = {
        name: Listed(hashlib.sha256(content).hexdigest(), pixels_of(content), origin)
        for name, (content, origin) in made.items()
    }
    monkeypatch.setitem(CATALOGUE, "tiny", entry)
    for place in ("aotgan.data.prepare", "aotgan.data.catalogue", "aotgan.data.listing"):
        monkeypatch.setattr(
            f"{place}.read_listing",
            lambda name: listing if name == "tiny" else read_listing(name),
        )
    return tmp_path


def make(folder, **options):
    return prepare("tiny", folder / "sources", folder / "root", **options)


def test_a_set_is_made_byte_for_byte_and_only_once(tiny):
    ticks = []
    report = make(tiny, tick=lambda: ticks.append(1))
    assert report.made == {State.INTACT: 4} and not report.problems and len(ticks) == 4
    assert inspect(CATALOGUE["tiny"], tiny / "root") == {State.INTACT: 4}
    assert condition(CATALOGUE["tiny"], tiny / "root") == "there and intact (4 files)"
    assert Image.open(tiny / "root/tiny/a_1.jpg").size == (64, 32), "cropped to an aspect of 2"
    assert Image.open(tiny / "root/tiny/a_3.jpg").info["comment"] == b"taken by nobody"
    times = {path: path.stat().st_mtime_ns for path in (tiny / "root/tiny").iterdir()}
    again = make(tiny)
    assert again.kept == {State.INTACT: 4} and not again.made
    assert times == {path: path.stat().st_mtime_ns for path in (tiny / "root/tiny").iterdir()}


def test_a_stopped_one_goes_on_and_leaves_no_half_file(tiny):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tiny, tick=stop)
    (tiny / f"root/tiny/.a_1.jpg.{'0' * 16}").write_bytes(b"half")
    report = make(tiny)
    assert report.kept == {State.INTACT: 1} and report.made == {State.INTACT: 3}
    assert len(list((tiny / "root/tiny").iterdir())) == 4


def test_another_encoder_is_told_from_another_photograph(tiny, monkeypatch):
    """Without optimised Huffman tables a JPEG has other bytes and the very same samples."""
    save = Image.Image.save
    monkeypatch.setattr(
        Image.Image, "save", lambda *args, **more: save(*args, **more | {"optimize": False})
    )
    report = make(tiny)
    assert report.made == {State.INTACT: 1, State.SAME_PIXELS: 3} and not report.problems
    text = condition(CATALOGUE["tiny"], tiny / "root")
    assert text.startswith("1 files: the published bytes; 3 files: the published pixels")


def test_a_wrong_source_is_named_and_written_only_when_accepted(tiny):
    clone = tiny / "sources" / ORIGIN
    (clone / "there/0000.png").write_bytes(encoded(photograph(9), "PNG"))
    (clone / "there/0001.png").unlink()
    (clone / "elsewhere/y.jpg").write_bytes(b"no picture")
    report = make(tiny)
    assert report.made == {State.INTACT: 1} and list(report.problems) == [
        "a_0.jpg",
        "a_1.jpg",
        "a_3.jpg",
    ]
    assert "other pixels" in report.problems["a_0.jpg"]
    assert "no such file in the sources" in report.problems["a_1.jpg"]
    assert "y.jpg" in report.problems["a_3.jpg"]
    assert [path.name for path in (tiny / "root/tiny").iterdir()] == ["a_2.jpg"]
    accepted = make(tiny, accept=True)
    assert accepted.made == {State.OTHER: 1} and list(accepted.problems) == ["a_1.jpg", "a_3.jpg"]
    assert Image.open(tiny / "root/tiny/a_0.jpg").size == (32, 43), "made, not the source's bytes"
    assert make(tiny, accept=True).kept == {State.INTACT: 1, State.OTHER: 1}


def test_nothing_is_overwritten(tiny):
    mine = tiny / "root/tiny/a_0.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    report = make(tiny)
    assert mine.read_bytes() == b"mine" and list(report.problems) == ["a_0.jpg"]
    assert "move it away" in report.problems["a_0.jpg"]
    mine.unlink()
    assert make(tiny).made == {State.INTACT: 1}, "the advice works"


def test_missing_sources_are_told_with_their_commands_before_any_work(tiny):
    (tiny / "sources").rename(tiny / "away")
    with pytest.raises(InputError, match=f"git clone https://github.com/{ORIGIN} .*checkout 0123"):
        make(tiny)
    assert not (tiny / "root").exists()
    assert missing_sources(CATALOGUE["tiny"], tiny / "away") == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bundled", "not made from other files.*pip install"),
        ("celeba-hq", "not made from other files.*CelebAMask-HQ"),
        ("facse", "not a set that can be made. Choose of: faces, scenes"),
    ],
)
def test_sets_that_are_not_made_say_so(name, expected, tmp_path):
    with pytest.raises(InputError, match=expected):
        prepare(name, tmp_path, tmp_path)


def test_masks_are_made_one_bit_with_a_white_hole(tmp_path):
    hole = np.zeros((40, 40), np.uint8)
    hole[5:20, 10:30] = 255
    for name, values in (("white", hole), ("black", 255 - hole)):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
        content = make_file(tmp_path / f"{name}.png", Making(mask=True), name)
        with Image.open(io.BytesIO(content)) as mask:
            assert mask.mode == "1" and np.array_equal(np.array(mask), hole == 255)


@pytest.mark.parametrize(
    ("shape", "expected", "corner"),
    [((10, 15), (10, 15), (0, 0)), ((10, 30), (10, 20), (0, 5)), ((31, 10), (20, 10), (5, 0))],
)
def test_a_long_photograph_keeps_its_centre(shape, expected, corner):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    cropped = crop_to_aspect(image, 2)
    assert cropped.shape[:2] == expected
    assert np.array_equal(cropped[0, 0], image[corner])


def test_boxes_are_merged_sorted_and_not_tiny():
    lines = "b.jpg Cola 1 5 6 25 16 \nb.jpg Cola 2 5 6 25 16\nb.jpg Cola 1 5 6 8 16\n"
    lines += "a.jpg Puma 1 0 1 9 9\nc.jpg Puma 1 0 1 9 9\n\n"
    table = boxes_table(lines, {"images/a.jpg", "images/b.jpg"})
    assert table == b"file,x,y,w,h,label\r\na.jpg,0,1,9,8,Puma\r\nb.jpg,5,6,20,10,Cola\r\n"


def test_a_set_without_repository_commit_says_so():
    origin = Origin("a/b", "(.+)", ("{0}",))
    assert str(origin) == "github.com/a/b commit unknown"
    assert origin.commands("x y") == "git clone https://github.com/a/b 'x y/a/b'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[a]\nfolder = "a"', r"\[a\] lacks citation, expected"),
        (DECLARED.replace("licence", "license"), r"\[tiny\] lacks licence\. Its keys: name, "),
        (DECLARED.replace("commit", "comit"), r"\[tiny.origins\] has the unknown key comit\."),
        (DECLARED.replace("quality", "qualty"), r"\[tiny.making\] has the unknown key qualty\."),
    ],
)
def test_a_wrong_declaration_is_named(text, expected):
    with pytest.raises(InputError, match=expected):
        read_entries(text)


@pytest.mark.parametrize("name", [n for n, entry in CATALOGUE.items() if entry.origins])
def test_every_listed_file_has_a_place_in_a_source(name):
    entry = CATALOGUE[name]
    for file, listed in read_listing(name).items():
        places = [p for origin in entry.origins for p in origin.places(file, listed.origin)]
        assert places and not any("{" in place or place.endswith("/.jpg") for place in places), file


def test_documented_places_in_the_sources_are_those_declared(stand_in_data):
    for name in ("scenes", "scenes-more", "masks"):
        entry: Entry = CATALOGUE[name]
        with open(stand_in_data / entry.folder / "index.csv", newline="") as text:
            for row in csv.DictReader(text):
                stem = read_listing(name)[row["file"]].origin
                places = [p for origin in entry.origins for p in origin.places(row["file"], stem)]
                path = row["source_path"]
                assert {path, path.partition("/")[2]} & set(places), row


def test_masks_are_made_of_grey_ones_as_published_and_logos_have_boxes(stand_in_data, tmp_path):
    """The encoder of masks is that of the published ones."""
    entry = CATALOGUE["masks"]
    for file, listed in list(read_listing("masks").items())[::50]:
        origin = next(o for o in entry.origins if list(o.places(file, "")))
        white = np.array(Image.open(stand_in_data / "masks" / file)) == (origin.hole == "white")
        Image.fromarray((white * 255).astype(np.uint8)).save(tmp_path / file)
        made = make_file(tmp_path / file, entry.making, origin.hole)
        assert compare(made, listed) == State.INTACT
    assert inspect(CATALOGUE["logos"], stand_in_data) == {
        State.INTACT: len(files_of(CATALOGUE["logos"]))
    }
