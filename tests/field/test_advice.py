"""What an error advises is followed to the letter, and leads to a right result."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import aotgan
from aotgan.apply import prediction
from aotgan.apply.pictures import CONVERTED
from aotgan.apply.saving import FORMATS, format_of
from aotgan.errors import InputError
from aotgan.models.weights import load_generator
from field.cases import BOX, HOLE, SIDE, fill, photo
from field.files import painted

INTS = HOLE.astype(np.uint8)


@pytest.fixture(scope="module")
def model(weights):
    return load_generator(weights)


def said_of(image, mask, model, **options):
    """The message of the error that this raises, or of the warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            aotgan.inpaint(image, mask, model, **options)
        except InputError as error:
            return str(error)
    return str(caught[0].message)


def is_right(image, mask, model, **options):
    """Is the hole filled, nothing else changed and nothing said?"""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled = np.asarray(aotgan.inpaint(image, mask, model, **options))
    changed = filled != np.asarray(image)
    changed = changed.any(-1) if changed.ndim == 3 else changed
    assert not changed[~HOLE].any() and changed[HOLE].mean() > 0.9


@pytest.mark.parametrize("mode", [*CONVERTED, "F"])
def test_a_mode_that_is_not_taken_is_converted(model, mode):
    image = Image.new(mode, (SIDE, SIDE))  # noqa: F841  (the advice names it)
    advice = said_of(image, [BOX], model)
    if mode == "F":
        assert "Give its numbers, scaled to [0, 1]: numpy.asarray(image)" in advice
        given = np.asarray(photo("L").convert("F")) / 255
    else:
        code = re.search(r"image\.convert\(\"\w+\"\)", advice)[0]
        given = eval(code)  # noqa: S307
        assert given.mode == CONVERTED[mode]
        given.paste(9 if len(given.getbands()) == 1 else tuple([9] * len(given.getbands())), BOX)
    is_right(given, [BOX], model)


