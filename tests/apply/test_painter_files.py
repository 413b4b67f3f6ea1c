"""What goes between a painter and its browser: script, bits, previews, files; notebook 18."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget", reason="anywidget is in the extra 'notebooks'")

from aotgan.apply.painter import MaskCanvas, Painter
from aotgan.apply.painter_files import image_file, pack_mask, preview, unpack_mask
from aotgan.apply.pictures import read_pictures
from aotgan.errors import InputError
from aotgan.models.weights import DEFAULT_MODEL, shipped_models

SIZE = (30, 44)  # height, width
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "18_draw_a_mask.ipynb"


def photo():
    values = np.random.default_rng(0).integers(0, 200, (*SIZE, 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (30, 44), (7, 3)])
def test_masks_survive_packing(size):
    mask = np.random.default_rng(1).random(size) < 0.5
    mask[0, 0] = True
    assert np.array_equal(unpack_mask(pack_mask(mask), size), mask)


def test_a_mask_without_hole_is_no_bytes():
    assert pack_mask(np.zeros(SIZE, dtype=bool)) == b""
    assert not unpack_mask(b"", SIZE).any()


def test_packed_masks_of_24_megapixels_are_small():
    noise = np.random.default_rng(0).random((4000, 6000)) < 0.5
    assert len(pack_mask(noise)) < 3.1e6


@pytest.mark.parametrize("packed", [b"damaged", pack_mask(np.ones((9, 9), dtype=bool))])
def test_other_bytes_are_refused(packed):
    with pytest.raises(InputError, match="Draw it again"):
        unpack_mask(packed, SIZE)


def test_a_bomb_is_not_unpacked():
    with pytest.raises(InputError, match="not one of"):
        unpack_mask(pack_mask(np.ones((20_000, 20_000), dtype=bool)), SIZE)


def test_files_keep_the_mode_and_stand_upright():
    for mode, ending in (("L", "png"), ("RGBA", "png"), ("P", "png"), ("CMYK", "tif")):
        image = photo().convert(mode)
        name, data = image_file(image)
        with Image.open(io.BytesIO(data)) as read:
            assert (name, read.mode) == (ending, mode)
            assert np.array_equal(np.array(read), np.array(image))
    turned = photo()
    turned.getexif()[0x0112] = 6
    with Image.open(io.BytesIO(image_file(turned)[1])) as read:
        assert read.size == SIZE


def test_previews_are_bounded_and_show_what_is_there():
    grey = np.full((100, 4000), 77, np.uint8)
    with Image.open(io.BytesIO(preview(read_pictures(grey)[0][0]))) as image:
        assert image.size == (2048, 51)
        assert np.abs(np.array(image).astype(int) - 77).max() <= 2


def test_the_module_is_one_script_that_loads_nothing():
    script = MaskCanvas._esm
    assert script.count("export default") == 1
    for word in ("import ", "import(", "require(", "fetch(", "http://", "https://"):
        assert word not in script.replace("http://www.w3.org/2000/svg", ""), word
    assert "url(" not in MaskCanvas._css and "@import" not in MaskCanvas._css


@pytest.mark.skipif(not NOTEBOOK.is_file(), reason="notebooks are not installed")
def test_the_stored_notebook_shows_a_picture_where_widgets_cannot_live():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert "application/vnd.jupyter.widget-view+json" not in kinds
    (painter,) = [cell for cell in cells if "".join(cell["source"]).endswith("\npainter")]
    (output,) = painter["outputs"]
    (picture,) = [data for kind, data in output["data"].items() if kind.startswith("image/")]
    assert 20_000 < len(picture) < 200_000
    after = cells[cells.index(painter) + 2]
    text = "".join(after["outputs"][0]["text"])
    assert re.fullmatch(r"hole: [1-9][\d,]* of 135,300 px; filled: True\n", text)
    assert "image/jpeg" in after["outputs"][1]["data"]


def test_a_painter_opens_without_what_takes_seconds_to_load():
    program = (
        "import sys; from aotgan.apply.painter import Painter;"
        "import numpy; Painter(numpy.zeros((9, 9, 3), 'uint8'));"
        "print({'torch', 'scipy', 'pandas', 'matplotlib', 'lightning'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stdout + done.stderr


def test_the_models_to_choose_come_when_the_painter_is_seen(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")  # as in a kernel that has not loaded it
    painter = Painter(photo())
    monkeypatch.undo()
    assert painter.controls.model.options == (("loading ...", None),)
    painter._receive(painter.canvas, {"kind": "seen"}, [])
    names = {"telea": "Telea", "navier-stokes": "Navier-Stokes", "smooth": "Smooth surface"}
    choices = {value: name for name, value in painter.controls.model.options}
    assert choices == {name: name for name in shipped_models()} | names
    assert list(choices) == [*shipped_models(), *names]
    assert painter.controls.model.value == DEFAULT_MODEL
    painter.controls.model.value = "telea"
    painter._receive(painter.canvas, {"kind": "seen"}, [])  # as another view of it
    assert painter.controls.model.value == "telea"


@pytest.mark.parametrize("name", ["smooth", "telea", DEFAULT_MODEL])
def test_a_model_given_by_name_is_chosen_and_stands_once(name):
    offered, painter = Painter(photo()).controls.model, Painter(photo(), name)
    painter._load()
    assert painter.controls.model.options == offered.options
    assert painter.controls.model.value == name


@pytest.mark.skipif(not NOTEBOOK.is_file(), reason="notebooks are not installed")
def test_the_demo_loads_nothing_else_before_its_painter():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    shown = [c for c in code if "notebook-only" not in c["metadata"].get("tags", [])]
    program = "\n".join("".join(cell["source"]) for cell in shown)
    program += "\nimport sys; print({'torch', 'scipy', 'pandas', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stdout + done.stderr
