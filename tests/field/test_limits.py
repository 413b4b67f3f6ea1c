"""Paths, memory and what a picture in memory cannot have."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from aotgan import inpaint
from aotgan.apply.metadata import LeftOut
from aotgan.errors import InputError
from aotgan.models.weights import load_generator
from field.cases import BOX, fill, photo

MEGAPIXELS = 16
TIMES = 8  # of the bytes of the picture's samples: 6.8 were measured, 8-bit RGB
MEASURE = """
import resource, sys
import torch
import aotgan
from aotgan.models.weights import load_generator

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

torch.set_num_threads(1)
generator = load_generator(sys.argv[1])
aotgan.inpaint(sys.argv[2], [(20, 20, 40, 40)], generator)
before = peak()
aotgan.inpaint(sys.argv[3], [(2000, 2000, 2100, 2100)], generator)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_memory_is_bounded_by_the_picture(tmp_path, weights):
    photo().save(tmp_path / "small.png")
    side = 1000 * int(MEGAPIXELS**0.5)
    tiles = np.tile(np.array(photo()), (side // 64 + 1, side // 64 + 1, 1))[:side, :side]
    Image.fromarray(tiles).save(tmp_path / "large.png", compress_level=1)
    words = [sys.executable, "-c", MEASURE, weights, tmp_path / "small.png", tmp_path / "large.png"]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(run.stdout) < TIMES * side * side * 3


@pytest.mark.parametrize("place", ["image", "mask", "out"])
def test_a_path_of_5000_characters_is_a_clear_error(tmp_path, aotgan, weights, place):
    photo().save(tmp_path / "s.png")
    photo("1").save(tmp_path / "m.png")
    words = {"image": tmp_path / "s.png", "mask": tmp_path / "m.png", "out": tmp_path / "o.png"}
    words[place] = tmp_path / ("x" * 5000 + ".png")
    line = " ".join(f"'{word}'" for word in words.values())
    status, _, error = aotgan(f"inpaint {line} --model '{weights}'")
    expected = "the name is too long" if place == "out" else "no such file or folder"
    assert status in (1, 2) and expected in error and "Traceback" not in error


@pytest.mark.parametrize("which", [0, 1])
def test_a_long_path_from_python_is_a_clear_error(tmp_path, weights, which):
    photo().save(tmp_path / "s.png")
    given = [tmp_path / "s.png", tmp_path / "s.png"]
    given[which] = "x" * 5000
    with pytest.raises(InputError, match="no such image file. Check the path"):
        inpaint(*given, load_generator(weights))


def test_what_a_picture_in_memory_cannot_have_is_told(tmp_path, weights):
    model = load_generator(weights)
    photo().save(tmp_path / "s.tif", save_all=True, append_images=[photo(), photo()])
    with pytest.warns(LeftOut, match=r"s\.tif: left out 2 further pages\."):
        inpaint(tmp_path / "s.tif", [BOX], model)
    photo().save(tmp_path / "s.jpg", exif=b"Exif\0\0garbage")
    with pytest.warns(LeftOut, match="the EXIF data, which are broken"):
        filled = inpaint(tmp_path / "s.jpg", [BOX], model)
    assert "exif" not in filled.info and "dpi" not in filled.info


def test_a_picture_in_memory_with_broken_exif_data_is_filled(tmp_path, weights):
    photo().save(tmp_path / "s.jpg", exif=b"Exif\0\0garbage")
    filled = inpaint(Image.open(tmp_path / "s.jpg"), [BOX], load_generator(weights))
    assert (np.array(filled) != np.array(Image.open(tmp_path / "s.jpg"))).any()


def test_a_turned_file_says_the_sides_of_the_upright_picture(tmp_path, weights):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0xA002: 64, 0xA003: 48})
    image = photo().crop((0, 0, 64, 48))
    image.save(tmp_path / "s.jpg", exif=exif, xmp=b'<x tiff:Orientation="6"/>')
    mask = Image.new("1", (48, 64))
    mask.paste(1, BOX)
    mask.save(tmp_path / "m.png")
    result = fill(tmp_path, "s.jpg", "o.png", weights=weights).image
    said = result.getexif()
    assert result.size == (48, 64) and said.get(0x0112, 1) == 1
    assert [said.get_ifd(0x8769)[tag] for tag in (0xA002, 0xA003)] == [48, 64]
    assert result.info["xmp"] == b'<x tiff:Orientation="1"/>'
    assert ImageOps.exif_transpose(result).size == result.size
