"""Pictures of a table show what its numbers say."""

import pytest
from model_runs import BINS, classical_run, run_of
from synthetic_runs import synthetic_run
from tolerances import TENTH

from aotgan.errors import InputError
from aotgan.reproduce.figures.style import png_bytes
from aotgan.reproduce.runs.experiments import READINGS
from aotgan.reproduce.tables.plots import COLOUR_OF, FAR, bin_plot, difference_plot
from aotgan.reproduce.tables.rows import OURS, paper_rows, rows_of_table
from aotgan.reproduce.tables.significance import UNRESOLVED
from aotgan.reproduce.tables.table import Table


def table_of(name, offsets, seeds=2):
    """The first rows of a table, so many dB above 20."""
    names = list(rows_of_table(name).values())[: len(offsets)]
    return Table(
        name,
        {
            n: [synthetic_run(n, seed, at + 0.01 * seed, fd=5 - at) for seed in range(seeds)]
            for n, at in zip(names, offsets, strict=True)
        },
    )


@pytest.mark.parametrize(
    ("seeds", "sure"), [(1, " for these weights"), (2, " in both seeds"), (3, "")]
)
def test_differences_have_the_colour_of_their_verdict(seeds, sure):
    table = table_of("7", (0.0, 0.0, 1.0), seeds)
    axes = difference_plot(table).axes[0]
    changes = [c for *_, c in table.comparisons() if c.metric.key == "psnr"]
    points = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [p.get_xdata()[0] for p in points] == pytest.approx([c.difference for c in changes])
    colours = {UNRESOLVED: COLOUR_OF[UNRESOLVED], f"better{sure}": COLOUR_OF["better"]}
    assert {c.verdict for c in changes} == set(colours)
    assert [p.get_color() for p in points] == [colours[c.verdict] for c in changes]
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        "final weights",
        *colours,
    }
    raw = [c.difference for *_, c in table.comparisons("raw") if c.metric.key == "psnr"]
    hollow = next(line for line in axes.lines if line.get_label() == "final weights")
    assert list(hollow.get_xdata()) == raw
    over_photographs, over_seeds = axes.collections[:2]
    assert over_photographs.get_paths()[0].vertices[:, 0].tolist() == pytest.approx(
        [changes[0].image_low, changes[0].image_high]
    )
    assert over_seeds.get_paths()[0].vertices[:, 0].tolist() == pytest.approx(
        [changes[0].low, changes[0].high], nan_ok=True
    )


def test_worse_has_another_colour():
    axes = difference_plot(table_of("7", (1.0, 0.0)), "l1").axes[0]
    (point,) = (
        line for line in axes.lines if len(line.get_xdata()) == 1 and line.get_label()[0] == "_"
    )
    assert point.get_color() == COLOUR_OF["worse"] and point.get_xdata()[0] > 0


def test_readings_are_named_by_what_they_change():
    names = ("sm-patchgan", "fill-white", "objective-none")
    figure = difference_plot(Table(READINGS, {name: [synthetic_run(name)] for name in names}))
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["objective: none", "mask fill: 1"]
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_nothing_to_compare_is_said():
    with pytest.raises(InputError, match="no two rows to compare"):
        difference_plot(Table("4", {"rates-1": [synthetic_run("rates-1")]}))


def test_a_metric_is_drawn_over_the_bins_beside_the_papers():
    names = ("ca", "hifill", "aotgan")
    table = Table("1", {name: [run_of(name, seed) for seed in (0, 1)] for name in names})
    ours, paper = bin_plot(table, "psnr").axes
    labels = list(rows_of_table("1"))
    assert len(paper.lines) == len(paper_rows("1")) and len(ours.lines) == len(labels)
    own = ours.lines[labels.index(OURS)]
    frame = table.frame().query("bin != 'all' and row == @OURS")
    assert own.get_ydata().tolist() == frame["PSNR (dB)"].tolist()
    assert own.get_ydata()[0] == pytest.approx(22, abs=TENTH)
    assert paper.lines[-1].get_ydata()[0] == pytest.approx(34.79)
    assert [text.get_text() for text in ours.get_xticklabels()] == BINS


def test_what_the_paper_lacks_is_grey_and_has_no_curve_of_its():
    table = Table("1", {"aotgan": [run_of("aotgan")], "telea": [classical_run()]})
    ours, paper = bin_plot(table).axes
    assert len(paper.lines) == len(paper_rows("1"))
    (line,) = (line for line in ours.lines if line.get_label() == "Telea †")
    assert line.get_color() == FAR and line.get_linestyle() == "--"
    assert len(line.get_ydata()) == len(BINS)
    assert "PConv (not run)" in [line.get_label() for line in ours.lines]


def test_the_legend_has_the_order_of_the_curves_and_no_two_look_alike():
    names = ("ca", "hifill", "aotgan")
    runs = {name: [run_of(name)] for name in names} | {"telea": [classical_run()]}
    figure = bin_plot(Table("1", runs), "psnr")
    ours = figure.axes[0]
    ends = {line.get_label(): line.get_ydata()[-1] for line in ours.lines}
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    run = [label for label in shown if "not run" not in label]
    assert len(run) == 4 and set(shown) == set(ends) and shown[:4] == run
    assert run == sorted(run, key=ends.get, reverse=True)
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in ours.lines]
    assert len(set(looks)) == len(looks)
    assert max(ours.lines, key=lambda line: line.get_linewidth()).get_label() == OURS
