"""`aotgan inpaint` and `aotgan weights export`: what is printed, written and returned."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from aotgan.apply.inpaint import inpaint
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with photos/{a,b}.jpg, masks/{a,b}.png and g.safetensors."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    mask = np.zeros((30, 41), np.uint8)
    mask[4:9, 6:20] = 255
    for name in ("a", "b"):
        for folder in ("photos", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        image = Image.fromarray(rng.integers(0, 256, (30, 41, 3), dtype=np.uint8))
        image.save(tmp_path / f"photos/{name}.jpg")
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.png")
    torch.manual_seed(1)
    save_generator(Generator(width=2, blocks=1, rates=(1,)), tmp_path / "g.safetensors")
    return tmp_path


def test_classical_fillings_have_names_and_deep_holes_a_note(place, aotgan):
    picture = np.random.default_rng(0).integers(0, 256, (120, 240, 3), dtype=np.uint8)
    Image.fromarray(picture).save("deep.png")
    hole = np.zeros((120, 240), bool)
    hole[10:110, 10:130] = True
    Image.fromarray(hole).save("hole.png")
    status, out, said = aotgan("inpaint deep.png hole.png n.png --model g.safetensors")
    assert status == 0 and "1 filled" in out
    assert "note: deep.png: The hole is 50 px deep, and networks have learnt to fill 32 px" in said
    for name in ("smooth", "telea", "navier-stokes"):
        assert aotgan(f"inpaint deep.png hole.png {name}.png --model {name}")[::2] == (0, "")
        expected = inpaint(picture, hole, name)
        assert np.array_equal(Image.open(f"{name}.png"), expected)
    status, _, said = aotgan("inpaint deep.png hole.png o.png --model smoth")
    assert status == 2 and "Did you mean 'smooth'?" in said


FOLDERS = "inpaint photos masks out --model g.safetensors --device cpu --workers 1"


def test_a_folder_is_filled_and_the_same_command_goes_on(place, aotgan):
    assert aotgan(FOLDERS) == (0, "out: 2 filled, 0 there before, 0 failed\n", "")
    known = np.array(Image.open("masks/a.png")) == 0
    filled, before = np.array(Image.open("out/a.png")), np.array(Image.open("photos/a.jpg"))
    assert np.array_equal(filled[known], before[known]) and (filled != before).any()
    (place / "out/b.png").unlink()
    stamp = (place / "out/a.png").stat().st_mtime_ns
    left = "1 there before and left as they are (--overwrite fills them again)"
    assert aotgan(FOLDERS) == (0, f"out: 1 filled, {left}, 0 failed\n", "")
    assert (place / "out/a.png").stat().st_mtime_ns == stamp


def test_a_slash_reaches_the_plan(place, aotgan):
    line = "inpaint photos/a.jpg masks/a.png r.png/ --model smooth"
    assert aotgan(line) == (0, "r.png: 1 filled, 0 there before, 0 failed\n", "")
    assert (place / "r.png/a.png").is_file()


def test_a_bad_file_is_named_and_the_rest_is_done(place, aotgan):
    (place / "photos/a.jpg").write_bytes(b"no image")
    Image.new("L", (41, 30)).save(place / "masks/b.png")
    status, out, err = aotgan(FOLDERS)
    assert (status, out) == (1, "out: 1 filled, 0 there before, 1 failed\n")
    note, failure = err.splitlines()
    assert note == "note: photos/b.jpg: the mask has no hole: nothing is filled."
    assert failure.startswith("failed: photos/a.jpg: ") and "cannot identify" in failure


def test_options_reach_the_picture(place, aotgan):
    base = "inpaint photos/a.jpg masks/a.png {} --model g.safetensors"
    for name, options in {
        "plain.png": "",
        "grown.png": "--grow 3",
        "soft.png": "--feather 3",
        "near.png": "--context 0",
        "half.png": "--precision bfloat16",
        "a.jpg": "--quality 20",
        "fine.jpg": "",
    }.items():
        assert aotgan(f"{base.format(name)} {options}")[0] == 0, name
    before = np.array(Image.open("photos/a.jpg"))
    pictures = {
        name: np.array(Image.open(f"{name}.png")) for name in ("plain", "grown", "soft", "near")
    }
    changed = {name: int((found != before).any(-1).sum()) for name, found in pictures.items()}
    assert changed["plain"] <= 5 * 14 < changed["grown"] and changed["soft"] > 5 * 14
    assert Image.open("a.jpg").format == "JPEG"
    assert (place / "a.jpg").stat().st_size < (place / "fine.jpg").stat().st_size
    assert aotgan(f"{FOLDERS} --format tiff")[0] == 0
    assert Image.open("out/b.tif").format == "TIFF"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("photos masks photos --format jpeg", "would replace an image or mask"),
        ("absent masks out", "images absent: no such file or folder"),
        ("photos masks out --format gif", "format='gif': choose one of png"),
        ("photos masks out --quality 50", "quality=50 for png, which loses nothing"),
        ("photos masks out --grow -1", "'--grow'"),
        ("photos masks out --workers 0", "'--workers'"),
        ("photos masks out --device gpu", "device='gpu': choose one of"),
        ("photos masks out --precision 8", "precision='8': choose one of"),
        ("photos masks out --model absent", "no weights file absent"),
        ("photos masks", "Missing argument"),
    ],
)
def test_bad_input_is_one_line_and_status_2(place, aotgan, words, expected):
    status, out, err = aotgan(f"inpaint {words}")
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and expected in err
    assert not (place / "out").exists()


def test_a_bar_shows_files_or_the_parts_of_a_single_one(place, aotgan, monkeypatch):
    bars = []

    class Bar(SimpleNamespace):
        def __init__(self, **options):
            super().__init__(n=0, **options)
            bars.append(self)

        def update(self, n=1):
            self.n += n

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("tqdm.tqdm", Bar)
    assert aotgan(FOLDERS)[0] == 0
    assert aotgan("inpaint photos/a.jpg masks/a.png x.png --model g.safetensors")[0] == 0
    assert [(bar.n, bar.total, bar.unit) for bar in bars] == [(2, 2, "picture"), (3, 3, "part")]
    assert all(bar.disable for bar in bars), "no terminal, no bar"


def test_export_goes_by_the_ending_and_passes_the_model_on(place, aotgan, monkeypatch):
    status, out, err = aotgan("weights export g.safetensors g.pb")
    assert (status, out) == (2, "") and "ends in .onnx, for example g.onnx" in err
    module = SimpleNamespace(export_onnx=lambda model, path: f"{path} of {model}")
    monkeypatch.setitem(sys.modules, "aotgan.models.onnx", module)
    status, out, _ = aotgan("weights export g.safetensors g.onnx")
    assert (status, out) == (0, "wrote g.onnx of g.safetensors\n")
    (place / "g.onnx").touch()
    assert aotgan("weights export g.safetensors g.onnx")[0] == 2
    assert aotgan("weights export g.safetensors g.onnx --overwrite")[:2] == (status, out)
