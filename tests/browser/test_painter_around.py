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
    page.page.wait_for_selector(".ap-divider:not([hidden])")
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


def test_the_page_asks_the_network_for_nothing(open_painter):
    page = open_painter()
    page.zoom(2)
    page.drag([A, B])
    page.page.evaluate("model.set('filled', model.get('photo'))")
    page.page.wait_for_selector(".ap-divider:not([hidden])")
    assert [url.rpartition("/")[2] for url in page.requests] == ["", "painter.css", "painter.js"]
