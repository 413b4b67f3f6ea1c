"""Kept fills: the composites to the byte, of the right pairs, whole or absent."""

import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from aotgan.data.images import to_tensor, to_uint8
from aotgan.data.manifest import make_manifest
from aotgan.errors import InputError
from aotgan.metrics import Embedding, evaluate
from aotgan.metrics.fills import KeptFills, keep_fills

SIZE = 32


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "set").mkdir()
    for name in ("a", "b", "c"):
        noise = rng.integers(0, 256, (48, 56, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "set" / f"{name}.png")
    return sorted((tmp_path / "set").iterdir())


@pytest.fixture
def manifest(photos):
    return make_manifest(photos, SIZE, bins=((0.1, 0.2), (0.4, 0.5)), per_bin=5)


def noisy(images, masks):
    """A model whose fills are no function of what they fill."""
    return images * (1 - masks) + (torch.rand_like(images) * 2 - 1) * masks


def measured(fill, manifest, keep=None):
    embedding = Embedding("random")
    return evaluate(fill, manifest, 4, embedding, progress=False, keep=keep)


def test_kept_fills_are_the_composites_to_the_byte(manifest, tmp_path):
    composites = []

    def work(keep):
        def both(case, filled):
            composites.append(filled)
            keep(case, filled)

        return measured(noisy, manifest, both)

    keep_fills(tmp_path / "fills.zip", manifest, work)
    kept = KeptFills(tmp_path / "fills.zip", manifest)
    for (image, mask, _), expected in zip(manifest, composites, strict=True):
        hole = torch.from_numpy(mask).float()[None, None]
        found = to_uint8(kept(to_tensor(image)[None], hole))[0]
        assert np.array_equal(found, expected)
        assert np.array_equal(found[~mask], image[~mask])
        assert (found[mask] != image[mask]).mean() > 0.9


def test_what_was_kept_measures_the_same(manifest, tmp_path):
    path = tmp_path / "fills.zip"
    first = keep_fills(path, manifest, lambda keep: measured(noisy, manifest, keep))
    again = measured(KeptFills(path, manifest), manifest)
    pd.testing.assert_frame_equal(again.per_image, first.per_image, check_exact=True)
    pd.testing.assert_frame_equal(again.per_bin, first.per_bin, check_exact=True)
    assert again.protocol == first.protocol


def test_only_the_holes_are_kept(manifest, tmp_path):
    path = tmp_path / "fills.zip"
    keep_fills(path, manifest, lambda keep: measured(lambda x, m: x, manifest, keep))
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == [f"{name}.png" for name in manifest.names]
        for name, (image, mask, _) in zip(file.namelist(), manifest, strict=True):
            picture = np.array(Image.open(file.open(name)))
            assert np.array_equal(picture, image * mask[..., None])


def test_equal_fills_give_equal_bytes(manifest, tmp_path):
    for name in ("a.zip", "b.zip"):
        work = lambda keep: measured(lambda x, m: x * (1 - m), manifest, keep)  # noqa: E731
        keep_fills(tmp_path / name, manifest, work)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_an_evaluation_that_fails_keeps_nothing(manifest, tmp_path):
    with pytest.raises(InputError, match="NaN"):
        keep_fills(
            tmp_path / "new" / "fills.zip",
            manifest,
            lambda keep: measured(lambda x, m: x + torch.nan, manifest, keep),
        )
    assert not list((tmp_path / "new").iterdir())


def test_fills_of_other_pairs_and_other_files_are_refused(manifest, photos, tmp_path):
    path = tmp_path / "fills.zip"
    keep_fills(path, manifest, lambda keep: measured(noisy, manifest, keep))
    other = make_manifest(photos, SIZE, bins=((0.1, 0.2), (0.4, 0.5)), per_bin=5, seed=1)
    with pytest.raises(InputError, match="holds the fills of other pairs"):
        KeptFills(path, other)
    for wrong in (photos[0], tmp_path / "absent.zip"):
        with pytest.raises(InputError, match="holds no fills that were kept.*Train the run again"):
            KeptFills(wrong, manifest)
