"""The painter in a real Chromium: what is done seldom, and is missed when it is broken."""

import numpy as np
import pytest

pytestmark = pytest.mark.browser
A, B = (230, 200), (410, 285)  # lie on the canvas
MIDDLE = (320, 240)


def place_of(page):
    """Middle of what one click draws, in pixels of the image."""
    rows, columns = np.nonzero(page.mask)
    return columns.mean() + 0.5, rows.mean() + 0.5


def test_a_photo_is_opened_by_dropping_it(open_painter):
    page = open_painter()
    page.page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["abc"], "photo.png"));
          document.querySelector("canvas").dispatchEvent(new DragEvent("drop", { dataTransfer }));
        }"""
    )
    page.page.wait_for_function("model.messages.length === 1")
    said = "(([{ kind, what, name, parts }]) => [kind, what, name, parts])(model.messages)"
    assert page.page.evaluate(said) == ["upload", "image", "photo.png", 1]


def test_the_slider_goes_from_one_pixel_to_half_the_image(open_painter):
    page = open_painter()
    slider, brushes = page.page.get_by_label("Brush size"), {}
    for value in ("0", "50", "100"):
        slider.fill(value)
        brushes[value] = page.diameter
    assert brushes == {"0": 1, "50": 15, "100": 240}  # 15: the root of 240


def test_a_pens_other_end_takes_away(open_painter):
    page = open_painter()
    page.zoom(1)
    page.after(lambda: page.key("i"))
    x, y = page.at(*A)
    page.page.evaluate(
        """([clientX, clientY]) => {
          const canvas = document.querySelector("canvas");
          canvas.setPointerCapture = () => {};  // there is no such pen
          const pen = { pointerId: 9, pointerType: "pen", button: 5, clientX, clientY };
          for (const kind of ["pointerdown", "pointerup"]) {
            canvas.dispatchEvent(new PointerEvent(kind, pen));
          }
        }""",
        [x, y],
    )
    page.wait_sent(1)
    assert not page.mask[A[1], A[0]] and page.mask[B[1], B[0]]


def test_the_middle_button_moves_the_picture(open_painter):
    page = open_painter()
    page.zoom(1)
    page.page.mouse.move(*page.at(*A))
    page.page.mouse.down(button="middle")
    page.page.mouse.move(*page.at(A[0] + 30, A[1] + 20))
    page.page.mouse.up(button="middle")
    assert page.sent == 0
    page.drag([B, B])
    assert place_of(page) == pytest.approx((B[0] - 30, B[1] - 20), abs=1)


@pytest.mark.parametrize("zoom", [None, 1])
def test_the_picture_stays_in_the_middle_of_another_window(open_painter, zoom):
    page = open_painter()
    if zoom:
        page.zoom(zoom)
    page.page.set_viewport_size({"width": 500, "height": 560})
    page.page.wait_for_timeout(300)  # some frames
    if not zoom:  # the whole picture is still in the window
        width = page.canvas.bounding_box()["width"]
        page.wait_text(f" {100 * min(width / 640, 292 / 480):.0f} %")
    box = page.canvas.bounding_box()
    page.after(
        lambda: page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    )
    assert place_of(page) == pytest.approx(MIDDLE, abs=2)


def test_the_hole_is_marked_where_it_is_and_nowhere_else(open_painter):
    page = open_painter()
    page.zoom(1)
    before = page.screen()
    page.key("r")
    page.drag([A, B])
    page.page.mouse.move(1, 1)
    change = np.abs(page.screen() - before).max(axis=-1) > 9
    box = page.canvas.bounding_box()
    left, top = (
        round(end - begin) for end, begin in zip(page.at(*A), (box["x"], box["y"]), strict=True)
    )
    inside = np.s_[top + 3 : top + B[1] - A[1] - 3, left + 3 : left + B[0] - A[0] - 3]
    assert change[inside].all()
    change[top - 3 : top + B[1] - A[1] + 3, left - 3 : left + B[0] - A[0] + 3] = False
    assert not change[10:-10, 10:-10].any()  # without the ring of the focus


def test_undo_drops_the_stroke_in_hand_with_the_one_before(open_painter):
    page = open_painter()
    page.zoom(1)
    page.drag([A, A])
    page.page.mouse.move(*page.at(*B))
    page.page.mouse.down()
    mask = page.after(lambda: page.page.keyboard.press("Control+z"))
    page.page.mouse.up()
    assert not mask.any()
    assert page.after(lambda: page.key("Control+y"))[A[1], A[0]]  # as Ctrl + Shift + Z
    assert not page.mask[B[1], B[0]]


def test_zooming_ends_at_40_and_at_half_of_the_whole(open_painter):
    page = open_painter()
    fitted = page.page.evaluate("document.querySelector('canvas').clientHeight") / page.size[1]
    for key, share in (("+", 40), ("-", fitted / 2)):
        for _ in range(20):
            page.key(key)
        page.wait_text(f" {100 * share:.0f} %")


def test_a_mask_is_saved_and_cleared_where_there_is_one(open_painter):
    page = open_painter()
    page.zoom(1)
    for hole in (False, True):
        assert page.button("save-mask").is_enabled() == page.button("clear").is_enabled() == hole
        page.after(lambda: page.key("i"))


def test_the_alarm_ends_when_the_kernel_answers(open_painter):
    page = open_painter()
    page.page.evaluate("model.answers = false")
    page.after(lambda: page.key("i"))
    alarm = page.page.locator(".ap-alarm")
    alarm.wait_for(timeout=10_000)
    page.page.evaluate("model.set('received', model.get('sent'))")
    alarm.wait_for(state="detached")


def test_keys_of_the_browser_and_a_space_that_is_let_go_elsewhere_change_nothing(open_painter):
    page = open_painter()
    page.zoom(1)
    page.key("Alt+r")
    assert page.button("brush").get_attribute("aria-pressed") == "true"
    page.canvas.focus()
    page.page.keyboard.down(" ")
    page.page.evaluate("document.activeElement.blur()")
    page.page.keyboard.up(" ")
    page.drag([A, A])  # draws, and does not move the picture
    assert place_of(page) == pytest.approx(A, abs=1)
