"""`aotgan evaluate`: a model or result files, the table, and what is written beside it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from model_runs import run_of
from PIL import Image
from tolerances import SINGLE_SUM

from aotgan.data.masks import centre_mask
from aotgan.metrics import Embedding, protocol
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator
from aotgan.reproduce.runs import evaluation
from aotgan.reproduce.tables.elsewhere import load_elsewhere

FILES = "evaluate --pred pred --real real --masks masks"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with three photographs, masks and filled images."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number, name in enumerate("abc"):
        image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        mask = centre_mask(32, 32, 10 + 4 * number)
        filled = np.where(mask[..., None], np.uint8(128), image)
        for folder, array in (("real", image), ("masks", mask), ("pred", filled)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def test_files_are_measured_by_themselves(place, aotgan):
    status, out, err = aotgan(f"{FILES} --csv table.csv --out results")
    assert (status, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split()[:4] == ["bin", "n", "images", "identical"] and "_low" not in head
    assert [row.split()[0] for row in rows] == ["centre", "1-10%", "30-40%", "all"]
    table, pairs = pd.read_csv("table.csv"), pd.read_csv("results/pairs.csv")
    assert table["bin"].tolist() == ["centre", "1-10%", "30-40%", "all"] and "psnr_low" in table
    assert pairs["image"].tolist() == ["b", "a", "c"]
    record = json.loads((place / "results/evaluation.json").read_text())
    about = record["evaluation"]
    assert about["name"] == "pred" and about["pairs"] == about["images"] == 3
    assert about["size_px"] == [32, 32] and len(about["manifest_sha256"]) == 64
    assert about["known_pixels_off_by"] == {"mean": 0, "worst": 0}
    assert record["protocol"]["metrics"] == protocol()["metrics"]
    for distance in ("frechet", "kernel"):
        assert "EfficientNet-Lite0" in record["protocol"][distance]["name"]
    assert record["metrics"][-1]["l1"] == pytest.approx(table["l1"].iloc[-1], rel=SINGLE_SUM)
    assert record["metrics"][0]["kd"] is None, "of one image there is no distance"
    assert str(place) not in json.dumps(record)


def test_pixels_that_were_replaced_are_told(place, aotgan):
    image = np.array(Image.open("pred/a.png"))
    image[0] ^= 8
    Image.fromarray(image).save("pred/a.png")
    status, _, err = aotgan(FILES)
    assert status == 0
    assert err.startswith("note: known pixels of the predictions are off by 0.09 grey levels")
    assert "at most by 0.28 (a)" in err and err.count("\n") == 1


def test_raw_outputs_need_a_word(place, aotgan):
    Image.fromarray(np.full((32, 32, 3), 128, np.uint8)).save("pred/b.png")
    status, out, err = aotgan(FILES)
    assert (status, out) == (2, "") and "pred/b.png: known pixels differ by" in err
    assert "--composite" in err and err.count("\n") == 1
    status, out, err = aotgan(f"{FILES} --composite")
    assert status == 0 and "all" in out and "note: known pixels" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("evaluate --pred pred --real real", "all of --pred, --real and --masks"),
        ("evaluate --real real --masks masks", "all of --pred, --real and --masks"),
        ("evaluate --pred pred", "24 of 24 pairs have no file and 3 files have no pair"),
        (f"{FILES} --model aotgan-demo", "of no use with --pred"),
        (f"{FILES} --save-fills new", "of no use with --pred"),
        ("evaluate --pred pred --save-pairs new", "of no use with --pred"),
        (f"{FILES} --scale smoke", "of no use with --real"),
        (f"{FILES} --data bundled", "of no use with --real"),
        (f"{FILES} --bins 1-10%", "of no use with --real"),
        (f"{FILES} --mask-kind thick", "--mask-kind: of no use with --real"),
        (
            "evaluate --mask-kind deep",
            "mask-kind='deep': choose one of free-form, thick, mixed, boxes",
        ),
        ("evaluate --bins 1-3%", "bins='1-3%': choose one of 1-10%, 10-20%"),
        ("evaluate --csv real", "real is a folder: give a file's name, real/table.csv say"),
        ("evaluate --save-fills new --out new/record", "new/record is to be written there as well"),
        ("evaluate --save-fills new --save-pairs new", "new is to hold pictures and nothing else"),
        ("evaluate --save-fills new/x --save-pairs new", "new/x is to be written there as well"),
        (f"{FILES} --features vgg", "features='vgg' is not known"),
        (f"{FILES} --hole grey", "hole='grey'"),
        (f"{FILES} --hole black", "known pixels differ by .*white is the hole"),
        (f"{FILES} --out real/a.png", "cannot write in real/a.png"),
        (f"{FILES} --csv real/a.png/table.csv", "cannot write in real/a.png"),
        (f"{FILES} --device gpu", "device='gpu'"),
        ("evaluate --pred absent --real real --masks masks", "predictions absent: no such folder"),
        ("evaluate --composite", "of no use without --pred"),
        ("evaluate --hole black", "of no use without --masks"),
        ("evaluate --pred pred --hole black", "of no use without --masks"),
        ("evaluate --save-pairs real", "real is not empty"),
        ("evaluate --save-fills real/a.png", "cannot write in real/a.png"),
        (
            "evaluate --features vgg",
            "features='vgg': choose one of inception, efficientnet-lite0, random",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(place, aotgan, words, expected):
    if "--hole black" in words and "--pred" in words:
        for path in (place / "pred").iterdir():  # good only where the masks say so
            if path.name != "c.png":
                for folder in ("pred", "real", "masks"):
                    (place / folder / path.name).unlink()
    status, out, err = aotgan(words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert pd.Series([err]).str.contains(expected).all(), err


def test_a_model_is_recorded_alike(place, aotgan):
    save_generator(Generator(width=2, blocks=1, rates=(1,)), place / "g.safetensors")
    status, out, _ = aotgan("evaluate --model g.safetensors --scale smoke --out results")
    assert status == 0 and out.splitlines()[-1].split()[0] == "all"
    record = json.loads((place / "results/evaluation.json").read_text())
    about = record["evaluation"]
    assert (about["name"], about["pairs"], about["size_px"]) == ("bundled", 24, 64)
    assert len(pd.read_csv("results/pairs.csv")) == 24
    assert set(record) == {"format", "evaluation", "protocol", "metrics", "environment"}


def test_pairs_go_out_and_their_fills_come_back(place, aotgan):
    """What the command measures of a model, it measures of that model's files."""
    save_generator(Generator(width=2, blocks=1, rates=(1,)), place / "g.safetensors")
    saved = "--save-pairs pairs --save-fills fills"
    assert aotgan(f"evaluate --model g.safetensors {saved} --out of-model")[0] == 0
    assert {path.name for path in (place / "pairs").iterdir()} == {"photographs", "masks"}
    status, _, err = aotgan("evaluate --pred fills --out others/of-files")
    assert (status, err) == (0, "")
    model, files = (
        json.loads((place / of / "evaluation.json").read_text())
        for of in ("of-model", "others/of-files")
    )
    assert files["metrics"] == model["metrics"] and files["protocol"] == model["protocol"]
    assert files["evaluation"]["manifest_sha256"] == model["evaluation"]["manifest_sha256"]
    assert files["evaluation"]["predictions"] == "fills"
    assert model["evaluation"]["model"] == "g.safetensors"
    assert files["evaluation"]["known_pixels_off_by"] == {"mean": 0, "worst": 0}
    row_of_ours = replace(
        run_of("aotgan").record, evaluation=model["evaluation"], protocol=model["protocol"]
    )
    assert load_elsewhere(place, row_of_ours) == {"of-files": files["metrics"]}
    originals = "--real pairs/photographs --masks pairs/masks"
    status, out, _ = aotgan(f"evaluate --pred fills {originals}")
    assert status == 0 and out.splitlines()[-1].split()[0] == "all"


