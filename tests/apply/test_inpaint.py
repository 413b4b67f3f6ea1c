"""One call fills a picture of any kind: exactly, cheaply, and as it was asked to."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from tolerances import DOUBLE, DOUBLE_NET, SINGLE, SINGLE_NET, SINGLE_SUM

import aotgan
from aotgan.apply import inpaint as module
from aotgan.apply import views
from aotgan.apply.crops import box_area
from aotgan.apply.holes import feather_mask
from aotgan.apply.pictures import read_pictures
from aotgan.data.masks import free_form_mask
from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.models.reach import reach
from aotgan.models.surface import smooth_surface
from aotgan.models.weights import save_generator

BOX = [(60, 44, 74, 60)]
SIZE = (136, 164)
GATED = {
    "paper": {},
    "bilinear": {"upsampling": "bilinear"},
    "surface": {"fill": "surface", "correction": True},
    "released": {"variant": "released"},
}


def network(double=True, **options):
    torch.manual_seed(1)
    generator = Generator(**{"width": 4, "blocks": 1, "rates": (1, 2)} | options).eval()
    for value in generator.parameters():  # the initial ones are so small that little is seen
        torch.nn.init.normal_(value, 0, 0.25)
    return generator.double() if double else generator


def photo(height, width):
    return torch.rand(3, height, width, dtype=torch.float64) * 2 - 1


def hole_of(boxes, height, width):
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    for left, top, right, bottom in boxes:
        mask[..., top:bottom, left:right] = 1
    return mask


def difference(generator, image, boxes, **options):
    """Largest deviation from the network on the whole image, which 4 must divide."""
    whole = generator.complete(image[None], hole_of(boxes, *image.shape[1:]))[0]
    return float((aotgan.inpaint(image, boxes, generator, **options) - whole).detach().abs().max())


@pytest.mark.parametrize("kind", ["paper", "bilinear", "surface"])
@pytest.mark.parametrize("boxes", [BOX, [(0, 0, 5, 9)], [(150, 100, 164, 136), (9, 9, 20, 20)]])
def test_crops_are_exact_where_they_cover_the_reach_and_only_there(kind, boxes):
    generator, image = network(**GATED[kind]), photo(*SIZE)
    assert reach(generator) < 50 < 80 < min(SIZE), "else no crop is smaller than the image"
    assert difference(generator, image, boxes) < DOUBLE_NET
    assert difference(generator, image, boxes, context=reach(generator)) < DOUBLE_NET
    assert difference(generator, image, boxes, context=8) > 1e-4


@pytest.mark.parametrize("kind", ["paper", "bilinear", "surface"])
def test_a_large_hole_is_filled_in_parts_that_meet_exactly(monkeypatch, kind):
    generator = network(**GATED[kind])
    monkeypatch.setattr(
        module, "WORK_BYTES", 15_000 * 4 * module.BYTES_PER_PIXEL[generator.config["upsampling"]]
    )
    calls = []
    boxes = [(20, 20, 130, 110)]
    deviation = difference(
        generator, photo(*SIZE), boxes, levels=0, on_progress=lambda *done: calls.append(done)
    )
    assert deviation < DOUBLE_NET
    assert calls[-1][1] >= 2 * 3, "at least two parts"


@pytest.mark.parametrize("size", [(200, 236), (333, 150), (60, 700)], ids=str)
@pytest.mark.parametrize("strip", [8, 256])
def test_a_window_has_the_surface_of_the_whole_image(size, strip, monkeypatch):
    monkeypatch.setattr(views, "STRIP", strip)
    generator = network(fill="surface")
    picture = read_pictures(photo(*size))[0][0]
    hole = free_form_mask(*size, (0.3, 0.5), np.random.default_rng(3))
    view = views.View(picture, hole, generator)
    height, width = view.size
    masked, mask = view.masked((0, 0, height, width))
    assert torch.equal(masked, smooth_surface(masked, mask))
    for top, left in ((0, 0), (20, 52), (height - 40, width - 48)):
        window = (top, left, top + 40, left + 48)
        expected = masked[..., top : top + 40, left : left + 48]
        torch.testing.assert_close(view.masked(window)[0], expected, rtol=0, atol=DOUBLE)


def test_a_surface_costs_what_its_hole_costs(monkeypatch):
    picture = read_pictures(np.zeros((2000, 3000), np.uint8))[0][0]
    hole = np.zeros((2000, 3000), bool)
    hole[700:900, 1000:1300] = True
    seen = []
    known = views.View._known
    monkeypatch.setattr(
        views.View, "_known", lambda self, box: seen.append(box) or known(self, box)
    )
    views.View(picture, hole, network(fill="surface")).masked((600, 900, 1000, 1400))
    assert max(map(box_area, seen)) <= max(views.STRIP * 2048, 700 * 700)
    assert sum(map(box_area, seen)) < 2048 * 2048 + 2 * 700 * 700


@pytest.mark.parametrize(
    "box",
    [
        (1000, 700, 1300, 900),
        (512, 512, 771, 770),  # fills a cell of 256 px
        (0, 0, 40, 30),
        (1500, 3, 1504, 996),
        (1360, 640, 1504, 1000),
    ],
)
def test_a_surface_depends_on_its_surroundings_alone(box):
    height, width = 1000, 1504
    array = np.random.default_rng(0).random((height, width, 3), np.float32)
    hole = np.zeros((height, width), bool)
    left, top, right, bottom = box
    hole[top:bottom, left:right] = True
    view = views.View(read_pictures(array)[0][0], hole, network(double=False, fill="surface"))
    image, mask = view._known((0, 0, height, width))
    expected = smooth_surface(image, mask)
    got = view.masked((0, 0, height, width))[0]
    assert (got - expected).abs().max() < SINGLE_SUM


def test_a_correction_beyond_the_range_is_cut_off():
    generator = network(fill="surface", correction=True)
    image, mask = photo(40, 52) / 4 + 0.7, hole_of([(9, 9, 20, 20)], 40, 52)
    prediction = generator(smooth_surface(image[None], mask), mask)[0].detach()
    assert prediction.max() > 1.1
    filled = aotgan.inpaint(image, [(9, 9, 20, 20)], generator, feather=3)
    share = torch.from_numpy(feather_mask(mask[0, 0].numpy() > 0, 3)).double()
    expected = image * (1 - share) + prediction.clamp(-1, 1) * share
    torch.testing.assert_close(filled, expected, rtol=0, atol=SINGLE)
    assert generator.complete(image[None], mask).abs().max() <= 1


def test_standardised_gates_see_the_whole_image():
    generator, image = network(**GATED["released"]), photo(*SIZE)
    assert difference(generator, image, BOX) < DOUBLE_NET


def test_standardised_gates_in_a_crop_use_the_statistics_of_the_image(monkeypatch):
    generator, image = network(**GATED["released"]), photo(*SIZE)
    assert difference(generator, image, BOX, context=reach(generator)) < DOUBLE_NET
    monkeypatch.setattr(module, "reduction", lambda *_: (3, 2))
    assert difference(generator, image, BOX, context=reach(generator)) > 1e-4


def test_large_images_give_their_statistics_reduced_and_without_the_hole(monkeypatch):
    generator, image = network(**GATED["released"]), photo(*SIZE)
    seen = []
    statistics = module.gate_statistics
    monkeypatch.setattr(module, "reduction", lambda *_: (3, 2))
    monkeypatch.setattr(views, "STRIP", 7)
    monkeypatch.setattr(
        module, "gate_statistics", lambda g, x, m, s: seen.append((x, m)) or statistics(g, x, m, s)
    )
    boxes = [(0, 0, 41, 30), (77, 99, 78, 101)]  # 10 whole rows of cells, half a column
    aotgan.inpaint(image, boxes, generator, context=8)
    (masked, mask) = seen[0]
    known = 1 - hole_of(boxes, *SIZE)[0].numpy()

    def cells(values):
        return values[:, :132, :160].reshape(-1, 44, 3, 80, 2).sum((2, 4))

    means = cells(image.numpy() * known) / np.maximum(cells(known), 1)
    hole = cells(known) < 3
    assert np.array_equal(mask[0].numpy(), hole) and hole.sum() == 200
    assert np.abs(masked[0].numpy() - np.where(hole, 1.0, means)).max() < DOUBLE


@pytest.mark.parametrize(("share", "reduced"), [(1, False), (0.99, True)])
def test_only_what_fits_into_memory_is_seen_whole(monkeypatch, share, reduced):
    generator, image = network(**GATED["released"]), photo(*SIZE)
    cost = module.BYTES_PER_PIXEL[generator.config["upsampling"]] * generator.config["width"]
    seen = []
    statistics = module.gate_statistics
    monkeypatch.setattr(module, "WORK_BYTES", int(share * SIZE[0] * SIZE[1]) * cost)
    monkeypatch.setattr(
        module, "gate_statistics", lambda *given: seen.append(given) or statistics(*given)
    )
    aotgan.inpaint(image, BOX, generator)
    assert bool(seen) == reduced


def test_a_side_that_4_does_not_divide_is_reflected():
    generator, image = network(), photo(45, 31)
    boxes = [(20, 30, 31, 45)]
    padded = np.pad(image.numpy(), ((0, 0), (0, 3), (0, 1)), mode="symmetric")
    hole = np.pad(
        hole_of(boxes, 45, 31).numpy(), ((0, 0), (0, 0), (0, 3), (0, 1)), mode="symmetric"
    )
    whole = generator.complete(torch.from_numpy(padded)[None], torch.from_numpy(hole))[0]
    got = aotgan.inpaint(image, boxes, generator)
    assert (got - whole[:, :45, :31]).abs().max() < DOUBLE_NET


def test_the_image_in_the_hole_is_not_looked_at():
    generator, image = network(), photo(40, 52).numpy()
    array = np.moveaxis(image, 0, -1) / 2 + 0.5
    filled = aotgan.inpaint(array, [(9, 9, 20, 20)], generator)
    array[9:20, 9:20] = np.nan
    assert np.array_equal(aotgan.inpaint(array, [(9, 9, 20, 20)], generator), filled)


def test_a_batch_is_its_images_one_by_one():
    generator = network(double=False)
    images = torch.randint(0, 256, (2, 3, 30, 50), dtype=torch.uint8)
    masks = torch.zeros(2, 1, 30, 50, dtype=torch.bool)
    masks[0, :, 4:9, 5:12] = masks[1, :, 20:25, 30:40] = True
    got = aotgan.inpaint(images, masks, generator)
    for image, mask, filled in zip(images, masks, got, strict=True):
        assert torch.equal(aotgan.inpaint(image, mask, generator), filled)
    shared = aotgan.inpaint(images, masks[0, 0].numpy(), generator)
    assert torch.equal(shared[0], got[0]) and not torch.equal(shared[1], got[1])


def test_grow_and_feather_change_what_they_say():
    generator = network(double=False)
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    y, x = np.mgrid[:50, :60]
    away = np.hypot(np.maximum(0, abs(y - 22) - 2), np.maximum(0, abs(x - 32) - 2))
    box = [(30, 20, 35, 25)]
    plain = aotgan.inpaint(image, box, generator)
    changed = (plain != image).any(-1)
    assert not changed[away > 0].any() and changed[away == 0].mean() > 0.9
    grown = aotgan.inpaint(image, box, generator, grow=4)
    changed = (grown != image).any(-1)
    assert not changed[away > 4].any() and changed[away <= 4].mean() > 0.9
    soft = aotgan.inpaint(image, box, generator, feather=6)
    assert np.array_equal(soft[away == 0], plain[away == 0])
    assert not (soft != image).any(-1)[away > 6].any()
    near = np.abs(soft.astype(int) - image)[(away > 0) & (away <= 1)].mean()
    far = np.abs(soft.astype(int) - image)[(away > 5) & (away <= 6)].mean()
    assert near > 3 * far > 0


def test_progress_counts_to_the_end_and_an_exception_cancels():
    class Cancelled(Exception):
        pass

    def cancel(done, total):
        seen.append((done, total))
        if done == 2:
            raise Cancelled

    generator, image = network(double=False), np.zeros((40, 40), np.uint8)
    seen, before = [], image.copy()
    with pytest.raises(Cancelled):
        aotgan.inpaint(image, [(5, 5, 9, 9)], generator, on_progress=cancel)
    assert seen == [(1, 3), (2, 3)] and np.array_equal(image, before)
    seen.clear()
    aotgan.inpaint(image, [(5, 5, 9, 9)], generator, on_progress=lambda *n: seen.append(n))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_without_a_hole_it_is_a_copy_and_says_so():
    image = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    with pytest.warns(UserWarning, match="the mask has no hole: nothing is filled"):
        got = aotgan.inpaint(image, np.zeros((20, 30)), network(double=False))
    assert np.array_equal(got, image) and not np.shares_memory(got, image)


def test_model_by_name_path_and_object_are_one(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    generator = network(double=False)
    path = save_generator(generator, tmp_path / "g.safetensors")
    by_object = aotgan.inpaint(image, [(5, 5, 20, 20)], generator)
    assert np.array_equal(aotgan.inpaint(image, [(5, 5, 20, 20)], path), by_object)
    shipped = aotgan.inpaint(image, [(5, 5, 20, 20)], "aotgan-scenes")
    assert np.array_equal(aotgan.inpaint(image, [(5, 5, 20, 20)]), shipped)
    assert not np.array_equal(shipped, by_object)


def test_precision_is_obeyed_and_the_network_left_as_it_was():
    generator, image = network(double=False), photo(40, 40).float()
    results = {
        name: aotgan.inpaint(image, BOXES, generator, precision=name)
        for name in module.PRECISIONS
        for BOXES in [[(5, 5, 20, 20)]]
    }
    assert torch.equal(results["auto"], results["float32"])
    exact = results["float64"]
    error = {name: float((got - exact).abs().max()) for name, got in results.items()}
    assert 0 < error["float32"] < SINGLE_NET < error["float16"] < error["bfloat16"] < 1
    assert {value.dtype for value in generator.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grow": -1}, "grow=-1: expected a number of pixels"),
        ({"feather": "a"}, "feather='a': expected a number of pixels"),
        ({"context": -4}, "context=-4: expected a whole number of px, or None"),
        ({"context": 1.5}, "context=1.5: expected a whole number"),
        ({"device": "gpu"}, "device='gpu': choose one of auto, cpu, cuda, mps"),
        ({"precision": "half"}, "precision='half': choose one of auto, float32"),
        ({"model": 3}, "a model of type int was given; expected a Generator"),
        ({"model": "nothing"}, "no weights file nothing"),
    ],
)
def test_what_cannot_be_done_is_named_before_any_work(options, message):
    image = np.zeros((40, 40, 3), np.uint8)
    options = {"model": network(double=False)} | options
    with pytest.raises(InputError, match=message):
        aotgan.inpaint(image, [(5, 5, 9, 9)], on_progress=pytest.fail, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what is asked for")
def test_a_device_that_is_not_there_is_an_error():
    with pytest.raises(InputError, match="device=cuda: PyTorch finds none here"):
        aotgan.inpaint(np.zeros((40, 40)), [(5, 5, 9, 9)], network(), device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_picture():
    image = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    results = [
        aotgan.inpaint(image, [(5, 5, 30, 30)], network(), device=device)
        for device in ("cpu", "cuda")
    ]
    assert np.abs(results[0].astype(int) - results[1]).max() <= 1


def test_paths_in_pil_out_and_no_warning(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 44, 3), dtype=np.uint8))
    mask = np.zeros((30, 44), bool)
    mask[3:9, 4:9] = True
    image.save(tmp_path / "a b.png")
    Image.fromarray(mask).save(tmp_path / "ä.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = aotgan.inpaint(str(tmp_path / "a b.png"), tmp_path / "ä.png", network(double=False))
    assert isinstance(got, Image.Image) and got.size == (44, 30)
    assert np.array_equal(np.array(got)[~mask], np.array(image)[~mask])
