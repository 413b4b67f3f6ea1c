"""Where people keep their pictures: folders with other things in them, out of reach, or linked.

A row makes its files in an empty folder and is one command line; right are its status and what is
said, each line by a pattern.
"""

import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import unprivileged

from field.cases import HOLE, photo

KINDS = r"\.png, \.jpg, \.jpeg, \.webp, \.bmp, \.tif, \.tiff"
LINE = "inpaint p m.png r --model smooth --workers 1"
SUMMARY = "r: {} filled, 0 there before, {} failed\n"


@pytest.fixture
def folder(monkeypatch):
    """Where one gets without root's rights, too, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)  # noqa: S103
        monkeypatch.chdir(place)
        yield Path(place)


def files(*names):
    """Makes files: those called m, or NAME_mask, or in k/ are masks, the others pictures."""

    def make():
        for name in names:
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            is_mask = path.stem.endswith(("m", "_mask")) or path.parts[0] == "k"
            image = Image.fromarray(np.uint8(255) * HOLE) if is_mask else photo()
            image.save(path, {".jfif": "jpeg"}.get(path.suffix))

    return make


def also(make, *steps):
    def both():
        make()
        for step in steps:
            step()

    return both


PLACES = {
    # what kinds are read
    ("kinds", "none of the images"): (
        files("p/a.gif", "p/b.jfif", "m.png"),
        LINE,
        2,
        f"images p: no image .* {KINDS}; its files end in .gif, .jfif: save them anew.",
    ),
    ("kinds", "none of the masks"): (
        files("p/a.png", "k/a.gif"),
        LINE.replace("m.png", "k"),
        2,
        f"masks k: no image in this folder.*{KINDS}; its files end in .gif: save",
    ),
    ("kinds", "one mask of several"): (
        files("p/x/a.png", "p/b.png", "k/x/a_mask.gif", "k/b.png"),
        LINE.replace("m.png", "k"),
        1,
        rf"expected one mask k/x/a\.\* or k/x/a_mask\.\*, found k/x/a_mask.gif: save .*{KINDS}",
    ),
    ("kinds", "no file at all"): (
        files("p/x/a.png", "p/b.png", "k/b.png"),
        LINE.replace("m.png", "k"),
        1,
        r"failed: p/x/a.png: expected one mask k/x/a\.\* or k/x/a_mask\.\*, found none\.",
    ),
    # sub-folders that are not looked into
    ("folders", "a link"): (
        also(files("p/a.png", "q/b.png", "m.png"), lambda: os.symlink("../q", "p/q")),
        LINE,
        0,
        r"note: p/q: passed over: it is a link to a folder, not followed\.",
    ),
    ("folders", "nothing but a link"): (
        also(files("q/b.png", "p/c.txt.png", "m.png"), lambda: os.remove("p/c.txt.png")),
        LINE,
        2,
        f"images p: no image in this folder. Expected files ending in {KINDS}\\.$",
    ),
    ("folders", "the link is the place of the results"): (
        also(
            files("p/a.png", "q/b.png", "m.png"),
            lambda: os.symlink("../q", "p/q"),
            lambda: os.chmod("q", 0o777),  # noqa: S103
        ),
        LINE.replace(" r ", " p/q "),
        0,
        "^$",
    ),
    ("folders", "no right to read"): (
        also(files("p/a.png", "p/q/b.png", "m.png"), lambda: os.chmod("p/q", 0)),
        LINE,
        0,
        r"note: p/q: passed over: it cannot be read \(Permission denied\)\.",
    ),
    ("folders", "no right to read the only one"): (
        also(files("p/q/b.png", "m.png"), lambda: os.chmod("p/q", 0)),
        LINE,
        2,
        r"no image in this folder.*; p/q: it cannot be read \(Permission denied\)\.",
    ),
    ("folders", "no right to read the place"): (
        also(files("p/a.png", "m.png"), lambda: os.chmod("p", 0o300)),
        LINE,
        2,
        r"p: it cannot be read \(Permission denied\)\. Change that, or name another folder",
    ),
    ("folders", "no right to enter the place"): (
        also(files("p/q/a.png", "m.png"), lambda: os.chmod("p", 0)),
        LINE.replace(" p ", " p/q "),
        2,
        r"images p/q: it cannot be reached \(Permission denied\)\. Check the path",
    ),
    ("folders", "a link to itself"): (
        also(files("m.png"), lambda: os.symlink("p", "p")),
        LINE,
        2,
        r"images p: it cannot be reached \(Too many levels of symbolic links\)\. Check",
    ),
    ("folders", "a mask out of reach"): (
        also(files("p/a.png", "k/m.png"), lambda: os.chmod("k", 0)),
        LINE.replace("m.png", "k/m.png"),
        2,
        r"masks k/m.png: it cannot be reached \(Permission denied\)\. Check the path",
    ),
    # names
    ("names", "a photograph that is called as a mask is"): (
        files("p/a.png", "p/a_mask.png", "p/b/carnival_mask.png"),
        LINE.replace("m.png", "p"),
        1,
        r"failed: p/b/carnival_mask.png: its name is that of a mask, and there is no image "
        r"p/b/carnival\.\*\. Rename it if it is to be filled\.",
    ),
}


@pytest.mark.parametrize("row", PLACES, ids=" - ".join)
def test_what_a_place_holds_is_said(row, folder, aotgan):
    make, line, expected, message = PLACES[row]
    make()
    with unprivileged():
        status, out, err = aotgan(line)
    assert status == expected and re.search(message, err), err
    assert err.count("\n") == (message != "^$")
    counts = f"{line.split()[3]}: 1 filled, 0 there before, {status} failed\n"
    assert out == ("" if status == 2 else counts)


@pytest.mark.parametrize("masks", ["k", "p"])
@pytest.mark.parametrize(
    ("image", "mask"), [("b", "B_mask"), ("DSC1", "dsc1_mask"), ("\u00e9", "e\u0301_mask")]
)
def test_letters_that_systems_take_for_the_same_are_the_same(image, mask, masks, folder, aotgan):
    files(f"p/{image}.JPG", f"{masks}/{mask}.PNG")()
    assert aotgan(LINE.replace("m.png", masks))[:2] == (0, SUMMARY.format(1, 0))


@pytest.mark.parametrize("masks", ["k", "p"])
def test_a_mask_of_an_image_is_that_of_no_other(masks, folder, aotgan):
    files("p/b.png", "p/B.png", f"{masks}/B_mask.png")()
    status, out, err = aotgan(LINE.replace("m.png", masks))
    assert (status, out) == (1, SUMMARY.format(1, 1))
    assert f"failed: p/b.png: expected one mask {masks}/b" in err


@pytest.mark.parametrize("out", ["loop.png", "loop", "loop/r.png", "/dev/full", "/dev/null/r"])
def test_where_no_result_can_be_is_said(out, folder, aotgan):
    files("a.png", "m.png")()
    for name in ("loop.png", "loop"):
        os.symlink(name, name)
    status, said, err = aotgan(f"inpaint a.png m.png {out} --model smooth")
    assert (status, said) == (1, f"{out}: 0 filled, 0 there before, 1 failed\n")
    assert re.match(r"failed: a.png: cannot write .*(Choose a folder|Remove it first)", err)


BESIDE = {
    "masks elsewhere": ("p/a.jpg p/b/c.jpg k/a.png k/b/c.png", "p k p", 2),
    "one mask": ("p/a.jpg p/b/c.jpg m.png", "p m.png p", 2),
    "masks among the images": ("p/a.jpg p/a_mask.png p/b/c.jpg p/b/c_mask.png", "p p p", 2),
    "inside of the images": ("p/a.jpg p/b/c.jpg k/a.png k/b/c.png", "p k p/out", 2),
    "inside, with the masks": ("p/a.jpg p/a_mask.png", "p p p/out", 1),
    "here": ("a.jpg a_mask.png", ". . .", 1),
    "beside one image": ("a.jpg a_mask.png", "a.jpg . .", 1),
    "by its name": ("a.jpg a_mask.png", "a.jpg . a.png", 1),
    "beside the masks": ("p/a.jpg k/a_mask.png", "p k k", 1),
}


@pytest.mark.parametrize("case", BESIDE)
def test_results_beside_the_originals_are_known_again(case, folder, aotgan):
    names, places, count = BESIDE[case]
    files(*names.split())()
    line = f"inpaint {places} --model smooth --workers 1"
    out = places.split()[2]
    assert aotgan(line)[1] == f"{out}: {count} filled, 0 there before, 0 failed\n"
    held = {path: path.read_bytes() for path in folder.rglob("*.*")}
    # the option is advised where it works alone
    inside = case.startswith("inside") or case == "by its name"
    again = "--overwrite fills them again" if inside else "remove them to fill them again"
    left = f"{out}: 0 filled, {count} there before and left as they are ({again}), 0 failed\n"
    assert aotgan(line) == (0, left, "")
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == held
    status, _, err = aotgan(f"{line} --overwrite")
    if inside:
        assert (status, err) == (0, "")
        return
    assert status == 2 and "may be one, which --overwrite does not replace. Remove it" in err
    Path(re.match("error: (\\S+)", err)[1]).unlink()
    assert f"1 filled, {count - 1} there before" in aotgan(line)[1]


@pytest.mark.parametrize("names", ["p/a.png m.png", "p/a.png p/b.jpg m.png"])
def test_an_original_is_no_result(names, folder, aotgan):
    files(*names.split())()
    for option in ("", " --overwrite"):
        status, _, err = aotgan(f"inpaint p m.png p --model smooth{option}")
        assert status == 2 and "p/a.png would replace an image or mask" in err
    assert np.array_equal(Image.open("p/a.png"), photo())
