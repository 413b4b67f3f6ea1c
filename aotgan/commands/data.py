"""Verbs of `aotgan data`."""

import shlex
import shutil
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aotgan.commands.options import DataRoot
from aotgan.errors import InputError

if TYPE_CHECKING:
    from aotgan.data.prepare import Report
    from aotgan.data.sources import Entry

data = typer.Typer(help="Lists the named image sets and makes them.", no_args_is_help=True)


@data.command("list")
def list_(data_root: DataRoot = None) -> None:
    """Lists the named image sets: what they are, whose, and whether they are there and intact."""
    from tqdm import tqdm

    from aotgan.data.catalogue import root_of
    from aotgan.data.prepare import condition, files_of
    from aotgan.data.sources import CATALOGUE

    root = root_of(data_root)
    if root is not None and not root.is_dir():
        raise InputError(f"data root {root}: no such folder. Check the path.")
    # only sets with a published list can be checked file by file
    listed = [entry for entry in CATALOGUE.values() if entry.listed and entry.origins]
    there = [entry for entry in listed if root and (root / entry.folder).is_dir()]
    with tqdm(
        total=sum(len(files_of(entry)) for entry in there), unit="file", disable=None, leave=False
    ) as bar:
        states = {
            entry.name: condition(entry, root, lambda: bar.update()) for entry in CATALOGUE.values()
        }
    for entry in CATALOGUE.values():
        _show(
            f"{entry.name}: {_number(entry)}, {entry.size}",
            {"used for": _use(entry), **_terms(entry), "here": states[entry.name]},
        )
    print("A folder of your own photographs is a set as well: --data FOLDER.")


@data.command()
def prepare(
    names: Annotated[list[str], typer.Argument(help="Names of `aotgan data list`.")],
    sources: Annotated[
        Path, typer.Option("--from", help="Folder of the sources, each at owner/name below it.")
    ],
    data_root: DataRoot = None,
    accept_different: Annotated[
        bool,
        typer.Option(
            "--accept-different",
            help="Write also files whose pixels differ from the published ones.",
        ),
    ] = False,
) -> None:
    """Makes named image sets from clones of their sources and checks each file.

    A source that is missing is named with the command that downloads it. What is there already is
    kept, never overwritten. After Ctrl-C the same command goes on.
    """
    from tqdm import tqdm

    from aotgan.data.catalogue import root_of
    from aotgan.data.prepare import check_made, files_of, missing_sources
    from aotgan.data.prepare import prepare as prepare_set
    from aotgan.data.sources import CATALOGUE

    root = root_of(data_root)
    if root is None:
        raise InputError("no data folder is known: give --data-root ROOT or set AOTGAN_DATA.")
    entries = {}
    for name in names:
        entry = check_made(name)
        if entry.extends:  # a set is of no use without the one that it extends
            entries[entry.extends] = CATALOGUE[entry.extends]
        entries[name] = entry
    # licences are read before anything is downloaded; commits are what a wrong file is compared by
    for entry in entries.values():
        _show(entry.name, _terms(entry))
    # all are asked for at once, not one after each failed attempt
    missing = [origin for entry in entries.values() for origin in missing_sources(entry, sources)]
    if missing:
        print("These commands download what is missing:")
        # sets share sources, which are downloaded once
        print("\n".join(dict.fromkeys(origin.commands(str(sources)) for origin in missing)))
        raise InputError(
            f"sources are missing below {sources}. Run the commands above, then this one again."
        )
    reports = {}
    for entry in entries.values():
        with tqdm(
            total=len(files_of(entry)), desc=entry.name, unit="file", disable=None, leave=False
        ) as bar:
            try:
                reports[entry.name] = prepare_set(
                    entry.name, sources, root, accept_different, lambda: bar.update()
                )
            except KeyboardInterrupt:
                bar.write("stopped; the same command goes on")
                raise
        _tell(entry, reports[entry.name], root)
    # one set with wrong files keeps no other set from being made
    if any(report.problems for report in reports.values()):
        raise typer.Exit(1)


def _tell(entry: "Entry", report: "Report", root: Path) -> None:
    """Prints what became of a set, each file that is not right by name."""
    for file, problem in report.problems.items():
        print(f"{entry.name}/{file}: {problem}")
    counts = [f"{n:,} made: {state}" for state, n in sorted(report.made.items())]
    counts += [f"{n:,} were there: {state}" for state, n in sorted(report.kept.items())]
    counts += [f"{len(report.problems):,} not right, named above"] if report.problems else []
    print(f"{entry.name} in {shlex.quote(str(root / entry.folder))}: {'; '.join(counts)}")
    if report.problems:
        print(
            "Compare the sources' commits with those above. Where they agree, another version of a "
            "decoder or of the resizing may be the reason: --accept-different takes such files, "
            "and results on them are not those on the published set."
        )


def _terms(entry: "Entry") -> dict[str, str | Iterable[str]]:
    """Provenance, by what is said."""
    made = f"{entry.making}" if entry.making else "original bytes" if entry.origins else ""
    return {
        "licence": entry.licence,
        "from": [str(origin) for origin in entry.origins] or [entry.source],
        "made by": made,
        "not documented": entry.undocumented,
    }


def _use(entry: "Entry") -> str:
    stand_in = f"; stands in for {entry.stands_for}" if entry.stands_for else ""
    return f"{entry.used_for}{stand_in}"


def _number(entry: "Entry") -> str:
    """How many photographs or masks it has, in words."""
    from aotgan.data.listing import read_listing

    kind = "masks" if entry.making and entry.making.mask else "photographs"
    return f"{len(read_listing(entry.name)):,} {kind}" if entry.listed else entry.number


def _show(heading: str, lines: dict[str, str | Iterable[str]]) -> None:
    """Prints each thing that is said, below a heading, as wide as the terminal."""
    print(heading)
    for key, value in lines.items():
        for line in [value] if isinstance(value, str) else value:
            if line:
                print(
                    textwrap.fill(
                        line,
                        max(60, shutil.get_terminal_size().columns),
                        initial_indent=f"  {key:15} ",
                        subsequent_indent=" " * 18,
                        # addresses and names of files stay in one piece, to be copied
                        break_long_words=False,
                        break_on_hyphens=False,
                    )
                )
