"""One call trains, measures and records a run, once."""

import json
import math
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tolerances import SINGLE_FEW, SINGLE_NET, SINGLE_SUM

from aotgan.data.manifest import make_manifest
from aotgan.errors import InputError
from aotgan.metrics import distances
from aotgan.metrics.embedding import Embedding
from aotgan.models.registry import build
from aotgan.models.weights import load_generator
from aotgan.reproduce.runs import evaluation
from aotgan.reproduce.runs import run as runs
from aotgan.reproduce.runs.curve import read_curve
from aotgan.reproduce.runs.evaluation import evaluate_generator, evaluation_manifest
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.record import load_record
from aotgan.reproduce.runs.remeasure import remeasure
from aotgan.reproduce.runs.run import run
from aotgan.reproduce.runs.samples import one_of_each_bin, sample_grid
from aotgan.reproduce.runs.scales import SCALES
from aotgan.reproduce.tables.captions import caption
from aotgan.training.checkpoint import load_state
from aotgan.training.loop import RunOptions

BINS = 6
QUICK = RunOptions(device="cpu", workers=0, progress="none")


pytestmark = pytest.mark.usefixtures("tiny_scale")


@pytest.fixture(scope="module")
def finished(tiny_scale, photographs, tmp_path_factory):
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs")
    return run("aotgan", "tiny", 1, str(photographs), out, options=QUICK), out


@pytest.fixture
def once(finished, tmp_path):
    """A finished run and its directory below `tmp_path`."""
    record, out = finished
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    return record, tmp_path / "tiny" / "aotgan" / "seed1"


def test_a_run_is_trained_measured_and_recorded(once, photographs):
    record, directory = once
    assert names_in(directory) == [
        "fills-ema.zip",
        "fills.zip",
        "generator-ema.fp16.safetensors",
        "generator-ema.safetensors",
        "generator.fp16.safetensors",
        "generator.safetensors",
        "log.csv",
        "pairs.csv",
        "record.json",
        "resamples.csv",
        "running.lock",
        "samples.png",
        "state.pt",
    ]
    assert (record.experiment, record.scale, record.seed) == ("aotgan", "tiny", 1)
    assert (record.steps, record.images_seen, record.features) == (4, 8, "random-2-seed0")
    assert record.train_seconds > 0 and record.images_per_s > 0
    assert 0 < record.adversarial_share < 1
    assert record.data["images"] == 10 and record.evaluation["images"] == 2
    assert record.evaluation["pairs"] == 2 * BINS and record.environment["processes"] == 1
    manifest = evaluation_manifest(str(photographs), 40, "tiny")
    assert record.evaluation["manifest_sha256"] == manifest.hash
    assert record.protocol["frechet"]["name"].startswith("Frechet distance, random features")
    raw, averaged = record.table("raw"), record.table("ema")
    assert list(raw["bin"]) == [*manifest.bins, "all"] and list(raw["n"]) == [2] * BINS + [12]
    assert (raw["psnr"] != averaged["psnr"]).any()
    assert np.isfinite(raw[["l1", "psnr", "ssim", "kd"]]).all(axis=None)
    resamples = pd.read_csv(directory / "resamples.csv")
    rows = resamples[(resamples["weights"] == "raw") & (resamples["bin"] == "all")]
    assert len(rows) == 1 + distances.RESAMPLES
    assert rows["kd"].iloc[0] == pytest.approx(raw["kd"].iloc[-1], rel=SINGLE_NET)


def test_the_numbers_are_those_of_the_stored_weights(once, photographs):
    record, directory = once
    manifest = evaluation_manifest(str(photographs), 40, "tiny")
    for weights, name in (("raw", "generator"), ("ema", "generator-ema")):
        generator = load_generator(directory / f"{name}.safetensors")
        table = evaluate_generator(generator, manifest, progress=False).per_bin
        assert record.table(weights)["psnr"].tolist() == pytest.approx(
            table["psnr"], rel=SINGLE_SUM
        )


def test_a_record_on_disk_is_the_record_returned_and_names_no_folder(once, photographs):
    record, directory = once
    text = (directory / "record.json").read_text()
    assert load_record(directory / "record.json").table().equals(record.table())
    assert str(photographs.parent) not in text and "tmp" not in text
    assert json.loads(text)["config"]["data"]["name"] == f"folder:{photographs.name}"


