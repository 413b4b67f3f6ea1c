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
TEXT = " ".join(README.split())
CLASSICAL = ["Telea", "Navier-Stokes", "Smooth surface"]
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
    assert len(lines) == 24
    assert not [line for line in lines if f"{line}\n" not in tables]


def all_holes(table: str) -> pd.DataFrame:
    """Table 1 or 2 as its file has it: the averaged weights over all pairs, by row."""
    frame = pd.read_csv(RECORDS.parent / f"table{table}.csv")
    frame = frame[frame["weights"] == "ema"]
    return frame[frame["bin"] == frame["bin"].iloc[-1]].set_index("row")


def test_what_is_said_about_table_1_is_what_its_file_has() -> None:
    """AOT-GAN with something changed."""
    table = all_holes("1")["PSNR (dB)"]
    plain, betas = (
        json.loads((OTHERS / f"AOT-GAN, {name}/evaluation.json").read_text("utf-8"))["metrics"][-1]
        for name in ("plain sum, PatchGAN", "betas 0.5, 0.999")
    )
    own = table["AOT-GAN"]
    assert f"has {plain['psnr']:.2f} dB on the same pairs, {plain['psnr'] - own:.2f} more" in TEXT
    assert f"bring {betas['psnr'] - own:.2f} dB here" in TEXT
    assert abs(plain["psnr"] - table["CA"]) < 0.2


def test_classical_fillings_beat_all_seven_as_it_is_said() -> None:
    ours = all_holes("1")
    classical, seven = ours.loc[CLASSICAL], ours.drop(index=CLASSICAL)
    telea, stokes, smooth, best = ours["PSNR (dB)"][[*CLASSICAL, "CA"]].map("{:.2f} dB".format)
    assert f"Telea with {telea}, Navier-Stokes with {stokes}, a smooth surface" in TEXT
    assert f"the known pixels with {smooth}, where CA has {best}" in TEXT
    for title, sign in (("PSNR (dB)", 1), ("SSIM", 1), ("L1 (1e-2)", -1)):
        assert len(seven) == 7 and (sign * seven[title]).idxmax() == "CA"
        assert (sign * classical[title]).min() > (sign * seven[title]).max()


def test_frechet_distances_of_classical_fillings_are_as_it_is_said() -> None:
    ours = all_holes("1")
    title = next(name for name in ours if name.startswith("Frechet") and name.endswith(")"))
    fd, seven = ours[title], ours.drop(index=CLASSICAL)
    pconv, telea, stokes, smooth = fd[["PConv", *CLASSICAL]].map("{:.2f}".format)
    assert f"PConv ({pconv}) alone is ahead of Telea and Navier-Stokes ({telea} each)" in TEXT
    assert telea == stokes and f"all seven are ahead of the smooth surface ({smooth})" in TEXT
    two = fd[CLASSICAL[:2]]
    assert fd["PConv"] < two.min() and (seven[title].drop("PConv") > two.max()).all()
    ahead, half = fd["Smooth surface"] - seven[title], seven[f"{title} high"] - seven[title]
    assert (ahead > 0).all() and set(seven.index[ahead < half]) == {"PEN-Net", "HiFill"}


def test_classical_fillings_beat_the_shipped_model_as_it_is_said() -> None:
    shipped = load_record(RECORDS / "aotgan-demo-seed0.json")
    assert shipped.evaluation == load_record(RECORDS / "telea-seed0.json").evaluation
    own, psnr = float(shipped.table("ema")["psnr"].iloc[-1]), all_holes("1")["PSNR (dB)"]
    telea, stokes, smooth = psnr[CLASSICAL].map("{:.2f} dB".format)
    assert f"it has {own:.2f} dB, OpenCV's Telea {telea} and Navier-Stokes {stokes}," in TEXT
    assert f"a smooth surface through the known pixels {smooth} (" in TEXT
    assert f"Telea has {telea} over all holes, Navier-Stokes {stokes} and the smooth" in TEXT
    assert f"surface {smooth}:" in TEXT and psnr[CLASSICAL].min() > own


def test_what_is_said_about_table_2_is_what_its_file_has() -> None:
    values = all_holes("2")["PSNR (dB)"]
    telea, stokes, smooth, own = values[[*CLASSICAL, "AOT-GAN"]].map("{:.2f} dB".format)
    assert f"behind Telea ({telea}), Navier-Stokes ({stokes}) and the smooth surface" in TEXT
    assert f"({smooth}), AOT-GAN with {own}." in TEXT
    assert values.drop(index=CLASSICAL).max() < values[CLASSICAL].min()
