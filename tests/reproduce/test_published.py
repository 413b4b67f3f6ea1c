"""The paper's numbers are complete, as printed, and cannot pass for ours."""

import numpy as np
import pandas as pd
import pytest

from aotgan.errors import InputError
from aotgan.models.registry import DECLARED, split_config
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.tables.published import Published, check_columns, load_published

COUNTS = {"1": 168, "2": 8, "3": 6, "4": 16, "5": 12, "6": 16, "7": 12}
MODELS = ["CA", "PEN-Net", "PConv", "EdgeConnect", "GatedConv", "HiFill", "AOT-GAN"]


@pytest.fixture(scope="module")
def published():
    return load_published()


def test_every_table_is_complete(published):
    counts = published["table"].value_counts().to_dict()
    assert {table: counts[table] for table in COUNTS} | counts == counts
    assert len(published) == 246
    assert not published.duplicated(["table", "row", "setting", "metric"]).any()


def test_a_line_of_table_1_is_as_the_paper_prints_it(published):
    line = published.query("table == '1' and setting == '30-40%' and metric == 'L1_1e-2'")
    printed = dict(zip(line["row"], map(str, line["value"]), strict=True))
    assert [printed[name] for name in MODELS] == "5.19 3.97 3.43 3.47 4.08 5.02 3.20".split()


def test_models_fill_the_rows_that_they_are_declared_with():
    rows = {
        (label, DECLARED[split_config(experiment.generator)[0]].row)
        for experiment in EXPERIMENTS.values()
        for table, label in experiment.rows
        if table in ("1", "2")
    }
    assert rows == {(model.row, model.row) for model in DECLARED.values()}


def test_every_value_is_a_finite_number(published):
    assert all(np.isfinite(value.value) for value in published["value"])


def test_a_published_number_does_not_compute(published):
    column = published["value"]
    with pytest.raises(TypeError):
        float(column[0])
    with pytest.raises(TypeError):
        column.mean()
    with pytest.raises(TypeError):
        column[0] + 1.0
    with pytest.raises((TypeError, ValueError)):
        column.astype(float)
    assert column[0] != column[0].value


OURS, THEIRS = [1.0, 2.0], [Published("1.0"), Published("2.0")]


def test_published_numbers_have_columns_of_their_own():
    check_columns(pd.DataFrame({"PSNR": OURS, "paper PSNR": THEIRS}))
    check_columns(pd.DataFrame({"PSNR": OURS}))


@pytest.mark.parametrize(
    "columns",
    [
        {"PSNR": THEIRS},
        {"PSNR": [1.0, Published("2.0")]},
        {"paper PSNR": OURS},
        {"paper PSNR": [Published("1.0"), 2.0]},
    ],
)
def test_mixed_columns_are_refused(columns):
    with pytest.raises(InputError, match="mixes sources"):
        check_columns(pd.DataFrame(columns))
