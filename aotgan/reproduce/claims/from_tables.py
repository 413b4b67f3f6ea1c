"""Checks of claims that the paper's own printed numbers decide (notebook 17, sections 2 to 6)."""

from collections.abc import Callable

import pandas as pd

from aotgan.reproduce.claims import arithmetic as printed
from aotgan.reproduce.claims.arithmetic import FID, METRICS, NAMES, OURS
from aotgan.reproduce.claims.verdicts import CONTRADICTED, DATA, EXACT, OPEN, Finding, exactly


def headline(_: str) -> Finding:
    """38.60 % at 50-60 %."""
    share = printed.fid_improvement().by_ratio["50-60%"]
    # the FIDs of Table 1 that the abstract's percentage comes from
    fid = printed.printed("1", FID)
    ours, theirs = (float(fid[name]["50-60%"]) for name in (OURS, "GatedConv"))
    low, high = printed.share_range(ours, theirs)
    return exactly(
        f"{share:.2%}" == "38.60%",
        f"({theirs:.2f} - {ours:.2f}) / {theirs:.2f} = {share:.2%}; the rounding of both allows "
        f"{low:.2%} to {high:.2%}.",
    )


def headline_overall(_: str) -> Finding:
    """38.60 % as a figure for all six mask ratios."""
    improvement = printed.fid_improvement()
    # a figure for all mask ratios could be meant in either way
    overall = (improvement.mean_of_shares, improvement.share_of_means)
    return exactly(
        any(f"{share:.2%}" == "38.60%" for share in overall),
        f"Mean of the six shares {overall[0]:.1%}, share of the mean FIDs {overall[1]:.1%}; by "
        f"mask ratio {improvement.by_ratio.min():.1%} to {improvement.by_ratio.max():.1%}, and "
        "38.60% is the largest. Section 4.4 names its mask ratio; the abstract and section 1 do "
        "not.",
    )


def best_on_average(_: str) -> Finding:
    """AOT-GAN first by each metric's mean."""
    orders = {metric: printed.order_of_means(metric) for metric in METRICS}
    seconds = ", ".join(f"{NAMES[m]}: {order[1]}" for m, order in orders.items())
    return exactly(
        all(order[0] == OURS for order in orders.values()),
        f"First by the mean of each metric; second are {seconds}.",
    )


def best_in_every_line(_: str) -> Finding:
    """AOT-GAN alone in front in 24 lines."""
    leads = printed.margins()
    open_lines = printed.undecided_lines()
    phrases = ", ".join(_level(metric, ratio) for metric, ratio in open_lines)
    verdict = CONTRADICTED if (leads < 0).any(axis=None) else OPEN if open_lines else EXACT
    return Finding(
        verdict,
        f"Alone in front in {leads.size - len(open_lines)} of {leads.size} lines, behind in none. "
        f"{phrases}, which two decimals cannot tell apart.",
    )


def _level(metric: str, ratio: str) -> str:
    """Which models a line of Table 1 prints the same value for as for AOT-GAN."""
    cells = printed.printed("1", metric).T[ratio]
    names = [OURS, *cells[cells == cells[OURS]].index.drop(OURS)]
    return f"{NAMES[metric]} at {ratio}: {cells[OURS]:.2f} for {' and for '.join(names)}"


def lead_in_fid(_: str) -> Finding:
    """FID's relative lead against the other metrics'."""
    # a share of decibels says little: PSNR and SSIM are set against FID as errors too
    leads, errors = printed.margins(), printed.error_margins()
    largest, as_errors = (int((table.idxmax(axis=1) == FID).sum()) for table in (leads, errors))
    means = ", ".join(f"{NAMES[m]} {leads[m].mean():.1%}" for m in METRICS)
    return exactly(
        all(table.mean().idxmax() == FID for table in (leads, errors)),
        f"Mean lead over the best other model: {means}; FID's is the largest at {largest} of "
        f"{len(leads)} mask ratios, and at {as_errors} with PSNR and SSIM turned into errors (RMSE "
        "and 1 - SSIM).",
    )


def harder_in_table(_: str) -> Finding:
    """All models worse at each larger mask ratio."""
    holds = all(printed.hardest_last(metric) for metric in METRICS)
    return exactly(holds, "All seven models get worse in all four metrics at each of five steps.")


def second_everywhere(arguments: str) -> Finding:
    """A model second in all lines of some metrics."""
    model, *metrics = arguments.split()
    phrases, holds = [], True
    for metric in metrics:
        places = printed.places(metric)
        rivals = places.drop(columns=[OURS, model])
        # who shares the second place is not second
        holds &= bool(((places[model] == 2) & (rivals.min(axis=1) > 2)).all())
        listed = ", ".join(map(str, places[model]))
        phrases.append(f"{NAMES[metric]}: places {listed}{_rivals(places[model], rivals)}")
    return exactly(holds, f"{model} by rising mask ratio, {'; '.join(phrases)}.")


