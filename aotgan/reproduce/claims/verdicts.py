"""The five verdicts of the claims ledger, and what a check returns."""

from typing import NamedTuple

VERDICTS = (
    "holds exactly",
    "holds at our scale",
    "not resolved",
    "contradicted",
    "needs the original data",
)
EXACT, SCALED, OPEN, CONTRADICTED, DATA = VERDICTS


class Finding(NamedTuple):
    """One of `VERDICTS`, and the numbers that led to it, in a sentence or two."""

    verdict: str
    evidence: str


def exactly(holds: bool, evidence: str) -> Finding:
    """Decides a claim that a calculation settles either way."""
    return Finding(EXACT if holds else CONTRADICTED, evidence)
