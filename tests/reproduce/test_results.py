"""What notebooks show of a table: all of it, some of it, or that nothing is there."""

import re

import numpy as np
import pandas as pd
import pytest
from model_runs import classical_run, run_of
from PIL import Image

from aotgan.errors import InputError
from aotgan.reproduce.figures.display import HtmlTable, Jpeg, Note
from aotgan.reproduce.figures.style import Drawing, image_row
from aotgan.reproduce.runs.experiments import READINGS
from aotgan.reproduce.tables.report import write_table
from aotgan.reproduce.tables.results import NOTHING_TO_COMPARE, Results
from aotgan.reproduce.tables.rows import pairs_of_table, rows_of_table
from aotgan.reproduce.tables.significance import MEANING
from aotgan.reproduce.tables.words import sentences

T7 = list(rows_of_table("7").values())


def in_words(results):
    return "\n".join(sentences(results.table))


@pytest.fixture
def table7(make_run, write_runs, tmp_path):
    """Table 7 with two seeds: HM 0.5 dB above PatchGAN, SM 0.2 dB below HM."""
    offsets = dict(zip(T7, (0.0, 0.5, 0.3), strict=True))
    write_runs(*(make_run(n, s, o + 0.02 * s) for n, o in offsets.items() for s in (0, 1)))
    return Results("7", "laptop", tmp_path)


@pytest.fixture
def table1(write_runs, tmp_path):
    """Table 1 with two seeds of three models."""
    write_runs(*(run_of(name, seed) for name in ("ca", "hifill", "aotgan") for seed in (0, 1)))
    return Results("1", "laptop", tmp_path)


def test_a_full_table_is_told_in_numbers_pictures_and_words(table7):
    rows, count = rows_of_table("7"), len(T7)
    assert (
        table7.status().splitlines()[0]
        == f"{count} of the {count} rows have been run at this scale."
    )
    assert "make reproduce" not in table7.status()
    pairs = len(pairs_of_table("7"))
    for shown, length in (
        (table7.numbers(), count),
        (table7.numbers(weights="raw"), count),
        (table7.differences(), pairs),
        (table7.differences(""), 5 * pairs),
    ):
        assert isinstance(shown, HtmlTable) and len(shown.rows) == length
    assert "of two, the brackets are their range" in table7.about().text
    assert table7.verdicts().text == MEANING and table7.have == list(rows)
    for figure in (table7.difference_plot(), table7.difference_plot("fd")):
        assert isinstance(figure, Drawing)


def test_words_say_what_the_comparisons_say(table7):
    text = in_words(table7)
    line = next(t for t in text.splitlines() if t.startswith("- HM-PatchGAN → SM-PatchGAN: "))
    assert line.startswith("- HM-PatchGAN → SM-PatchGAN: worse in both seeds in L1 (+0.0")
    assert "PSNR (-0.2" in line and line.endswith("; not resolved in Frechet distance (+0.00).")
    assert "In 12 comparisons" in text
    assert "resolved in the same direction in 7 of them, resolved in the other in 2" in text
    assert "By sign alone, resolved or not, 7 of 12 agree" in text, "no change is no agreement"
    assert "Not run" not in text


def test_changes_are_those_of_the_table_by_pair(table7, tmp_path):
    for weights in ("ema", "raw"):
        of_table = {
            (a, b): change
            for a, b, change in table7.table.comparisons(weights)
            if change.metric.key == "ssim"
        }
        assert list(of_table) == pairs_of_table("7")
        assert {pair: c.difference for pair, c in table7.changes("ssim", weights).items()} == {
            pair: c.difference for pair, c in of_table.items()
        }
    assert list(table7.changes().values())[0].metric.key == "psnr"
    assert Results("7", "smoke", tmp_path).changes() == {}


def test_one_seed_speaks_of_these_weights(make_run, write_runs, tmp_path):
    write_runs(make_run(T7[0]), make_run(T7[1], offset=1.0))
    results = Results("7", "laptop", tmp_path)
    assert "EXPERIMENTS=sm-patchgan " in results.status() and "not run" in results.status()
    text = in_words(results)
    assert re.search(r"- PatchGAN → HM-PatchGAN: better for .* PSNR \(\+1.0\d\)", text)
    assert "Not run at scale laptop: SM-PatchGAN." in text


