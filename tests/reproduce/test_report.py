"""The files of a table: what they say, which rows they mark, and the same bytes each time."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_runs import BINS, classical_run
from synthetic_runs import synthetic_run

from aotgan import metrics as metrics_package
from aotgan.metrics import pixel, summarise
from aotgan.metrics import report as measuring
from aotgan.metrics.metric import Metric
from aotgan.reproduce.collect import PICTURES_NOTE
from aotgan.reproduce.runs.experiments import EXPERIMENTS, READINGS, select
from aotgan.reproduce.runs.outputs import file_stem, tables_with
from aotgan.reproduce.runs.record import load_record, rows_of
from aotgan.reproduce.tables import runs as tables_runs
from aotgan.reproduce.tables.published import Published
from aotgan.reproduce.tables.report import (
    as_csv,
    as_latex,
    as_markdown,
    files,
    readable,
    readable_costs,
    readable_differences,
    write_table,
)
from aotgan.reproduce.tables.rows import OURS, TITLES, rows_of_table
from aotgan.reproduce.tables.significance import UNRESOLVED
from aotgan.reproduce.tables.summary import metric_table, write_tables
from aotgan.reproduce.tables.table import Table

RESULTS = Path(__file__).parents[2] / "figures"
T4 = list(rows_of_table("4").items())


def cells(text, model, at=0):
    """The cells of a Markdown row that begins with a model's title, by the heading above it."""
    lines = text.splitlines()
    places = [i for i, line in enumerate(lines) if line.startswith(f"| {model} |")]
    start = places[at]
    while lines[start].startswith("|"):
        start -= 1
    heading, row = (line.strip("| ").split(" | ") for line in (lines[start + 1], lines[places[at]]))
    return dict(zip(heading, row, strict=True))


def test_files_say_what_they_are(table4, tmp_path):
    paths = write_table(table4, tmp_path)
    assert [path.name for path in paths] == ["table4.md", "table4.csv", "table4.tex"]
    markdown, csv, latex = (path.read_text("utf-8") for path in paths)
    for part in (
        "# Table 4, dilation rates of the AOT block, at scale laptop",
        "paper: FID",
        "random features",
        "of two, the brackets are their range",
        "measured on 20 pairs of 10 held-out photographs of faces",
        "only orders and signs can be compared",
        "The same with the final weights, holes of 40-50%:",
        "after Holm's correction for all comparisons of the table",
    ):
        assert part.lower() in markdown.lower(), part
    runs = table4.runs_of("rates 1,2,4,8")
    low, high = (run.value(table4.metric("psnr")) for run in runs)
    row = cells(markdown, "rates 1,2,4,8")
    rank = len(T4) - [label for label, _ in T4].index("rates 1,2,4,8")
    assert row["PSNR (dB)"] == f"{(low + high) / 2:.2f} [{low:.2f}, {high:.2f}] ({rank})"
    assert row["seeds"] == "2" and row["paper: PSNR (dB)"] == "24.06"
    assert latex.count(r"\\") == 1 + len(T4) and "%" not in latex.replace(r"\%", "")
    frame = pd.read_csv(io.StringIO(csv))
    assert list(frame["weights"]) == ["ema"] * len(T4) + ["raw"] * len(T4)
    assert frame["bin"].unique().tolist() == ["40-50%"]
    assert {path.read_text("utf-8") for path in paths} == set(
        files(Table("4", table4.runs)).values()
    )


def test_one_seed_has_no_ends_and_three_an_interval(table4):
    one = Table("4", {name: runs[:1] for name, runs in table4.runs.items()})
    assert "[" not in cells(as_markdown(one), "rates 1")["PSNR (dB)"]
    more = {name: [*runs, synthetic_run(name, 2)] for name, runs in table4.runs.items()}
    text, frame = as_markdown(Table("4", more)), Table("4", more).frame()
    half = frame["PSNR (dB) high"][0] - frame["PSNR (dB)"][0]
    assert cells(text, "rates 1")["PSNR (dB)"].split(" (")[0].endswith(f" ± {half:.2f}")


