"""Training samples: functions of (seed, n), resumable, indifferent to workers and broken files."""

import itertools
import math
import time

import numpy as np
import pytest
import torch
from PIL import Image
from tolerances import DOUBLE_NET, SINGLE_NET, SINGLE_SUM
from torch.utils.data import DataLoader

from aotgan.data import dataset
from aotgan.data.catalogue import load
from aotgan.data.dataset import (
    SampleOrder,
    TrainingSamples,
    colour_matrix,
    jitter_colours,
    random_box,
)
from aotgan.data.masks import RATIO_BINS
from aotgan.errors import InputError

SIZE = 32


@pytest.fixture
def photos(tmp_path):
    """Six photographs, each of one colour, so that a sample tells its file."""
    for number in range(6):
        Image.new("RGB", (50 + 4 * number, 60), (40 * number, 0, 0)).save(
            tmp_path / f"{number}.png"
        )
    return sorted(tmp_path.iterdir())


@pytest.fixture
def noise(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "noise.png")
    return [tmp_path / "noise.png"]


def file_of(sample):
    return round((float(sample[0][0, 0, 0]) + 1) * 127.5 / 40)


def equal(first, second):
    return all(
        torch.equal(torch.as_tensor(a), torch.as_tensor(b))
        for a, b in zip(first, second, strict=True)
    )


def test_a_sample_is_image_mask_and_number(photos):
    image, mask, number = TrainingSamples(photos, SIZE, 0)[7]
    assert image.shape == (3, SIZE, SIZE) and image.dtype == torch.float32
    assert mask.shape == (1, SIZE, SIZE) and mask.dtype == torch.float32
    assert image.min() >= -1 and image.max() <= 1 and number == 7
    assert set(mask.unique().tolist()) == {0.0, 1.0} and 0.01 <= mask.mean() <= 0.6
    assert len(TrainingSamples(photos, SIZE, 0)) == 6
    with pytest.raises(IndexError):
        _ = TrainingSamples(photos, SIZE, 0)[-1]


