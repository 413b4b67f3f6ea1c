"""Evaluation: what is measured, how it is averaged, and what it refuses."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats
from tolerances import DOUBLE, SINGLE_FEW, SINGLE_SUM

from aotgan.data.manifest import make_manifest
from aotgan.errors import InputError
from aotgan.metrics import (
    PIXEL_METRICS,
    Embedding,
    evaluate,
    interval,
    measure,
    protocol,
    summarise,
)
from aotgan.metrics.distances import measure as measure_sets

SIZE = 24


@dataclass
class Pair:
    bin: str
    image: str


def pairs(count=10, size=SIZE, seed=0):
    """Cases of two bins over five photographs, as a manifest yields them."""
    rng = np.random.default_rng(seed)
    cases = []
    for n in range(count):
        label, ratio = (("1-10%", 0.1), ("50-60%", 0.5))[n % 2]
        mask = rng.random((size, size)) < ratio
        mask[0, 0], mask[-1, -1] = True, False
        image = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        cases.append((image, mask, Pair(label, f"{n % 5}.png")))
    return cases


def grey(image, mask):
    """Fills holes with a grey that lies 0.6 of a level above level 127."""
    return image * (1 - mask) + (2 * 127.6 / 255 - 1) * mask


def perfect(image, mask):
    return image


@pytest.fixture(scope="module")
def embedding():
    return Embedding("random")


def test_the_composite_is_rounded_and_keeps_the_original_bytes():
    cases = pairs()
    result = evaluate(grey, cases, progress=False)
    for (image, mask, pair), row in zip(cases, result.per_image.to_dict("records"), strict=True):
        filled = np.where(mask[..., None], np.uint8(128), image)  # 127.6 rounds, not truncates
        expected = measure(image, filled, mask)
        assert {name: row[name] for name in PIXEL_METRICS} == expected
        assert (row["bin"], row["image"]) == (pair.bin, pair.image)
        assert row["mask_ratio"] == mask.mean()


def test_small_errors_of_fill_outside_the_hole_do_not_count():
    def careless(image, mask):
        return image + 0.02 * (1 - mask)

    result = evaluate(careless, pairs(), progress=False)
    assert (result.per_image["l1"] == 0).all()


def test_fill_sees_the_package_convention_and_no_gradients():
    seen = []

    def spy(image, mask):
        seen.append((image, mask, torch.is_grad_enabled(), image.is_inference()))
        return image

    cases = pairs(5)
    evaluate(spy, cases, batch_size=3, progress=False)
    assert [len(image) for image, *_ in seen] == [3, 2]
    image, mask, gradients, inference = seen[0]
    assert image.dtype == mask.dtype == torch.float32 and mask.shape == (3, 1, SIZE, SIZE)
    original, hole, _ = cases[0]
    assert np.allclose(image[0].permute(1, 2, 0).numpy(), original / 127.5 - 1, atol=SINGLE_FEW)
    assert np.array_equal(mask[0, 0].numpy(), hole.astype(np.float32))
    # inference tensors that a model caches would break its next training step
    assert not gradients and not inference


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_results_do_not_depend_on_the_batch_size(batch_size, embedding):
    whole = evaluate(grey, pairs(), batch_size=10, embedding=embedding, progress=False)
    split = evaluate(grey, pairs(), batch_size=batch_size, embedding=embedding, progress=False)
    pd.testing.assert_frame_equal(split.per_image, whole.per_image)
    pd.testing.assert_frame_equal(split.per_bin, whole.per_bin, rtol=SINGLE_SUM)


def test_bins_are_averaged_over_their_images():
    result = evaluate(grey, pairs(), progress=False)
    table, images = result.per_bin.set_index("bin"), result.per_image
    assert table.index.tolist() == ["1-10%", "50-60%", "all"]
    assert table["n"].tolist() == [5, 5, 10] and table["images"].tolist() == [5, 5, 5]
    means = images.groupby("bin")[[*PIXEL_METRICS, "mask_ratio"]].mean()
    pd.testing.assert_frame_equal(
        table.loc[means.index, means.columns], means, check_names=False, rtol=DOUBLE
    )
    assert table.loc["all", "l1"] == pytest.approx(images["l1"].mean(), rel=DOUBLE)
    assert (table["l1_low"] < table["l1"]).all() and (table["l1"] < table["l1_high"]).all()


def test_untouched_images_are_counted_and_never_an_infinite_mean():
    cases = pairs()

    def half(image, mask):
        filled = grey(image, mask)
        filled[::2] = image[::2]
        return filled

    result = evaluate(half, cases, batch_size=10, progress=False)
    table = result.per_bin.set_index("bin")
    assert table["identical"].tolist() == [5, 0, 5]
    assert math.isnan(table.loc["1-10%", "psnr"]) and table.loc["1-10%", "ssim"] == 1
    finite = result.per_image["psnr"].replace(math.inf, math.nan).mean()
    assert table.loc["all", "psnr"] == pytest.approx(finite)
    assert not np.isinf(table.to_numpy(dtype=float)).any()


@pytest.mark.parametrize("count", [2, 12])
def test_interval_of_independent_images_is_the_textbook_t_interval(count):
    values = np.random.default_rng(0).normal(3, 2, count)
    mean, low, high = interval(values, np.arange(count))
    textbook = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((textbook.low, textbook.high))


def test_more_crops_of_the_same_photographs_do_not_narrow_the_interval():
    values = np.random.default_rng(0).normal(3, 2, 6)
    once = interval(values, np.arange(6))
    assert interval(np.repeat(values, 9), np.repeat(np.arange(6), 9)) == pytest.approx(once)


def test_interval_covers_the_mean_as_often_as_it_says():
    rng, covered = np.random.default_rng(1), 0
    photographs = np.repeat(np.arange(8), 3)
    for _ in range(1500):
        values = rng.normal(0, 1, 8)[photographs] + rng.normal(0, 1, 24)
        _, low, high = interval(values, photographs)
        covered += low < 0 < high
    assert 0.93 < covered / 1500 < 0.97


def test_interval_of_one_photograph_or_of_nothing_finite_is_nan():
    mean, low, high = interval(np.array([1.0, 3.0]), np.array(["a", "a"]))
    assert mean == 2 and math.isnan(low) and math.isnan(high)
    assert all(map(math.isnan, interval(np.array([math.inf]), np.array(["a"]))))


def test_each_bin_has_the_distances_of_its_own_images(embedding):
    cases = pairs(24)
    result = evaluate(grey, cases, batch_size=5, embedding=embedding, progress=False)
    table = result.per_bin.set_index("bin")

    def direct(chosen):
        real = np.stack([image for image, _, _ in chosen])
        holes = np.stack([mask for _, mask, _ in chosen])[..., None]
        fake = np.where(holes, np.uint8(128), real)
        photographs = [pair.image for *_, pair in chosen]
        return measure_sets(*(embedding(bytes_of(x)) for x in (real, fake)), photographs)

    for label in ("1-10%", "50-60%", "all"):
        expected = direct([case for case in cases if label in (case[2].bin, "all")])
        assert math.isfinite(expected["kd"]) and math.isnan(expected["fd"]), (
            "24 images, 368 features"
        )
        assert table.loc[label, [*expected]].to_dict() == pytest.approx(
            expected, rel=SINGLE_SUM, nan_ok=True
        )


def bytes_of(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def test_a_distance_that_was_not_asked_for_is_nan():
    unasked = evaluate(perfect, pairs(4), progress=False).per_bin
    assert unasked[["fd", "fd_low", "fd_high", "kd", "kd_low", "kd_high"]].isna().all(axis=None)


def test_a_table_can_be_made_again_from_the_rows_of_a_record():
    def half(image, mask):
        return torch.cat([image[:3], grey(image, mask)[3:]])

    result = evaluate(half, pairs(), batch_size=10, progress=False)
    text = result.per_image.to_json(orient="records", double_precision=15)  # writes inf as null
    pd.testing.assert_frame_equal(summarise(pd.DataFrame(json.loads(text))), result.per_bin)


def test_protocol_describes_every_metric_in_json(embedding):
    described = json.loads(json.dumps(protocol(embedding)))
    assert set(described["metrics"]) == set(PIXEL_METRICS)
    for distance in ("frechet", "kernel"):
        assert described[distance] == embedding.protocol[distance]
        facts = {"name", "resize", "features", "formula", "input", "dimensions", "interval"}
        assert facts == set(described[distance])
    assert "7x7" in described["metrics"]["ssim"]
    assert protocol()["frechet"] is None and "kernel" not in protocol()
    assert evaluate(grey, pairs(2), embedding=embedding, progress=False).protocol == described


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda x, m: x * math.nan, "0.png.*diverged"),
        (lambda x, m: x[:, :, 1:], "expected float of shape"),
        (lambda x, m: x.byte(), "expected float of shape"),
        (lambda x, m: (x + 1) / 2, "composites in \\[-1, 1\\]"),
        (lambda x, m: (x + 1) * 127.5, "composites in \\[-1, 1\\]"),
        (lambda x, m: grey(x, 1 - m), "known pixels.*m = 1 in the hole"),
    ],
    ids=["diverged", "another size", "bytes", "range 0 to 1", "range 0 to 255", "inverted mask"],
)
def test_a_fill_that_breaks_the_convention_is_refused(fill, message):
    with pytest.raises(InputError, match=message):
        evaluate(fill, pairs(4), progress=False)


def test_bad_manifests_are_refused_with_the_names_of_their_images():
    image, mask, pair = pairs(1)[0]
    empty, integer = np.zeros_like(mask), mask.astype(np.uint8)
    for bad in (empty, integer, mask[1:]):
        with pytest.raises(InputError, match="0.png"):
            evaluate(grey, [(image, bad, pair)], progress=False)
    with pytest.raises(InputError, match="no pairs"):
        evaluate(grey, [], progress=False)
    with pytest.raises(InputError, match="batch_size=0"):
        evaluate(grey, pairs(1), batch_size=0, progress=False)


def test_a_full_hole_has_no_known_pixels_to_check():
    image, mask, pair = pairs(1)[0]
    result = evaluate(grey, [(image, np.ones_like(mask), pair)], progress=False)
    assert result.per_image["l1"][0] == result.per_image["l1_hole"][0]


def test_logs_stay_free_of_progress_bars(capsys):
    evaluate(grey, pairs(2), progress=True)
    assert capsys.readouterr() == ("", "")


def test_a_manifest_of_the_data_package_can_be_evaluated(tmp_path):
    for n, (image, _, _) in enumerate(pairs(3, size=80)):
        Image.fromarray(image).save(tmp_path / f"{n}.png")
    manifest = make_manifest(sorted(tmp_path.glob("*.png")), 64, ((0.1, 0.2), (0.4, 0.5)), 3, 0)
    result = evaluate(grey, manifest, batch_size=4, progress=False)
    assert result.per_bin["bin"].tolist() == [*manifest.bins, "all"]
    assert result.per_image["mask_ratio"].tolist() == [pair.ratio for pair in manifest.pairs]
