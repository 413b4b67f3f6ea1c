"""The generator of the paper's authors in other people's files: its names, and where it lies.

A training script wraps a network before it saves it, and so its names get a prefix: module.,
_orig_mod., generator., netG., state_dict and more. Whatever the wrapper, the names end alike.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from aotgan.errors import InputError
from aotgan.models.file_kinds import command, printable

GIVE = "Give the file named G*.pt."
PARTS = ("encoder", "middle", "decoder")
# between the parts of a name: DataParallel, torch.compile, FSDP, checkpointing, DeepSpeed
WRAPPERS = {
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
}
DEPTH = 5  # parts of the longest name, middle.0.block00.1.weight
AVERAGE = re.compile("ema|average|shadow|polyak|swa", re.IGNORECASE)


def released_name(name: str) -> str:
    """Maps the name of one of our parameters to the authors' name of it.

    encoder.2.weight -> encoder.3.weight, middle.0.branches.3.bias -> middle.0.block03.1.bias,
    middle.0.fuse.weight -> middle.0.fuse.1.weight, middle.0.merge.conv.bias ->
    middle.0.gate.1.bias; the decoder's names are the same.
    """
    part, *rest = name.split(".")
    if part == "encoder":
        return f"encoder.{int(rest[0]) + 1}.{rest[1]}"
    if part == "decoder":
        return name
    block, layer, *rest = rest
    kind = rest[-1]
    if layer == "branches":
        return f"middle.{block}.block{int(rest[0]):02d}.1.{kind}"
    return f"middle.{block}.{'gate' if layer == 'merge' else layer}.1.{kind}"


def find_generator(
    state: Any, expected: set[str], source: str | Path, prefix: str | None = None
) -> tuple[str, dict[str, Tensor]]:
    """Finds the generator among what a file holds, behind any prefix and in any container.

    Where the file holds several, the one whose prefix names a moving average is taken.

    Args:
        state: what the file holds.
        expected: the authors' names of all parameters.
        source: the file, for messages.
        prefix: that of the one to take; None: the only one, or the average.

    Returns:
        The prefix, and the tensors by the authors' names.

    Raises:
        InputError: no generator, an incomplete one, one with further tensors, or several.
    """
    names = dict(_flattened(state))
    places = {name: place for name in names if (place := _place(name, expected))}
    generators: dict[str, dict[str, str]] = {}  # by prefix, their names to those in the file
    for name, (begin, own) in places.items():
        generators.setdefault(begin, {})[own] = name
    whole = [begin for begin, own in generators.items() if set(own) == expected]
    if prefix is not None and prefix not in whole:
        listed = ", ".join(repr(printable(begin)) for begin in whole) or "none"
        raise InputError(
            f"{source}: prefix={prefix!r} is that of no generator in it: choose of {listed}."
        )
    if not whole:
        raise InputError(
            _holds(source, names, expected, max(map(len, generators.values()), default=0))
        )
    chosen = _chosen(whole, source) if prefix is None else prefix
    entries = generators[chosen]
    # tensors in the same containers under the same prefix belong to the same network
    homes = {names[name][1] for name in entries.values()}
    for name, (value, home) in names.items():
        beside = home in homes and name.startswith(chosen) and name not in places
        if beside and isinstance(value, Tensor):
            raise InputError(
                f"{source} holds {len(names)} entries, {len(entries)} of the {len(expected)} that "
                f"their generator has, and beside them {printable(name)}: it is another network. "
                f"{GIVE}"
            )
    tensors = {name: names[entry][0] for name, entry in entries.items()}
    if not all(isinstance(value, Tensor) and value.ndim for value in tensors.values()):
        raise InputError(f"{source}: some of its entries are no weights. {GIVE}")
    return chosen, tensors


def _flattened(state: Any) -> Iterator[tuple[str, tuple[Any, int]]]:
    """Yields names joined by dots, each with its value and the container that holds it."""
    waiting: list[tuple[str, Any]] = [("", state)]
    seen = set()  # a container may hold itself, or be held a million times
    while waiting:
        begin, container = waiting.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        items = container.items() if isinstance(container, Mapping) else enumerate(container)
        for key, value in items:
            name = f"{begin}{key}"
            if isinstance(value, Mapping | list | tuple):
                waiting.append((f"{name}.", value))
            else:
                yield name, (value, id(container))


def _place(name: str, expected: set[str]) -> tuple[str, str] | None:
    """Splits a name into a prefix and the authors' name; None where it does not end in one."""
    # twice as many parts as the longest name, for wrappers may stand between any two
    words = name.rsplit(".", 2 * DEPTH)
    for at in range(len(words)):
        if words[at] in PARTS:
            own = ".".join(word for word in words[at:] if word not in WRAPPERS)
            # else the word belongs to the prefix: a wrapper may be called encoder, too
            if own in expected:
                begin = ".".join(words[:at])
                return f"{begin}." if begin else "", own
    return None


def _chosen(whole: Sequence[str], source: str | Path) -> str:
    """The one complete generator, or the moving average among several."""
    averages = [begin for begin in whole if AVERAGE.search(begin)]
    for candidates in (whole, averages):
        if len(candidates) == 1:
            return candidates[0]
    listed = ", ".join(repr(printable(begin)) for begin in whole)
    example = command("aotgan weights import", source, "g.safetensors", "--prefix", whole[0])
    raise InputError(
        f"{source} holds {len(whole)} generators, with the prefixes {listed}: name one, for "
        f"example {example}."
    )


def _holds(source: str | Path, names: Mapping[str, Any], expected: set[str], count: int) -> str:
    return (
        f"{source} holds {len(names)} entries, {count} of the {len(expected)} that their generator "
        f"has.{_hint(names)}"
    )


def _hint(names: Mapping[str, Any]) -> str:
    """What the file is instead, as far as its names say it, and what to do."""
    if any(name.startswith("optimG") for name in names):
        return f" This is their optimiser file (O*.pt). {GIVE}"
    if any(name.startswith("conv.") for name in names):
        return f" This is their discriminator (D*.pt). {GIVE}"
    if str(names.get("format", ("",))[0]).startswith("aotgan-training-state"):
        return (
            " This is a training state of this package; give generator.safetensors or "
            "generator-ema.safetensors of the same folder where a model is asked for."
        )
    if any(name.endswith("merge.conv.weight") for name in names):
        return (
            " These are this package's names, without the configuration that they need: write the "
            "file by aotgan.models.weights.save_generator(generator, path)."
        )
    return f" {GIVE}"