def _rivals(place: pd.Series, rivals: pd.DataFrame) -> str:
    """Which other baselines are ahead of a model, or level with it."""
    words = []
    for word, cells in (("ahead", rivals.lt(place, axis=0)), ("level", rivals.eq(place, axis=0))):
        lines = [
            f"{', '.join(row.index[row])} at {ratio}" for ratio, row in cells.iterrows() if any(row)
        ]
        words += [f"{word}: {', '.join(lines)}"] if lines else []
    return f" ({'; '.join(words)})" if words else ""


def second_on_average(arguments: str) -> Finding:
    """A model second by the mean over the mask ratios."""
    model, *metrics = arguments.split()
    phrases, holds = [], True
    for metric in metrics:
        order, means = printed.order_of_means(metric), printed.printed("1", metric).mean()
        holds &= order[1] == model
        phrases.append(
            f"{NAMES[metric]} {means[order[1]]:.4g} ({order[1]}), {means[order[2]]:.4g} "
            f"({order[2]})"
        )
    return exactly(holds, f"Second and third by the mean: {'; '.join(phrases)}.")


def two_best(_: str) -> Finding:
    """Who is second in some metric on average; mean places beside it."""
    seconds = {metric: printed.order_of_means(metric)[1] for metric in METRICS}
    phrases = ", ".join(f"{NAMES[metric]} {name}" for metric, name in seconds.items())
    means = printed.mean_places().drop(OURS)
    places = ", ".join(f"{name} {place:.2f}" for name, place in means.iloc[:3].items())
    return exactly(
        set(seconds.values()) == {"PConv", "GatedConv"},
        f"Second by the mean: {phrases}. By the mean place over all 24 lines, a criterion that the "
        f"paper does not use, the best three are {places}: GatedConv owes its place to FID alone.",
    )


def all_better(arguments: str) -> Finding:
    """Rows of a table better than others in all four metrics: "7: A>B; C>B"."""
    table, pairs = _pairs(arguments)
    leads = {pair: printed.gains(table, *pair) for pair in pairs}
    phrases = "; ".join(f"{a} over {b}: {_leads(lead)}" for (a, b), lead in leads.items())
    holds = all(gain > 0 for lead in leads.values() for gain in lead.values())
    return exactly(holds, f"{phrases} (positive is better).")


def largest_in_fid(arguments: str) -> Finding:
    """Leads as shares, FID's the largest."""
    table, pairs = _pairs(arguments)
    phrases, holds = [], True
    for better, worse in pairs:
        widest, shares = printed.widest_margin(table, better, worse)
        holds &= widest == FID
        listed = ", ".join(f"{NAMES[m]} {share:+.2%}" for m, share in shares.items())
        phrases.append(f"over {worse}: {listed}")
    return exactly(holds, f"Leads as shares {'; '.join(phrases)}.")


def best_row(arguments: str) -> Finding:
    """One row of a table the best in every column: "7: SM-PatchGAN"."""
    table, row = arguments.split(": ", 1)
    best = printed.best_rows(table)
    phrases = []
    for metric, rows in best.items():
        if rows != [row]:
            values = printed.printed(table, metric).iloc[0]
            # in a tie the row itself is one of the best: the other one is named
            winner = rows[0] if rows[0] != row else rows[1]
            phrases.append(
                f"in {NAMES[metric]} {winner} has {values[winner]:g} against {values[row]}"
            )
    smallest = ", ".join(f"{NAMES[m]} {_lead_of(table, m, row):+g}" for m in METRICS)
    text = f"Best in {len(METRICS) - len(phrases)} of {len(METRICS)} columns"
    text += f"; {' and '.join(phrases)}" if phrases else ""
    return exactly(not phrases, f"{text}. Lead over the best other row: {smallest}.")


def rows_shared(_: str) -> Finding:
    """Shared rows of Tables 4 to 7."""
    phrases = " / ".join(
        " = ".join(f"Table {table} {row!r}" for table, row in rows) for rows in printed.SHARED_ROWS
    )
    holds = all(printed.rows_agree(rows) for rows in printed.SHARED_ROWS)
    return exactly(holds, f"All four numbers agree: {phrases}.".replace("'", '"'))


