"""Kernels of `make demo`: one for each page that is open, and none for those that are not."""

import time

import pytest

psutil = pytest.importorskip("psutil", reason="psutil comes with the extra 'notebooks'")

PATIENCE_MS = 240_000
GONE_S = 60  # after the last page
PAINT_S = 8  # processor time until somebody can draw

pytestmark = [
    pytest.mark.browser,
    pytest.mark.notebook,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


def processes(word):
    """Processes that were started from here and have this word in their command."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        try:
            if word in " ".join(process.cmdline()) and process.status() != "zombie":
                found[process.pid] = process
        except psutil.NoSuchProcess:
            continue
    return found


def kernels():
    return processes("ipykernel_launcher")


def seconds(process):
    """Processor time of a process."""
    times = process.cpu_times()
    return times.user + times.system


def wait_for(count, limit):
    """Waits until there are so many kernels; returns after how many seconds."""
    start = time.monotonic()
    while len(kernels()) != count:
        assert time.monotonic() - start < limit, f"{len(kernels())} kernels, not {count}"
        time.sleep(0.2)
    return time.monotonic() - start


def opened(context, demo):
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(demo, wait_until="commit")
    painted(page)
    return page


def painted(page):
    page.locator(".ap-foot", has_text="no hole yet").wait_for()


def test_each_page_has_a_kernel_and_none_is_left(browser, demo):
    context = browser.new_context()
    page = opened(context, demo)
    (first,) = kernels()
    page.reload(wait_until="commit")
    painted(page)
    wait_for(1, 15)  # the page says goodbye to its kernel
    assert first not in kernels()
    pages = [page, *(opened(context, demo) for _ in range(4))]
    assert len(kernels()) == 5
    pages[0].goto("about:blank")
    wait_for(4, 15)
    pages[1].close(run_before_unload=True)
    wait_for(3, 15)
    context.close()  # as a browser that crashes: nobody says goodbye
    wait_for(0, GONE_S)


def test_the_kernel_of_an_open_page_stays(browser, demo):
    context = browser.new_context()
    page = opened(context, demo)
    before = set(kernels())
    page.wait_for_timeout(50_000)  # more than an idle kernel without a page is given
    assert set(kernels()) == before and len(before) == 1
    context.close()


def test_a_visitor_can_draw_within_seconds_of_processor_time(browser, demo):
    (server,) = processes("-m voila").values()
    before = seconds(server)
    context = browser.new_context()
    page = opened(context, demo)
    (kernel,) = kernels().values()
    spent = seconds(kernel) + seconds(server) - before
    assert spent < PAINT_S
    assert page.title() == "AOT-GAN painter"
    context.close()
