"""The painter in a real Chromium, beyond drawing: files, a silent kernel, labels, the network."""

import numpy as np
import pytest

pytestmark = pytest.mark.browser
A, B = (230, 200), (410, 285)  # lie on the canvas


def test_files_go_in_parts_and_come_in_parts(open_painter, tmp_path):
    page = open_painter()
    path = tmp_path / "photo.png"
    path.write_bytes(np.random.default_rng(0).bytes(2_500_000))
    with page.page.expect_file_chooser() as chooser:
        page.button("open-image").click()
    chooser.value.set_files(path)
    page.page.wait_for_function("model.messages.length === 3")
    sent = page.page.evaluate(
        "model.messages.map((m) => [m.kind, m.what, m.name, m.part, m.parts,"
        " m.buffers[0].byteLength])"
    )
    assert [message[:5] for message in sent] == [
        ["upload", "image", "photo.png", part, 3] for part in range(3)
    ]
    assert sum(message[5] for message in sent) == 2_500_000
    page.page.evaluate("model.set('filled', model.get('photo')); model.messages = []")
    page.page.wait_for_selector("[data-name='save-result']:enabled")
    page.button("save-result").click()
    page.page.wait_for_function("model.messages.length === 1")
    with page.page.expect_download() as download:
        page.page.evaluate(
            """async () => {
              const content = { kind: "part", what: "result", name: "a-result.png", parts: 2 };
              model.fire("msg:custom", { ...content, part: 0 }, [new TextEncoder().encode("ab")]);
              await new Promise((resolve) => setTimeout(resolve, 50));
              model.fire("msg:custom", { ...content, part: 1 }, [new TextEncoder().encode("c")]);
            }"""
        )
    assert download.value.suggested_filename == "a-result.png"
    assert download.value.path().read_bytes() == b"abc"
    asked = page.page.evaluate("model.messages.map((m) => [m.kind, m.what, m.part])")
    assert asked == [["download", "result", 0], ["download", "result", 1]]


def test_a_silent_kernel_is_told_and_the_mask_outlives_it(open_painter):
    page = open_painter()
    page.page.evaluate("model.answers = false")
    page.zoom(1)
    page.drag([A, B])
    drawn = page.mask
    page.page.wait_for_selector(".ap-alarm", timeout=10_000)
    assert "does not answer" in page.page.locator(".ap-notice").inner_text()
    page.page.evaluate("unmount(); document.getElementById('host').replaceChildren()")
    page.mount()  # as a rerun of the cell does
    page.wait_sent(0)
    assert np.array_equal(page.mask, drawn)


def test_everything_has_a_name_and_can_be_reached_by_keys(open_painter):
    page = open_painter()
    unnamed = page.page.evaluate(
        "[...document.querySelectorAll('.ap button, .ap input, .ap canvas')]"
        ".filter((e) => !e.getAttribute('aria-label')).length"
    )
    assert unnamed == 0
    assert "640 × 480 px" in page.canvas.get_attribute("aria-label")
    page.page.keyboard.press("Tab")
    focused = "document.activeElement.dataset.name ?? document.activeElement.tagName"
    assert page.page.evaluate(focused) == "brush"
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    assert page.button("erase").get_attribute("aria-pressed") == "true"
    assert page.page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "2px"
    page.key("?")
    assert page.page.locator(".ap-help").is_visible()
    assert page.page.evaluate("getComputedStyle(document.querySelector('canvas')).touchAction") == (
        "none"
    )


def test_keys_are_listed_when_they_are_asked_for(open_painter):
    page = open_painter()
    keys = page.page.locator(".ap-help")
    assert not keys.is_visible()
    assert not page.page.locator(".ap-divider").is_visible()
    page.button("help").click()
    assert keys.is_visible() and page.button("help").get_attribute("aria-pressed") == "true"
    page.button("help").click()
    assert not keys.is_visible()


def test_undo_goes_on_before_the_first_stroke(open_painter):
    page = open_painter()
    page.zoom(1)
    page.drag([A, B])
    page.after(lambda: page.key("Control+z"))
    assert page.button("undo").is_disabled()
    page.page.evaluate("model.set('past', true)")
    page.zoom(1)
    page.drag([A, B])
    page.after(lambda: page.button("undo").click())
    assert page.page.evaluate("model.messages.length") == 0  # it was the stroke
    page.key("Control+z")
    page.page.wait_for_function("model.messages.length === 1")
    assert page.page.evaluate("model.messages[0].kind") == "undo"


def test_another_state_of_the_same_photo_is_taken_over_whole(open_painter):
    page = open_painter()
    page.zoom(1)
    page.drag([A, B])
    page.show((640, 480), past=True, shown=2)
    page.wait_text("no hole yet")
    page.key("Control+z")  # no stroke of the state before
    page.page.wait_for_function("model.messages.length === 1")


def test_a_kept_picture_can_be_saved(open_painter):
    page = open_painter()
    assert page.button("save-result").is_disabled()
    page.page.evaluate("model.set('kept', true)")
    page.page.wait_for_selector("[data-name='save-result']:enabled")
    page.button("save-result").click()
    page.page.wait_for_function("model.messages.length === 1")
    assert page.page.evaluate("[model.messages[0].kind, model.messages[0].what]") == [
        "download",
        "result",
    ]


def test_each_size_of_photo_has_a_brush_of_its_own(open_painter):
    page = open_painter()
    assert page.diameter == 40  # a twelfth of the short side
    for shown, (size, px) in enumerate((((1, 300), 1), ((4000, 3000), 250)), start=2):
        page.show(size, shown=shown)
        assert page.diameter == px
    page.key("]")
    chosen = page.diameter
    page.show(size, shown=4)  # as Keep does
    assert page.diameter == chosen > 250


@pytest.mark.parametrize("size", [(640, 480), (200, 480), (900, 60)])
def test_the_divider_lies_over_the_picture(open_painter, size):
    page = open_painter(size)
    page.page.evaluate("model.set('filled', model.get('photo'))")
    page.page.wait_for_selector("[data-name='compare']:enabled")
    page.key("c")
    divider = page.page.locator(".ap-divider")
    divider.wait_for()
    page.page.wait_for_function("document.querySelector('.ap-divider').style.width")
    scale = float(page.page.locator(".ap-foot").inner_text().split("·")[-1].split("%")[0]) / 100
    for zoom in (None, 0.5):
        if zoom is not None:
            page.zoom(zoom)
            scale = zoom
            page.page.wait_for_timeout(100)  # a frame
        stage, lies = page.canvas.bounding_box(), divider.bounding_box()
        width, height = size[0] * scale, size[1] * scale
        left = stage["x"] + (stage["width"] - width) / 2
        assert lies["x"] + 8 == pytest.approx(left, abs=4)  # 8: half of the thumb
        assert lies["width"] - 16 == pytest.approx(width, abs=8)
        below = stage["y"] + (stage["height"] + height) / 2
        assert below - height - 16 < lies["y"] < below


def test_the_page_asks_the_network_for_nothing(open_painter):
    page = open_painter()
    page.zoom(2)
    page.drag([A, B])
    page.page.evaluate("model.set('filled', model.get('photo'))")
    page.page.wait_for_selector("[data-name='result'][aria-pressed='true']")
    assert [url.rpartition("/")[2] for url in page.requests] == ["", "painter.css", "painter.js"]
