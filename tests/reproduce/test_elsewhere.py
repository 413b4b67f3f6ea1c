"""Models from elsewhere beside Table 1: read, checked against its pairs, shown without rank."""

import json
import shutil

import pytest
from aotgan.reproduce.model_presentation import FAR, ModelResults
from aotgan.reproduce.model_report import readable_models
from aotgan.reproduce.model_tables import model_table
from aotgan.reproduce.others import load_others
from model_runs import run_of

from aotgan.errors import InputError


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
    results = ModelResults("1", "laptop", folder.parent)
    record = run_of("hifill").record
    shown = readable_models("1", results.runs, "10-20%", others=results.others)
    shown = shown.drop(index=[7, 8, 9])  # classical fillings, which were not run
    assert len(shown) == 8 and shown["model"].tolist()[-2:] == ["AOT-GAN", "LaMa"]
    assert shown["seeds"].tolist()[-2:] == ["1", "-"]
    row = next(row for row in record.metrics["raw"] if row["bin"] == "10-20%")
    half = row["psnr_high"] - row["psnr"]
    assert shown["PSNR (dB)"].iloc[-1] == f"{row['psnr']:.2f} ± {half:.2f}"
    assert shown["PSNR (dB)"].iloc[-2].endswith("(1)")
    assert shown["paper: PSNR (dB)"].iloc[-1].printed == "-"
    assert results.numbers("all").rows[-1][0] == "LaMa"


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
    text = ModelResults("1", "laptop", folder.parent).in_words().text
    between, above = (
        next(line for line in text.split("\n") if line.startswith(f"Beside the table, {name} is"))
        for name in changes
    )
    assert "ahead of every row" not in between and "behind its best row in L1" in between
    front, behind = above.split("; behind its best row in")
    assert f"ahead of every row of the table in PSNR 99.00 (best {psnr['aotgan']:.2f})" in front
    assert f"Frechet distance 0.25 (best {fd['aotgan']:.2f})" in front and "L1" in behind


def test_our_ranks_files_and_drawing_of_the_paper_do_not_change(folder):
    results = ModelResults("1", "laptop", folder.parent)
    shutil.rmtree(folder / "others")
    plain = ModelResults("1", "laptop", folder.parent)
    assert results.others and not plain.others and results._files() == plain._files()
    ours = model_table("1", results.runs, others=results.others)
    ours = ours[ours["row"] != "LaMa"]
    columns = [name for name in ours if name.endswith(" rank")]
    assert ours[columns].equals(model_table("1", plain.runs)[columns])
    here, paper = results.by_bin().axes
    assert len(paper.lines) == 7 and len(here.lines) == 11
    assert here.lines[-1].get_color() == FAR and here.lines[-1].get_label() == "LaMa"


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
        load_others(folder, record)


def test_a_name_of_ours_is_refused(folder):
    record = run_of("aotgan").record
    write(folder / "others" / "PConv", record)
    with pytest.raises(InputError, match=r'Rename the folder, .* "PConv, authors\' weights"'):
        load_others(folder, record)
