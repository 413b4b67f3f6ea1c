"""What a training says of its photographs, and that it goes on with no others."""

import numpy as np
import pytest
from PIL import Image

from aotgan.data.catalogue import load
from aotgan.errors import InputError
from aotgan.training.loop import RunOptions, Trainer
from aotgan.training.photographs import remarks, short_side

QUICK = RunOptions(device="cpu", workers=0, progress="none")


def write(folder, count, side=48):
    """Photographs of noise, of which the rule for folders puts few into the test split."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.integers(0, 256, (side, side + 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"photo{number}.png")
    return folder


@pytest.fixture
def taken(tmp_path):
    return write(tmp_path / "photographs", 12)


def begin(tiny, taken, directory, steps):
    return Trainer(tiny(name=str(taken), steps=steps), directory, QUICK)


def test_a_run_goes_on_with_its_own_photographs_alone(tiny, taken, tmp_path):
    first = begin(tiny, taken, tmp_path / "run", 2)
    first.fit()
    assert first.state()["data"] == load(str(taken)).facts()
    begin(tiny, taken, tmp_path / "run", 4)
    count = len(first.images)
    for number in range(0, 12, 2):
        (taken / f"photo{number}.png").unlink()
    left = len(load(str(taken)))
    with pytest.raises(InputError, match=f"{count} photographs of .*; {left} of .* are there now"):
        begin(tiny, taken, tmp_path / "run", 4)


def test_others_of_the_same_number_are_refused_as_well(tiny, taken, tmp_path):
    begin(tiny, taken, tmp_path / "run", 2).fit()
    write(taken, 12, side=56)
    with pytest.raises(InputError, match="others of these names or sizes are there now"):
        begin(tiny, taken, tmp_path / "run", 4)


def test_what_cannot_be_read_is_said_and_kept(tiny, taken, tmp_path, capsys):
    for name in ("torn.png", "empty.jpg"):
        (taken / name).write_bytes(b"\x89PNG"[: 4 * (name == "torn.png")])
    begin(tiny, taken, tmp_path / "run", 2)
    told = capsys.readouterr().err
    assert told.startswith("2 of 14 files are left out: ")
    assert "torn.png" in told and "empty.jpg" in told
    assert load(str(taken)).facts()["left_out"].keys() == {"torn.png", "empty.jpg"}
    assert "left_out" not in load("bundled").facts()


def test_small_photographs_are_said_and_tiny_ones_refused(tmp_path):
    small = load(str(write(tmp_path / "small", 9, side=40)))
    assert short_side(small.files[0]) == 40
    assert remarks(small, 40) == []
    (line,) = remarks(small, 100)
    count = len(small)
    assert line.startswith(f"{count} of {count} photographs are smaller than the 100 px")
    assert line.endswith("2.5 times.")
    with pytest.raises(InputError, match="less than a quarter as large as the 200 px"):
        remarks(small, 200)
