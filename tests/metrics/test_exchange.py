"""Fixed pairs as files: written once, filled by anybody, measured as if a model had filled them."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tolerances import SINGLE_SUM

from aotgan.data.images import read_image
from aotgan.data.manifest import make_manifest
from aotgan.data.mask_files import read_mask
from aotgan.errors import InputError
from aotgan.metrics import Embedding, evaluate
from aotgan.metrics.exchange import PairWriter, pair_manifest
from aotgan.metrics.files import evaluate_files

SIZE = 32


def darken(images, masks):
    """A model: composites whose holes are a darker version of the truth."""
    return images * (1 - masks) + (0.5 * images - 0.2) * masks


@pytest.fixture
def manifest(tmp_path):
    """Two photographs, each in both bins by two squares."""
    rng = np.random.default_rng(0)
    files = [tmp_path / "set" / f"{name}.png" for name in ("a", "b")]
    files[0].parent.mkdir()
    for file in files:
        Image.fromarray(rng.integers(0, 256, (48, 56, 3), dtype=np.uint8)).save(file)
    return make_manifest(files, SIZE, bins=((0.1, 0.2), (0.4, 0.5)), per_bin=4)


@pytest.fixture
def written(manifest, tmp_path):
    """The manifest's pairs and their fills as files, and what the fills measure."""
    writer = PairWriter(manifest, tmp_path / "pairs", tmp_path / "fills")
    embedding = Embedding("random")
    return tmp_path, evaluate(darken, manifest, 3, embedding, progress=False, keep=writer)


def test_files_hold_the_pairs_to_the_byte(manifest, written):
    place, _ = written
    assert len(set(manifest.names)) == len(manifest) == 8
    assert manifest.names[0].endswith("-10-20") and manifest.names[-1].endswith("-40-50")
    for name, (image, mask, pair) in zip(manifest.names, manifest, strict=True):
        assert pair.image.removesuffix(".png") == name.split("-")[1]
        np.testing.assert_array_equal(read_image(place / f"pairs/photographs/{name}.png"), image)
        np.testing.assert_array_equal(read_mask(place / f"pairs/masks/{name}.png"), mask)
        filled = read_image(place / f"fills/{name}.png")
        np.testing.assert_array_equal(filled[~mask], image[~mask])
        assert (filled[mask] != image[mask]).mean() > 0.9


def test_fills_of_the_pairs_measure_what_the_model_measured(manifest, written):
    """Tables, intervals with squares of one photograph as correlated, and the pairs' hash."""
    place, expected = written
    files = pair_manifest(place / "fills", manifest)
    found, known = evaluate_files(files, embedding=Embedding("random"), progress=False)
    pd.testing.assert_frame_equal(found.per_image, expected.per_image)
    pd.testing.assert_frame_equal(found.per_bin, expected.per_bin, rtol=SINGLE_SUM)
    assert (files.hash, files.size, known.mean) == (manifest.hash, (SIZE, SIZE), 0)
    assert found.per_bin["images"].tolist() == [2, 2, 2]


def test_each_fill_is_measured_on_its_own_pair(manifest, written):
    place, _ = written
    name = manifest.names[5]
    filled = read_image(place / f"fills/{name}.png")
    image, mask, _ = list(manifest)[5]
    filled[mask] = image[mask]
    Image.fromarray(filled).save(place / f"fills/{name}.png")
    found, _ = evaluate_files(pair_manifest(place / "fills", manifest), progress=False)
    assert (found.per_image["l1"] == 0).to_numpy().nonzero()[0].tolist() == [5]


def test_another_name_number_or_size_is_refused(manifest, written):
    place, _ = written
    first = place / "fills" / f"{manifest.names[0]}.png"
    moved = first.rename(first.with_name("b.png"))
    with pytest.raises(InputError, match=r"1 of 8 pairs have no file and 1 files have no pair; no"):
        pair_manifest(place / "fills", manifest)
    Image.open(moved).resize((SIZE, 16)).save(first)
    with pytest.raises(InputError, match=r"0 of 8 .* 1 files have no pair; b\.png is of no pair"):
        pair_manifest(place / "fills", manifest)
    moved.unlink()
    with pytest.raises(InputError, match=r"16 x 32 px .*expected 32 x 32"):
        pair_manifest(place / "fills", manifest)
    with pytest.raises(InputError, match="no such folder"):
        pair_manifest(place / "absent", manifest)


@pytest.mark.parametrize("folders", [("new", "pairs"), ("fills", "new")])
def test_nothing_is_overwritten(manifest, written, folders):
    place, _ = written
    with pytest.raises(InputError, match="is not empty"):
        PairWriter(manifest, *(place / folder for folder in folders))


def test_only_what_is_asked_for_is_written(manifest, tmp_path):
    for folders in ((tmp_path / "pairs", None), (None, tmp_path / "fills")):
        evaluate(darken, manifest, progress=False, keep=PairWriter(manifest, *folders))
    assert {path.name for path in tmp_path.iterdir()} == {"set", "pairs", "fills"}
    assert {path.name for path in (tmp_path / "pairs").iterdir()} == {"photographs", "masks"}
    assert len(list((tmp_path / "fills").iterdir())) == 8