@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning", "ignore:The PyTorch API of nested")
@pytest.mark.parametrize("kind", ["to_sparse", "to_sparse_csr", "nested"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_tensor_that_is_not_dense_is_made_so(model, place, kind):
    image = torch.from_numpy(np.array(photo())).movedim(-1, 0)
    parts = [image.float() / 127.5 - 1, torch.from_numpy(INTS)]
    dense, filled = parts[place], aotgan.inpaint(*parts, model)
    nested = torch.nested.nested_tensor
    parts[place] = nested([*dense]) if kind == "nested" else getattr(dense, kind)()
    code = re.search(r"Give (.*)\.$", said_of(*parts, model))[1]
    parts[place] = eval(code, {"torch": torch, "tensor": parts[place]})  # noqa: S307
    assert torch.equal(parts[place], dense)
    assert torch.equal(aotgan.inpaint(*parts, model), filled)


@pytest.mark.parametrize("place", [0, 1])
def test_a_tensor_without_numbers_is_named(model, place):
    parts = [torch.zeros(3, SIDE, SIDE), torch.from_numpy(HOLE)]
    name = ("the image", "the mask")[place]
    parts[place] = parts[place].to("meta")
    assert f"{name} is a tensor without numbers (device meta). Give one" in said_of(*parts, model)
    parts[place] = parts[place][None]
    assert "is a tensor without numbers" in said_of(*parts, model)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("place", [0, 1])
def test_a_picture_that_was_closed_or_cut_off_is_opened_again(tmp_path, model, place, cut):
    paths = [tmp_path / "s.png", tmp_path / "m.png"]
    parts = [photo(), Image.fromarray(255 * INTS)]
    for path, part in zip(paths, parts, strict=True):
        part.save(path)
    intact = paths[place].read_bytes()
    paths[place].write_bytes(intact[: len(intact) // 2] if cut else intact)
    parts[place] = Image.open(paths[place])
    if not cut:
        parts[place].close()
    advice = said_of(*parts, model)
    assert f"{('the image', 'the mask')[place]} cannot be read" in advice
    assert "Open it again and give it while it is open" in advice
    paths[place].write_bytes(intact)
    with Image.open(paths[place]) as again:
        parts[place] = again
        is_right(*parts, model)


def test_numbers_of_unknown_range_are_scaled(model):
    image = Image.fromarray(np.full((SIDE, SIDE), 70000, np.int32))
    assert "Scale them to 0 to 65535" in said_of(image, [BOX], model)
    is_right(Image.fromarray(np.full((SIDE, SIDE), 35000, np.int32)), [BOX], model)
    bytes_as_floats = np.array(photo(), np.float32)
    assert "Scale it, or give uint8" in said_of(bytes_as_floats, [BOX], model)
    is_right(bytes_as_floats / 255, [BOX], model)
    is_right(bytes_as_floats.astype(np.uint8), [BOX], model)


@pytest.mark.parametrize("top", [255, 65535, 1.0])
def test_a_grey_mask_gets_the_threshold_that_is_said(model, top):
    kinds = {255: np.uint8, 65535: np.uint16, 1.0: np.float32}
    rng = np.random.default_rng(0)
    grey = np.where(HOLE, rng.uniform(0.7, 1, HOLE.shape), rng.uniform(0, 0.35, HOLE.shape))
    grey = (grey * top).astype(kinds[top])
    threshold = float(re.search(r"above ([\d.e+]+) white", said_of(photo(), grey, model))[1])
    is_right(photo(), grey > threshold, model)


def inverted():
    """Masks that mark what to keep, of every kind."""
    kept = ~HOLE
    yield "bool", kept
    yield "0/1", 1 - INTS
    yield "0/255", 255 - 255 * INTS
    yield "16 bits", kept.astype(np.uint16) * 65535
    yield "float", kept.astype(np.float32)
    yield "grey picture", Image.fromarray(255 - 255 * INTS)
    yield "1-bit picture", Image.fromarray(kept)
    yield "tensor", torch.from_numpy(kept)


@pytest.mark.parametrize(("name", "mask"), list(inverted()), ids=lambda item: str(item)[:12])
def test_a_mask_of_what_to_keep_is_turned_as_is_said(model, name, mask):
    advice = said_of(photo(), mask, model)
    option = 'give hole="black" (--hole black --overwrite).'
    assert advice.endswith(f"If white marks what to keep, {option}")
    is_right(photo(), mask, model, hole="black")


def test_an_option_that_is_advised_works_as_it_stands(folder, aotgan):
    photo().save("s.png")
    Image.fromarray(255 - 255 * INTS).save("m.png")
    line = "inpaint s.png m.png o.png --model smooth"
    note = aotgan(line)[2]
    status, out, err = aotgan(f"{line} {re.search('[(](--hole .*)[)]', note)[1]}")
    assert (status, out, err) == (0, "o.png: 1 filled, 0 there before, 0 failed\n", "")
    changed = (np.array(Image.open("o.png")) != np.array(photo())).any(-1)
    assert changed[HOLE].any() and not changed[~HOLE].any()


@pytest.mark.parametrize("light", [200, 255])
@pytest.mark.parametrize("hole", ["white", "black"])
def test_two_greys_of_which_none_is_black_are_no_mask(model, light, hole):
    grey = np.where(HOLE == (hole == "white"), light, 128).astype(np.uint8)
    advice = said_of(photo(), grey, model, hole=hole)
    assert f"values from 128 to {light}" in advice and "Make the darker part black" in advice
    is_right(photo(), np.where(grey == 128, 0, grey).astype(np.uint8), model, hole=hole)


def test_a_mask_of_nothing_but_hole_is_not_turned(model):
    advice = said_of(photo(), np.ones_like(HOLE), model)
    assert "all hole" in advice and "--hole" not in advice, "turned, it would have no hole at all"
    is_right(photo(), HOLE, model)


@pytest.mark.parametrize(
    "kind",
    [
        lambda mask: mask,
        lambda mask: mask[..., None],
        lambda mask: np.dstack([mask] * 3),
        lambda mask: torch.from_numpy(mask.copy()),
        lambda mask: torch.from_numpy(mask.copy())[None],
        Image.fromarray,
        lambda mask: Image.fromarray(mask).convert("RGB"),
    ],
)
def test_a_mask_that_lies_on_its_side_is_transposed(model, kind):
    image = np.array(photo())[:, :50]
    mask = 255 * INTS[:, :50]
    advice = said_of(image, kind(mask.T), model)
    assert "It fits turned by 90 degrees: exchange its rows and columns" in advice
    filled = aotgan.inpaint(image, kind(mask), model)
    assert (filled != image).any(-1)[mask > 0].mean() > 0.9


def test_masks_of_a_batch_are_one_tensor(model):
    images = torch.stack([torch.rand(3, SIDE, SIDE) * 2 - 1] * 2)
    masks = [torch.from_numpy(HOLE)[None], torch.from_numpy(HOLE.T)[None]]
    assert "one tensor (B, 1, H, W) of theirs" in said_of(images, masks, model)
    changed = aotgan.inpaint(images, torch.stack(masks), model) != images
    assert (changed.any(1, keepdim=True) == torch.stack(masks)).all()


@pytest.mark.parametrize("name", ["smooth", "aotgan-scenes", "scenes"])
def test_the_name_of_a_model_is_given_as_text(name):
    advice = said_of(photo(), [BOX], Path(name))
    is_right(photo(), [BOX], re.search("given as text, '(.*)', not as a path", advice)[1])


@pytest.mark.parametrize(
    "mask",
    [
        INTS * 40,
        HOLE * 3.7,
        np.dstack([255 * INTS, 0 * INTS, 0 * INTS]),
        np.dstack([255 * INTS] * 4),
        np.where(HOLE, "x", " "),
        HOLE.astype(object),
        HOLE.astype(complex),
    ],
    ids=["40", "3.7", "red", "white layer", "text", "objects", "complex"],
)
def test_other_masks_are_made_black_and_white(model, mask):
    advice = said_of(photo(), mask, model)
    assert re.search("black and\\s+white|0 outside and 1 .or True. inside", advice), advice
    is_right(photo(), 255 * INTS, model)
    is_right(photo(), HOLE, model)


@pytest.mark.parametrize("box", [(1, 2, complex(1), 4), (1, 2, float("nan"), 4), (0, 0, 9, 1e999)])
def test_boxes_have_numbers(model, box):
    advice = said_of(photo(), [box], model)
    assert "expected a list of boxes, each (left, top, right, bottom) in px" in advice
    is_right(photo(), [BOX], model)


@pytest.mark.parametrize(
    ("mode", "out"), [("RGBA", "o.jpg"), ("CMYK", "o.png"), ("I;16", "o.bmp"), ("LA", "o.webp")]
)
def test_formats_that_are_named_hold_the_picture(tmp_path, weights, mode, out):
    source = "s.tif" if mode == "CMYK" else "s.png"
    photo(mode).save(tmp_path / source)
    refusal = fill(tmp_path, source, out, weights=weights).refusal
    named = re.search("choose another format: (.*)\\.", refusal)[1].split(", ")
    assert named and format_of(tmp_path / out) not in named
    for name in named:
        result = fill(tmp_path, source, f"o{FORMATS[name].endings[0]}", weights=weights)
        assert not result.refusal and result.image.size == (SIDE, SIDE)


def test_a_wide_picture_goes_where_it_fits(tmp_path, weights):
    Image.new("RGB", (16_400, 8)).save(tmp_path / "s.png")
    mask = Image.new("1", (16_400, 8))
    mask.paste(1, (2, 2, 5, 5))
    mask.save(tmp_path / "m.png")
    refusal = fill(tmp_path, "s.png", "o.webp", weights=weights).refusal
    assert refusal.endswith("choose another format: png, tiff, bmp, jpeg.")
    assert fill(tmp_path, "s.png", "o.jpg", weights=weights).image.size == (16_400, 8)


def test_colour_of_16_bits_is_given_as_floats(tmp_path, model):
    cv2 = pytest.importorskip("cv2")
    deep = np.random.default_rng(0).integers(0, 65536, (SIDE, SIDE, 3), dtype=np.uint16)
    for name in ("s.png", "s.tif"):
        cv2.imwrite(str(tmp_path / name), deep)
        advice = said_of(tmp_path / name, [BOX], model)
        assert "colour of 16 bits a channel" in advice and "floats in [0, 1]" in advice
    is_right(deep / 65535, [BOX], model)
    is_right((deep >> 8).astype(np.uint8), [BOX], model)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_prediction_that_is_not_finite_reaches_no_picture(tmp_path, model, monkeypatch, value):
    decode = type(model).decode

    def spoil(self, *args):
        result = decode(self, *args)
        result[..., 0, 0] = value if result.dtype == torch.float32 else 0
        return result

    monkeypatch.setattr(type(model), "decode", spoil)
    image = np.array(photo())
    before = image.copy()
    advice = said_of(image, [BOX], model)
    assert "not finite: nothing of it is written" in advice and 'precision="float64"' in advice
    assert np.array_equal(image, before)
    is_right(photo(), [BOX], model, precision="float64")
    assert prediction.predict.__doc__


def test_a_layer_is_painted_or_transparent_or_saved_anew(tmp_path, model):
    painted((0, 0, 0, 255), HOLE)(tmp_path / "s.png")
    advice = said_of(tmp_path / "s.png", tmp_path / "m.png", model)
    for hole in re.findall(r'hole="(\w+)"', advice):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # most of the picture is transparent
            filled = aotgan.inpaint(photo(), tmp_path / "m.png", model, hole=hole)
        changed = (np.array(filled) != np.array(photo())).any(-1)
        assert changed[HOLE].any() == (hole == "painted")
        assert changed[~HOLE].any() == (hole == "transparent")
    assert 'no transparency. Give "white" or "black"' in said_of(
        photo(), HOLE, model, hole="painted"
    )
