"""The painter in a real Chromium: what pointers draw is what Python gets, pixel by pixel."""

import base64
import math

import numpy as np
import pytest

from aotgan.apply.painter_files import pack_mask

pytestmark = pytest.mark.browser
SIZE = (640, 480)
A, B = (230, 200), (410, 285)  # lie on the canvas at every zoom below


def centres(size=SIZE):
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    return x, y


def capsule(a, b, radius, size=SIZE):
    """(H, W) bool: pixels whose centres lie within `radius` of the line from a to b."""
    x, y = centres(size)
    dx, dy = b[0] - a[0], b[1] - a[1]
    along = ((x - a[0]) * dx + (y - a[1]) * dy) / max(dx * dx + dy * dy, 1e-9)
    along = along.clip(0, 1)
    return np.hypot(x - a[0] - along * dx, y - a[1] - along * dy) <= radius


def box(a, b):
    x, y = centres()
    return (x >= a[0]) & (x <= b[0]) & (y >= a[1]) & (y <= b[1])


def triangle(a, b, c):
    x, y = centres()
    sides = [
        (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))
    ]
    return np.all([s >= 0 for s in sides], axis=0) | np.all([s <= 0 for s in sides], axis=0)


def overlap(one, other):
    """Intersection over union."""
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("zoom", [0.5, 1, 2])
def test_shapes_are_drawn_at_the_images_resolution(open_painter, zoom, ratio):
    page = open_painter(SIZE, ratio)
    page.zoom(zoom)
    page.drag([A, B])
    assert overlap(page.mask, capsule(A, B, page.diameter / 2)) >= 0.99
    page.after(lambda: page.key("Delete"))
    page.key("r")
    page.drag([A, B])
    assert overlap(page.mask, box(A, B)) >= 0.99
    page.after(lambda: page.key("Delete"))
    page.key("l")
    corner = (A[0], B[1])
    page.drag([A, B, corner])
    assert overlap(page.mask, triangle(A, B, corner)) >= 0.99


def test_mask_has_two_levels_and_a_stroke_of_one_pixel(open_painter):
    page = open_painter((64, 48))
    page.zoom(8)
    for _ in range(20):
        page.key("[")
    assert page.diameter == 1
    page.drag([(30.5, 20.5), (40.5, 20.5)])
    expected = np.zeros((48, 64), bool)
    expected[20, 30:41] = True
    assert np.array_equal(page.mask, expected)
    page.drag([(10.1, 10.9), (10.1, 10.9)])  # covers no pixel's centre
    expected[10, 10] = True
    assert np.array_equal(page.mask, expected)


def test_undo_and_redo_are_exact(open_painter):
    page = open_painter()
    page.zoom(1)
    masks = [page.mask]
    page.drag([A, B])
    masks.append(page.mask)
    page.key("e")
    page.drag([(A[0], B[1]), (B[0], A[1])])
    masks.append(page.mask)
    masks.append(page.after(lambda: page.key("i")))
    page.key("l")
    page.drag([A, B, (A[0], B[1])])
    masks.append(page.mask)
    masks.append(page.after(lambda: page.key("Delete")))
    assert len({mask.tobytes() for mask in masks[:-1]}) == 5 and not masks[-1].any()
    for mask in masks[-2::-1]:
        assert np.array_equal(page.after(lambda: page.key("Control+z")), mask)
    assert page.button("undo").is_disabled()
    for mask in masks[1:]:
        assert np.array_equal(page.after(lambda: page.key("Control+Shift+z")), mask)
    assert page.button("redo").is_disabled()
    page.after(lambda: page.button("undo").click())
    page.key("b")
    page.drag([A, B])
    assert page.button("redo").is_disabled()  # a new stroke ends what could be redone
    assert np.array_equal(page.after(lambda: page.key("Control+z")), masks[-2])


def test_eraser_and_shift_take_away(open_painter):
    page = open_painter()
    page.zoom(1)
    page.drag([A, B])
    whole = page.mask
    page.button("erase").click()
    page.drag([A, (320, 240)])
    radius = page.diameter / 2
    expected = whole & ~capsule(A, (320, 240), radius)
    assert overlap(page.mask, expected) >= 0.99
    page.button("box").click()
    page.page.keyboard.down("Shift")
    page.drag([(300, 200), (500, 300)])
    page.page.keyboard.up("Shift")
    assert np.array_equal(page.mask, page.mask & ~box((300, 200), (500, 300)))
    assert page.mask.sum() < expected.sum()


def test_a_stroke_leaves_the_canvas_and_comes_back(open_painter):
    page = open_painter()
    page.zoom(1)
    outside = (320, -200)  # far above the window
    page.drag([A, outside, B])
    radius = page.diameter / 2
    expected = capsule(A, outside, radius) | capsule(outside, B, radius)
    assert overlap(page.mask, expected) >= 0.99
    before = page.mask
    page.page.mouse.move(*page.at(*B))  # the button is up: nothing is drawn
    page.page.mouse.move(*page.at(*A))
    assert np.array_equal(page.mask, before)


