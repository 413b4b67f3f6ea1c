"""Models from elsewhere beside Table 1: read, checked against its pairs, shown without rank."""

import json
import math
import shutil

import pytest
from model_runs import run_of

from aotgan.errors import InputError
from aotgan.reproduce.tables.elsewhere import load_elsewhere
from aotgan.reproduce.tables.plots import FAR, bin_plot
from aotgan.reproduce.tables.report import files, readable
from aotgan.reproduce.tables.results import Results
from aotgan.reproduce.tables.rows import paper_rows, rows_of_table
from aotgan.reproduce.tables.table import Table
from aotgan.reproduce.tables.words import sentences


@pytest.fixture
def folder(write_runs, tmp_path):
    """`laptop/` with AOT-GAN's run, and a model of others whose numbers are HiFill's."""
    folder = write_runs(run_of("aotgan"))
    write(folder / "others" / "LaMa", run_of("hifill").record)
    return folder


def write(folder, record, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "evaluation": record.evaluation,
        "protocol": record.protocol,
        "metrics": record.metrics["raw"],
    }
    (folder / "evaluation.json").write_text(json.dumps(values | changes))


def test_they_follow_our_rows_in_each_bin_without_rank(folder):
    table = Table.load("1", folder)
    record = run_of("hifill").record
    shown = readable(table, "10-20%", elsewhere=True)
    assert shown["model"].tolist() == [table.titles[label] for label in (*table.rows, "LaMa")]
    assert len(readable(table, "10-20%")) == len(table.rows), "only where they are asked for"
    last = shown.iloc[-1]
    row = next(row for row in record.metrics["raw"] if row["bin"] == "10-20%")
    assert (last["model"], last["seeds"]) == ("LaMa †", "-")
    assert last["PSNR (dB)"] == f"{row['psnr']:.2f}" and last["paper: PSNR (dB)"].printed == "-"
    own = shown.set_index("model").loc["AOT-GAN"]
    assert own["PSNR (dB)"].endswith("(1)") and own["seeds"] == "1"
    assert Results("1", "laptop", folder.parent).numbers("all").rows[-1][0] == "LaMa †"


def test_sentences_say_where_they_are_ahead_of_all_of_ours(write_runs, tmp_path):
    """Between our two rows a model is not ahead, whichever way its metric goes."""
    folder = write_runs(run_of("aotgan"), run_of("ca"))
    ours = {run.record.experiment: run.record for run in (run_of("aotgan"), run_of("ca"))}
    psnr, fd = (
        {name: record.metrics[record.weights][-1][key] for name, record in ours.items()}
        for key in ("psnr", "fd")
    )
    assert psnr["ca"] < psnr["aotgan"] and fd["aotgan"] < fd["ca"]
    changes = {
        "between": {"psnr": (psnr["ca"] + psnr["aotgan"]) / 2, "fd": (fd["ca"] + fd["aotgan"]) / 2},
        "above": {"psnr": 99.0, "fd": 0.25},
    }
    for name, values in changes.items():
        record = run_of("aotgan").record
        record.metrics["raw"] = [row | values for row in record.metrics["raw"]]
        write(folder / "others" / name, record)
    text = "\n".join(sentences(Table.load("1", folder)))
    between, above = (
        next(line for line in text.split("\n") if line.startswith(f"Beside the table, {name} is"))
        for name in changes
    )
    assert "ahead of every row" not in between and "behind its best row in L1" in between
    front, behind = above.split("; behind its best row in")
    assert f"ahead of every row of the table in PSNR 99.00 (best {psnr['aotgan']:.2f})" in front
    assert f"Frechet distance 0.25 (best {fd['aotgan']:.2f})" in front and "L1" in behind


@pytest.mark.filterwarnings("error")
def test_of_what_was_not_measured_nothing_is_said(folder):
    record = run_of("hifill").record
    record.metrics["raw"] = [
        {key: value if key in ("bin", "images") else math.nan for key, value in row.items()}
        for row in record.metrics["raw"]
    ]
    write(folder / "others" / "LaMa", record)
    assert "LaMa" not in "\n".join(sentences(Table.load("1", folder)))


def test_our_ranks_files_and_drawing_of_the_paper_do_not_change(folder):
    table = Table.load("1", folder)
    shutil.rmtree(folder / "others")
    plain = Table.load("1", folder)
    assert table.elsewhere and not plain.elsewhere and files(table) == files(plain)
    ours = table.frame()
    ours = ours[ours["row"] != "LaMa"].reset_index(drop=True)
    assert ours.equals(plain.frame())
    here, paper = bin_plot(table).axes
    assert len(paper.lines) == len(paper_rows("1"))
    assert len(here.lines) == len(rows_of_table("1")) + 1
    assert here.lines[-1].get_color() == FAR and here.lines[-1].get_label() == "LaMa †"


def test_they_stand_beside_table_1_alone(write_runs, tmp_path):
    folder = write_runs(run_of("aotgan"))
    write(folder / "others" / "LaMa", run_of("hifill").record)
    record = run_of("aotgan").record
    assert list(load_elsewhere(folder, record)) == ["LaMa"]
    assert load_elsewhere(folder, record, "2") == load_elsewhere(tmp_path, record) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"evaluation": {"manifest_sha256": "0"}}, "on other pairs than aotgan, seed 0"),
        ({"protocol": {"frechet": None}}, "by another protocol than aotgan"),
        ({"evaluation": {}}, "is not what `aotgan evaluate --out` writes"),
        ({"metrics": None}, "is not what `aotgan evaluate --out` writes"),
    ],
)
def test_what_does_not_belong_there_is_refused(folder, changes, expected):
    record = run_of("aotgan").record
    write(folder / "others" / "LaMa", record, **changes)
    with pytest.raises(InputError, match=expected):
        load_elsewhere(folder, record)


def test_a_name_of_ours_is_refused(folder):
    record = run_of("aotgan").record
    write(folder / "others" / "PConv", record)
    with pytest.raises(InputError, match=r'Rename the folder, .* "PConv, authors\' weights"'):
        load_elsewhere(folder, record)
