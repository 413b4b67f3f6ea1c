"""What a table says, in sentences made from its numbers."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from aotgan.reproduce.runs.outputs import COMPARISONS
from aotgan.reproduce.tables.report import BIN_OF_ABSTRACT
from aotgan.reproduce.tables.rows import OURS
from aotgan.reproduce.tables.significance import UNRESOLVED, Comparison
from aotgan.reproduce.tables.table import Table


def sentences(table: Table) -> Iterator[str]:
    """Yields Markdown about the differences of a table."""
    changes: dict[tuple[str, str], list[Comparison]] = {}
    for a, b, comparison in table.comparisons():
        changes.setdefault((a, b), []).append(comparison)
    for (a, b), of_pair in changes.items():
        pair = f"{b} against {a}" if table.name in COMPARISONS else f"{a} → {b}"
        yield f"- {pair}: {by_verdict(of_pair)}."
    if not changes:
        yield "No two rows to compare yet."
    if changes and table.has_paper and table.name not in COMPARISONS:
        yield f"\n{_agreement(table)}"
    if table.name in COMPARISONS:
        yield from _improvement(table)
    yield from _beside(table)
    if table.missing:
        yield f"\nNot run at scale {table.records[0].scale}: {'; '.join(table.missing)}."


def by_verdict(changes: Sequence[Comparison]) -> str:
    """Returns "better for these weights in PSNR (+0.31); not resolved in SSIM (+0.002)"."""
    parts: dict[str, list[str]] = {}
    for change in changes:
        text = f"{change.metric.name} ({change.difference:+.{change.metric.digits}f})"
        parts.setdefault(change.verdict, []).append(text)
    return "; ".join(f"{verdict} in {', '.join(texts)}" for verdict, texts in parts.items())


def _agreement(table: Table) -> str:
    """Counts in how many comparisons our sign is that of the paper's digits."""
    tally: Counter[tuple[bool, bool]] = Counter()
    for first, second, ours in table.comparisons():
        paper = table.paper_change(first, second, ours.metric)
        if paper is not None and abs(paper.value) > 0:  # its digits tell the rows apart
            tally[ours.verdict != UNRESOLVED, paper.value * ours.difference > 0] += 1
    total, same = sum(tally.values()), tally[True, True] + tally[False, True]
    return (
        f"In {total} comparisons (pairs of rows times metrics) the paper's digits show a change. "
        f"Ours are resolved in the same direction in {tally[True, True]} of them, resolved in the "
        f"other in {tally[True, False]}, and not resolved in the rest. By sign alone, resolved or "
        f"not, {same} of {total} agree."
    )


def _improvement(table: Table) -> Iterator[str]:
    improvement = table.frechet_improvement(BIN_OF_ABSTRACT)
    if improvement is not None:
        other, ours, paper = improvement
        yield (
            f"\nThe Fréchet distance of {OURS} at {BIN_OF_ABSTRACT} is {abs(ours):.1%} "
            f"{'below' if ours > 0 else 'above'} that of the best other model here, {other}; "
            f"by the paper's numbers it is {paper:.2%} below."
        )


def _beside(table: Table) -> Iterator[str]:
    """Says of each model from elsewhere where it is ahead of our best row."""
    frame = table.frame()
    frame = frame[frame["bin"] == table.whole].set_index("row")
    for name in table.elsewhere:
        parts: dict[bool, list[str]] = {True: [], False: []}
        for metric in table.metrics:
            # beside the best of our rows, whichever that is in this metric
            ours = frame.loc[table.have, metric.title]
            best = ours.max() if metric.higher else ours.min()
            value = float(frame[metric.title][name])
            if math.isnan(value) or math.isnan(best):
                continue
            ahead = value > best if metric.higher else value < best
            text = f"{metric.name} {value:.{metric.digits}f} (best {best:.{metric.digits}f})"
            parts[bool(ahead)].append(text)
        words = {True: "ahead of every row of the table in", False: "behind its best row in"}
        phrases = [f"{words[key]} {', '.join(texts)}" for key, texts in parts.items() if texts]
        if phrases:
            yield f"\nBeside the table, {name} is over all pairs {'; '.join(phrases)}."
