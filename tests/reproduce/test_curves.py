"""Learning curves against each other: every common point, paired by seed and photograph."""

import pytest
from synthetic_runs import synthetic_run, write_point, write_run
from tolerances import ROUNDED, TWO_PERCENT

from aotgan.errors import InputError
from aotgan.reproduce.page import write_page
from aotgan.reproduce.tables.curves import GATE, Curves
from aotgan.reproduce.tables.report import KINDS

LONG = {"steps": 3000, "images_seen": 24_000}
POINTS = [(12_000, "raw"), (12_000, "ema"), (24_000, "raw"), (24_000, "ema")]


@pytest.fixture
def folder(tmp_path):
    """Results where Eq. 1 is first 2 dB behind the sum and in the end 1 dB ahead, in two seeds."""
    folder = tmp_path / "laptop"
    for name, early, late in (("gate-sum", 0.0, 1.0), ("sm-patchgan", -2.0, 2.0)):
        for seed in (0, 1):
            whole = synthetic_run(name, seed, offset=late, **LONG)
            write_point(whole, synthetic_run(name, seed, offset=early), 12_000, folder)
    return folder


def test_changes_are_those_of_each_point(folder):
    changes = Curves(folder, list(GATE)).changes("gate-sum", "sm-patchgan")
    assert list(changes) == POINTS
    for (images, _), change in changes.items():
        expected = -2 if images == 12_000 else 1
        assert change.difference == pytest.approx(expected, abs=TWO_PERCENT)
        assert change.low <= change.difference <= change.high
        assert change.image_low < change.difference < change.image_high
        assert change.verdict == f"{'worse' if expected < 0 else 'better'} in both seeds"


def test_curves_are_means_over_seeds(folder):
    frame = Curves(folder, ["sm-patchgan"]).frame().set_index(["images", "weights"])
    assert list(frame.index) == POINTS
    for (images, weights), value in frame["value"].items():
        expected = 20 + (-2 if images == 12_000 else 2) - (weights == "raw")
        assert value == pytest.approx(expected, abs=TWO_PERCENT)


def test_points_that_one_of_them_did_not_pass_are_left_out(folder):
    write_run(synthetic_run("gate-open", **LONG | {"images_seen": 20_000}), folder)
    curves = Curves(folder, list(GATE))
    assert curves.changes("gate-sum", "gate-open") == {}
    assert curves.points("gate-open") == [20_000]


def test_the_plot_has_both_weights_of_each(folder):
    axes = Curves(folder, list(GATE)).plot(GATE).axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata())]
    assert len(lines) == 4
    assert {line.get_linestyle() for line in lines} == {"-", ":"}
    solid = [line for line in lines if line.get_linestyle() == "-"]
    labels = {line.get_label(): line.get_color() for line in axes.lines}
    assert [labels[title] for title in ("plain sum", "Eq. 1")] == [x.get_color() for x in solid]
    assert GATE["gate-open"] not in labels, "it was not run"
    assert solid[1].get_ydata()[1] == pytest.approx(22, rel=ROUNDED)


def test_weights_that_no_run_kept_are_not_in_the_legend(tmp_path):
    run = synthetic_run("gate-sum")
    del run.record.metrics["ema"]
    write_run(run, tmp_path)
    axes = Curves(tmp_path, ["gate-sum"]).plot(GATE).axes[0]
    empty = [line for line in axes.lines if not len(line.get_xdata())]
    assert [line.get_label() for line in empty] == ["plain sum", KINDS["raw"]]


def test_the_page_says_what_the_gate_changes(folder):
    text = write_page("laptop", folder.parent).read_text("utf-8")
    section = text.partition("## Does the gate catch up?")[2]
    rows = [line for line in section.splitlines() if line.startswith(("| 12,000", "| 24,000"))]
    assert [row.count("in both seeds") for row in rows] == [2, 2]
    assert [row.partition(" | 2 | ")[2][0] for row in rows] == ["-", "+"]
    assert "Eq. 1, its gate open" not in section


def test_what_is_missing_is_named(folder):
    curves = Curves(folder, list(GATE))
    with pytest.raises(InputError, match=r"laptop has no finished run of gate-open: train it"):
        curves.changes("gate-sum", "gate-open")
    with pytest.raises(InputError, match="metric='fd': choose one of"):
        curves.frame("fd")
