"""What is said of the photographs of a training before it begins, and whether they are its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aotgan.data.catalogue import ImageSet
from aotgan.data.images import open_image
from aotgan.errors import InputError

LOOKED_AT = 2000  # files of a large set whose sizes are read
MOST_ENLARGED = 4.0  # times: where most are enlarged more, there is nothing to learn from


def check_same(stored: Mapping[str, Any] | None, now: Mapping[str, Any], directory: Path) -> None:
    """Refuses to go on with a run on other photographs than it began with.

    Args:
        stored: `ImageSet.facts` that its state has; None in states that have none.
        now: those of the photographs that are there.
        directory: of the run.

    Raises:
        InputError: says what differs.
    """
    if stored is None or stored["manifest_sha256"] == now["manifest_sha256"]:
        return
    counts = f"{stored['images']:,} photographs of {stored['name']}"
    there = f"{now['images']:,} of {now['name']} are there now"
    if stored["images"] == now["images"] and stored["name"] == now["name"]:
        there = "others of these names or sizes are there now"
    raise InputError(
        f"{directory} holds a run on {counts}; {there}. Put back what it began with, or choose "
        "another directory."
    )


def remarks(images: ImageSet, side: int) -> list[str]:
    """Says which photographs are left out, and which are enlarged.

    Args:
        images: to train on.
        side: of the largest samples, px.

    Raises:
        InputError: more than half of them are so small that enlarging them teaches nothing.
    """
    lines = []
    if images.skipped:
        reasons = "; ".join(skipped.reason.rstrip(".") for skipped in images.skipped)
        count = len(images.skipped)
        lines.append(f"{count} of {count + images.found} files are left out: {reasons}.")
    sides = {file: short_side(file) for file in _some(images.files)}
    small = {file: length for file, length in sides.items() if length < side}
    if not small:
        return lines
    least = min(small, key=lambda file: small[file])
    tiny = sum(side > MOST_ENLARGED * length for length in small.values())
    if 2 * tiny > len(sides):
        raise InputError(
            f"{tiny} of {len(sides)} photographs of {images.name} are less than a quarter as large "
            f"as the {side} px that are trained on (the least, {least.name}, has {small[least]} "
            "px). Give larger ones, or choose a smaller scale (see `aotgan list`)."
        )
    lines.append(
        f"{len(small)} of {len(sides)} photographs are smaller than the {side} px that are trained "
        f"on and are enlarged, {least.name} {side / small[least]:.1f} times."
    )
    return lines


def short_side(file: Path) -> int:
    """Shorter side of an image file in px, by its header."""
    with open_image(file) as image:
        return min(image.size)


def _some(files: Sequence[Path]) -> Sequence[Path]:
    """All files, or of a large set some that lie evenly in it."""
    return files[:: max(1, len(files) // LOOKED_AT)]
