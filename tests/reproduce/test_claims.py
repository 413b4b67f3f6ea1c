"""Every claim has a place, a check and a verdict that a second calculation agrees with."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import torch
from torch import nn

from aotgan.errors import InputError
from aotgan.models.blocks import AOTBlock, ResidualBlock
from aotgan.reproduce.claims import counted, from_networks, from_runs, from_tables
from aotgan.reproduce.claims.ledger import (
    CLAIMS,
    COLUMNS,
    KINDS,
    VERDICTS,
    WRITTEN,
    counts,
    ledger,
    of_section,
    readable,
)

ROOT = Path(__file__).parents[2]
CHECKS = from_tables.CHECKS | from_networks.CHECKS | from_runs.CHECKS
EXACT, SCALED, OPEN, CONTRADICTED, DATA = VERDICTS


@pytest.fixture(scope="module")
def table():
    return ledger()


def verdicts_of(frame, check_name, arguments=None):
    return [
        frame["verdict"][claim.id - 1]
        for claim in CLAIMS
        if claim.check == check_name and arguments in (None, claim.arguments)
    ]


def test_the_ledger_is_complete(table):
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == len(CLAIMS) >= 36
    assert table["number"].tolist() == list(range(1, len(table) + 1))
    assert set(table["verdict"]) <= set(VERDICTS)
    assert all(table[name].str.len().gt(0).all() for name in COLUMNS[1:])
    assert not table["claim"].duplicated().any()
    assert counts(table).sum() == len(table) and list(counts(table).index) == list(VERDICTS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.id))
def test_a_claim_is_declared_in_full(claim):
    assert re.search(r"Abstract|[Ss]ections? \d", claim.place)
    assert claim.kind in KINDS
    assert ("code" in claim.place) == (claim.kind == "released code")
    assert claim.check in CHECKS or (claim.check in WRITTEN and claim.arguments.endswith("."))


def test_every_check_is_used():
    assert CHECKS.keys() == {claim.check for claim in CLAIMS} - WRITTEN.keys()


def test_notebooks_that_are_named_exist():
    there = {path.name[:2] for path in (ROOT / "notebooks").glob("*.ipynb")}
    named = {m[1] for claim in CLAIMS if (m := re.match(r"notebook (\d\d)", claim.shown))}
    assert named <= there


def test_sections_that_are_named_exist():
    for claim in CLAIMS:
        if found := re.fullmatch(r"notebook (\d\d), section (\d+)", claim.shown):
            (path,) = (ROOT / "notebooks").glob(f"{found[1]}_*.ipynb")
            cells = json.loads(path.read_text("utf-8"))["cells"]
            lines = "".join("".join(cell["source"]) + "\n" for cell in cells).splitlines()
            assert any(line.startswith(f"## {found[2]}. ") for line in lines), claim.shown


# Each contradiction, calculated again by hand from the numbers that the paper prints.
BY_HAND = {
    # (0.0476 + 0.2824 + 0.3458 + 0.3659 + 0.3537 + 0.3860) / 6 = 0.2969, 1 - 32.85 / 52.35 = 0.3725
    "headline_overall": ("29.7%", "37.2%"),
    # L1 at 1-10%: EdgeConnect 0.55, GatedConv 0.66, HiFill 0.67, PConv 0.68; 0.55 is AOT-GAN too
    "second_everywhere": ("L1: places 5,", "EdgeConnect, GatedConv, HiFill at 1-10%"),
    # 1 + 3 (1 + 2 + 4 + 8) = 46, + 3 x 16 = 94, 1 + 3 (1 + 2 + 4 + 8 + 8) = 70
    "four_strides": ("46 px", "94 px", "(70)"),
    # 23.25 - 23.29
    "several_branches": ("31 of 32", "PSNR of rates 1,2 against rates 2: -0.04"),
    # 0.852 - 0.853
    "best_row": ("3 of 4", "HM-PatchGAN has 0.853 against 0.852", "SSIM -0.001"),
    # 10 / (40 + 50), 10 / (110 + 120), 10 / (200 + 210), 10 / 255
    "released_l1": ("0.111", "0.043", "0.024", "0.039"),
    "released_gate": ("same for x and for 7 x + 3",),
    "released_pull": ("79%",),
    "released_polarity": ("0 for real images and 1 inside holes", "target is 1"),
}


def test_contradictions_are_those_that_were_calculated_by_hand(table):
    found = {
        claim.check: table["evidence"][claim.id - 1]
        for claim in CLAIMS
        if table["verdict"][claim.id - 1] == CONTRADICTED and claim.check not in WRITTEN
    }
    assert found.keys() == BY_HAND.keys()
    for name, numbers in BY_HAND.items():
        assert all(number in found[name] for number in numbers), (name, found[name])
    contradicted = table[table["verdict"] == CONTRADICTED]
    assert len(contradicted) == len(BY_HAND) + sum(c.check == "differs" for c in CLAIMS)


def test_without_records_claims_about_training_are_open(table):
    assert set(verdicts_of(table, "trained")) == {OPEN}


def test_a_tie_is_no_contradiction(table):
    assert verdicts_of(table, "best_in_every_line") == [OPEN]
    assert verdicts_of(table, "more_branches") == [EXACT]


def test_the_blocks_cost_what_a_count_by_hand_says():
    split, gate = 256 * 256 * 9, 256 * 256 * 9 + 256
    weights = 2 * split
    assert counted.block_costs(side=16) == {
        "residual block (Fig. 3a)": (weights + 512, weights),
        "split, transform, aggregate": (weights + 512, weights),
        "with the gate of Eq. 1": (weights + 512 + gate, weights + split),
    }
    for block in (ResidualBlock(16), AOTBlock(16, residual="identity")):
        assert counted.parameters(block) == 2 * (16 * 16 * 9 + 16)


@pytest.mark.parametrize(("rates", "side"), [((1, 2, 4, 8), 592), ((2,), 208), ((1,), 144)])
def test_the_field_of_the_backbone_is_that_of_its_gradient(rates, side):
    """With positive weights and no activation, every position in reach has a gradient."""
    convs = [nn.Conv1d(1, 1, 7, padding=3)]
    convs += [nn.Conv1d(1, 1, 4, 2, padding=1) for _ in range(2)]
    for _ in range(8):
        convs += [nn.Conv1d(1, 1, 3, padding=max(rates), dilation=max(rates))]
        convs += [nn.Conv1d(1, 1, 3, padding=1)]
    network = nn.Sequential(*convs).double()
    for conv in convs:
        nn.init.ones_(conv.weight)
    x = torch.zeros(1, 1, 1024, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0, 0, 128], x)
    seen = gradient[0, 0].nonzero()
    assert int(seen.max() - seen.min()) + 1 == side == counted.backbone_field(rates)


def test_positions_of_dilated_chains_by_hand():
    assert counted.covered((2,)) == (3, 5)  # -2, 0, 2
    assert counted.covered((2, 1)) == (7, 7)  # -3 ... 3
    assert counted.pathways(4) == 390_625 and counted.pathways(1, blocks=3) == 8


def test_cells_are_counted_as_a_loop_counts_them():
    mask = torch.zeros(1, 1, 256, 256)
    mask[..., 80:200, 80:200] = 1
    found = {"known": 0, "hole": 0, "mixed": 0}
    for i in range(30):
        for j in range(30):
            rows, columns = (slice(max(8 * k - 23, 0), 8 * k + 47) for k in (i, j))
            share = mask[0, 0, rows, columns].mean().item()
            found["known" if share == 0 else "hole" if share == 1 else "mixed"] += 1
    labels = counted.label_counts(mask)
    assert {name: labels[name] for name in found} == found
    assert min(found.values()) > 0 and labels["cells"] == 900


def test_the_smallest_hole_keeps_the_share_of_the_pull():
    """Under a plain mean at the map's size, known cells pull by their number."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:32, 16:32] = 1  # two by two cells of six by six
    plain = counted.pull_on_known_cells(lambda scores, _: (scores - 1).square().mean(), mask)
    assert plain == pytest.approx(32 / 36)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="give figures/<scale>"):
        ledger(tmp_path / "nowhere")