def test_a_finished_run_is_not_run_again(once, photographs, tmp_path, monkeypatch):
    record, directory = once
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    monkeypatch.setattr(runs, "Trainer", None)
    again = run("aotgan", "tiny", 1, str(photographs), tmp_path, options=QUICK)
    assert again.table().equals(record.table())
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_a_record_from_before_a_setting_existed_is_of_its_default(once, photographs, tmp_path):
    record, directory = once
    values = json.loads((directory / "record.json").read_text())
    del values["config"]["optim"]["schedule"], values["config"]["data"]["stages"]
    (directory / "record.json").write_text(json.dumps(values))
    found = run("aotgan", "tiny", 1, str(photographs), tmp_path, options=QUICK)
    assert found.metrics == record.metrics and found.train_seconds == record.train_seconds
    values["config"]["optim"]["clip_norm"] = 1.0
    (directory / "record.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="optim.clip_norm 1.0, not None"):
        run("aotgan", "tiny", 1, str(photographs), tmp_path, options=QUICK)


def test_a_finished_run_of_other_settings_is_refused(once, photographs, tmp_path, monkeypatch):
    def again(data=photographs, **settings):
        return run("aotgan", "tiny", 1, str(data), tmp_path, options=QUICK, **settings)

    with pytest.raises(InputError, match="steps 4, not 3.*Choose another folder"):
        again(steps=3)
    with monkeypatch.context() as patch:
        patch.setitem(SCALES, "tiny", replace(SCALES["tiny"], ema_decay=0.9))
        with pytest.raises(InputError, match=r"optim\.ema_decay 0\.5, not 0\.9"):
            again()
    other = tmp_path / "elsewhere" / photographs.name
    other.mkdir(parents=True)
    for number, path in enumerate(sorted(photographs.iterdir())[1:]):
        (other / path.name).write_bytes(path.read_bytes() + bytes(number))
    with pytest.raises(InputError, match=f"other photographs in {other}"):
        again(other)
    with pytest.raises(InputError, match="name 'folder:.*', not 'bundled'"):
        again("bundled")


def test_a_classical_filling_is_measured_and_recorded(photographs, tmp_path, monkeypatch):
    record = run("telea", "tiny", 0, str(photographs), tmp_path, options=QUICK)
    directory = tmp_path / "tiny" / "telea" / "seed0"
    assert names_in(directory) == [
        "fills.zip",
        "pairs.csv",
        "record.json",
        "resamples.csv",
        "running.lock",
    ]
    assert (record.steps, record.images_seen, record.train_seconds) == (0, 0, 0)
    assert record.adversarial_share is None
    assert not record.trained and set(record.metrics) == {"raw"}
    assert record.cost.keys() == {"parameters", "seconds"} and record.cost["parameters"] == 0
    manifest = evaluation_manifest(str(photographs), 40, "tiny")
    assert record.evaluation["manifest_sha256"] == manifest.hash
    table = evaluate_generator(build({"model": "telea"}), manifest, progress=False).per_bin
    assert record.table()["psnr"].tolist() == pytest.approx(table["psnr"], rel=SINGLE_SUM)
    assert load_record(directory / "record.json").table().equals(record.table())
    with monkeypatch.context() as patch:
        patch.setattr(runs, "measure_untrained", None)
        again = run("telea", "tiny", 0, str(photographs), tmp_path, options=QUICK)
        assert again.table().equals(record.table())
    with pytest.raises(InputError, match="steps=3: telea is not trained"):
        run("telea", "tiny", 0, str(photographs), tmp_path, options=QUICK, steps=3)
    again = remeasure("telea", "tiny", 0, str(photographs), tmp_path)
    assert (again.metrics, again.protocol) == (record.metrics, record.protocol)


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_more_steps_go_on_with_a_finished_run(once, photographs, tmp_path):
    record, directory = once
    longer = run("aotgan", "tiny", 1, str(photographs), tmp_path, options=QUICK, steps=5)
    assert longer.steps == longer.config["steps"] == 5
    assert load_record(directory / "record.json").steps == 5
    assert longer.train_seconds > record.train_seconds


def test_weights_that_outgrow_their_record_have_none(once, photographs, tmp_path):
    assert (
        run(
            "aotgan",
            "tiny",
            1,
            str(photographs),
            tmp_path,
            options=QUICK,
            steps=7,
            on_sample=lambda trainer: os.kill(os.getpid(), signal.SIGINT),
        )
        is None
    )
    assert load_state(once[1] / "state.pt")["step"] == 6
    assert not (once[1] / "record.json").exists()


def test_a_time_limit_ends_a_run_and_no_limit_goes_on(photographs, tmp_path):
    def again(minutes):
        options = replace(QUICK, minutes=minutes)
        return run("aotgan", "tiny", 0, str(photographs), tmp_path, options=options)

    record = again(1e-5)
    assert record.steps == 1 and record.config["steps"] == 4
    assert again(1e-5).train_seconds == record.train_seconds
    assert again(None).steps == 4


def test_an_interrupted_run_has_no_record_and_goes_on(photographs, tmp_path):
    def press(trainer):
        if trainer.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    arguments = ("aotgan", "tiny", 0, str(photographs), tmp_path)
    assert run(*arguments, options=QUICK, on_sample=press) is None
    directory = tmp_path / "tiny" / "aotgan" / "seed0"
    assert (directory / "state.pt").exists() and not (directory / "record.json").exists()
    assert run(*arguments, options=QUICK).steps == 4


def test_a_point_of_the_curve_is_what_a_run_of_that_length_ends_with(
    photographs, tmp_path, monkeypatch
):
    """Also after an interrupt at that very step, and never twice."""
    measured = replace(EXPERIMENTS["aotgan"], curve=(0.5, 0.75))
    monkeypatch.setitem(EXPERIMENTS, "aotgan", measured)

    def press(trainer):
        if trainer.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    arguments = ("aotgan", "tiny", 0, str(photographs), tmp_path)
    assert run(*arguments, options=QUICK, on_sample=press) is None
    longer = run(*arguments, options=QUICK)
    monkeypatch.setitem(EXPERIMENTS, "aotgan", replace(measured, curve=()))
    shorter = run(*arguments[:4], tmp_path / "other", options=QUICK, steps=2)
    assert shorter.curve == [] and longer.metrics != shorter.metrics
    for weights, rows in shorter.metrics.items():
        point = [row for row in longer.curve if (row["seen"], row["weights"]) == (4, weights)]
        assert rows == [{key: row[key] for key in rows[0]} for row in point]
    pairs = read_curve(tmp_path / "tiny" / "aotgan" / "seed0" / "curve_pairs.csv")
    assert pairs.groupby(["seen", "weights"]).size().to_dict() == {
        (seen, weights): 2 * BINS for seen in (4, 6) for weights in ("raw", "ema")
    }


def test_a_record_says_on_which_masks_it_was_measured(photographs, tmp_path, monkeypatch):
    mixed = replace(EXPERIMENTS["aotgan"], data={"masks": "mixed"}, masks="free-form")
    monkeypatch.setitem(EXPERIMENTS, "aotgan", mixed)
    record = run("aotgan", "tiny", 0, str(photographs), tmp_path, options=QUICK)
    assert (record.config["data"]["masks"], record.evaluation["masks"]) == ("mixed", "free-form")
    assert "and free-form masks, the same" in caption([record], "")
    manifest = evaluation_manifest(str(photographs), 40, "tiny")
    assert record.evaluation["manifest_sha256"] == manifest.hash


def test_what_is_missing_is_told_before_the_training(photographs, tmp_path, monkeypatch):
    def refuse(features, **_):
        raise InputError(f"no {features} weights")

    monkeypatch.setattr(evaluation, "Embedding", refuse)
    with pytest.raises(InputError, match="no random weights"):
        run("aotgan", "tiny", 0, str(photographs), tmp_path, options=QUICK)
    monkeypatch.setattr(evaluation, "Embedding", Embedding)
    with pytest.raises(InputError, match="device=cuda.*: PyTorch finds"):
        options = replace(QUICK, device="cuda", devices=64)
        run("aotgan", "tiny", 0, str(photographs), tmp_path, options=options)
    with pytest.raises(InputError, match='"nowhere" is neither a set nor a folder'):
        run("aotgan", "tiny", 0, "nowhere", tmp_path, options=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_sample_pictures_show_each_bin_and_different_photographs(photographs):
    files = sorted(photographs.iterdir())
    manifest = make_manifest(files, 40, per_bin=7)
    few = one_of_each_bin(manifest)
    assert [pair.bin for pair in few.pairs] == list(manifest.bins)
    assert len({pair.image for pair in few.pairs}) == BINS
    assert len(one_of_each_bin(make_manifest(files, 40, per_bin=1))) == BINS


def test_a_sample_grid_has_masked_filled_and_original_rows(once, photographs):
    generator = load_generator(once[1] / "generator.safetensors")
    cases = list(one_of_each_bin(evaluation_manifest(str(photographs), 40, "tiny")))[:2]
    grid = sample_grid(generator, cases)
    assert grid.shape == (3, 3 * 42 + 2, 2 * 42 + 2)
    image, mask, _ = cases[1]
    tile = [grid[:, 2 + 42 * row : 42 + 42 * row, 44:84].numpy() for row in range(3)]
    original = image.transpose(2, 0, 1) / 255
    np.testing.assert_allclose(tile[2], original, atol=SINGLE_FEW)
    np.testing.assert_allclose(tile[0], np.where(mask, 1.0, original), atol=SINGLE_FEW)
    np.testing.assert_allclose(tile[1][:, ~mask], original[:, ~mask], atol=SINGLE_FEW)
    assert not math.isclose(abs(tile[1] - original)[:, mask].max(), 0)
    assert grid.min() >= 0 and grid.max() <= 1
