"""What stands under a table about its distances and about the weights of its losses.

All of it is read from the records. Those of a protocol without a kernel distance have neither.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aotgan.reproduce.runs.record import Record
from aotgan.training.config import PUBLISHED, LossConfig
from aotgan.training.recipe import NO_FEATURES


def distance_lines(record: Record) -> Iterator[str]:
    """Says what the distances of a table are, and what they are not."""
    frechet, kernel = (record.protocol.get(key) for key in ("frechet", "kernel"))
    if frechet is None:
        return
    fid = frechet["name"] == "FID"
    if kernel is None:
        if not fid:
            yield (
                f"{frechet['name']}: not FID, and comparable with no FID; small samples inflate it."
            )
        return
    other = "" if fid else "not FID, and comparable with no FID; "
    yield (
        f'{frechet["name"]}: {other}small samples inflate it, and "-" stands where there are no '
        f"more pairs than the {frechet['dimensions']} features."
    )
    yield (
        f"{kernel['name']}: unbiased, so that values of different numbers of pairs can be "
        "compared; the kernel is KID's."
    )


def distance_interval(record: Record) -> Iterator[str]:
    """Says where the intervals of the distances come from, if they are not over seeds."""
    if record.protocol.get("kernel") is not None:
        yield f"Distances of one seed: {record.protocol['kernel']['interval']}."


def weight_lines(groups: Sequence[Sequence[Record]]) -> Iterator[str]:
    """Says which experiments weigh perceptual and style loss otherwise than the paper."""
    # experiments of the same weights share a line
    named: dict[str, list[str]] = {}
    for record in (group[0] for group in groups):
        loss = record.config.get("loss", {})
        known = record.protocol.get("kernel") is not None and record.features != NO_FEATURES
        if known and loss and (sentence := _weights(loss)):
            named.setdefault(sentence, []).append(record.experiment)
    for sentence, names in named.items():
        yield f"{', '.join(names)}: {sentence}"


def _weights(loss: Mapping[str, Any]) -> str | None:
    """A sentence about weights that are not the paper's."""
    paper = LossConfig()
    if (loss["perceptual"], loss["style"]) == (paper.perceptual, paper.style):
        return None
    if loss["objective"] == PUBLISHED:
        return (
            f"the published weights, that of the style loss times {loss['style'] / paper.style:g}, "
            "as for AOT-GAN."
        )
    return (
        f"weights of perceptual and style loss {loss['perceptual']:g} and {loss['style']:g}, for "
        f"these features; the paper's {paper.perceptual:g} and {paper.style:g} are VGG-19's."
    )
