"""Claims about training are decided by the records of a scale, or stay open."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_runs import OFFSETS, run_of
from scipy import stats

from aotgan.metrics import METRICS
from aotgan.reproduce.claims import from_runs
from aotgan.reproduce.claims.from_runs import Committed, decide, l1_beside_ours, l1_off_by
from aotgan.reproduce.claims.ledger import CLAIMS, VERDICTS, Claim, check
from aotgan.reproduce.tables.rows import rows_of_table
from aotgan.reproduce.tables.significance import Comparison

ROOT = Path(__file__).parents[2]
_, SCALED, OPEN, CONTRADICTED, _ = VERDICTS
FOUR, ONE, TWO = "rates-1-2-4-8", "rates-1", "rates-2"
CLAIM = next(claim for claim in CLAIMS if claim.arguments.startswith("4: rates 1,2,4,8>rates 1;"))


def finding(folder, claim=CLAIM):
    return check(claim, Committed(folder))


def runs_of(make_run, offsets, seeds=3):
    """Runs of each experiment, all metrics of which follow the offset in dB and the seed."""
    return [
        make_run(name, seed, offset + 0.5 * seed, fd=5 - offset + 0.5 * seed + 0.01 * (seed % 2))
        for name, offset in offsets.items()
        for seed in range(seeds)
    ]


def test_without_records_a_claim_about_training_waits(tmp_path):
    (tmp_path / "laptop" / "records").mkdir(parents=True)
    for found in (check(CLAIM), finding(tmp_path / "laptop")):
        assert found.verdict == OPEN and "make reproduce SCALE=gpu" in found.evidence


def test_better_in_everything_holds_at_our_scale(make_run, write_runs):
    folder = write_runs(*runs_of(make_run, {ONE: 0.0, TWO: 0.5, FOUR: 2.0}))
    found = finding(folder)
    assert found.verdict == SCALED
    assert "figures/laptop/table4.md" in found.evidence and ", 3 seeds: " in found.evidence
    assert re.search(r": better in L1 \(-\d\.\d\d\), PSNR \(\+2\.0\d\), ", found.evidence)
    assert "final weights" not in found.evidence  # they say the same


def test_kinds_of_weights_that_do_not_agree_leave_a_claim_open(make_run, write_runs):
    runs = runs_of(make_run, {ONE: 0.0, TWO: 0.5, FOUR: 2.0})
    for run in runs:
        if run.record.experiment == FOUR:
            for row in run.record.metrics["raw"]:
                row["psnr"] -= 9
    found = finding(write_runs(*runs))
    assert found.verdict == OPEN
    assert re.search(r"With the final weights .*worse in PSNR \(-7\.\d\d\)", found.evidence)


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(make_run, write_runs, seeds):
    for offsets in ({ONE: 0.0, TWO: 0.5, FOUR: 9.0}, {ONE: 9.0, TWO: 9.0, FOUR: 0.0}):
        found = finding(write_runs(*runs_of(make_run, offsets, seeds)))
        assert found.verdict == OPEN
        sure = {1: ", 1 seed: ", 2: ", 2 seeds: "}[seeds]
        assert sure in found.evidence and {1: "for these weights", 2: "in both seeds"}[seeds] in (
            found.evidence
        )


def test_the_seeds_that_count_are_those_of_both_rows(make_run, write_runs):
    runs = runs_of(make_run, {ONE: 0.0, TWO: 0.5, FOUR: 2.0})
    alone = [r for r in runs if (r.record.experiment, r.record.seed) != (TWO, 1)]
    found = finding(write_runs(*alone))
    assert found.verdict == OPEN and "over rates 2, 2 seeds:" in found.evidence


def test_worse_in_everything_contradicts(make_run, write_runs):
    folder = write_runs(*runs_of(make_run, {ONE: 2.0, TWO: 2.0, FOUR: 0.0}))
    assert finding(folder).verdict == CONTRADICTED


def test_one_open_comparison_leaves_the_claim_open(make_run, write_runs):
    folder = write_runs(*runs_of(make_run, {ONE: 0.0, TWO: 2.0, FOUR: 2.0}))
    assert finding(folder).verdict == OPEN


def test_of_many_comparisons_one_that_is_barely_worse_does_not_contradict(make_run, write_runs):
    """At 95 % one of eight is expected to err now and then: Bonferroni's interval is wider."""
    single, eight = (stats.t.ppf(1 - 0.025 / count, 2) for count in (1, 8))
    for worse_by, verdict in (
        (single * 1.05, OPEN),  # 0 is outside of the one interval alone
        (eight * 0.95, OPEN),
        (eight * 1.05, CONTRADICTED),
    ):
        changes = 0.1 * (worse_by / math.sqrt(3) + np.array([-1, 0, 1]))  # in standard errors
        runs = runs_of(make_run, {ONE: 0.0, TWO: 0.0}) + [
            make_run(FOUR, seed, 2 + 0.5 * seed, fd=5 + 0.5 * seed + 0.01 * (seed % 2) + change)
            for seed, change in enumerate(changes)
        ]
        found = finding(write_runs(*runs))
        assert found.verdict == verdict and "worse" in found.evidence


DECIDED = [
    (["better", "better"], SCALED),
    (["better", "better in both seeds"], OPEN),
    (["better for these weights"], OPEN),
    (["better", "not resolved"], OPEN),
    (["better", "worse"], CONTRADICTED),
    (["better", "worse in both seeds"], OPEN),
    (["worse for these weights"], OPEN),
]


