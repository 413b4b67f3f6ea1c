"""What a file that should hold weights is, by its first bytes, and what to do with it.

Nothing is unpacked or unpickled here. A message of this module names a command where one helps, and
the command works as it stands.
"""

import shlex
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAFETENSORS, PYTORCH, OTHER = "safetensors", "pytorch", "other"
HEAD_BYTES = 1024
TORCH_PICKLE = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # before PyTorch 1.6
WEIGHTS_ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
AGAIN = "Download or copy it again, and compare its size with the source's."
# first bytes, what such a file is, what to do
SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG", "a picture (PNG)", "Give the weights in its place."),
    (b"\xff\xd8\xff", "a picture (JPEG)", "Give the weights in its place."),
    (b"GIF8", "a picture (GIF)", "Give the weights in its place."),
    (b"RIFF", "a picture (WebP) or a sound", "Give the weights in its place."),
    (b"%PDF", "a PDF", "Give the weights in its place."),
    (b"\x93NUMPY", "a NumPy array", "Give the file that PyTorch wrote."),
    (b"\x89HDF", "an HDF5 file, of Keras or MATLAB", "Give the file that PyTorch wrote."),
    (b"GGUF", "a GGUF file", "Give the file that PyTorch wrote."),
    (b"7z\xbc\xaf'\x1c", "a 7-Zip archive", "Unpack it and give the weights file in it."),
    (b"Rar!", "a RAR archive", "Unpack it and give the weights file in it."),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file itself",
        "Run `git lfs pull` in its repository.",
    ),
)
TAR_COMPRESSION = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes:
        name: `SAFETENSORS`, `PYTORCH` (by torch.save) or `OTHER`.
        what: the same with its article, for a message.
        remedy: a sentence that says what to do, where it is no weights file.
    """

    name: str
    what: str
    remedy: str = ""


def kind_of(path: Path) -> FileKind:
    """Tells what a file is; its content decides, and its name where that says little.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return FileKind(OTHER, "empty (0 bytes)", AGAIN)
    if head[4:9] == b"\0\0\0\0{":  # behind the length of a header below 4 GiB
        return FileKind(SAFETENSORS, "a safetensors file")
    if head.startswith(b"PK"):
        return _zip_kind(path)
    if head.startswith(TORCH_PICKLE):
        return FileKind(PYTORCH, "a PyTorch file")
    if head.startswith(b"\x80"):
        return FileKind(
            OTHER,
            "a Python pickle that torch.save did not write; files that hold code are refused",
            "Where it was made, save the network's state_dict() with torch.save.",
        )
    for signature, what, remedy in SIGNATURES:
        if head.startswith(signature):
            return FileKind(OTHER, what, remedy)
    if head.startswith(TAR_COMPRESSION) or head[257:262] == b"ustar":
        return _tar_kind(path)
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return FileKind(
            OTHER,
            "a web page, not the file behind it",
            "The download met a sign-in or a warning: open the link in a browser, press its "
            "download button, and give the file that it saves.",
        )
    # such a file has no first bytes of its own
    if path.suffix == ".onnx":
        return FileKind(
            OTHER,
            "an ONNX file, for other programs",
            "Give the weights file that it was exported from.",
        )
    return _plain_kind(head)


def import_command(path: Path) -> str:
    """Returns the command that converts a PyTorch file."""
    return command("aotgan weights import", path, free_name(path))


def free_name(path: Path) -> Path:
    """Returns a path that ends in .safetensors and where nothing is yet."""
    target = path.with_suffix(".safetensors")
    number = 2
    while target.exists():
        target = path.with_name(f"{path.stem}-{number}.safetensors")
        number += 1
    return target


def command(verb: str, *words: str | Path) -> str:
    """Returns a command line in backquotes, its words quoted for the shell."""
    return f"`{verb} {' '.join(map(quoted, words))}`"


def quoted(word: str | Path) -> str:
    """Returns a path as a shell takes it, for a message."""
    return shlex.quote(str(word))


def printable(text: str, most: int = 120) -> str:
    """Returns what a file says of itself on one line: cut off, control characters escaped."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= most else f"{shown[:most]}..."


def _plain_kind(head: bytes) -> FileKind:
    try:
        # a longer file is cut off here, maybe within a letter
        text = head.decode("utf-8", errors="strict" if len(head) < HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        text = "\0"
    if all(c.isprintable() or c.isspace() for c in text):
        return FileKind(OTHER, "a text file", "Give the weights in its place.")
    return FileKind(OTHER, "no file of a known kind, or a damaged one", AGAIN)


def _zip_kind(path: Path) -> FileKind:
    """A zip archive may be what torch.save wrote, or hold such a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return FileKind(OTHER, "cut off or damaged: the end of its zip archive is missing", AGAIN)
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return FileKind(PYTORCH, "a PyTorch file")
    if names and all(name.endswith(".npy") for name in names):
        return FileKind(OTHER, "an archive of NumPy arrays", "Give the file that PyTorch wrote.")
    return _archive_kind(path, "zip", names)


def _tar_kind(path: Path) -> FileKind:
    try:
        with tarfile.open(path) as archive:
            # the first alone: a list of all would unpack the whole file
            member = archive.next()
            return _archive_kind(path, "tar", [member.name] if member else [])
    except (tarfile.TarError, EOFError, OSError, ValueError):
        remedy = "Unpack it, and give the weights file in it."
        return FileKind(OTHER, "a compressed file, or a damaged archive", remedy)


def _archive_kind(path: Path, kind: str, names: Sequence[str]) -> FileKind:
    """An archive around other files, with the command that unpacks it into a folder beside it."""
    folder = path.with_name(f"{path.stem}-unpacked")
    inside = next((name for name in names if name.endswith(WEIGHTS_ENDINGS)), None)
    holds = f"; it holds {printable(inside)}" if inside else ""
    unpack = command(f"python -m {kind}file -e", path, folder)
    # a name that leads out of the folder is unpacked inside, one that cannot be shown is not given
    parts = [part for part in (inside or "").split("/") if part not in ("", ".", "..")]
    shown = inside and printable(inside) == inside
    file = quoted(folder.joinpath(*parts)) if shown else f"the weights file in {quoted(folder)}"
    return FileKind(OTHER, f"a {kind} archive{holds}", f"Unpack it by {unpack}, then give {file}.")
