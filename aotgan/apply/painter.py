"""The mask painter of notebook 18: draw on a photograph, fill, go on (section 4.8).

`Painter` is what a notebook shows: a canvas (`MaskCanvas`; its front end is painter.js and the
scripts joined with it) and ipywidgets around it. The mask is drawn in the browser at the image's
own resolution and comes here as compressed bits; the photograph goes there as a bounded preview.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets
from numpy.typing import NDArray
from PIL import Image

from aotgan.apply.defaults import FEATHER_PX, GROW_PX
from aotgan.apply.painter_controls import Action, AnyModel, Controls
from aotgan.apply.painter_files import (
    CHUNK,
    Session,
    Upload,
    image_file,
    pack_mask,
    remarks,
    seen,
    spoken,
    store,
    unpack_mask,
)
from aotgan.apply.pictures import read_pictures
from aotgan.data.mask_files import read_mask
from aotgan.errors import InputError

HERE = Path(__file__).parent
SCRIPTS = ("mask.js", "toolbar.js", "canvas.js", "painter.js")
SESSIONS = 4  # photographs whose state outlives a rerun of their cell


class Buffer(traitlets.Bytes):
    """Bytes, also from a browser: from there they arrive as a memoryview, which Bytes refuses."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Returns the value as bytes."""
        return super().validate(obj, bytes(value) if isinstance(value, memoryview) else value)


class MaskCanvas(anywidget.AnyWidget):
    """The part of the painter that runs in the browser.

    Attributes:
        size: width and height of the image in px.
        photo: its preview, a JPEG.
        digest: names the photograph.
        shown: counts the states of photographs that came here, so that each is taken over whole.
        kept: are there filled holes in the photograph?
        past: is there a state before this one, for undo?
        packed: the mask at the image's size, see `pack_mask`.
        sent: counts the masks that the browser has sent.
        received: how many of them came here, so that the browser knows that somebody listens.
        filled: preview of the result, or nothing.
        notice: a line of text below the picture.
    """

    _esm = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    _css = (HERE / "painter.css").read_text(encoding="utf-8")
    size = traitlets.List(traitlets.Int(), [1, 1]).tag(sync=True)
    photo = traitlets.Bytes(b"").tag(sync=True)
    digest = traitlets.Unicode("").tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)
    kept = traitlets.Bool(False).tag(sync=True)
    past = traitlets.Bool(False).tag(sync=True)
    packed = Buffer(b"").tag(sync=True, echo_update=False)
    sent = traitlets.Int(0).tag(sync=True)
    received = traitlets.Int(0).tag(sync=True)
    filled = traitlets.Bytes(b"").tag(sync=True)
    notice = traitlets.Unicode("").tag(sync=True)

    @traitlets.observe("sent")
    def _acknowledge(self, change: dict[str, Any]) -> None:
        self.received = change["new"]


class Cancelled(Exception):
    """Raised inside a fill to end it."""


