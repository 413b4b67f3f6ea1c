"""Pictures of intervals show what the tables say."""

import numpy as np
import pytest
from aotgan.reproduce.ablations import ablation_table, comparisons, rows_of_table
from aotgan.reproduce.intervals import COLOUR_OF, difference_plot, row_plot

from aotgan.errors import InputError
from aotgan.reproduce.figures.style import png_bytes
from aotgan.reproduce.runs.experiments import READINGS


@pytest.fixture
def runs(make_run):
    names = list(rows_of_table("7").values())
    return {
        name: [make_run(name, seed, step * at + 0.01 * seed) for seed in (0, 1)]
        for at, (name, step) in enumerate(zip(names, (0.0, 0.001, 1.0), strict=True))
    }


def test_rows_are_drawn_with_every_seed_and_their_interval(runs):
    axes = row_plot("7", runs).axes[1]
    frame = ablation_table("7", runs)
    drawn = sorted(path.vertices[:, 0].tolist() for path in axes.collections[0].get_paths())
    ends = frame[["PSNR (dB) low", "PSNR (dB) high"]].to_numpy().tolist()
    np.testing.assert_allclose(drawn, sorted(ends))
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 2, 2, 3]
    assert [label.get_text() for label in row_plot("7", runs).axes[0].get_yticklabels()] == [
        "PatchGAN",
        "HM-PatchGAN",
        "SM-PatchGAN",
    ]


def test_differences_have_the_colour_of_their_verdict(runs):
    axes = difference_plot("7", runs).axes[0]
    found = [c for _, _, c in comparisons("7", runs) if c.metric.key == "psnr"]
    points = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [p.get_xdata()[0] for p in points] == pytest.approx([c.difference for c in found])
    assert [p.get_color() for p in points] == [COLOUR_OF[c.verdict] for c in found]
    assert {c.verdict for c in found} == {"better", "not resolved"}
    raw = [c for _, _, c in comparisons("7", runs, "raw") if c.metric.key == "psnr"]
    hollow = next(line for line in axes.lines if line.get_label() == "final weights")
    assert list(hollow.get_xdata()) == [c.difference for c in raw]


def test_readings_are_named_by_what_they_change(make_run):
    names = ("sm-patchgan", "fill-white", "objective-none")
    figure = difference_plot(READINGS, {name: [make_run(name)] for name in names})
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["objective: none", "mask fill: 1"]
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_nothing_to_compare_is_said(make_run):
    with pytest.raises(InputError, match="no two rows to compare"):
        difference_plot("4", {"rates-1": [make_run("rates-1")]})
