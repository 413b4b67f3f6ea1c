"""Networks are measured on the same photographs and holes at every size."""

import numpy as np
import pandas as pd
import pytest
import torch
from tolerances import SINGLE_NET, TWO_PERCENT

from aotgan.data.catalogue import load
from aotgan.data.manifest import make_manifest
from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator
from aotgan.reproduce.runs.outputs import RATES
from aotgan.reproduce.runs.record import save_record
from aotgan.reproduce.runs.scales import SCALES
from aotgan.reproduce.studies import sizes as image_sizes
from aotgan.reproduce.studies.sizes import at_sizes, measure_sizes, size_result, summarise_sizes
from aotgan.reproduce.studies.study import read_result


@pytest.fixture(scope="module")
def manifest():
    return make_manifest(load("bundled", "test").files[:2], 64, bins=((0.4, 0.5),))


def test_a_pair_has_the_same_content_at_every_size(manifest):
    cases = list(at_sizes(manifest, (32, 48, 64)))
    assert len(cases) == 2 and list(cases[0]) == [32, 48, 64]
    for (picture, mask, _), sizes in zip(manifest, cases, strict=True):
        assert np.array_equal(sizes[64][0], picture) and np.array_equal(sizes[64][1], mask)
        for size, (small, hole) in sizes.items():
            assert small.shape == (size, size, 3) and hole.shape == (size, size)
            assert hole.mean() == pytest.approx(mask.mean(), abs=TWO_PERCENT)
        blocks = picture.reshape(32, 2, 32, 2, 3).mean((1, 3))
        assert np.abs(sizes[32][0] - blocks).mean() < 6


class Grey:
    """Paints grey."""

    def complete(self, image, mask):
        return torch.where(mask.bool(), torch.zeros(()), image)


def test_every_network_is_measured_at_every_size(manifest):
    frame = measure_sizes({("rates-1", 0): Grey(), ("rates-2", 3): Grey()}, manifest, (32, 64))
    assert list(frame) == ["experiment", "seed", "photograph", "psnr_32", "psnr_64"]
    assert frame[["experiment", "seed", "photograph"]].to_numpy().tolist() == [
        ["rates-1", 0, 0],
        ["rates-2", 3, 0],
        ["rates-1", 0, 1],
        ["rates-2", 3, 1],
    ]
    picture, mask, _ = next(iter(manifest))
    grey = np.where(mask[..., None], 128.0, picture)  # 127.5 rounds to 128
    expected = 10 * np.log10(255**2 / ((grey - picture) ** 2).mean())
    assert frame.loc[0, "psnr_64"] == pytest.approx(expected)


def frame_of(values):
    """Rows from {(experiment, seed): [(psnr_64, psnr_128) of each photograph]}."""
    return pd.DataFrame(
        [
            {"experiment": name, "seed": seed, "photograph": n, "psnr_64": a, "psnr_128": b}
            for (name, seed), pairs in values.items()
            for n, (a, b) in enumerate(pairs)
        ]
    )


def test_summaries_are_paired_by_photograph_and_relative_to_the_home_size():
    frame = frame_of(
        {
            ("rates-1", 0): [(20.0, 21.0), (30.0, 31.5)],
            ("rates-1", 1): [(22.0, 23.0), (32.0, 33.5)],
            ("rates-2", 0): [(23.0, 22.0), (33.0, 32.5)],
        }
    )
    table = summarise_sizes(frame, home=128).set_index(["experiment", "size"])
    row = table.loc[("rates-1", 64)]
    assert (row.seeds, row.psnr) == (2, 26.0)
    assert row.psnr_change == pytest.approx(-1.25)
    assert row.psnr_change_high - row.psnr_change == pytest.approx(12.7062 * 0.25, rel=SINGLE_NET)
    assert row.lead == pytest.approx(-1.0) and table.loc[("rates-2", 64)].lead == pytest.approx(1)
    assert row.lead_low == row.lead_high  # the same lead on both photographs
    assert table.loc[("rates-1", 128)].lead_change == 0
    assert row.lead_change == pytest.approx(-1.0)


def test_finished_rows_are_measured_and_the_others_named(
    tmp_path, monkeypatch, make_run, photographs
):
    from dataclasses import replace

    small = replace(SCALES["laptop"], sets={"faces": str(photographs)}, size_px=32)
    monkeypatch.setitem(SCALES, "laptop", small)
    monkeypatch.setattr(image_sizes, "SIZES", (32, 48))
    with pytest.raises(InputError, match="holds no finished run"):
        size_result("laptop", tmp_path / "runs", tmp_path, None, pairs=2)
    for name, rates, seed in (("rates-1", (1,), 1), ("rates-1-2", (1, 2), 0)):
        folder = tmp_path / "runs" / "laptop" / name / f"seed{seed}"
        save_record(make_run(name, seed).record, folder / "record.json")
        network = Generator(width=4, blocks=1, rates=rates, residual="identity")
        save_generator(network, folder / "generator-ema.safetensors")
    size_result("laptop", tmp_path / "runs", tmp_path, None, pairs=2)
    frame, about = read_result(tmp_path / "laptop", "image_sizes")
    assert set(zip(frame["experiment"], frame["seed"], strict=True)) == {
        ("rates-1", 1),
        ("rates-1-2", 0),
    }
    others = [name for name in RATES if name not in ("rates-1", "rates-1-2")]
    assert about["rows_without_a_run"] == others
    assert about["sizes_px"] == [32, 48] and about["trained_px"] == 32
    assert list(about["weights"]) == ["rates-1 seed 1", "rates-1-2 seed 0"]