class Painter(ipywidgets.VBox):
    """Draw a hole on a photograph, fill it, and go on; a notebook shows it as a cell's last line.

    On a photograph that was on a painter before, it goes on where that was left.

    Args:
        image: a PIL image, an array, or the path of a PNG, JPEG, WebP, BMP or TIFF file.
        model: a generator, the name of a shipped model, the path of a weights file, or None for
            the default. The shipped ones can be chosen in the painter.
        grow: px by which the hole is enlarged before it is filled.
        feather: px around the hole over which the fill is blended with the photograph.

    Raises:
        InputError: an image that cannot be read.
    """

    _sessions: dict[str, Session] = {}

    def __init__(
        self,
        image: Any,
        model: AnyModel = None,
        grow: int = GROW_PX,
        feather: int = FEATHER_PX,
    ):
        actions = {name: self._button(name) for name in ("cancel", "keep", "restart")}
        # the canvas answers with the mask as it is drawn
        actions["fill"] = lambda: self.canvas.send({"kind": "fill"})
        self.canvas = MaskCanvas()
        self.controls = Controls(model, grow, feather, actions)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._upload = Upload()
        self._download = "", b""
        name = Path(image).stem if isinstance(image, str | Path) else "photo"
        self._open(Session(image, name))
        self.canvas.observe(self._drawn, "packed")
        self.canvas.on_msg(self._receive)
        super().__init__([self.canvas, self.controls])

    @property
    def image(self) -> Any:
        """The photograph with the holes that were filled and kept, of the kind that was given."""
        return self._session.image

    @property
    def result(self) -> Any:
        """`image` with the present hole filled; None before the first fill."""
        return self._session.result

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The hole that is drawn, (H, W) bool, True = hole; set it to anything `inpaint` takes."""
        return unpack_mask(self.canvas.packed, self._size)

    @mask.setter
    def mask(self, mask: Any) -> None:
        def shown(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.floating]:
            return read_pictures(self._session.original)[0][0].shown(rows, columns)

        hole = read_mask(mask, self._size, strict=False, shown=shown)
        self.canvas.packed = pack_mask(hole)

    @property
    def _size(self) -> tuple[int, int]:
        width, height = self.canvas.size
        return height, width

    def fill(self) -> None:
        """Fills the hole in the background; the painter shows the progress, then the result."""
        if self._busy:
            return
        mask = self.mask
        if not mask.any():
            self.canvas.notice = "Draw a hole first: cover what is to disappear."
            return
        self._load()
        self._stop.clear()
        self.canvas.notice = f"Filling ... {self._deep(mask)}".strip()
        self.controls.progress.value = 0.0
        self.controls.show(busy=True, filled=False)
        self._thread = threading.Thread(target=self._fill, args=(self._session, mask), daemon=True)
        self._thread.start()

    @property
    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Returns when no fill is running, or after that many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def cancel(self) -> None:
        """Ends a running fill at its next step; nothing is changed."""
        self._stop.set()

    def keep(self) -> None:
        """Makes the result the photograph, for the next hole; `undo` takes it back."""
        if self.result is not None:
            self._session.go_on_with(self.result)
            self._show("Kept. Draw the next hole.")

    def restart(self) -> None:
        """Goes back to the photograph as it was given, without a hole; `undo` takes it back."""
        if not self._session.untouched:
            self._session.go_on_with(self._session.original)
        self._show("Back to the original photograph.")

    def undo(self) -> None:
        """Takes back the last `keep` or `restart`: photograph, hole and result are as before it."""
        if self._session.past and not self._busy:
            self._session.go_back()
            self._show("Back where you were.")

    def _open(self, session: Session) -> None:
        """Shows a photograph; one that was open before, as it was left."""
        _, digest, _ = seen(session.image)
        self.cancel()
        self._session = self._sessions.pop(digest, session)
        # the last in order, for the first ones are let go
        self._sessions[digest] = self._session
        while len(self._sessions) > SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        new = self._session.untouched
        self._show("" if new else "Continued where you were. Start over goes back.")

    def _show(self, notice: str) -> None:
        session = self._session
        photo, digest, (height, width) = seen(session.image)
        # in one message, so that the browser never shows parts of two states
        with self.canvas.hold_sync():
            self.canvas.size = [width, height]
            self.canvas.photo = photo
            self.canvas.digest = digest
            self.canvas.shown += 1
            self.canvas.kept = session.image is not session.original
            self.canvas.past = bool(session.past)
            self.canvas.packed = session.packed
            self.canvas.filled = b"" if session.result is None else seen(session.result)[0]
            self.canvas.notice = notice
        self.controls.show(busy=False, filled=session.result is not None)

    def _drawn(self, change: dict[str, Any]) -> None:
        self._session.packed = change["new"]

    def _load(self) -> None:
        """Loads what fills: PyTorch takes seconds.

        In the kernel's own thread, as the cells: two threads that load the same can block.
        """
        self.controls.offer_models()
        import_module("aotgan.apply.inpaint")

    def _deep(self, mask: NDArray[np.bool_]) -> str:
        """What is to be said of the hole's depth before a network fills it."""
        from aotgan.apply.coarse import depth_of, remark_on
        from aotgan.models.registry import CLASSICAL

        return "" if self.controls.model.value in CLASSICAL else remark_on(depth_of(mask))

    def _fill(self, session: Session, mask: NDArray[np.bool_]) -> None:
        """Runs in a thread of its own, so that the kernel goes on listening."""
        from aotgan.apply.inpaint import inpaint

        start, image, controls = time.perf_counter(), session.image, self.controls
        options = {"grow": controls.grow.value, "feather": controls.feather.value}
        model = controls.model.value
        # a result that comes after Cancel is thrown away
        try:
            with remarks() as odd:
                result = inpaint(image, mask, model, on_progress=self._progressed, **options)
            filled = seen(result)[0]
            if self._stop.is_set():
                raise Cancelled
        except Cancelled:
            notice = "Cancelled; nothing was changed."
        except InputError as error:
            notice = spoken(str(error))
        except Exception as error:  # nobody else would tell the person who waits
            notice = f"The fill failed ({type(error).__name__}: {error})."
        else:
            session.result, self.canvas.filled = result, filled
            seconds = time.perf_counter() - start
            notice = " ".join([f"Filled in {seconds:.1f} s. Compare with Before / after.", *odd])
        # however it ended, the person is told and can go on
        self.canvas.notice = notice
        controls.show(busy=False, filled=self.result is not None)

    def _progressed(self, done: int, total: int) -> None:
        self.controls.progress.value = done / total
        if self._stop.is_set():
            raise Cancelled

    def _receive(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """What the browser asks for: fill, undo, take a file, give one."""
        with self._telling():
            if content["kind"] == "fill":
                if buffers:
                    self.canvas.set_state({"packed": buffers[0], "sent": content["sent"]})
                self.fill()
            elif content["kind"] == "seen":
                self._load()
            elif content["kind"] == "undo":
                self.undo()
            elif content["kind"] == "upload":
                data = self._upload.add(content["part"], content["parts"], buffers)
                if data is not None:
                    self._take(content["what"], content["name"], data)
            elif content["kind"] == "download":
                self._give(content["what"], content["part"])

    def _button(self, name: str) -> Action:
        def pressed() -> None:
            with self._telling():
                getattr(self, name)()

        return pressed

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Shows errors of input below the picture: in a callback nobody else would see them."""
        try:
            yield
        except InputError as error:
            self.canvas.notice = str(error)

    def _take(self, what: str, name: str, data: bytes) -> None:
        """Opens an uploaded photograph or mask."""
        path, folder = store(name, data)
        try:
            if what == "mask":
                with remarks() as odd:
                    self.mask = path
                self.canvas.notice = " ".join([f"{path.name} is the mask.", *odd])
            else:
                self._open(Session(path, path.stem, folder=folder))
        except InputError as error:
            text = spoken(str(error).replace(str(path), path.name))
            raise InputError(text) from error

    def _give(self, what: str, part: int) -> None:
        """Sends a part of the mask's or the result's file."""
        session = self._session
        if part == 0:
            # encoded once, when the first part is asked for
            image = Image.fromarray(self.mask) if what == "mask" else session.latest
            if image is session.original:
                raise InputError("There is no result yet: press Fill first.")
            with remarks() as odd:
                ending, data = image_file(image, None if what == "mask" else session.original)
            self._download = f"{session.name}-{what}.{ending}", data
            self.canvas.notice = " ".join([f"Saved as {self._download[0]}.", *odd])
        name, data = self._download
        parts = -(-len(data) // CHUNK)
        content = {"kind": "part", "what": what, "name": name, "part": part, "parts": parts}
        self.canvas.send(content, [data[part * CHUNK : (part + 1) * CHUNK]])
