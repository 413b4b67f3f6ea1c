"""What notebooks show of a table: all of it, some of it, or that nothing is there."""

import re

import numpy as np
import pandas as pd
import pytest
from aotgan.reproduce.ablation_report import write_ablations
from aotgan.reproduce.ablations import load_runs, rows_of_table
from aotgan.reproduce.presentation import NOTHING_TO_COMPARE, TableResults
from PIL import Image

from aotgan.errors import InputError
from aotgan.reproduce.figures.display import Jpeg, Note, Table
from aotgan.reproduce.figures.style import Drawing, image_row
from aotgan.reproduce.runs.experiments import READINGS

T7 = list(rows_of_table("7").values())


@pytest.fixture
def table7(make_run, write_runs, tmp_path):
    """Table 7 with two seeds: HM 0.5 dB above PatchGAN, SM 0.2 dB below HM."""
    offsets = dict(zip(T7, (0.0, 0.5, 0.3), strict=True))
    write_runs(*(make_run(n, s, o + 0.02 * s) for n, o in offsets.items() for s in (0, 1)))
    return TableResults("7", "laptop", tmp_path)


def test_a_full_table_is_told_in_numbers_pictures_and_words(table7):
    assert table7.status().splitlines()[0] == "3 of the 3 rows have been run at this scale."
    assert "make reproduce" not in table7.status()
    for shown in (table7.numbers(), table7.numbers("raw"), table7.orders(), table7.differences()):
        assert isinstance(shown, Table) and len(shown.rows) == 3 + (shown == table7.orders())
    assert "compared experiments with two seeds or more" in table7.about().text
    assert table7.seeds().count("seed 1") == 3
    assert re.search(r"HM-PatchGAN +seed 0 +20.5\d +19.5\d\n", table7.seeds()), "average first"
    for figure in (table7.row_plot(), table7.difference_plot(), table7.difference_plot("fd")):
        assert isinstance(figure, Drawing)


def test_words_say_what_the_comparisons_say(table7):
    text = table7.in_words("PatchGAN", "SM-PatchGAN").text
    assert text.startswith("**PatchGAN → SM-PatchGAN** changes PSNR by +0.30 dB, with an interval")
    assert "- HM-PatchGAN → SM-PatchGAN: L1 +" in text and "PSNR -0.20 (worse)" in text
    assert "In 12 comparisons" in text
    assert "resolved in the same direction in 7 of them, resolved in the other in 2" in text
    assert "By sign alone, resolved or not, 7 of 12 agree" in text, "no change is no agreement"
    assert "dB (one standard deviation, 3 degrees of freedom)" in text
    assert "Not run" not in text


def test_one_seed_of_two_rows_resolves_nothing(make_run, write_runs, tmp_path):
    write_runs(make_run(T7[0]), make_run(T7[1], offset=1.0))
    results = TableResults("7", "laptop", tmp_path)
    assert "EXPERIMENTS=sm-patchgan " in results.status() and "not run" in results.status()
    text = results.in_words("PatchGAN", "HM-PatchGAN").text
    assert "changes PSNR by +1.0" in text and "other seeds could turn it round" in text
    assert "No experiment has two seeds yet" in text
    assert "Not run at scale laptop: SM-PatchGAN." in text


def test_without_records_everything_says_so(tmp_path):
    results = TableResults(READINGS, "laptop", tmp_path)
    assert "EXPERIMENTS=sm-patchgan,readings " in results.status()
    for shown in (results.numbers(), results.about(), results.orders(), results.row_plot()):
        assert isinstance(shown, Note) and "has been run at scale laptop yet" in shown.text
    assert "yet" in results.check_files() and "yet" in results.seeds()
    assert results.differences() is results.difference_plot() is NOTHING_TO_COMPARE
    assert "Not run at scale laptop: as the text has it;" in results.in_words("a", "b").text
    assert "takes the runs rates-2, rates-1-2-4-8" in results.picture("figure6.png").text


def test_files_of_other_records_are_refused(table7, make_run, write_runs, tmp_path):
    assert table7.check_files().count("not there to compare with") == 3
    write_ablations("laptop", load_runs(tmp_path / "laptop"), tmp_path)
    assert table7.check_files().count("the same") == 3
    write_runs(make_run(T7[2], 2, 0.9))
    with pytest.raises(InputError, match="table7.md was made from other records"):
        TableResults("7", "laptop", tmp_path).check_files()


def test_cells_are_text_and_never_markup():
    table = Table.of(pd.DataFrame({"a": ["<b>"], "b": [1]}))
    assert table._repr_html_().count("<td") == 2 and "&lt;b&gt;" in table._repr_html_()
    assert repr(table) == "table of 1 rows: a, b"


def test_pictures_become_small(tmp_path, table7):
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(table7.folder / "figure8.png")
    shown = table7.picture("figure8.png")
    assert isinstance(shown, Jpeg) and shown._repr_jpeg_()[:3] == b"\xff\xd8\xff"
    assert repr(shown) == "picture of 96 x 64 px"
    assert Jpeg(image_row([noise]))._repr_jpeg_()[:3] == b"\xff\xd8\xff"