def test_a_verdict_that_one_kind_of_weights_bears_alone_says_so(table4):
    """The averaged weights of one row become those of another, and the final ones stay."""
    runs = dict(table4.runs)
    twins = zip(runs["rates-1"], runs["rates-2"], strict=True)
    runs["rates-2"] = [_with_average_of(first, second) for first, second in twins]
    rows = readable_differences(Table("4", runs))
    rows = rows[(rows["from"] == "rates 1") & (rows["to"] == "rates 2")].set_index("metric")
    assert rows.loc["PSNR (dB)", "change"] == "+0.00"
    assert rows.loc["PSNR (dB)", "verdict"] == f"{UNRESOLVED}; final weights: better in both seeds"
    plain = readable_differences(table4)
    assert not plain["verdict"].str.contains("final").any(), "both kinds bear these"


def _with_average_of(first, second):
    raw = second.per_image["weights"] == "raw"
    average = first.per_image[first.per_image["weights"] == "ema"]
    metrics = {"raw": second.record.metrics["raw"], "ema": first.record.metrics["ema"]}
    record = replace(second.record, metrics=metrics)
    return replace(second, record=record, per_image=pd.concat([second.per_image[raw], average]))


@pytest.mark.parametrize("name", TITLES)
def test_a_row_that_a_user_declares_reaches_all_three_files(name, monkeypatch):
    own = replace(EXPERIMENTS["rates-1"], name="own", rows=((name, "my own"),))
    monkeypatch.setitem(EXPERIMENTS, "own", own)
    _, last = list(rows_of_table(name).items())[0]
    table = Table(name, {n: [synthetic_run(n, s) for s in (0, 1)] for n in (last, "own")})
    text, csv, latex = (files(table)[ending] for ending in (".md", ".csv", ".tex"))
    mark = " †" if table.has_paper else ""
    row = cells(text, f"my own{mark}")
    assert row["seeds"] == "2" and float(row["PSNR (dB)"].split()[0]) > 0
    papers = [cell for heading, cell in row.items() if heading.startswith("paper")]
    assert papers == ["-"] * (4 if table.has_paper else 0)
    lines = pd.read_csv(io.StringIO(csv), dtype=str).set_index("row").loc["my own"]
    assert (
        lines["weights"].tolist() == ["ema", "raw"] and lines["experiment"].tolist() == ["own"] * 2
    )
    assert set(lines.filter(like="paper ").to_numpy().ravel()) <= {"-"}
    assert rf"my own{' $' if mark else ''}{chr(92) + 'dagger$' if mark else ''} & 2" in latex
    assert ("†: not in the paper: " in text) == table.has_paper


def test_readings_have_no_column_of_the_papers():
    runs = {name: [synthetic_run(name)] for name in ("sm-patchgan", "fill-white")}
    text = as_markdown(Table(READINGS, runs))
    assert "paper" not in text.split("\n- ")[0] and "†" not in text
    assert cells(text, "mask fill: 1")["seeds"] == "1" and "# Readings, text against" in text


def test_a_smoke_table_is_called_a_pipeline_check():
    table = Table("4", {"rates-1": [synthetic_run("rates-1", scale="smoke")]})
    assert "pipeline check" in as_markdown(table).splitlines()[0]
    assert "Pipeline check. Scale smoke" in as_latex(table)


def test_tables_of_models_have_each_bin_and_mark_what_the_paper_lacks(models):
    table = Table("1", models | {"telea": [classical_run()]})
    text = as_markdown(table)
    assert [f"Holes of {label}:" in text for label in BINS] == [True] * len(BINS)
    missing = [label for label in rows_of_table("1") if label not in table.have]
    assert f"Not run at this scale yet: {', '.join(missing)}." in text
    assert "over HiFill; the paper's FIDs give +38.60%" in text
    assert "- telea: not trained, the same for every seed." in text
    assert "- Telea: not trained, so that one run stands for every seed" in text
    assert f"†: not in the paper: {', '.join(table.not_in_paper)}." in text
    telea = cells(text, "Telea †", BINS.index("10-20%"))
    assert telea["seeds"] == "-" and telea["paper: FID"] == "-"
    assert "±" not in telea["PSNR (dB)"] and telea["PSNR (dB)"].endswith("(1)")
    (line,) = (line for line in text.splitlines() if line.startswith("| Telea | AOT-GAN | PSNR"))
    assert line.split(" | ")[4].startswith("-1.0") and "worse in both seeds" in line
    assert as_csv(table).count("\nema,Telea,") == len(table.bins)
    assert as_csv(table).count("\n") == 1 + 2 * len(rows_of_table("1")) * len(table.bins)
    assert r"Telea $\dagger$ & -" in as_latex(table)
    alone = as_markdown(Table("1", {"telea": [classical_run()]}))
    assert cells(alone, "Telea †")["seeds"] == "-" and "What the second row" not in alone
    assert "Kendall's tau" not in alone, "the paper has no such row"