def test_pairs_alone_are_written_and_nothing_is_measured(place, aotgan):
    status, out, err = aotgan("evaluate --bins 20-30%,40-50% --save-pairs pairs")
    assert (status, err) == (0, "")
    assert out == "24 pairs in pairs: photographs/ and masks/, white = hole\n"
    names = sorted(path.name for path in (place / "pairs/photographs").iterdir())
    assert names == sorted(path.name for path in (place / "pairs/masks").iterdir())
    assert sum(name.endswith("-20-30.png") for name in names) == 12 == len(names) / 2
    status, out, _ = aotgan("evaluate --bins 20-30%,40-50% --pred pairs/photographs")
    assert status == 0 and [row.split()[0] for row in out.splitlines()[1:]] == [
        "20-30%",
        "40-50%",
        "all",
    ]


def test_the_holes_can_be_of_another_kind(place, aotgan):
    words = "evaluate --bins 40-50% --mask-kind thick"
    assert aotgan(f"{words} --save-pairs pairs")[0] == 0
    manifest = evaluation.evaluation_manifest("bundled", 64, "smoke", None, [(0.4, 0.5)], "thick")
    written = [np.array(Image.open(file)) > 0 for file in sorted(place.glob("pairs/masks/*"))]
    assert all((a == b).all() for a, (_, b, _) in zip(written, manifest, strict=True))
    assert aotgan(f"{words} --pred pairs/photographs --out results")[0] == 0
    about = json.loads((place / "results/evaluation.json").read_text())["evaluation"]
    assert about["masks"] == "thick" and about["manifest_sha256"] == manifest.hash


def test_fills_are_measured_by_the_scales_distance_and_raw_only_if_asked(
    place, aotgan, monkeypatch
):
    asked = []

    def embedding(features, device):
        asked.append(features)
        return Embedding("random", device=device)

    monkeypatch.setattr(evaluation, "embedding_of", embedding)
    assert aotgan("evaluate --bins 20-30% --save-pairs pairs")[0] == 0
    shutil.copytree(place / "pairs/photographs", place / "raw")
    first, *_ = sorted((place / "raw").iterdir())
    Image.fromarray(255 - np.array(Image.open(first))).save(first)
    status, _, err = aotgan("evaluate --bins 20-30% --pred raw")
    assert status == 2 and f"from photographs/{first.name}" in err and "--composite" in err
    words = "evaluate --bins 20-30% --pred raw --composite --features inception"
    status, _, err = aotgan(words)
    assert status == 0 and "note: known pixels" in err
    assert asked == ["efficientnet-lite0", "imagenet"]


def test_fills_of_the_wrong_pixels_are_told_which_are_to_be_filled(place, aotgan):
    assert aotgan("evaluate --bins 20-30% --save-pairs pairs")[0] == 0
    (place / "wrong").mkdir()
    for path in (place / "pairs/photographs").iterdir():
        image, mask = (
            np.array(Image.open(path)),
            np.array(Image.open(place / "pairs/masks" / path.name)),
        )
        filled = np.where(mask[..., None] > 0, image, 255 - image)
        Image.fromarray(filled).save(place / "wrong" / path.name)
    status, _, err = aotgan("evaluate --bins 20-30% --pred wrong")
    assert status == 2 and "Fill what is white in masks/" in err and "--hole" not in err
