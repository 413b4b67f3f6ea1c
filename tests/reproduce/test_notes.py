"""Tables of records with both distances: their columns, and what stands below them."""

import pytest
from model_runs import run_of

from aotgan.metrics import METRICS, Embedding
from aotgan.reproduce.tables.captions import caption
from aotgan.reproduce.tables.notes import distance_lines, weight_lines
from aotgan.reproduce.tables.report import as_csv, as_markdown
from aotgan.reproduce.tables.runs import metrics_of
from aotgan.reproduce.tables.summary import ENDS, metric_table, shown
from aotgan.reproduce.tables.table import Table
from aotgan.reproduce.tables.text import markdown

FD, KD = (f"{kind} distance, EfficientNet-Lite0 features" for kind in ("Frechet", "Kernel"))
PAPER = {"perceptual": 0.1, "style": 250.0, "objective": "paper"}
TRAINED = {"perceptual": 0.1, "style": 1.0, "objective": "paper"}


@pytest.fixture(scope="module")
def protocol():
    return Embedding().protocol


@pytest.fixture
def measured(make_run, protocol):
    """Makes a run with both distances; the first NaN where there are too few pairs."""

    def make(name, seed=0, fd=5.0, kd=0.25, of=make_run, loss=TRAINED):
        run = of(name, seed)
        run.record.protocol.clear()
        run.record.protocol.update(protocol)
        run.record.config["loss"] = loss
        for rows in run.record.metrics.values():
            for row in rows:
                row.update(fd=fd, fd_low=fd and fd - 0.5, fd_high=fd and fd + 0.5)
                row.update(kd=kd, kd_low=kd - 0.03125, kd_high=kd + 0.03125)
        return run

    return make


def test_both_distances_are_columns_named_after_the_protocol_with_their_intervals(measured):
    record = measured("aotgan").record
    own = [metric.title for metric in METRICS if metric.title and not metric.described]
    assert [metric.title for metric in metrics_of(record)] == [*own, FD, KD]
    table = metric_table([record])
    assert table[f"{FD} low"].tolist() == [4.5, 4.5] and table[f"{KD} high"].tolist()[0] == 0.28125
    text = markdown(shown([record]))
    assert "5.00 ± 0.50" in text and "0.250 ± 0.031" in text


def test_a_frechet_distance_of_too_few_pairs_is_a_dash_with_its_reason(measured):
    record = measured("aotgan", fd=None).record
    text = markdown(shown([record]))
    assert "| - | 0.250 ± 0.031 |" in text
    told = caption([record], ENDS)
    assert f'{FD}: not FID, and comparable with no FID; small samples inflate it, and "-" ' in told
    assert "no more pairs than the 240 features" in told
    assert f"{KD}: unbiased, so that values of different numbers of pairs can be compared" in told
    assert "Distances of one seed: 95% interval by the standard error of 200 resamples" in told


def test_tables_of_the_paper_have_a_kernel_distance_of_ours_alone(measured):
    runs = {name: [measured(name, seed) for seed in (0, 1)] for name in ("rates-1", "rates-2")}
    table = Table("4", runs)
    assert [m.key for m in table.metrics] == ["l1", "l1_hole", "psnr", "ssim", "fd", "kd"]
    text, numbers = as_markdown(table), as_csv(table)
    assert f"| {KD} |" in text and text.count("paper: FID") == 2
    assert f"{KD} rank" in numbers
    assert all(f"paper {name}" in numbers for name in ("L1_1e-2", "PSNR_dB", "SSIM", "FID"))
    assert numbers.splitlines()[0].count("paper ") == 4
    orders = text.split("Kendall's tau")[1].split("What the second")[0]
    assert FD in orders and KD not in orders, "no order of the paper's to compare with"
    change = next(c for *_, c in table.comparisons() if c.metric.key == "kd")
    assert change.metric.name == "Kernel distance" and change.metric.title == KD


def test_tables_of_models_have_it_by_bin(measured):
    table = Table("1", {name: [measured(name, 0, None, of=run_of)] for name in ("ca", "aotgan")})
    text, numbers = as_markdown(table), as_csv(table)
    shown_in = len(table.bins) + 1  # and all bins together of the final weights
    assert text.count("| 0.250 (1.5) |") == 2 * shown_in, "of one seed no ends"
    assert "Relative improvement" not in text and f"{KD} low" in numbers


def test_weights_that_are_not_the_papers_are_told_once_for_all_that_have_them(measured, make_run):
    def told(*runs):
        return list(weight_lines([[run.record] for run in runs]))

    ours = [measured(name) for name in ("aotgan", "rates-1")]
    assert told(*ours) == [
        "aotgan, rates-1: weights of perceptual and style loss 0.1 and 1, for these features; the "
        "paper's 0.1 and 250 are VGG-19's."
    ]
    published = measured("pconv", loss=TRAINED | {"objective": "published"})
    assert told(ours[0], published)[1] == (
        "pconv: the published weights, that of the style loss times 0.004, as for AOT-GAN."
    )
    bare = measured("ca", loss=TRAINED | {"objective": "published"})
    object.__setattr__(bare.record, "features", "none")
    assert told(measured("aotgan", loss=PAPER), bare) == []
    assert told(ours[0])[0] in caption([ours[0].record], ENDS)


def test_records_without_a_kernel_distance_keep_their_caption(make_run):
    record = make_run("aotgan", config={"seed": 0, "loss": TRAINED}).record
    assert list(weight_lines([[record]])) == []
    name = record.protocol["frechet"]["name"]
    assert list(distance_lines(record)) == [
        f"{name}: not FID, and comparable with no FID; small samples inflate it."
    ]


def test_fid_is_called_so(measured, protocol):
    record = measured("aotgan").record
    record.protocol["frechet"] = protocol["frechet"] | {"name": "FID", "dimensions": 2048}
    told = list(distance_lines(record))[0]
    assert told.startswith("FID: small samples inflate it") and "2048 features" in told