@pytest.mark.parametrize(("words", "verdict"), DECIDED)
def test_what_a_claim_takes(words, verdict):
    seeds = {"for these weights": 1, "in both seeds": 2, "": 3}
    psnr = next(metric for metric in METRICS if metric.key == "psnr")
    changes = []
    for word in words:
        sign = -1 if word.startswith("worse") else 1
        count = seeds[word.replace("not resolved", "").partition(" ")[2]]
        ends = sorted((sign * 0.99, sign * 1.01)) if count > 1 else (math.nan, math.nan)
        p = 0.5 if word == "not resolved" else 0.001
        changes.append(Comparison(psnr, sign, *ends, math.nan, math.nan, p, p, count))
    assert [change.verdict for change in changes] == words
    assert decide(changes) == verdict


def test_from_the_pipeline_decide_nothing(make_run, write_runs):
    folder = write_runs(*runs_of(make_run, {ONE: 0.0, TWO: 0.5, FOUR: 2.0}))
    assert finding(folder.rename(folder.with_name("smoke"))).verdict == OPEN


def test_every_claim_about_training_names_rows_that_exist(make_run, write_runs):
    claims = [claim for claim in CLAIMS if claim.check == "trained"]
    names = set()
    for claim in claims:
        tables, pairs, _ = from_runs._parsed(claim.arguments)
        names |= {rows_of_table(tables)[label] for pair in pairs for label in pair}
    folder = write_runs(*runs_of(make_run, dict.fromkeys(sorted(names), 0.0), seeds=1))
    for claim in claims:
        assert "Not trained" not in finding(folder, claim).evidence
        assert finding(folder, claim).verdict == OPEN


def test_models_of_table_1_are_compared_with_each_other_alone(write_runs):
    claim = Claim(0, "", "our training", "", "", "trained", "1: AOT-GAN>CA; AOT-GAN>HiFill", "")
    runs = [run_of(name, seed) for name in OFFSETS for seed in range(3)]
    found = finding(write_runs(*runs), claim)
    assert found.verdict == SCALED and "figures/laptop/table1.md" in found.evidence
    missing = replace(claim, arguments="1: AOT-GAN>PConv")
    assert "Not trained yet: pconv" in finding(write_runs(*runs), missing).evidence


@pytest.mark.parametrize(("seconds", "verdict"), [(2.0, SCALED), (0.1, CONTRADICTED)])
def test_time_is_that_of_the_records(make_run, write_runs, seconds, verdict):
    claim = next(claim for claim in CLAIMS if claim.check == "quicker")
    assert finding(write_runs(), claim).verdict == OPEN
    runs = [make_run(name, 0) for name in ("aotgan-centre", "mnps")]
    for run, time in zip(runs, (0.25, seconds), strict=True):
        run.record.cost.update(seconds=time)
    found = finding(write_runs(*runs), claim)
    assert found.verdict == verdict and f"{seconds:.3g} s" in found.evidence


@pytest.fixture
def shipped(tmp_path):
    """Results that hold the shipped model's record alone."""
    name = "records/aotgan-demo-seed0.json"
    (tmp_path / "laptop" / "records").mkdir(parents=True)
    (tmp_path / "laptop" / name).write_bytes((ROOT / "figures" / "laptop" / name).read_bytes())
    return Committed(tmp_path / "laptop")


def test_our_record_has_the_trend_of_table_1(shipped):
    claim = next(claim for claim in CLAIMS if claim.check == "harder_in_records")
    assert check(claim, shipped).verdict == SCALED
    assert check(claim).verdict == OPEN
    rows = shipped.main.metrics["ema"]
    rows[0]["ssim"], rows[1]["ssim"] = rows[1]["ssim"], rows[0]["ssim"]
    assert check(claim, shipped).verdict == CONTRADICTED


def test_the_l1_of_table_1_is_left_open_and_said_to_be_the_ratio(shipped):
    claim = next(claim for claim in CLAIMS if claim.check == "l1_of_table_1")
    found = check(claim, shipped)
    assert found.verdict == OPEN
    assert "Rather not" in found.evidence and "for 1 of 1 networks" in found.evidence
    assert check(claim).verdict == OPEN
    shapes = l1_beside_ours(shipped.main)
    row = shipped.main.metrics["ema"][3]
    assert shapes["ours, mean absolute error"].iloc[3] == pytest.approx(
        row["l1"] / 10 ** (-row["psnr"] / 20)
    )
    plain, ratio = l1_off_by(shipped.main)
    ours = shapes["ours, released ratio"].to_numpy()[1:]
    assert ratio == pytest.approx(np.abs(shapes["Table 1"].to_numpy()[1:] / ours - 1).mean())
    assert ratio < 0.3 * plain
    for row in shipped.main.metrics["ema"]:
        row["l1_released"] = 2 * row["l1"]
    turned = check(claim, shipped).evidence
    assert "Perhaps: " in turned and "for 0 of 1 networks" in turned


@pytest.mark.parametrize(("effect", "verdict"), [(0.5, SCALED), (0.0, OPEN)])
def test_a_border_propagates_if_the_colour_comes_back(tmp_path, effect, verdict):
    claim = next(claim for claim in CLAIMS if claim.check == "border_propagates")
    assert check(claim, Committed(tmp_path)).verdict == OPEN
    rng = np.random.default_rng(0)
    rows = [
        {"photograph": at, "edge": edge, "shift": shift, "grow": 0, "error": 0.1}
        | {"tint": rng.normal(effect if shift == -2 and edge == "hard" else shift / -4, 0.1)}
        for at in range(20)
        for edge in ("hard", "soft")
        for shift in (-2, 0)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "mask_borders.csv", index=False)
    (tmp_path / "mask_borders.json").write_text('{"photographs": 20, "size_px": 128}')
    found = check(claim, Committed(tmp_path))
    assert found.verdict == verdict, "both edges have to show it"
    assert re.search(r"hard edge -?0\.0\d to -?0\.\d\d \[", found.evidence)
