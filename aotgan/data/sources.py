"""What each named set is: source, licence, citation and the layout expected on disk.

The declarations are in sources.toml beside this file, a table for each set.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from importlib import resources
from typing import Any

from aotgan.errors import InputError

GITHUB = "https://github.com"


@dataclass(frozen=True)
class Origin:
    """A public repository that files of a set come from."""

    repository: str  # owner/name on GitHub
    names: str  # regular expression of the files' names in the set
    paths: tuple[str, ...]  # where such a file may lie there: {0}, {1} are the groups of `names`
    commit: str = ""  # 40 digits; empty where it is not known
    ref: str = ""  # to fetch first, where no branch holds the commit
    content: str = ""  # what is taken from it
    hole: str = "white"  # of masks: the hole's colour there

    def __str__(self) -> str:
        """Where it is, in words."""
        content = f" ({self.content})" if self.content else ""
        commit = f"at commit {self.commit}" if self.commit else "commit unknown"
        return f"github.com/{self.repository} {commit}{content}"

    def commands(self, folder: str) -> str:
        """The shell command that puts it below a folder, as `prepare` looks for it."""
        place = shlex.quote(f"{folder}/{self.repository}")
        steps = [f"git clone {GITHUB}/{self.repository} {place}"]
        steps += [f"git -C {place} fetch origin {self.ref}"] if self.ref else []
        steps += [f"git -C {place} checkout {self.commit}"] if self.commit else []
        return " && ".join(steps)

    def places(self, name: str, stem: str) -> Iterator[str]:
        """Where a file of the set may lie in the repository.

        Args:
            name: the file's name in the set.
            stem: what the list of files says of its name there, for {origin}.
        """
        match = re.fullmatch(self.names, name)
        if match:
            groups = [int(group) if group.isdigit() else group for group in match.groups()]
            yield from (path.format(*groups, origin=stem) for path in self.paths)


@dataclass(frozen=True)
class Making:
    """How a file of a set is made where it is not the original one."""

    short_side: int = 0  # px that a longer one is resized to, by Lanczos; 0: none is
    aspect: int = 0  # the largest; more is cropped to it around the centre, first; 0: any
    quality: int = 90  # of the JPEG, with optimised Huffman tables and 4:2:0
    mask: bool = False  # a 1-bit PNG, white = hole, in place of a JPEG

    def __str__(self) -> str:
        """The steps, in words."""
        if self.mask:
            return "1-bit PNG, white = hole"
        steps = [f"aspect over {self.aspect} cropped to it"] if self.aspect else []
        if self.short_side:
            steps.append(f"a longer short side made {self.short_side} px by Lanczos")
        changed = " where something had to change" if steps else " or original bytes"
        return ", ".join([*steps, f"JPEG quality {self.quality}{changed}"])


@dataclass(frozen=True)
class Boxes:
    """A table of boxes around logos, made from a list of corners."""

    file: str  # in the set
    sha256: str
    path: str  # of the list, in the first of the set's origins


@dataclass(frozen=True)
class Entry:
    """One set of the catalogue."""

    name: str
    folder: str  # below the root
    layout: str  # how its files and split are found
    expected: str  # the layout in words
    licence: str
    citation: str
    used_for: str
    size: str  # of the photographs
    number: str = "any number of photographs"  # where the package has no list of them
    download: str = ""  # where to get it, unless it is made from `origins`; empty: unknown
    stands_for: str = ""  # the paper's set that a smaller one stands in for
    extends: str = ""  # the set whose splits these are, with more photographs to train on
    left_out: tuple[str, ...] = ()  # of these: copies, in other sizes, of photographs to test on
    origins: tuple[Origin, ...] = ()
    making: Making | None = None  # none: the original bytes
    boxes: Boxes | None = None
    undocumented: str = ""  # of the making

    @property
    def listed(self) -> bool:
        """Whether the package lists its files."""
        return self.layout in ("listed", "extended")

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        return self.download or "; ".join(map(str, self.origins)) or "unknown"

    def remedy(self, root: str) -> str:
        """What to do where it is missing below a root, on one line."""
        terms = f"Where to get it: {self.source}. Licence: {self.licence}."
        if not self.origins:
            return f"{terms} Put it there in that layout."
        command = f"aotgan data prepare {self.name} --from SOURCES --data-root {shlex.quote(root)}"
        return f"{terms} To make it: {command} (which says what to download into SOURCES)"


def read_entries(text: str) -> dict[str, Entry]:
    """The sets that a text in TOML declares, by name.

    Raises:
        InputError: a key is missing or unknown; the message names it and the set.
    """
    entries = {}
    for name, table in tomllib.loads(text).items():
        table["origins"] = tuple(
            _build(Origin, f"{name}.origins", origin) for origin in table.get("origins", ())
        )
        for key, kind in (("making", Making), ("boxes", Boxes)):
            if key in table:
                table[key] = _build(kind, f"{name}.{key}", table[key])
        entries[name] = _build(Entry, name, {"name": name, **table})
    return entries


def _build(kind: type, where: str, table: dict[str, Any]) -> Any:
    """A dataclass from a table of its fields; lists become tuples."""
    required = {field.name for field in fields(kind) if field.default is MISSING}
    for what, keys in (
        ("lacks", required - table.keys()),
        ("has the unknown key", table.keys() - {field.name for field in fields(kind)}),
    ):
        if keys:
            raise InputError(
                f"sources.toml: [{where}] {what} {', '.join(sorted(keys))}. "
                f"Its keys: {', '.join(field.name for field in fields(kind))}."
            )
    return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in table.items()})


CATALOGUE = read_entries(
    (resources.files("aotgan.data") / "sources.toml").read_text(encoding="utf-8")
)