def test_a_bin_for_reading(models):
    shown = readable(Table("1", models), "1-10%").set_index("model")
    assert shown.loc["PEN-Net"].tolist()[:3] == ["0", "-", Published("0.69")]
    assert shown.loc[OURS, "PSNR (dB)"].endswith("(1)")


def test_costs_for_reading(models):
    models["telea"] = [classical_run()]
    shown = readable_costs(Table("1", models))
    assert shown.loc[0].tolist() == ["CA", "2.00", "1.50", "0.250", "12.0", "12.0"]
    assert shown.iloc[-1].tolist() == ["Telea †", "0.00", "-", "0.0100", "-", "-"]
    models["ca"][0].record.cost.clear()
    assert readable_costs(Table("1", models)).loc[0].tolist() == ["CA", *["-"] * 4, "12.0"]


NEW = Metric(
    "worst",
    "Largest error (levels)",
    "max |x - z|",
    lambda x, z, difference, mask: float(difference[mask].max()),
    digits=1,
)


@pytest.fixture
def declared(monkeypatch):
    """One more metric in the declaration, wherever that is read."""
    for module in (pixel, measuring):
        monkeypatch.setattr(module, "METRICS", (*pixel.METRICS, NEW))
        monkeypatch.setattr(module, "PIXEL_METRICS", (*pixel.PIXEL_METRICS, NEW.key))
    for module in (metrics_package, tables_runs):
        monkeypatch.setattr(module, "METRICS", (*metrics_package.METRICS, NEW))


@pytest.fixture
def pair():
    """Runs of the first two rows of Table 4, before that."""
    return {name: [synthetic_run(name)] for _, name in T4[:2]}


@pytest.mark.usefixtures("declared")
def test_a_metric_that_is_declared_is_measured():
    rng = np.random.default_rng(0)
    x, z = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    hole = np.zeros((16, 16), bool)
    hole[4:9, 4:9] = True
    measured = pixel.measure(x, z, hole)
    assert measured["worst"] == np.abs(x.astype(int) - z)[hole].max()
    assert measuring.protocol()["metrics"]["worst"] == "max |x - z|"


def test_a_metric_that_is_declared_is_recorded_and_shown(pair, declared):
    for at, (run,) in enumerate(pair.values()):
        run.per_image["worst"] = 90.0 - 5 * at + np.tile(np.linspace(0, 3 - at, 20), 2)
        for kind, frame in run.per_image.groupby("weights"):
            run.record.metrics[kind] = rows_of(summarise(frame.drop(columns="weights")))
    first = pair[T4[0][1]][0]
    mean = first.per_image["worst"].mean()
    table = Table("4", pair)
    assert cells(as_markdown(table), "rates 1")["Largest error (levels)"] == f"{mean:.1f} (2)"
    assert all("Largest error (levels)" in text for text in files(table).values())
    change = next(c for *_, c in table.comparisons() if c.metric == NEW)
    assert change.difference == pytest.approx(-5.5) and change.verdict == "better for these weights"
    summary = metric_table([first.record])
    assert summary["Largest error (levels)"].tolist() == pytest.approx([mean, mean])
    assert summary["Largest error (levels) low"].lt(mean).all()


@pytest.mark.usefixtures("as_committed")
@pytest.mark.parametrize("scale", ["laptop", "gpu"])
def test_committed_tables_are_what_their_records_give(tmp_path, scale):
    folder = RESULTS / scale
    run = {path.stem.rpartition("-seed")[0] for path in folder.glob("records/*-seed*.json")}
    written = {
        path.name: path
        for name in tables_with(run)
        for path in write_table(Table.load(name, folder), tmp_path)
    }
    stems = {file_stem(table) for table in TITLES}
    committed = {path.name: path for path in folder.iterdir() if path.stem in stems}
    assert written.keys() == committed.keys()
    for name, path in written.items():
        assert path.read_bytes() == committed[name].read_bytes(), name


def test_committed_tables_of_single_experiments_are_what_their_records_give(tmp_path):
    for name in select(["main"]):
        paths = sorted((RESULTS / "laptop/records").glob(f"{name}-seed*.json"))
        notes = [PICTURES_NOTE.format(name)]
        for path in write_tables("laptop", list(map(load_record, paths)), tmp_path, notes):
            assert path.read_bytes() == (RESULTS / "laptop" / path.name).read_bytes(), path.name
