"""Shares, intervals, tests, agreement and power against independent references."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tolerances import DOUBLE, DOUBLE_NET, FIVE_PERCENT, SINGLE_SUM, TENTH, TWO_PERCENT

from aotgan.apply.study_analysis import (
    agreeing_share,
    agreement,
    binomial_test,
    design_effect,
    export_csv,
    holm,
    interval_width,
    krippendorff_alpha,
    like_table3,
    power,
    results,
    side_effect,
    votes_for_power,
    votes_for_width,
    wilson_interval,
)
from aotgan.apply.study_votes import read_votes
from aotgan.errors import InputError

COUNTS = [(0, 1), (1, 1), (0, 23), (22, 23), (123, 142), (20, 89), (475, 951), (951, 951)]
# Fleiss' kappa by hand: 10 units, 14 raters, 5 categories; P = 0.378, P_e = 0.213, kappa = 0.210.
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", part C: nominal alpha 0.743.
OBSERVERS = """
    1 2 3 3 2 1 4 1 2 . . .
    1 2 3 3 2 2 4 1 2 5 . 3
    . 3 3 3 2 3 4 2 2 5 1 .
    1 2 3 3 2 4 4 1 2 5 1 .
"""


def make_votes(*rows):
    """Rows (participant, dataset, picture, other, ours_left, chose_left)."""
    names = ["participant", "dataset", "picture", "other", "ours_left", "chose_left"]
    frame = pd.DataFrame(rows, columns=names).astype({"ours_left": bool, "chose_left": bool})
    return frame.assign(won=frame["ours_left"] == frame["chose_left"], seconds=1.0)


@pytest.fixture
def votes():
    """Ours wins 3 of 4 against A on faces and 1 of 2 against real on scenes."""
    return make_votes(
        ("p", "faces", "1", "A", 1, 1),
        ("p", "faces", "2", "A", 0, 0),
        ("q", "faces", "1", "A", 0, 0),
        ("q", "faces", "2", "A", 1, 0),
        ("p", "scenes", "1", "real", 1, 1),
        ("q", "scenes", "1", "real", 0, 1),
    )


@pytest.fixture
def no_votes(tmp_path):
    return read_votes(tmp_path / "none.sqlite")


@pytest.mark.parametrize(("won", "cast"), COUNTS)
def test_interval_is_scipys(won, cast):
    reference = stats.binomtest(won, cast).proportion_ci(method="wilson")
    assert wilson_interval(won, cast) == pytest.approx((reference.low, reference.high), abs=DOUBLE)


@pytest.mark.parametrize("level", [0.8, 0.99])
def test_interval_inverts_the_score_test(level):
    low, high = wilson_interval(30, 80, level)
    z = stats.norm.ppf((1 + level) / 2)
    for p in (low, high):
        assert abs(30 / 80 - p) == pytest.approx(z * math.sqrt(p * (1 - p) / 80), abs=DOUBLE)


@pytest.mark.parametrize(("won", "cast"), COUNTS)
def test_p_value_is_the_sum_of_outcomes_as_unlikely(won, cast):
    probabilities = [math.comb(cast, k) / 2**cast for k in range(cast + 1)]
    reference = sum(p for p in probabilities if p <= probabilities[won] * (1 + DOUBLE_NET))
    assert binomial_test(won, cast) == pytest.approx(min(1, reference), rel=DOUBLE_NET)


def test_one_vote_each_has_the_effect_of_independence():
    rng = np.random.default_rng(0)
    won = rng.random(400) < 0.7
    assert design_effect(won, list(range(400))) == pytest.approx(400 / 399)


def test_participants_who_always_vote_the_same_count_once():
    won = np.repeat(np.arange(40) % 4 > 0, 10)  # 40 participants with 10 equal votes each
    assert design_effect(won, np.repeat(np.arange(40), 10).tolist()) == pytest.approx(10 * 40 / 39)


def test_effect_of_alike_votes_is_their_correlation():
    rng = np.random.default_rng(1)
    taste = rng.choice([0.5, 0.9], 8000)  # two kinds of participants, 5 votes each
    won = rng.random((8000, 5)) < taste[:, None]
    correlation = 0.04 / (0.7 * 0.3)  # variance of taste over that of a vote
    who = np.repeat(np.arange(8000), 5).tolist()
    assert design_effect(won.ravel(), who) == pytest.approx(1 + 4 * correlation, rel=FIVE_PERCENT)


def test_effect_is_never_a_gain_and_unknown_for_one():
    assert design_effect([1, 0] * 10, [i // 2 for i in range(20)]) == 1
    assert design_effect([1, 1], ["a", "b"]) == 1
    assert math.isnan(design_effect([1, 0, 1], ["a"] * 3))


def test_results_count_what_was_voted(votes):
    frame = results(votes, [("faces", "A"), ("scenes", "real")])
    assert frame[["cast", "won", "participants"]].to_numpy().tolist() == [[4, 3, 2], [2, 1, 2]]
    assert frame["percentage"].tolist() == [75, 50]
    low, high = wilson_interval(3, 4)
    assert frame.loc[0, ["low", "high"]].tolist() == pytest.approx([100 * low, 100 * high])
    assert frame["p"].tolist() == [binomial_test(3, 4), 1]
    assert "paper" not in frame


def test_clustered_interval_is_wider_by_the_effect():
    rows = [(f"p{i}", "s", str(k), "A", 1, int(i < 6)) for i in range(8) for k in range(5)]
    row = results(make_votes(*rows), [("s", "A")]).iloc[0]
    effect = 5 * 8 / 7
    low, high = wilson_interval(30 / effect, 40 / effect)
    assert [row["low_clustered"], row["high_clustered"]] == pytest.approx([100 * low, 100 * high])
    assert row["low_clustered"] < row["low"] < row["high"] < row["high_clustered"]


def test_papers_numbers_stand_beside_ours_as_text(votes):
    frame = results(votes, [("faces", "A"), ("scenes", "real")], {("faces", "A"): "95.65"})
    assert frame["paper"].tolist() == ["95.65", ""]
    assert frame["percentage"].tolist() == [75, 50]
    table = like_table3(frame, "ours")
    assert table.columns.tolist() == [
        "Percentage",
        "faces",
        "paper: faces",
        "scenes",
        "paper: scenes",
    ]
    assert table.iloc[0].tolist() == [
        "ours > A",
        "75.00% (30 to 95%), 3 of 4",
        "95.65%",
        "",
        "",
    ]


def test_without_votes_every_comparison_says_so(no_votes):
    frame = results(no_votes, [("faces", "A"), ("scenes", "real")], {("faces", "A"): "95.65"})
    assert frame[["cast", "won", "participants"]].to_numpy().tolist() == [[0, 0, 0]] * 2
    numbers = frame.drop(columns=["dataset", "other", "cast", "won", "participants", "paper"])
    assert numbers.isna().all(axis=None)
    assert like_table3(frame, "ours")["faces"].tolist() == ["no votes", ""]
    assert agreement(no_votes)["pairs"].tolist() == [0]
    assert agreement(no_votes)[["agreeing", "alpha"]].isna().all(axis=None)
    effect = side_effect(no_votes)
    assert effect["cast"] == 0 and math.isnan(effect["percentage"]) and math.isnan(effect["p"])


def test_holm_is_the_textbooks():
    # Holm (1979): 0.005 x 4, 0.01 x 3, 0.03 x 2, then 0.04 x 1, raised to the one before it
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    corrected = holm([0.9, math.nan, 0.6])
    assert corrected[[0, 2]].tolist() == [1, 1] and math.isnan(corrected[1])


def test_alpha_of_equal_raters_is_fleiss_kappa():
    counts = np.array(FLEISS)
    shares = counts.sum(axis=0) / counts.sum()
    observed = ((counts * (counts - 1)).sum(axis=1) / (14 * 13)).mean()
    kappa = (observed - (shares**2).sum()) / (1 - (shares**2).sum())
    assert round(kappa, 3) == 0.210
    assert agreeing_share(counts) == pytest.approx(observed)
    assert krippendorff_alpha(counts) == pytest.approx(1 - (1 - 1 / counts.sum()) * (1 - kappa))


def test_alpha_of_unequal_raters_is_krippendorffs():
    table = np.array([line.split() for line in OBSERVERS.strip().splitlines()])
    counts = [[(unit == category).sum() for category in "12345"] for unit in table.T]
    assert round(krippendorff_alpha(counts), 3) == 0.743


def test_alpha_is_0_by_chance_and_1_in_accord():
    rng = np.random.default_rng(0)
    blind = rng.binomial(5, 0.8, 4000)
    assert krippendorff_alpha(np.stack([blind, 5 - blind], 1)) == pytest.approx(0, abs=TWO_PERCENT)
    assert krippendorff_alpha([[3, 0], [0, 2]]) == 1
    assert math.isnan(krippendorff_alpha([[3, 0], [2, 0]]))  # one category: nothing expected
    assert math.isnan(krippendorff_alpha([[1, 0], [0, 1]]))  # one rater each


def test_counts_of_another_shape_are_refused():
    with pytest.raises(InputError, match="expected \\(units, categories\\)"):
        krippendorff_alpha([1, 2])


def test_agreement_is_told_for_each_comparison_and_over_all(votes):
    frame = agreement(votes)
    assert frame[["dataset", "other"]].to_numpy().tolist() == [
        ["faces", "A"],
        ["scenes", "real"],
        ["all", "all"],
    ]
    assert frame["pairs"].tolist() == [2, 1, 3]
    assert frame["votes"].tolist() == [4, 2, 6]
    assert frame["agreeing"].tolist() == pytest.approx([1 / 2, 0, 1 / 3])
    counts = [[2, 0], [1, 1], [1, 1]]
    assert frame["alpha"].iloc[2] == pytest.approx(krippendorff_alpha(counts))


def test_one_picture_of_two_sets_is_two_units(votes):
    assert agreement(votes)["pairs"].iloc[2] == 3  # "1" of faces and "1" of scenes are apart


def test_side_is_told_apart_from_quality():
    rows = [("p", "s", str(i), "A", i % 2, int(i % 2 or i < 20)) for i in range(40)]
    effect = side_effect(make_votes(*rows))  # ours right: chosen 10 of 20; ours left: 20 of 20
    assert (effect["cast"], effect["left"]) == (40, 30)
    assert effect["percentage"] == 75 and effect["p"] == binomial_test(30, 40)
    assert (effect["won_left"], effect["won_right"]) == (100, 50)
    low, high = wilson_interval(30, 40)
    assert (effect["low"], effect["high"]) == pytest.approx((100 * low, 100 * high))


@pytest.mark.parametrize(("width", "share"), [(40, 0.5), (20, 0.5), (10, 0.5), (10, 0.95), (1, 1)])
def test_votes_for_width_are_the_fewest(width, share):
    votes = votes_for_width(width, share)
    assert interval_width(votes, share) <= width < interval_width(votes - 1, share)


def test_width_of_ten_points_takes_what_the_formula_says():
    # z^2 (1 - w^2) / w^2 at a share of 1/2, from Wilson's width w = z / sqrt(n + z^2)
    z = stats.norm.ppf(0.975)
    assert votes_for_width(10) == math.ceil(z**2 * (1 - 0.1**2) / 0.1**2) == 381


@pytest.mark.parametrize("cast", [1, 5, 6, 20, 101])
@pytest.mark.parametrize("preference", [0.5, 0.6, 0.95])
def test_power_is_the_probability_of_rejecting(cast, preference):
    reference = sum(
        stats.binom.pmf(won, cast, preference)
        for won in range(cast + 1)
        if binomial_test(won, cast) <= 0.05
    )
    assert power(cast, preference) == pytest.approx(reference, abs=DOUBLE)


@pytest.mark.parametrize("preference", [0.95, 0.75, 0.6, 0.4])
def test_votes_for_power_hold_from_there_on(preference):
    votes = votes_for_power(preference)
    assert power(votes - 1, preference) < 0.8
    assert all(power(more, preference) >= 0.8 for more in range(votes, 2 * votes))


def test_power_is_symmetric_and_near_the_normal_formula():
    assert votes_for_power(0.4) == votes_for_power(0.6)
    z, za = stats.norm.ppf(0.8), stats.norm.ppf(0.975)
    rough = ((za * 0.5 + z * math.sqrt(0.24)) / 0.1) ** 2
    assert votes_for_power(0.6) == pytest.approx(rough, rel=TENTH)


@pytest.mark.parametrize("wrong", [{"preference": 0.5}, {"preference": 1.2}])
def test_what_no_number_of_votes_tells_is_refused(wrong):
    with pytest.raises(InputError, match="other than 0.5"):
        votes_for_power(**wrong)
    with pytest.raises(InputError, match="takes over 1,000 votes"):
        votes_for_power(0.501, most=1000)
    with pytest.raises(InputError, match="width=0"):
        votes_for_width(0)


def test_csv_holds_the_table(votes, tmp_path):
    frame = results(votes, [("faces", "A"), ("scenes", "real")])
    path = export_csv(frame, tmp_path / "new" / "results.csv")
    again = pd.read_csv(path)
    assert again.columns.tolist() == frame.columns.tolist()
    numbers = frame.columns[2:]
    assert again[numbers].to_numpy(float) == pytest.approx(
        frame[numbers].to_numpy(float), rel=SINGLE_SUM, nan_ok=True
    )
