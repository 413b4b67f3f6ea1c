"""What the README says is what the repository holds: numbers of records, links to files."""

import json
import re
from pathlib import Path

import pytest

from aotgan.reproduce.records import load_record
from aotgan.reproduce.tables import markdown, metric_table, metrics_of, shown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)


def test_results_are_those_of_the_committed_record() -> None:
    record = load_record(ROOT / "figures/laptop/records/aotgan-demo-seed0.json")
    assert markdown(shown(metric_table([record]), metrics_of(record))) in README


def test_benchmark_is_the_committed_one() -> None:
    timing = json.loads((ROOT / "figures/bench/cpu.json").read_text())
    said = f"**{timing['ratio']:.2f} times faster** ({timing['lowest']:.2f} to"
    assert said in README


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_notebook_is_listed() -> None:
    missing = [p.name for p in (ROOT / "notebooks").glob("*.ipynb") if p.name not in README]
    assert not missing