def test_the_gate_claim_is_left_open_by_one_network(table):
    assert verdicts_of(table, "gate_follows_hole") == [OPEN]
    evidence = table["evidence"][table["how checked"].str.contains("shipped model")].item()
    assert len(re.findall(r"[+-]0\.\d{3}", evidence)) == 4


def test_a_section_has_its_claims_and_those_below_it(table):
    for section, inside, outside in (
        ("4.7", "Section 4.7.1; Table 4", "Section 4.4; Table 1"),
        ("3.2", "Section 3.2, Eq. 4", "Section 4.9; Fig. 12"),
        ("4.8", "Sections 4.5, 4.8; Figs. 5 to 11", "Section 4.7"),
        ("1", "Abstract; section 1", "Abstract; section 4.4"),
    ):
        places = set(of_section(table, section)["place"])
        assert inside in places and outside not in places
    assert of_section(table, "") is table
    with pytest.raises(InputError, match=r"choose of 1, 3\.1, .*4\.9"):
        of_section(table, "7")


def test_what_does_not_hold_is_read_first_and_open(table):
    shown = readable(table)
    assert shown.above.startswith(f"{len(table)} claims: ")
    page = shown._repr_html_().replace("<br>", "<br/>").replace("<details open", '<details open=""')
    html = ElementTree.fromstring(f"<div>{page}</div>")  # noqa: S314 - our own page
    parts = html.findall("details")
    headings = [part.findtext("summary/b").split(": ") for part in parts]
    assert [verdict for verdict, _ in headings] == [CONTRADICTED, OPEN, EXACT, DATA]
    for part, (verdict, number) in zip(parts, headings, strict=True):
        assert ("open" in part.attrib) == (verdict in (CONTRADICTED, OPEN))
        rows = table[table["verdict"] == verdict]
        assert len(rows) == int(number) == len(part.findall("table/tr")) - 1
        assert f"{number} {verdict}" in shown.above
        for row, line in zip(rows.itertuples(), part.findall("table/tr")[1:], strict=True):
            text = "".join(line.itertext())
            assert text == "".join(
                map(str, (row.number, row.claim, row.place, row.evidence, row[4]))
            )


def test_the_ledger_is_the_same_each_time(table):
    pd.testing.assert_frame_equal(table, ledger())
