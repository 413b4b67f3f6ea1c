"""The painter's kernel side: masks as bits, files in parts, fills that run, end and go on."""

import io
import re
import threading

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget", reason="anywidget is in the extra 'notebooks'")

from aotgan.apply.painter import Painter
from aotgan.apply.painter_files import CHUNK, MOST_PAST, pack_mask
from aotgan.data.mask_files import read_mask
from aotgan.errors import InputError

SIZE = (30, 44)  # height, width


def photo(seed=0, size=SIZE):
    values = np.random.default_rng(seed).integers(0, 200, (*size, 3), dtype=np.uint8)
    return Image.fromarray(values)


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture
def hole():
    mask = np.zeros(SIZE, dtype=bool)
    mask[5:12, 7:30] = True
    return mask


@pytest.fixture
def fills(monkeypatch):
    """Stands in for inpaint: paints the hole red; `gate` holds it between its two steps."""
    monkeypatch.setattr(Painter, "_sessions", {})
    calls, gate = [], threading.Event()
    gate.set()

    def fill(image, mask, model, *, on_progress, **options):
        on_progress(1, 2)
        assert gate.wait(30)
        on_progress(2, 2)
        calls.append((image, mask, model, options))
        values = np.array(image if isinstance(image, Image.Image) else Image.open(image))
        values[mask] = (255, 0, 0)
        return Image.fromarray(values)

    monkeypatch.setattr("aotgan.apply.inpaint.inpaint", fill)
    fill.calls, fill.gate = calls, gate
    return fill


def from_browser(painter, mask):
    """Sets the mask as a browser's message does: compressed bits in a memoryview."""
    sent = painter.canvas.sent + 1
    painter.canvas.set_state({"packed": memoryview(pack_mask(mask)), "sent": sent})


def message(painter, buffers=(), **content):
    painter._receive(painter.canvas, content, [memoryview(data) for data in buffers])


def test_bytes_of_a_browser_arrive_and_are_acknowledged(fills, hole):
    painter = Painter(photo())
    from_browser(painter, hole)
    assert np.array_equal(painter.mask, hole)
    assert painter.canvas.received == 1


def test_a_fill_uses_mask_model_and_options(fills, hole):
    painter = Painter(photo(), grow=3, feather=5)
    painter.mask = hole
    painter.fill()
    painter.wait()
    ((image, mask, model, options),) = fills.calls
    assert image is painter.image and np.array_equal(mask, hole)
    assert model == painter.controls.model.value and options == {"grow": 3, "feather": 5}
    assert (np.array(painter.result)[hole] == (255, 0, 0)).all()
    assert painter.canvas.filled and "Filled in" in painter.canvas.notice


def test_a_fill_takes_the_mask_that_comes_with_it(fills, hole):
    painter, asked = Painter(photo()), []
    from_browser(painter, ~hole)
    painter.canvas.send = asked.append
    painter.controls.fill.click()
    assert asked == [{"kind": "fill"}] and fills.calls == []
    message(painter, [pack_mask(hole)], kind="fill", sent=2)
    painter.wait()
    assert np.array_equal(fills.calls[0][1], hole) and np.array_equal(painter.mask, hole)
    assert painter.canvas.received == 2


def test_holes_are_filled_in_turn(fills, hole):
    original = photo()
    painter = Painter(original)
    for mask in (hole, np.roll(hole, 12, axis=0)):
        from_browser(painter, mask)
        message(painter, kind="fill")
        painter.wait()
        painter.keep()
        assert not painter.mask.any() and painter.result is None and not painter.canvas.filled
    both = hole | np.roll(hole, 12, axis=0)
    assert (np.array(painter.image)[both] == (255, 0, 0)).all()
    assert np.array_equal(np.array(painter.image)[~both], np.array(original)[~both])
    painter.restart()
    assert painter.image is original


def test_a_fill_can_be_cancelled(fills, hole):
    painter = Painter(photo())
    painter.mask = hole
    fills.gate.clear()
    painter.fill()
    assert painter.controls.fill.disabled and painter.controls.restart.disabled
    assert painter.controls.cancel.layout.display is None
    painter.fill()  # a second one does not start beside it
    painter.cancel()
    fills.gate.set()
    painter.wait()
    assert fills.calls == [] and painter.result is None
    assert painter.controls.progress.value == 1
    assert "Cancelled" in painter.canvas.notice and not painter.controls.fill.disabled


