"""What the README says is what the repository holds: numbers of records, links to files."""

import re
from pathlib import Path

import pytest

from aotgan.bench.measure import load
from aotgan.bench.report import summary_table
from aotgan.reproduce.claims.ledger import CLAIMS
from aotgan.reproduce.page import brief
from aotgan.reproduce.tables.rows import paper_rows
from aotgan.reproduce.tables.table import Table
from aotgan.reproduce.tables.text import markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 1200
SHIPPED = ("scenes", "faces")
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/running.md",
    "figures/laptop/README.md",
    "figures/gpu/README.md",
)
LINKS = [
    (page, link)
    for page in PAGES
    for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", (ROOT / page).read_text("utf-8"))
]
TEXT = " ".join(README.split())


@pytest.fixture(scope="module")
def table1():
    """Table 1 as its records have it."""
    return Table.load("1", ROOT / "figures/laptop")


def test_one_screen_is_enough():
    assert len(README.split()) <= MOST_WORDS


def test_results_are_those_of_the_committed_records(table1):
    assert markdown(brief(table1)) in README
    assert "trained at a quarter of the paper's width on 12,000 images of 128 px" in TEXT
    assert {r.images_seen for r in table1.records if r.trained} == {12_000}


def test_classical_fillings_beat_all_seven_as_it_is_said(table1):
    assert "**Fillings that learn nothing still beat all seven networks**" in TEXT
    frame = table1.frame()
    frame = frame[frame["bin"] == "all"].set_index("row")
    seven = frame.loc[paper_rows("1")]
    assert len(seven) == 7 and len(table1.untrained) == 3
    for title in ("PSNR (dB)", "SSIM"):
        assert frame.loc[table1.untrained, title].min() > seven[title].max()


def test_shipped_models_are_ahead_as_their_cards_say():
    seen = [re.search(r"images seen \| ([\d,]+)", card(name))[1] for name in SHIPPED]
    assert f"saw {seen[0]} and {seen[1]} images, and are ahead of every such filling" in TEXT
    for name in SHIPPED:
        lead = re.search(r"\| all \| smooth \|[^|]*\|[^(|]*\(\+([\d.]+),", card(name))[1]
        assert re.search(rf"\[{name}\]\(\S+\) by {re.escape(lead)} dB", TEXT)
        rows = re.findall(r"^\| all \| (?!aotgan)(.+) \|$", card(name), re.MULTILINE)
        assert len(rows) == 3
        for row in rows:
            ends = re.findall(r"\([^,]+, (\S+) to (\S+)\)", row)
            signs = [(-1 if low[0] == high[0] == "-" else 1) for low, high in ends]
            assert signs == [-1, 1, 1, -1, -1]  # L1, PSNR, SSIM and two distances
            assert all(low[0] == high[0] for low, high in ends)


def card(name):
    return (ROOT / f"aotgan/weights/aotgan-{name}.md").read_text(encoding="utf-8")


def test_number_of_claims_is_that_of_the_ledger():
    assert f"{len(CLAIMS)} claims" in TEXT


def test_speeds_are_those_of_the_committed_records():
    speeds = summary_table(load(ROOT / "figures/bench")).set_index(["what", "on"])[
        "x released code"
    ]
    inference = speeds["inference, released reading, 256 px", "1 thread"].split()[0]
    step = speeds["training step, released reading, width 64, 256 px, batch 2", "1 thread"]
    assert f"{inference} times as fast as the released code at 256 px in inference" in TEXT
    assert f"{step.split()[0]} times in training" in TEXT


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_links_lead_to_files(page, link):
    assert ((ROOT / page).parent / link).exists()


def test_every_notebook_is_listed():
    missing = [p.name for p in (ROOT / "notebooks").glob("*.ipynb") if p.name not in README]
    assert not missing
