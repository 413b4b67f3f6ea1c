"""What the painter saves says what the command's file says: profile, camera data, resolution."""

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from tolerances import TENTH

pytest.importorskip("anywidget", reason="anywidget is in the extra 'notebooks'")

from aotgan.apply.folders import Settings, fill_files
from aotgan.apply.painter import Painter
from aotgan.apply.reading import read_metadata
from aotgan.apply.tasks import FolderOutcome, Task

SIZE = (30, 44)  # height, width of the upright picture
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ARTIST, ORIENTATION = ExifTags.Base.Artist, ExifTags.Base.Orientation


@pytest.fixture
def hole():
    mask = np.zeros(SIZE, dtype=bool)
    mask[5:12, 7:30] = True
    return mask


def photograph(path):
    """A file with a profile, EXIF data and a resolution of 240 px an inch, which lies turned."""
    exif = Image.Exif()
    exif[ARTIST], exif[ORIENTATION] = "Ansel", 6
    values = np.random.default_rng(0).integers(0, 200, (*SIZE[::-1], 3), dtype=np.uint8)
    Image.fromarray(values).save(path, exif=exif, icc_profile=PROFILE, dpi=(240, 240))
    return path


def saved(painter, what, folder, monkeypatch):
    """The file that a button saves, and what the painter says of it."""
    sent = []
    monkeypatch.setattr(painter.canvas, "send", lambda *message: sent.append(message))
    painter._receive(painter.canvas, {"kind": "download", "what": what, "part": 0}, [])
    ((content, (data,)),) = sent
    path = folder / content["name"]
    path.write_bytes(data)
    return path, painter.canvas.notice


@pytest.mark.parametrize("given", ["path", "image"])
@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.webp"])
def test_the_file_says_what_that_of_the_command_says(hole, monkeypatch, tmp_path, name, given):
    monkeypatch.setattr(Painter, "_sessions", {})
    path, mask, other = photograph(tmp_path / name), tmp_path / "mask.png", tmp_path / "other.png"
    painter = Painter(path if given == "path" else Image.open(path), "smooth")
    painter.mask = hole
    painter.fill()
    painter.wait()
    painter.keep()  # what is saved then is no file's picture any more
    own, notice = saved(painter, "result", tmp_path, monkeypatch)
    assert notice == f"Saved as {own.name}."
    Image.fromarray(hole).save(mask)
    outcome = FolderOutcome()
    fill_files([Task(path, mask, other)], Settings(model="smooth"), outcome, workers=1)
    assert outcome.written == [other]
    for file in (own, other):
        metadata, tags = read_metadata(file), Image.Exif()
        tags.load(b"Exif\0\0" + metadata.exif)
        assert metadata.profile == PROFILE and tags[ARTIST] == "Ansel" and ORIENTATION not in tags
        density = name == "photo.webp" or metadata.density.dpi == pytest.approx(
            (240, 240), abs=TENTH
        )
        assert density  # of WebP files there is none
    with Image.open(own) as one, Image.open(other) as two:
        assert one.size == SIZE[::-1] and np.array_equal(np.array(one), np.array(two))


def test_a_mask_says_nothing_of_the_photograph(hole, monkeypatch, tmp_path):
    monkeypatch.setattr(Painter, "_sessions", {})
    painter = Painter(photograph(tmp_path / "photo.jpg"))
    painter.mask = hole
    metadata = read_metadata(saved(painter, "mask", tmp_path, monkeypatch)[0])
    assert not (metadata.profile or metadata.exif or metadata.density)


def test_what_the_file_cannot_say_is_told(hole, monkeypatch, tmp_path):
    monkeypatch.setattr(Painter, "_sessions", {})
    pages = [Image.fromarray(np.full((*SIZE, 3), level, np.uint8)) for level in (9, 99)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    painter = Painter(tmp_path / "two.tif", "smooth")
    painter.mask = hole
    painter.fill()
    painter.wait()
    _, notice = saved(painter, "result", tmp_path, monkeypatch)
    assert notice.startswith("Saved as two-result.png. Left out") and "1 further page" in notice