def test_samples_depend_on_seed_and_number_alone(noise):
    first, second = (TrainingSamples(noise, SIZE, 1) for _ in range(2))
    forwards = [first[n] for n in range(6)]
    backwards = [second[n] for n in reversed(range(6))][::-1]
    assert all(equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not torch.equal(first[0][0], first[1][0]) and not torch.equal(first[0][1], first[1][1])
    other = TrainingSamples(noise, SIZE, 2)[0]
    assert not torch.equal(first[0][0], other[0]) and not torch.equal(first[0][1], other[1])


def test_samples_grow_by_stages(noise):
    grown = TrainingSamples(noise, 48, 3, stages=((4, 16), (6, 32)))
    assert [grown[n][0].shape[-1] for n in (0, 3, 4, 5, 6, 900)] == [16, 16, 32, 32, 48, 48]
    assert all(grown[n][1].shape == (1, grown.size_of(n), grown.size_of(n)) for n in (3, 4, 6))
    plain = TrainingSamples(noise, 48, 3)
    assert equal(grown[6], plain[6]) and equal(grown[2], grown[2])
    # the same crop of the same photograph, smaller
    small, large = grown[2][0], torch.nn.functional.avg_pool2d(plain[2][0][None], 3)[0]
    assert (small - large).abs().mean() < 0.1 < (small - grown[3][0]).abs().mean()


def test_the_cache_changes_nothing_but_speed(noise, monkeypatch):
    plain = TrainingSamples(noise, SIZE, 0)
    cached = TrainingSamples(noise, SIZE, 0, cache_bytes=10**6)
    expected = [plain[n] for n in range(4)]
    assert equal(cached[0], expected[0])
    monkeypatch.setattr(dataset, "read_image", None)
    assert all(equal(cached[n], expected[n]) for n in range(4))


def test_the_cache_keeps_its_limit(photos):
    samples = TrainingSamples(photos, SIZE, 0, cache_bytes=25_000)
    for number in range(12):
        _ = samples[number]
    assert 0 < sum(image.nbytes for image in samples._cache.values()) <= 25_000


def test_every_epoch_has_each_file_once_in_a_new_order(photos):
    samples = TrainingSamples(photos, SIZE, 0)
    epochs = [[file_of(samples[6 * epoch + n]) for n in range(6)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_workers_give_what_one_process_gives(noise):
    samples = TrainingSamples(noise, SIZE, 0)
    loader = DataLoader(samples, batch_size=2, sampler=SampleOrder(3, 2, stop=6), num_workers=2)
    got = list(loader)
    assert torch.cat([batch[2] for batch in got]).tolist() == [6, 7, 8, 9, 10, 11]
    expected = torch.stack([samples[n][0] for n in range(6, 12)])
    assert torch.equal(torch.cat([batch[0] for batch in got]), expected)


def test_the_global_batch_does_not_depend_on_the_number_of_processes():
    def batches(world, start):
        ranks = [iter(SampleOrder(start, 8, rank, world)) for rank in range(world)]
        return [
            list(itertools.chain(*(itertools.islice(r, 8 // world) for r in ranks)))
            for _ in range(3)
        ]

    expected = [list(range(8 * step, 8 * step + 8)) for step in (5, 6, 7)]
    assert batches(1, 5) == batches(2, 5) == batches(4, 5) == expected


def test_an_order_can_resume_and_stop():
    assert list(SampleOrder(0, 2, stop=4))[4:] == list(SampleOrder(2, 2, stop=4))
    assert list(SampleOrder(4, 2, stop=4)) == []


@pytest.mark.parametrize(
    "wrong", [(0, 3, 0, 2), (0, 2, 2, 2), (-1, 2, 0, 1), (0, 0, 0, 1), (0, 2, -1, 1)]
)
def test_batches_that_cannot_be_shared_are_refused(wrong):
    with pytest.raises(InputError, match="multiple of world"):
        SampleOrder(*wrong)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_breaks_is_replaced_by_the_next_and_listed(photos, workers):
    samples = TrainingSamples(photos, SIZE, 0)
    order = [file_of(samples[n]) for n in range(6)]
    broken = order[2]
    intact = photos[broken].read_bytes()
    photos[broken].write_bytes(intact[:60])
    loader = DataLoader(samples, sampler=range(6), batch_size=None, num_workers=workers)
    got = [file_of(sample) for sample in loader]
    assert got == [*order[:2], order[3], *order[3:]]
    assert [problem.path for problem in samples.problems] == [photos[broken]]
    assert f"{broken}.png" in samples.problems[0].reason
    photos[broken].write_bytes(intact)
    assert "read again" in samples.problems[0].reason


def test_no_readable_file_left_is_an_error(photos):
    samples = TrainingSamples(photos, SIZE, 0)
    for path in photos:
        path.unlink()
    with pytest.raises(InputError, match=r"not one of 6.*0\.png: no such image"):
        _ = samples[0]


def test_bins_are_drawn_alike(noise):
    samples = TrainingSamples(noise, 16, 0)
    ratios = [samples._mask(SIZE, np.random.default_rng(n)).mean() for n in range(600)]
    counts, _ = np.histogram(ratios, [0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert counts.sum() == 600 and counts.min() > 60 and counts.max() < 140


def test_bins_are_cut_to_the_bounds(noise):
    def bins(*bounds):
        return TrainingSamples(noise, SIZE, 0, mask_ratio=bounds).bins

    assert bins(0.15, 0.35) == [(0.15, 0.2), (0.2, 0.3), (0.3, 0.35)]
    assert bins(0.01, 0.6) == list(RATIO_BINS)
    assert bins(0.62, 0.7) == [(0.62, 0.7)] and bins(0.5, 0.7) == [(0.5, 0.7)]


@pytest.mark.parametrize("masks", ["free-form", "thick"])
@pytest.mark.parametrize("bounds", [(0.3, 0.4), (0.35, 0.37), (0.15, 0.45), (0.62, 0.7)])
def test_mask_ratio_bounds_hold(noise, bounds, masks):
    samples = TrainingSamples(noise, SIZE, 0, mask_ratio=bounds, border_fraction=1, masks=masks)
    ratios = [float(samples[n][1].mean()) for n in range(30)]
    assert bounds[0] <= min(ratios) and max(ratios) <= bounds[1]


@pytest.mark.parametrize("masks", ["free-form", "thick"])
def test_border_fraction_decides_about_the_border(noise, masks):
    for fraction, expected in ((0.0, False), (1.0, True)):
        ratio, kind = (0.4, 0.5), {"border_fraction": fraction, "masks": masks}
        samples = TrainingSamples(noise, 64, 0, mask_ratio=ratio, **kind)
        edges = [bool(samples[n][1][0, :6].any()) for n in range(10)]
        assert any(edges) == expected


def test_other_kinds_of_masks(noise, tmp_path):
    centre = TrainingSamples(noise, SIZE, 0, masks="centre")[0][1]
    assert centre.sum() == 14**2
    box = TrainingSamples(noise, SIZE, 0, masks="boxes")[0][1][0]
    assert box.sum() == box.any(0).sum() * box.any(1).sum()
    hole = np.zeros((64, 64), bool)
    hole[:16, :32] = True
    (tmp_path / "masks").mkdir()
    Image.fromarray(hole).save(tmp_path / "masks/a.png")
    samples = TrainingSamples(noise, SIZE, 0, masks=tmp_path / "masks")
    corners = {tuple(samples[n][1][0, ::31, ::31].flatten().tolist()) for n in range(40)}
    assert len(corners) == 4, "four flips"
    assert all(samples[n][1].sum() == 8 * 16 for n in range(4))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"files": []}, "no training images"),
        ({"size": 8}, "size=8"),
        ({"seed": -1}, "seed=-1"),
        ({"crop_scale": (0, 1)}, "crop_scale"),
        ({"crop_scale": (0.9, 0.5)}, "crop_scale"),
        ({"crop_aspect": (2.0, 1.0)}, "crop_aspect"),
        ({"jitter": 0.9}, "jitter"),
        ({"border_fraction": 1.1}, "border_fraction"),
        ({"mask_ratio": (0.5, 0.2)}, "mask_ratio"),
        ({"masks": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_settings_out_of_range_are_refused(photos, setting, message):
    with pytest.raises(InputError, match=message):
        TrainingSamples(**{"files": photos, "size": SIZE, "seed": 0, **setting})


def test_crops_have_the_asked_area_and_aspect():
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(300, 400, (0.08, 0.4), (3 / 4, 4 / 3), rng) for _ in range(500)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes >= 0).all() and boxes[:, 2].max() <= 400 and boxes[:, 3].max() <= 300
    area, aspect = width * height / 120_000, width / height
    assert area.min() >= 0.0799 and area.max() <= 0.4001 and abs(area.mean() - 0.24) < 0.02
    assert aspect.min() >= 0.7499 and aspect.max() <= 1.3334 and abs(np.log(aspect).mean()) < 0.02


def test_elongated_images_are_covered_from_end_to_end():
    rng = np.random.default_rng(0)
    for axis, (height, width) in enumerate([(100, 200), (200, 100)]):
        boxes = [random_box(height, width, (0.5, 1), (1, 1), rng) for _ in range(200)]
        starts = [box[axis] for box in boxes]
        assert min(starts) < 5 and max(starts) > 95
        assert all(abs((b[2] - b[0]) - (b[3] - b[1])) < DOUBLE_NET for b in boxes), "still squares"


@pytest.mark.parametrize("scale", [(0.5, 1.0), (0.08, 1.0)])
def test_large_photographs_are_reduced_but_crops_never_enlarged(tmp_path, scale):
    Image.new("RGB", (700, 600)).save(tmp_path / "large.png")
    samples = TrainingSamples([tmp_path / "large.png"], SIZE, 0, crop_scale=scale)
    short_side = min(samples._image(0).shape[:2])
    assert short_side * math.sqrt(scale[0]) >= SIZE and short_side < 200


def test_half_of_the_samples_are_mirrored(tmp_path):
    ramp = np.tile(np.arange(0, 240, 4, dtype=np.uint8)[None, :, None], (60, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    samples = TrainingSamples([tmp_path / "ramp.png"], SIZE, 0)
    mirrored = sum(
        float(s[0][0, 0, 0] - s[0][0, 0, -1]) > 0 for s in map(samples.__getitem__, range(100))
    )
    assert 30 < mirrored < 70
    plain = TrainingSamples([tmp_path / "ramp.png"], SIZE, 0, flip=False)
    assert all(plain[n][0][0, 0, 0] < plain[n][0][0, 0, -1] for n in range(10))


def one_by_one(image, brightness, contrast, saturation, turn):
    """The four steps of the colour matrix, each on its own, in float64."""
    weights = np.array([0.299, 0.587, 0.114])
    image = image * brightness
    image = contrast * image + (1 - contrast) * (image @ weights).mean()
    grey = (image @ weights)[..., None]
    image = saturation * image + (1 - saturation) * grey
    yiq = np.array([weights, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    y, i, q = np.moveaxis(image @ yiq.T, -1, 0)
    angle = 2 * math.pi * turn
    i, q = i * math.cos(angle) - q * math.sin(angle), i * math.sin(angle) + q * math.cos(angle)
    return np.stack([y, i, q], axis=-1) @ np.linalg.inv(yiq).T


def test_the_colour_matrix_is_its_four_steps_fused():
    rng = np.random.default_rng(0)
    image = rng.random((9, 7, 3))
    mean = (image @ [0.299, 0.587, 0.114]).mean()
    for _ in range(20):
        factors = (*rng.uniform(0.5, 1.5, 3), rng.uniform(-0.5, 0.5))
        matrix = colour_matrix(*factors, mean)
        fused = image @ matrix[:, :3].T + matrix[:, 3]
        assert (
            np.abs(fused - one_by_one(image, *factors)).max() < SINGLE_NET
        )  # Y of I and Q is not 0


def test_jitter_is_bounded_seeded_and_off_by_default(noise):
    image = torch.rand(3, 8, 8) * 2 - 1
    first, again = (jitter_colours(image, 0.05, np.random.default_rng(1)) for _ in range(2))
    assert torch.equal(first, again) and first.shape == image.shape
    assert first.abs().max() <= 1 and 0.001 < (first - image).abs().mean() < 0.2
    assert torch.allclose(
        jitter_colours(image, 0.0, np.random.default_rng(1)), image, atol=SINGLE_SUM
    )
    plain, jittered = TrainingSamples(noise, SIZE, 0), TrainingSamples(noise, SIZE, 0, jitter=0.05)
    assert torch.equal(plain[0][1], jittered[0][1]) and not torch.equal(plain[0][0], jittered[0][0])


def test_jitter_leaves_white_light_grey():
    """Saturation and hue do not colour grey images."""
    grey = torch.full((3, 4, 4), 0.2)
    for number in range(10):
        result = jitter_colours(grey, 0.3, np.random.default_rng(number))
        assert (result.max(0).values - result.min(0).values).max() < 2e-3


def test_bundled_photographs_feed_at_speed():
    """40 a second for two workers are promised; one asks 20 of one busy core."""
    samples = TrainingSamples(load("bundled").files, 128, 0, cache_bytes=10**8)
    for number in range(22):
        _ = samples[number]
    start = time.process_time()
    for number in range(22, 62):
        _ = samples[number]
    assert 40 / (time.process_time() - start) > 20
