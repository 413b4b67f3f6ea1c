"""What notebooks 11 and 12 show: from runs, and without any."""

import pytest
from aotgan.reproduce.model_presentation import FAR, ModelResults
from aotgan.reproduce.model_report import write_models
from aotgan.reproduce.presentation import NOTHING_TO_COMPARE
from model_runs import classical_run, run_of
from tolerances import TENTH

from aotgan.reproduce.figures.display import Note


@pytest.fixture
def results(write_runs, tmp_path):
    write_runs(*(run_of(name, seed) for name in ("ca", "hifill", "aotgan") for seed in (0, 1)))
    return ModelResults("1", "laptop", tmp_path)


def test_runs_are_shown_by_bin_and_with_their_costs(results):
    assert results.have == ["CA", "HiFill", "AOT-GAN"]
    assert "EXPERIMENTS=baselines,classical " in results.status()
    assert results.bins()[0] == "1-10%" and results.bins()[-1] == "all"
    assert len(results.numbers("10-20%").rows) == 10
    assert len(results.costs().rows) == 3
    assert len(results.differences().rows) == 8
    assert "AOT-GAN" in results.about().text or "aotgan" in results.about().text


def test_the_files_are_those_of_the_records(results, tmp_path):
    assert results.check_files().count("not there to compare with") == 3
    write_models("1", "laptop", results.runs, tmp_path)
    assert results.check_files().count("the same") == 3


def test_sentences_come_from_the_numbers(results):
    text = results.in_words().text
    assert "- AOT-GAN against CA: L1" in text and "PSNR +1.9" in text
    assert "25.0% below that of the best other model here, HiFill" in text
    assert "it is 38.60% below" in text
    assert "\nNot run at scale laptop: PEN-Net, PConv, EdgeConnect, GatedConv, Telea, " in text


def test_a_metric_is_drawn_over_the_bins_beside_the_papers(results):
    ours, paper = results.by_bin("psnr").axes
    assert len(paper.lines) == 7 and len(ours.lines) == 10
    assert ours.lines[6].get_ydata()[0] == pytest.approx(22, abs=TENTH)
    assert paper.lines[-1].get_ydata()[0] == pytest.approx(34.79)


def test_a_classical_filling_is_grey_and_has_no_curve_of_the_papers(write_runs, tmp_path):
    write_runs(run_of("aotgan"), classical_run())
    results = ModelResults("1", "laptop", tmp_path)
    ours, paper = results.by_bin("psnr").axes
    assert len(paper.lines) == 7
    (line,) = (line for line in ours.lines if line.get_label() == "Telea")
    assert line.get_color() == FAR and line.get_linestyle() == "--"
    assert len(line.get_ydata()) == 6
    assert "- AOT-GAN against Telea: L1" in results.in_words().text
    assert "Telea" in results.departures().text


def test_without_records_everything_says_so(tmp_path):
    results = ModelResults("2", "laptop", tmp_path)
    assert "EXPERIMENTS=baselines,classical " in results.status()
    shown = (results.numbers("centre"), results.costs(), results.about(), results.differences())
    for note in (*shown, results.by_bin(), results.in_words(), results.departures()):
        assert isinstance(note, Note) and "has been run at scale laptop yet" in note.text
    assert results.bins() == () and "yet" in results.check_files()


def test_one_model_alone_is_compared_with_nothing(write_runs, tmp_path):
    write_runs(run_of("aotgan"))
    results = ModelResults("1", "laptop", tmp_path)
    assert results.differences() is NOTHING_TO_COMPARE
    assert NOTHING_TO_COMPARE.text in results.in_words().text
