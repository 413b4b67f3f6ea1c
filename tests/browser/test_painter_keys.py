"""The painter in a real Chromium, by keyboard: draw a hole, see the result, close the list."""

import base64

import numpy as np
import pytest

from aotgan.apply.painter_files import unpack_mask

pytestmark = pytest.mark.browser
SIZE = (640, 480)
STEP = 12  # px that an arrow goes at a scale of 1


def press(page, *keys):
    for key in keys:
        page.page.keyboard.press(key)


def centred(page, tool):
    """At a scale of 1, with a tool, the keyboard in the canvas and no mouse anywhere."""
    page.zoom(1)
    page.key(tool)


def boxed(left, top, right, bottom):
    """(H, W) bool with the ends inside."""
    mask = np.zeros(SIZE[::-1], dtype=bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def test_a_rectangle_is_drawn_by_keys(open_painter):
    page = open_painter(SIZE)
    centred(page, "r")
    press(page, "ArrowLeft", "ArrowUp", "d", *["ArrowRight"] * 3, *["ArrowDown"] * 2)
    assert page.sent == 0  # a rectangle that is still held
    mask = page.after(lambda: press(page, "d"))
    left, top = SIZE[0] // 2 - STEP, SIZE[1] // 2 - STEP
    assert np.array_equal(mask, boxed(left, top, left + 3 * STEP, top + 2 * STEP))
    press(page, "Shift+ArrowRight", "Shift+ArrowDown")  # single pixels
    page.wait_text(f"at {left + 3 * STEP + 1}, {top + 2 * STEP + 1} ·")


@pytest.mark.parametrize(("tool", "share"), [("b", 1), ("l", 1), ("e", 0)])
def test_each_tool_is_held_and_lifted_by_one_key(open_painter, tool, share):
    page = open_painter(SIZE)
    centred(page, tool)
    if tool == "e":
        page.after(lambda: press(page, "i"))
    around = ["ArrowRight"] * 4 + ["ArrowDown"] * 4 + ["ArrowLeft"] * 4
    mask = page.after(lambda: press(page, "d", *around, "d"))
    x, y = SIZE[0] // 2, SIZE[1] // 2
    assert mask[y + 1 : y + 4 * STEP, x + 4 * STEP - 1].mean() == share
    assert mask[:, x + 4 * STEP + 60 :].mean() == 1 - share  # far away


def test_escape_drops_a_stroke_of_keys_and_leaving_ends_it(open_painter):
    page = open_painter(SIZE)
    centred(page, "r")
    press(page, "d", "ArrowRight", "ArrowDown", "Escape")
    assert page.sent == 0
    mask = page.after(lambda: press(page, "d", "ArrowRight", "ArrowDown", "Tab"))
    x, y = SIZE[0] // 2 + STEP, SIZE[1] // 2 + STEP
    assert np.array_equal(mask, boxed(x, y, x + STEP, y + STEP))


def ask_to_fill(page, ask):
    if ask == "key":
        press(page, "Enter")
    else:  # as its button does
        page.page.evaluate("model.fire('msg:custom', { kind: 'fill' }, [])")


def asked_to_fill(page):
    """What the kernel was asked, by one message: its kind, number of the mask, and the mask."""
    page.page.wait_for_function("model.messages.length === 1")
    kind, sent, data = page.page.evaluate(
        "(([m]) => [m.kind, m.sent, btoa(String.fromCharCode(...m.buffers.flatMap((b) =>"
        " [...new Uint8Array(b.buffer, b.byteOffset, b.byteLength)])))])(model.messages)"
    )
    return kind, sent, unpack_mask(base64.b64decode(data), SIZE[::-1])


@pytest.mark.parametrize("ask", ["key", "kernel"])
def test_fill_takes_the_stroke_in_hand(open_painter, ask):
    page = open_painter(SIZE)
    centred(page, "r")
    press(page, "d", "ArrowRight", "ArrowDown")
    ask_to_fill(page, ask)
    kind, sent, mask = asked_to_fill(page)
    assert (kind, sent) == ("fill", 1) and mask.sum() == (STEP + 1) ** 2


@pytest.mark.parametrize("ask", ["key", "kernel"])
def test_the_mask_goes_with_the_fill(open_painter, ask):
    page = open_painter(SIZE)
    centred(page, "r")
    drawn = page.after(lambda: press(page, "d", "ArrowRight", "ArrowDown", "d"))
    ask_to_fill(page, ask)
    kind, sent, mask = asked_to_fill(page)
    assert (kind, sent) == ("fill", page.sent)
    assert np.array_equal(mask, drawn)


@pytest.mark.parametrize(
    ("arrow", "place", "edge"),
    [
        ("ArrowLeft", (0, 240), np.s_[:, :12]),
        ("ArrowRight", (639, 240), np.s_[:, -12:]),
        ("ArrowUp", (320, 0), np.s_[:12]),
        ("ArrowDown", (320, 479), np.s_[-12:]),
    ],
)
def test_the_place_of_the_keys_stays_in_sight_and_in_the_picture(open_painter, arrow, place, edge):
    page = open_painter(SIZE)
    centred(page, "r")
    page.zoom(4)
    press(page, *[arrow] * 150)
    page.wait_text(f"at {place[0]}, {place[1]} ·")
    seen = page.screen()[edge]
    assert seen[..., 2].min() < 90  # the cross; the picture has 128, its ground more
    assert np.abs(seen[..., 2] - 128).min() < 9


@pytest.mark.parametrize(("zoom", "step"), [(4, 3), (32, 1)])
def test_an_arrow_goes_as_far_on_the_screen_at_any_zoom_but_a_pixel_at_least(
    open_painter, zoom, step
):
    page = open_painter(SIZE)
    page.zoom(zoom)
    x, y = SIZE[0] // 2, SIZE[1] // 2
    press(page, "ArrowLeft")
    page.wait_text(f"at {x - step}, {y} ·")
    press(page, *["Shift+ArrowRight"] * 3)
    page.wait_text(f"at {x - step + 3}, {y} ·")


def test_arrows_move_the_picture_with_the_tool_that_moves(open_painter):
    page = open_painter(SIZE)
    centred(page, "h")
    press(page, *["ArrowRight"] * 5, "r")
    page.wait_text("no hole yet · 100 %")
    mask = page.after(lambda: press(page, "d", "ArrowRight", "ArrowDown", "d"))
    assert mask[SIZE[1] // 2, SIZE[0] // 2 + 5 * STEP + 1] and mask.sum() == (STEP + 1) ** 2


@pytest.mark.parametrize(("arrows", "side"), [(("Right", "Down"), 1), (("Left", "Up"), -1)])
def test_a_corner_of_the_picture_stays_in_sight(open_painter, arrows, side):
    page = open_painter(SIZE)
    centred(page, "h")
    press(page, *[f"Arrow{arrow}" for arrow in arrows for _ in range(70)])
    seen = page.screen()[::side, ::side]
    ground = seen[60:-5, 60:-5]  # without the ring around a canvas in focus
    assert np.abs(seen[20, 20] - ground[0, 0]).max() > 20 and np.ptp(ground, axis=(0, 1)).max() < 9


def test_escape_closes_the_list_of_keys(open_painter):
    page = open_painter(SIZE)
    keys = page.page.locator(".ap-help")
    page.button("help").click()  # where the keyboard then is
    assert "draw without a mouse" in keys.inner_text()
    press(page, "Escape")
    assert not keys.is_visible()
    assert page.button("help").get_attribute("aria-pressed") == "false"
    page.key("?")
    assert keys.is_visible()
    press(page, "Escape")
    assert not keys.is_visible()
    press(page, "Escape")  # does not open it
    assert not keys.is_visible()


def shown(page):
    """The colours in the middle of the canvas's left and right half."""
    seen = page.screen()
    height, width = seen.shape[:2]
    return [seen[height // 2, x] for x in (3 * width // 8, 5 * width // 8)]


def test_the_whole_result_is_shown_first_and_before_and_after_when_asked(open_painter):
    page = open_painter(SIZE)
    page.page.mouse.move(1, 1)
    before = shown(page)
    page.page.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(640, 480), context = canvas.getContext("2d");
          context.fillStyle = "#00ff00";
          context.fillRect(0, 0, 640, 480);
          const blob = await canvas.convertToBlob({ type: "image/png" });
          model.set("filled", new DataView(await blob.arrayBuffer()));
        }"""
    )
    page.page.wait_for_selector("[data-name='result'][aria-pressed='true']")
    green = np.array((0, 255, 0))
    assert not page.page.locator(".ap-divider").is_visible()
    assert [np.abs(colour - green).max() < 9 for colour in shown(page)] == [True, True]
    page.key("c")
    assert page.page.locator(".ap-divider").input_value() == "50"
    assert page.page.locator(".ap-side").all_inner_texts() == ["before", "after"]
    left, right = shown(page)
    assert np.abs(left - before[0]).max() < 9 and np.abs(right - green).max() < 9
    page.key("c")  # back to the whole result
    assert [np.abs(colour - green).max() < 9 for colour in shown(page)] == [True, True]
    page.key("v")
    assert [np.abs(a - b).max() < 9 for a, b in zip(shown(page), before, strict=True)] == [True] * 2
    page.button("result").click()
    page.zoom(1)
    mask = page.after(lambda: page.page.mouse.click(*page.at(200, 200)))  # draws at once
    assert mask[200, 200] and page.button("result").get_attribute("aria-pressed") == "false"