@pytest.mark.parametrize("kind", ["pen", "touch"])
def test_pen_and_touch_draw_like_the_mouse(open_painter, kind):
    page = open_painter(touch=True)
    page.zoom(1)
    devtools = page.page.context.new_cdp_session(page.page)
    places = [page.at(A[0] + t * (B[0] - A[0]), A[1] + t * (B[1] - A[1])) for t in (0, 0.5, 1)]

    def pen():
        for name, (x, y) in zip(
            ("mousePressed", "mouseMoved", "mouseMoved", "mouseReleased"),
            (*places, places[-1]),
            strict=True,
        ):
            options = {"type": name, "x": x, "y": y, "button": "left", "buttons": 1}
            options |= {"pointerType": "pen", "clickCount": 1}
            devtools.send("Input.dispatchMouseEvent", options)

    def touch():
        for name, at in zip(("touchStart", "touchMove", "touchMove"), places, strict=True):
            points = [{"x": at[0], "y": at[1]}]
            devtools.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": points})
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    page.page.evaluate(
        "document.querySelector('canvas').addEventListener('pointerdown',"
        " (event) => { window.kind = event.pointerType; })"
    )
    page.after({"pen": pen, "touch": touch}[kind])
    assert page.page.evaluate("kind") == kind
    assert overlap(page.mask, capsule(A, B, page.diameter / 2)) >= 0.99


def test_a_touch_that_the_system_takes_away_draws_nothing(open_painter):
    page = open_painter(touch=True)
    page.zoom(1)
    devtools = page.page.context.new_cdp_session(page.page)
    for name, places in (("touchStart", [A]), ("touchMove", [B]), ("touchCancel", [])):
        points = [dict(zip("xy", page.at(*place), strict=True)) for place in places]
        devtools.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": points})
    page.drag([B, B])
    assert overlap(page.mask, capsule(B, B, page.diameter / 2)) >= 0.99


def test_two_fingers_zoom_and_draw_nothing(open_painter):
    page = open_painter(touch=True)
    page.zoom(1)
    devtools = page.page.context.new_cdp_session(page.page)

    def fingers(name, *places):
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]
        devtools.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": points})

    left, right = page.at(300, 240), page.at(340, 240)
    fingers("touchStart", left)
    fingers("touchStart", left, right)
    fingers("touchMove", (left[0] - 20, left[1]), (right[0] + 20, right[1]))
    fingers("touchEnd")
    page.wait_text("no hole yet · 200 %")
    assert page.sent == 0


def test_zoom_keeps_what_lies_under_the_pointer(open_painter):
    page = open_painter()
    page.zoom(1)
    x, y = page.at(*A)
    page.page.mouse.move(x, y)
    page.page.keyboard.down("Control")
    page.page.mouse.wheel(0, -100 * math.log(1.5))
    page.page.keyboard.up("Control")
    mask = page.after(lambda: page.page.mouse.click(x, y))
    rows, columns = np.nonzero(mask)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(A, abs=1)


def test_a_plain_wheel_scrolls_the_page(open_painter):
    page = open_painter()
    page.zoom(1)
    page.page.mouse.move(*page.at(*A))
    page.page.mouse.wheel(0, -100)
    page.drag([A, A])
    page.wait_text(" 100 %")


def test_escape_abandons_a_stroke_and_space_moves_the_picture(open_painter):
    page = open_painter()
    page.zoom(1)
    page.page.mouse.move(*page.at(*A))
    page.page.mouse.down()
    page.page.mouse.move(*page.at(*B))
    page.page.keyboard.press("Escape")
    page.page.mouse.up()
    page.page.keyboard.down(" ")
    page.page.mouse.down()
    page.page.mouse.move(*page.at(B[0] + 30, B[1] + 20))
    page.page.mouse.up()
    page.page.keyboard.up(" ")
    assert page.sent == 0
    page.drag([A, A])  # the picture lies 30 and 20 px farther on
    rows, columns = np.nonzero(page.mask)
    place = columns.mean() + 0.5, rows.mean() + 0.5
    assert place == pytest.approx((A[0] - 30, A[1] - 20), abs=1)


def test_mask_and_result_of_the_kernel_are_shown(open_painter):
    page = open_painter()
    hole = box(A, B)
    text = base64.b64encode(pack_mask(hole)).decode()
    page.page.evaluate("packed => model.set('packed', bytes(packed))", text)
    page.wait_text(f"hole {100 * hole.mean():.1f} %")
    page.zoom(1)
    page.key("r")
    page.drag([(440, 300), (470, 320)])
    assert np.array_equal(page.mask, hole | box((440, 300), (470, 320)))
    page.page.evaluate("model.set('filled', model.get('photo'))")
    page.page.wait_for_selector("[data-name='compare']:enabled")
    page.key("c")
    assert page.button("compare").get_attribute("aria-pressed") == "true"
    page.key("ArrowRight")
    assert page.page.locator(".ap-divider").input_value() == "55"
    before = page.sent
    page.page.mouse.move(*page.at(160, 240))
    page.page.mouse.down()  # moves the divider and draws nothing
    page.page.mouse.up()
    assert page.page.locator(".ap-divider").input_value() == "25"
    assert page.sent == before
    page.key("b")
    assert not page.page.locator(".ap-divider").is_visible()


def test_the_mask_of_24_megapixels_is_small(open_painter):
    size = (6000, 4000)
    page = open_painter(size)
    page.scale = page.page.evaluate("document.querySelector('canvas').clientHeight") / size[1]
    a, b = (1000, 1000), (5000, 3000)
    page.drag([a, b])
    assert overlap(page.mask, capsule(a, b, page.diameter / 2, size)) >= 0.99
    assert len(page.packed) < 100_000
