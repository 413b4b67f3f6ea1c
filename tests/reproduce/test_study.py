"""Results are written with what they depend on, and read back."""

import numpy as np
import pandas as pd
import pytest
import torch

from aotgan.errors import InputError
from aotgan.files import sha256_of
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator
from aotgan.reproduce.figures.style import fill_bytes
from aotgan.reproduce.runs.record import save_record
from aotgan.reproduce.studies.study import (
    SHIPPED_MODEL,
    fill_all,
    finished_weights,
    intervals,
    read_result,
    write_result,
)


@pytest.fixture
def finished(tmp_path, make_run):
    """Writes a run with raw and averaged weights of different widths."""

    def write(name, seed=0):
        run = make_run(name, seed)
        folder = tmp_path / "laptop" / name / f"seed{seed}"
        save_record(run.record, folder / "record.json")
        save_generator(Generator(width=4, blocks=1), folder / "generator.safetensors")
        save_generator(Generator(width=5, blocks=1), folder / "generator-ema.safetensors")
        return folder

    return write


def test_weights_are_those_that_tables_show(finished, tmp_path):
    folder = finished("rates-1", 0), finished("rates-1", 1), finished("rates-2")
    found = finished_weights("laptop", tmp_path, ["rates-1", "rates-2-8"])
    assert list(found) == [("rates-1", 0), ("rates-1", 1)]
    weights = found["rates-1", 1]
    assert weights.generator().config["width"] == 5 and not weights.generator().training
    assert weights.about() == {
        "file_sha256": sha256_of(folder[1] / "generator-ema.safetensors"),
        "steps": 1500,
        "trained_on": "faces",
    }


def test_no_finished_run_is_said(tmp_path):
    with pytest.raises(InputError, match="rates-2 holds no finished run"):
        finished_weights("laptop", tmp_path, ["rates-2", "rates-1"])


def test_the_shipped_model_is_named_by_its_checksum():
    assert SHIPPED_MODEL.about() == {"file_sha256": sha256_of(SHIPPED_MODEL.path)}
    assert SHIPPED_MODEL.generator().config["width"] == 32


def test_results_come_back_with_their_description(tmp_path):
    frame = pd.DataFrame({"photograph": [0, 1], "error": [0.123456, np.inf]})
    written = write_result(frame, tmp_path / "a" / "errors.csv", {"data": "ours"})
    assert [path.name for path in written] == ["errors.csv", "errors.json"]
    read, about = read_result(tmp_path / "a", "errors")
    assert read["error"].tolist() == [0.1235, np.inf]
    assert (about["data"], about["rows"]) == ("ours", 2)
    assert {"code_sha256", "packages", "device"} <= about["environment"].keys()


@pytest.mark.parametrize("missing", ["errors.csv", "errors.json"])
def test_half_a_result_is_refused(tmp_path, missing):
    write_result(pd.DataFrame({"a": [1]}), tmp_path / "errors.csv", {})
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=r"errors\.csv cannot be read"):
        read_result(tmp_path, "errors")


def test_intervals_are_those_of_the_mean():
    values = pd.Series([1.0, 2.0, 4.0, np.inf, np.nan])
    found = intervals("psnr", values)
    half = 4.302653 * np.std([1, 2, 4], ddof=1) / np.sqrt(3)  # Student's t, 2 degrees of freedom
    mean = 7 / 3
    assert list(found) == ["psnr", "psnr_low", "psnr_high"]
    assert list(found.values()) == pytest.approx([mean, mean - half, mean + half])


def test_filling_all_masks_at_once_equals_filling_one_by_one():
    network = Generator(width=4, blocks=1, rates=(1, 2)).eval()
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (32, 40, 3), np.uint8)
    masks = [rng.random((32, 40)) < share for share in (0.1, 0.5)]
    for mask, filled in zip(masks, fill_all(network, picture, masks), strict=True):
        assert np.abs(filled.astype(int) - fill_bytes(network, picture, mask)).max() <= 1
        assert np.array_equal(filled[~mask], picture[~mask])
    assert not torch.is_grad_enabled() or all(p.grad is None for p in network.parameters())