def test_models_are_shown_by_bin_and_with_their_costs(table1):
    assert table1.have == ["CA", "HiFill", "AOT-GAN"]
    assert "EXPERIMENTS=baselines,classical " in table1.status()
    assert len(table1.numbers("10-20%").rows) == len(rows_of_table("1"))
    assert len(table1.costs().rows) == 3 and len(table1.differences("").rows) == 2 * 5
    assert "aotgan: 1,500 steps" in table1.about().text


def test_sentences_about_models_come_from_the_numbers(table1):
    text = in_words(table1)
    assert "- AOT-GAN against CA: better in both seeds in L1 (" in text and "PSNR (+1.9" in text
    assert "25.0% below that of the best other model here, HiFill" in text
    assert "it is 38.60% below" in text and "the paper's digits" not in text
    missing = [label for label in rows_of_table("1") if label not in table1.have]
    assert f"\nNot run at scale laptop: {'; '.join(missing)}." in text


@pytest.mark.parametrize("name", ["2", READINGS])
def test_without_records_everything_says_so(name, tmp_path):
    results = Results(name, "laptop", tmp_path)
    for shown in (
        *(results.numbers(), results.about(), results.costs()),
        *(results.by_bin(), results.departures()),
    ):
        assert isinstance(shown, Note) and "has been run at scale laptop yet" in shown.text
    assert "yet" in results.check_files()
    assert results.differences() is results.difference_plot() is NOTHING_TO_COMPARE
    assert results.verdicts().text == MEANING
    assert "takes the runs rates-2, rates-1-2-4-8" in results.picture("figure6.png").text
    groups = {"2": "baselines,classical", READINGS: "sm-patchgan,readings"}
    assert f"EXPERIMENTS={groups[name]} " in results.status()


def test_one_row_alone_is_compared_with_nothing(write_runs, tmp_path):
    write_runs(run_of("aotgan"))
    results = Results("1", "laptop", tmp_path)
    assert results.differences() is results.difference_plot() is NOTHING_TO_COMPARE
    assert NOTHING_TO_COMPARE.text in in_words(results)


def test_classical_fillings_are_rows_as_well(write_runs, tmp_path):
    write_runs(run_of("aotgan"), classical_run())
    results = Results("1", "laptop", tmp_path)
    assert "- AOT-GAN against Telea: worse for these weights in L1 (" in in_words(results)
    assert "- **Telea**: As OpenCV has it" in results.departures().text
    only = Results("1", "laptop", write_runs(classical_run(), figures=tmp_path / "new").parent)
    assert only.table.orders().empty, "the paper has no such row"


def test_files_of_other_records_are_refused(table7, make_run, write_runs, tmp_path):
    assert table7.check_files().count("not there to compare with") == 3
    write_table(table7.table, table7.folder)
    assert table7.check_files().count("the same") == 3
    write_runs(make_run(T7[2], 2, 0.9))
    with pytest.raises(InputError, match=r"table7.md was made .* aotgan collect laptop --figures"):
        Results("7", "laptop", tmp_path).check_files()


def test_cells_are_text_and_never_markup():
    table = HtmlTable.of(pd.DataFrame({"a": ["<b>"], "b": [1]}))
    assert table._repr_html_().count("<td") == 2 and "&lt;b&gt;" in table._repr_html_()
    assert repr(table) == "table of 1 rows: a, b"


def test_pictures_become_small(tmp_path, table7):
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(table7.folder / "figure8.png")
    shown = table7.picture("figure8.png")
    content, metadata = shown._repr_jpeg_()
    assert isinstance(shown, Jpeg) and content[:3] == b"\xff\xd8\xff"
    assert "figure8.png" in metadata["alt"]
    assert repr(shown) == "picture of 96 x 64 px"
    content, metadata = Jpeg(image_row([noise]), "noise")._repr_jpeg_()
    assert content[:3] == b"\xff\xd8\xff" and metadata == {"alt": "noise"}