def test_nothing_drawn_is_said_and_nothing_is_run(fills):
    painter = Painter(photo())
    painter.fill()
    assert "Draw a hole first" in painter.canvas.notice and fills.calls == []


def test_errors_of_a_fill_are_shown(fills, hole, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("aotgan.apply.inpaint.inpaint", fails)
    painter = Painter(photo())
    painter.mask = hole
    painter.fill()
    painter.wait()
    assert "RuntimeError: out of memory" in painter.canvas.notice
    assert not painter.controls.fill.disabled


def test_a_rerun_of_the_cell_goes_on(fills, hole):
    first = Painter(photo())
    from_browser(first, hole)
    first.fill()
    first.wait()
    again = Painter(photo())
    assert np.array_equal(again.mask, hole) and again.result is first.result
    assert "Continued" in again.canvas.notice
    assert not Painter(photo(1)).mask.any()


def state(painter):
    """Everything that undo brings back, of the kernel's side and of what the browser shows."""
    canvas = painter.canvas
    seen = canvas.photo, canvas.packed, canvas.filled, canvas.kept
    return (
        painter.image,
        painter.result,
        painter.mask.tobytes(),
        seen,
        painter.controls.keep.disabled,
    )


def test_keep_and_start_over_are_undone_in_turn(fills, hole):
    painter = Painter(photo())
    states = []
    for step, mask in (
        (painter.keep, hole),
        (painter.restart, hole[::-1]),
        (painter.restart, hole),
    ):
        from_browser(painter, mask)
        painter.fill()
        painter.wait()
        from_browser(painter, mask | hole)  # drawn after the fill
        states.append(state(painter))
        step()
        assert not painter.mask.any() and painter.result is None and painter.canvas.past
    for expected in reversed(states):
        shown = painter.canvas.shown
        message(painter, kind="undo")
        assert state(painter) == expected and painter.canvas.shown > shown
    assert not painter.canvas.past
    message(painter, kind="undo")  # there is nothing before
    assert state(painter) == states[0]


def test_start_over_of_an_untouched_photo_is_no_step(fills):
    painter = Painter(photo())
    painter.restart()
    assert not painter.canvas.past


def test_undo_waits_for_a_fill_and_remembers_a_few_states(fills, hole):
    painter = Painter(photo())
    for _ in range(MOST_PAST + 2):
        from_browser(painter, hole)
        painter.restart()
    from_browser(painter, hole)
    fills.gate.clear()
    painter.fill()
    painter.undo()
    assert np.array_equal(painter.mask, hole) and len(painter._session.past) == MOST_PAST
    fills.gate.set()
    painter.wait()
    assert painter.result is not None


def test_photos_and_masks_are_uploaded_in_parts(fills, hole):
    painter = Painter(photo())
    other = photo(1, (600, 700))
    data = png(other)
    parts = [data[i : i + 400_000] for i in range(0, len(data), 400_000)]
    assert len(parts) > 1
    for n, part in enumerate(parts):
        content = {"kind": "upload", "what": "image", "name": "a/b c.png", "part": n}
        message(painter, [part], parts=len(parts), **content)
    assert painter.canvas.size == [700, 600]
    mask = np.zeros((600, 700), dtype=bool)
    mask[10:90, 20:300] = True
    upload = {"kind": "upload", "what": "mask", "name": "m.png", "part": 0, "parts": 1}
    message(painter, [png(Image.fromarray(mask))], **upload)
    assert np.array_equal(painter.mask, mask) and painter.canvas.notice == "m.png is the mask."
    message(painter, kind="fill")
    painter.wait()
    values = np.array(other)
    values[mask] = (255, 0, 0)
    assert np.array_equal(np.array(painter.result), values)


@pytest.mark.parametrize(
    ("what", "data", "words"),
    [
        ("image", b"no image", r"^x\.png: "),
        ("mask", b"no image", r"x\.png: "),
        ("mask", png(Image.new("1", (3, 3), 1)), r"^mask x\.png has 3 x 3 px .* 30 x 44"),
    ],
)
def test_bad_uploads_are_named_and_change_nothing(fills, hole, what, data, words):
    painter = Painter(photo())
    painter.mask = hole
    message(painter, [data], kind="upload", what=what, name="x.png", part=0, parts=1)
    assert re.search(words, painter.canvas.notice), painter.canvas.notice
    assert "/" not in painter.canvas.notice  # no folder of the kernel's machine
    assert np.array_equal(painter.mask, hole) and painter.canvas.size == [44, 30]


def test_a_mask_that_may_be_inverted_is_told_where_it_is_opened_and_filled(
    fills, hole, monkeypatch
):
    def fill(image, mask, model, **_):
        read_mask(mask, SIZE, strict=False)  # as inpaint does
        return photo(1)

    painter = Painter(photo())
    upload = {"kind": "upload", "what": "mask", "name": "inv.png", "part": 0, "parts": 1}
    message(painter, [png(Image.fromarray(~hole))], **upload)
    assert np.array_equal(painter.mask, ~hole)
    share = f"{(~hole).mean():.0%} of the image is hole"
    notice = painter.canvas.notice
    assert notice.startswith(f"inv.png is the mask. {share}") and notice.endswith("press Invert.")
    monkeypatch.setattr("aotgan.apply.inpaint.inpaint", fill)
    painter.fill()
    painter.wait()
    notice = painter.canvas.notice
    assert notice.startswith("Filled in") and share in notice and notice.endswith("press Invert.")


def test_no_message_asks_for_python(fills, hole):
    painter = Painter(photo())
    painter.mask = hole
    upload = {"kind": "upload", "what": "mask", "name": "m.png", "part": 0, "parts": 1}
    layer = Image.fromarray(np.dstack([np.uint8(255) * hole] * 4))  # white strokes on nothing
    told = "Leave what is to be kept out of it.", "without transparency, white in the hole."
    for mask, way in zip((Image.new("1", SIZE[::-1], 1), layer), told, strict=True):
        message(painter, [png(mask)], **upload)
        assert painter.canvas.notice.endswith(way) and "hole=" not in painter.canvas.notice
        assert np.array_equal(painter.mask, hole)


def test_a_lost_part_is_noticed(fills):
    painter = Painter(photo())
    content = {"kind": "upload", "what": "image", "name": "x.png", "parts": 3}
    message(painter, [b"a"], part=0, **content)
    message(painter, [b"c"], part=2, **content)
    assert "was lost" in painter.canvas.notice


def test_results_and_masks_are_downloaded_in_parts(fills, monkeypatch):
    painter = Painter(photo(size=(700, 800)))
    mask = np.zeros((700, 800), dtype=bool)
    mask[5:9, 4:60] = True
    painter.mask = mask
    sent = []
    monkeypatch.setattr(painter.canvas, "send", lambda *message: sent.append(message))
    message(painter, kind="download", what="result", part=0)
    assert sent == [] and "no result yet" in painter.canvas.notice
    painter.fill()
    painter.wait()
    for what, expected in (("result", np.array(painter.result)), ("mask", mask)):
        sent.clear()
        part = 0
        while not sent or part < sent[0][0]["parts"]:
            message(painter, kind="download", what=what, part=part)
            part += 1
        assert all(len(buffer) <= CHUNK for _, (buffer,) in sent)
        assert sent[0][0]["name"] == f"photo-{what}.png"
        with Image.open(io.BytesIO(b"".join(buffer for _, (buffer,) in sent))) as image:
            assert np.array_equal(np.array(image), expected)


def test_what_was_kept_is_saved_where_there_is_no_newer_result(fills, hole, monkeypatch):
    painter = Painter(photo())
    sent = []
    monkeypatch.setattr(painter.canvas, "send", lambda *message: sent.append(message))
    painter.mask = hole
    painter.fill()
    painter.wait()
    assert not painter.canvas.kept
    painter.keep()
    assert painter.canvas.kept
    message(painter, kind="download", what="result", part=0)
    ((content, (data,)),) = sent
    assert content["name"] == "photo-result.png"
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.array(image), np.array(painter.image))
    painter.restart()
    assert not painter.canvas.kept
    message(painter, kind="download", what="result", part=0)
    assert len(sent) == 1 and "no result yet" in painter.canvas.notice


def test_unreadable_images_are_refused_at_once(fills, tmp_path):
    with pytest.raises(InputError, match="no such image file"):
        Painter(tmp_path / "gone.png")
    with pytest.raises(InputError, match="type list"):
        Painter([1, 2])