def several_branches(_: str) -> Finding:
    """Each multi-branch row of Table 4 against each single branch."""
    several = ("rates 1,2", "rates 2,8", "rates 1,2,8", "rates 1,2,4,8")
    leads = [
        (metric, gain, better, single)
        for better in several
        for single in ("rates 1", "rates 2")
        for metric, gain in printed.gains("4", better, single).items()
    ]
    losses = [f"{NAMES[m]} of {a} against {b}: {gain}" for m, gain, a, b in leads if gain <= 0]
    return exactly(
        not losses,
        f"Better in {len(leads) - len(losses)} of {len(leads)} comparisons; not in "
        f"{'; '.join(losses)} (positive is better). The configuration that the paper uses, four "
        "branches, beats both single branches in every column.",
    )


def more_branches(_: str) -> Finding:
    """Steps of Table 4 to more branches, each set of rates within the next."""
    # from rates 1,2 to 2,8 one is exchanged and none added: no step
    steps = (
        ("rates 1,2,8", "rates 1,2"),
        ("rates 1,2,8", "rates 2,8"),
        ("rates 1,2,4,8", "rates 1,2,8"),
    )
    leads = {step: printed.gains("4", *step) for step in steps}
    phrases = "; ".join(f"{b} to {a}: {_leads(lead)}" for (a, b), lead in leads.items())
    holds = all(gain >= 0 for lead in leads.values() for gain in lead.values())
    return exactly(holds, f"{phrases} (positive is better; L1 of rates 2,8 and 1,2,8 ties).")


def votes_exist(_: str) -> Finding:
    """951 votes behind six percentages."""
    percentages = list(printed.user_study().values())
    splits = printed.vote_splits(percentages)
    fewest = [min(printed.consistent_votes(p)) for p in percentages]
    even = printed.evenest(splits) if splits else ()
    return exactly(
        bool(splits),
        f"{len(splits)} ways to split 951 votes print these percentages. Line by line of Table "
        f"3, the fewest votes are {', '.join(map(str, fewest))} ({sum(fewest)} in all). No way is "
        f"even; the evenest is {', '.join(map(str, even))}.",
    )


def preferred(_: str) -> Finding:
    """AOT-GAN preferred to both baselines, with as few votes as can be."""
    phrases, holds = [], True
    for (other, data), percentage in printed.user_study().items():
        # against originals nobody is to win: see `against_real`
        if other == "Real":
            continue
        cast, won = next(iter(printed.consistent_votes(percentage).items()))
        # the fewest votes have the widest interval: what they decide, more votes decide too
        low, _high = printed.vote_interval(won, cast)
        holds &= low > 0.5
        phrases.append(f"{other}, {data}: {won} of {cast}, at least {low:.0%}")
    return exactly(holds, f"{'; '.join(phrases)} (each vote counted as independent).")


def against_real(_: str) -> Finding:
    """22.47 % in text and table."""
    percentage = printed.user_study()["Real", "CELEBA-HQ"]
    cast, won = next(iter(printed.consistent_votes(percentage).items()))
    low, high = printed.vote_interval(won, cast)
    return exactly(
        percentage == "22.47",
        f"Table 3 prints it; {won} of {cast} is the smallest vote that does, with an interval of "
        f"{low:.0%} to {high:.0%}.",
    )


def places2_test(_: str) -> Finding:
    """365 kinds, 100 images each."""
    return exactly(365 * 100 == 36_500, "365 x 100 = 36,500.")


def logo_counts(_: str) -> Finding:
    """Parts of QMUL-OpenLogo."""
    # train and test images of section 4.1, of the 27,083 that the set has
    used = 15_975 + 2_777
    return Finding(
        DATA, f"The parts fit: {used:,} of 27,083 are used; {27_083 - used:,} are for neither."
    )


def _pairs(arguments: str) -> tuple[str, list[tuple[str, str]]]:
    table, pairs = arguments.split(": ", 1)
    split = [pair.split(">") for pair in pairs.split("; ")]
    return table, [(better, worse) for better, worse in split]


def _leads(lead: dict) -> str:
    return ", ".join(f"{NAMES[metric]} {gain:+}" for metric, gain in lead.items())


def _lead_of(table: str, metric: str, row: str) -> float:
    """Lead of a row over the best other row, negative where it does not lead."""
    others = [name for name in printed.printed(table, metric).columns if name != row]
    return min(float(printed.gains(table, row, other)[metric]) for other in others)


CHECKS: dict[str, Callable[[str], Finding]] = {
    check.__name__: check
    for check in (
        headline,
        headline_overall,
        best_on_average,
        best_in_every_line,
        lead_in_fid,
        harder_in_table,
        second_everywhere,
        second_on_average,
        two_best,
        all_better,
        largest_in_fid,
        best_row,
        rows_shared,
        several_branches,
        more_branches,
        votes_exist,
        preferred,
        against_real,
        places2_test,
        logo_counts,
    )
}
