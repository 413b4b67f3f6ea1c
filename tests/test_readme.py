"""What the README says is what the repository holds: numbers of records, links to files."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from aotgan.bench.measure import load
from aotgan.bench.report import summary_table
from aotgan.reproduce.claims import CLAIMS
from aotgan.reproduce.experiments import select
from aotgan.reproduce.records import load_record
from aotgan.reproduce.tables import markdown, metric_table, metrics_of, shown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECORDS = ROOT / "figures/laptop/records"
OTHERS = ROOT / "figures/laptop/others"
TABLES = ("table1", "table4", "table5", "table6", "table7", "readings")
LINKS = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)


def test_results_are_those_of_the_committed_record() -> None:
    record = load_record(RECORDS / "aotgan-demo-seed0.json")
    assert markdown(shown(metric_table([record]), metrics_of(record))) in README


@pytest.mark.parametrize("group", ["ablations", "readings", "aotgan,baselines", "study"])
def test_progress_is_that_of_the_committed_records(group: str) -> None:
    names = select(group.split(","))
    runs = {name: list(RECORDS.glob(f"{name}-seed*.json")) for name in names}
    done, total = sum(map(bool, runs.values())), sum(map(len, runs.values()))
    assert f"{done} of {len(names)} trainings, {total} runs" in README


def test_number_of_claims_is_that_of_the_ledger() -> None:
    assert f"{len(CLAIMS)} claims" in README


def test_speeds_are_those_of_the_committed_records() -> None:
    assert markdown(summary_table(load(ROOT / "figures/bench"))) in README


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_notebook_is_listed() -> None:
    missing = [p.name for p in (ROOT / "notebooks").glob("*.ipynb") if p.name not in README]
    assert not missing


def test_comparisons_are_lines_of_the_committed_tables() -> None:
    start = README.index("### What the runs at scale `laptop` say")
    section = README[start : README.index("### The shipped model")]
    lines = [line for line in section.splitlines() if " (dB) |" in line]
    tables = "".join((RECORDS.parent / f"{name}.md").read_text("utf-8") for name in TABLES)
    assert len(lines) == 21
    assert not [line for line in lines if f"{line}\n" not in tables]


def test_what_is_said_about_table_1_is_what_its_file_has() -> None:
    """AOT-GAN with something changed, and the surface that beats all seven."""
    text, table = " ".join(README.split()), pd.read_csv(RECORDS.parent / "table1.csv")
    table = table[table["weights"] == "ema"].set_index(["row", "bin"])
    own = table.loc[("AOT-GAN", "all"), "PSNR (dB)"]
    plain, betas = (
        json.loads((OTHERS / f"AOT-GAN, {name}/evaluation.json").read_text("utf-8"))["metrics"][-1]
        for name in ("plain sum, PatchGAN", "betas 0.5, 0.999")
    )
    assert f"has {plain['psnr']:.2f} dB on the same pairs, {plain['psnr'] - own:.2f} more" in text
    assert f"bring {betas['psnr'] - own:.2f} dB here" in text
    assert abs(plain["psnr"] - table.loc[("CA", "all"), "PSNR (dB)"]) < 0.2
    path = OTHERS / "smooth-surface/evaluation.json"
    surface = json.loads(path.read_text("utf-8"))["metrics"][-1]
    ours = table.xs("all", level="bin")
    frechet = next(name for name in ours if name.startswith("Frechet") and name.endswith(")"))
    assert surface["psnr"] > ours["PSNR (dB)"].max() and surface["ssim"] > ours["SSIM"].max()
    assert 100 * surface["l1"] < ours["L1 (1e-2)"].min()
    ahead = surface["fd"] - ours[frechet]
    half = ours[frechet + " high"] - ours[frechet]
    assert (ahead > 0).all() and set(ours.index[ahead < half]) == {"PEN-Net", "HiFill"}
