"""Folders of pictures: paired by name, resumable, and one bad file stops no other."""

import signal
from concurrent.futures import Future, process
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aotgan.apply import folders
from aotgan.apply.folders import Settings, fill_files
from aotgan.apply.tasks import FolderOutcome, Task, choose_format, plan_tasks
from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator


@pytest.fixture
def place(tmp_path):
    """Two photographs, one in a sub-folder, with masks, and a small network."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "b/c.png"):
        for folder in ("photos", "masks"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(rng.integers(0, 256, (30, 41, 3), dtype=np.uint8))
        image.save((tmp_path / "photos" / name).with_suffix(".bmp"))
        mask = np.zeros((30, 41), np.uint8)
        mask[4:9, 6:20] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / name)
    torch.manual_seed(1)
    save_generator(Generator(width=2, blocks=1, rates=(1,)), tmp_path / "g.safetensors")
    return tmp_path


def plan(place, *names, **options):
    return plan_tasks(*(place / name for name in names), **options)


def test_images_and_masks_are_paired_by_their_names_below_the_folders(place):
    tasks, outcome = plan(place, "photos", "masks", "out")
    assert tasks == [
        Task(place / f"photos/{name}.bmp", place / f"masks/{name}.png", place / f"out/{name}.png")
        for name in ("a", "b/c")
    ]
    assert outcome == FolderOutcome()


def test_files_that_are_no_images_are_counted(place):
    (place / "photos/b/notes.txt").touch()
    (place / "photos/pal.GIF").touch()
    (place / "photos/.hidden").touch()
    tasks, outcome = plan(place, "photos", "masks", "out")
    assert len(tasks) == 2
    assert [path.name for path in outcome.ignored] == ["notes.txt", "pal.GIF"]
    assert outcome.summary(place).endswith("0 failed, 2 of other kinds left out (.gif, .txt)")
    assert plan(place, "photos/a.bmp", "masks/a.png", "out")[1].ignored == []


def test_one_mask_serves_all_and_one_image_may_have_a_name(place):
    tasks, _ = plan(place, "photos", "masks/a.png", "out", file_format="jpeg")
    assert [task.mask for task in tasks] == [place / "masks/a.png"] * 2
    assert [task.destination.name for task in tasks] == ["a.jpg", "c.jpg"]
    (task,), _ = plan(place, "photos/a.bmp", "masks/a.png", "new/name.webp", file_format="webp")
    assert task.destination == place / "new/name.webp"
    (place / "dir.png").mkdir()
    (task,), _ = plan(place, "photos/a.bmp", "masks/a.png", "dir.png")
    assert task.destination == place / "dir.png/a.png"


def test_results_inside_the_images_are_no_images(place):
    for masks, out in (("masks", "photos/out"), ("photos/b", "photos/out")):
        (place / "photos/out").mkdir(exist_ok=True)
        (place / "photos/out/old.png").write_bytes(b"x")
        tasks, outcome = plan(place, "photos", masks, out)
        named = [task.image.stem for task in tasks] + [path.stem for path in outcome.failed]
        assert "old" not in named and ("c" in named) == (masks == "masks")


def test_what_is_there_is_left_alone_and_what_is_missing_named(place):
    (place / "out").mkdir()
    (place / "out/a.png").write_bytes(b"whole")
    (place / "masks/b/c.png").unlink()
    tasks, outcome = plan(place, "photos", "masks", "out")
    assert tasks == [] and outcome.skipped == [place / "out/a.png"]
    assert "expected one mask" in outcome.failed[place / "photos/b/c.bmp"]
    assert "found none" in outcome.failed[place / "photos/b/c.bmp"]


def test_ambiguous_names_are_failures(place):
    Image.new("L", (4, 4)).save(place / "masks/a.bmp")
    Image.new("L", (4, 4)).save(place / "photos/a.tif")
    tasks, outcome = plan(place, "photos", "masks", "out")
    assert [task.image.name for task in tasks] == ["c.bmp"]
    assert "a.bmp and " in outcome.failed[place / "photos/a.bmp"]
    assert "is the result of another image" in outcome.failed[place / "photos/a.tif"]


@pytest.mark.parametrize(
    ("names", "file_format", "message"),
    [
        (("photos", "masks", "photos"), "bmp", "would replace an image or mask"),
        (("photos", "masks", "masks"), "png", "would replace an image or mask"),
        (("photos/a.bmp", "masks/a.png", "photos/a.bmp"), "bmp", "would replace"),
        (("absent", "masks", "out"), "png", "images .*absent: no such file or folder"),
        (("photos", "absent", "out"), "png", "masks .*absent: no such file or folder"),
        (("empty", "masks", "out"), "png", "images .*empty: no image in this folder"),
    ],
)
def test_what_would_do_harm_or_nothing_is_refused(place, names, file_format, message):
    (place / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        plan(place, *names, file_format=file_format)


def test_a_link_to_an_input_is_not_replaced(place):
    (place / "out").mkdir()
    (place / "out/a.png").symlink_to(place / "masks/a.png")
    with pytest.raises(InputError, match="would replace an image or mask"):
        plan(place, "photos", "masks", "out")


def test_the_format_is_that_of_the_name_or_of_the_option(place):
    image, folder = place / "photos/a.bmp", place / "photos"
    assert choose_format(image, Path("x.jpg"), None) == "jpeg"
    assert (
        choose_format(image, Path("x"), None) == choose_format(folder, Path("x.jpg"), None) == "png"
    )
    assert choose_format(image, Path("x"), "tiff") == choose_format(image, Path("x.TIFF"), "tiff")
    for out, file_format in (("x.gif", None), ("x.jpg", "png")):
        with pytest.raises(InputError, match=r"the ending \.\w+ does not stand for .*Known: \.png"):
            choose_format(image, Path(out), file_format)
    with pytest.raises(InputError, match="format='gif': choose one of png"):
        choose_format(image, Path("x"), "gif")
    with pytest.raises(InputError, match=r"a\.bmp is a file: give a folder"):
        choose_format(folder, image, None)


@pytest.mark.parametrize(
    ("out", "result"),
    [
        ("out.png", "out.png"),
        ("out.png/", "out.png/a.png"),
        ("out.png/.", "out.png/a.png"),
        ("new/out.TIF", "new/out.TIF"),
        ("results.v2", "results.v2/a.png"),
        ("results.v2/", "results.v2/a.png"),
        ("2024.05.01", "2024.05.01/a.png"),
    ],
)
def test_an_ending_of_an_image_names_a_file_and_a_slash_a_folder(place, out, result):
    image, given = place / "photos/a.bmp", f"{place}/{out}"
    assert choose_format(image, given, None) == ("tiff" if result.endswith("TIF") else "png")
    (task,), _ = plan_tasks(image, place / "masks/a.png", given)
    assert task.destination == place / result
    tasks, _ = plan_tasks(place / "photos", place / "masks", given)
    assert [task.destination for task in tasks] == [place / out / "a.png", place / out / "b/c.png"]
    Path(given).mkdir(parents=True)
    (task,), _ = plan_tasks(image, place / "masks/a.png", given)
    assert task.destination == place / out / "a.png", "a folder that is there"


def test_a_slash_behind_a_file_is_refused(place):
    (place / "out.png").touch()
    with pytest.raises(InputError, match=r"out\.png/ is a file: give a folder for the results"):
        choose_format(place / "photos/a.bmp", f"{place}/out.png/", None)


def run(place, workers=1, **settings):
    tasks, outcome = plan(place, "photos", "masks", f"out{workers}")
    seen = []
    chosen = Settings(str(place / "g.safetensors"), "cpu", **settings)
    fill_files(tasks, chosen, outcome, workers, on_file=seen.append)
    assert sorted(task.image for task in seen) == sorted(task.image for task in tasks)
    return outcome


def test_one_bad_file_stops_no_other_and_the_next_call_tries_it_again(place):
    good = (place / "photos/a.bmp").read_bytes()
    (place / "photos/a.bmp").write_bytes(good[:100])
    outcome = run(place)
    assert outcome.written == [place / "out1/b/c.png"]
    assert list(outcome.failed) == [place / "photos/a.bmp"]
    assert outcome.summary(Path("out")) == "out: 1 filled, 0 there before, 1 failed"
    assert [p.name for p in (place / "out1").iterdir()] == ["b"], "nothing half-written"
    (place / "photos/a.bmp").write_bytes(good)
    outcome = run(place)
    assert outcome.written == [place / "out1/a.png"] and not outcome.failed
    assert outcome.skipped == [place / "out1/b/c.png"]


def test_errors_that_nobody_foresaw_are_failures_too(place, monkeypatch):
    def broken(image, *_, **__):
        raise MemoryError("no memory for " + image.name)

    monkeypatch.setattr(folders, "inpaint", broken)
    outcome = run(place)
    assert outcome.failed[place / "photos/a.bmp"] == "MemoryError: no memory for a.bmp"
    assert len(outcome.failed) == 2


def test_remarks_and_threads(place):
    Image.new("L", (41, 30)).save(place / "masks/a.png")
    torch.set_num_threads(1)
    outcome = run(place)
    assert "no hole" in outcome.remarks[place / "photos/a.bmp"] and not outcome.failed
    assert torch.get_num_threads() == 1


@pytest.mark.slow
def test_two_workers_write_the_bytes_of_one(place):
    one, two = run(place, 1), run(place, 2)
    assert not one.failed and not two.failed and len(two.written) == 2
    for name in ("a.png", "b/c.png"):
        assert (place / "out1" / name).read_bytes() == (place / "out2" / name).read_bytes()


def test_processes_are_started_deaf_to_ctrl_c_and_the_parent_is_not():
    """Else a worker that is still importing would print a traceback of its own."""
    before = signal.getsignal(signal.SIGINT)
    with folders._deaf_children():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == before


def test_a_worker_that_dies_fails_its_pictures_and_no_more(place, monkeypatch):
    class Dead:
        def __init__(self, *_):
            pass

        def submit(self, function, task):
            future = Future()
            if task.image.name == "a.bmp":
                future.set_exception(process.BrokenProcessPool("a process was killed"))
            else:
                future.set_result((task, "", ""))
            return future

        def shutdown(self, cancel_futures):
            assert cancel_futures, "pictures that nobody waits for"

    monkeypatch.setattr(folders, "ProcessPoolExecutor", Dead)
    outcome = run(place, 2)
    assert outcome.failed == {place / "photos/a.bmp": "a process was killed"}
    assert outcome.written == [place / "out2/b/c.png"]


@pytest.mark.parametrize(
    ("settings", "workers", "message"),
    [
        ({"model": "absent"}, 1, "no weights file absent"),
        ({"device": "gpu"}, 1, "device='gpu'"),
        ({"quality": 3}, 1, "quality=3 for png"),
        ({}, 0, "workers=0: must be at least 1"),
        ({"grow": -1}, 1, "grow=-1"),
    ],
)
def test_unusable_settings_are_refused_before_any_work(place, settings, workers, message):
    tasks, outcome = plan(place, "photos", "masks", "out")
    with pytest.raises(InputError, match=message):
        fill_files(tasks, Settings(**settings), outcome, workers)
    assert not (place / "out").exists() and outcome == FolderOutcome()


@pytest.mark.parametrize("suffix", ["_mask", "-mask", "_mask001", "_MASK"])
def test_masks_may_be_called_so_and_lie_among_the_images(place, suffix):
    for folder in ("photos", "masks"):
        (place / "masks/a.png").rename(place / folder / f"a{suffix}.png")
        tasks, outcome = plan(place, "photos", folder, "out")
        assert tasks[0].mask == place / folder / f"a{suffix}.png"
        assert tasks[0].image == place / "photos/a.bmp"
        assert len(outcome.failed) == (folder == "photos"), "b/c has its mask elsewhere"
        (place / folder / f"a{suffix}.png").rename(place / "masks/a.png")


def test_the_mask_of_all_is_no_photograph_where_it_lies_among_them(place):
    (place / "masks/a.png").rename(place / "photos/hole.png")
    tasks, outcome = plan(place, "photos", "photos/hole.png", "out")
    assert [task.image.name for task in tasks] == ["a.bmp", "c.bmp"]
    assert outcome == FolderOutcome()


def test_a_photograph_is_not_its_own_mask(place):
    mask = (place / "masks/a.png").rename(place / "photos/a_mask.png")
    tasks, outcome = plan(place, "photos/a.bmp", "photos", "out")
    assert [task.mask for task in tasks] == [mask] and not outcome.failed
    (place / "photos/b/c.bmp").rename(place / "c.bmp")
    tasks, outcome = plan(place, "photos", "photos", "out")
    assert [task.mask for task in tasks] == [mask]
    assert outcome == FolderOutcome(), "masks are of no other kind"


def test_one_folder_without_masks_by_name_is_refused(place):
    with pytest.raises(InputError, match=r"Call the mask of photo.jpg photo_mask.png"):
        plan(place, "photos", "photos", "out")


def test_two_masks_of_an_image_are_named(place):
    (place / "masks/a_mask.png").write_bytes((place / "masks/a.png").read_bytes())
    _, outcome = plan(place, "photos", "masks", "out")
    assert "a.png and " in outcome.failed[place / "photos/a.bmp"]


def test_what_is_there_is_filled_again_when_that_is_asked(place):
    (place / "out").mkdir()
    (place / "out/a.png").touch()
    tasks, outcome = plan(place, "photos", "masks", "out")
    assert len(tasks) == 1 and "--overwrite fills them again" in outcome.summary(Path("out"))
    tasks, outcome = plan(place, "photos", "masks", "out", overwrite=True)
    assert len(tasks) == 2 and "overwrite" not in outcome.summary(Path("out"))
