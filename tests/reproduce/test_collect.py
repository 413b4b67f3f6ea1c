"""Collecting turns finished runs into tables, figures and records, and nothing else into them."""

import numpy as np
import pytest
import torch
from PIL import Image

from aotgan.data.catalogue import BUNDLED_TEST
from aotgan.data.catalogue import load as load_images
from aotgan.data.manifest import make_manifest
from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.models.weights import load_generator, save_generator
from aotgan.reproduce import collect as module
from aotgan.reproduce.collect import collect
from aotgan.reproduce.figures.style import fill_bytes
from aotgan.reproduce.runs.evaluation import EVALUATION_SEED
from aotgan.reproduce.runs.outputs import PAGE
from aotgan.reproduce.runs.record import Record, save_record
from aotgan.reproduce.runs.run import run_directory
from aotgan.reproduce.runs.samples import one_of_each_bin

LOG = "step,reconstruction,style,images_per_s,seconds\n10,0.5,0.002,5.0,1.0\n20,0.4,0.001,5.0,2.0\n"
METRICS = ("l1", "l1_hole", "psnr", "ssim")
FILES = {"aotgan.md", "aotgan.csv", "aotgan_fills.png", "aotgan_loss_curves.png"}
FILES |= {"table1.md", "table1.csv", "table1.tex", PAGE}


def make_record(experiment, seed, data="bundled", ema=False):
    values = {f"{name}{end}": 0.5 for name in METRICS for end in ("", "_low", "_high")}
    rows = [{"bin": "all", "n": 4, "images": 4, "identical": 0, "mask_ratio": 0.3} | values]
    return Record(
        experiment=experiment,
        scale="smoke",
        seed=seed,
        config={"seed": seed, "generator": {}},
        features="random-16-seed0",
        steps=20,
        images_seen=160,
        train_seconds=2.0,
        images_per_s=5.0,
        data={"name": data, "images": 11, "manifest_sha256": "aa"},
        evaluation={"name": data, "images": 4, "pairs": 4, "size_px": 64, "manifest_sha256": "bb"},
        protocol={"frechet": None},
        metrics={"raw": rows, "ema": rows} if ema else {"raw": rows},
        environment={"code_sha256": "c0de", "device": "CPU"},
    )


@pytest.fixture
def make_run(tmp_path):
    def make(experiment="aotgan", seed=0, finished=True, **about):
        folder = run_directory(tmp_path / "runs", "smoke", experiment, seed)
        torch.manual_seed(seed)
        generator = Generator(width=4, blocks=1, rates=(1,))
        record = make_record(experiment, seed, **about)
        name = "generator-ema.safetensors" if "ema" in record.metrics else "generator.safetensors"
        save_generator(generator, folder / name)
        (folder / "log.csv").write_text(LOG)
        (folder / "pairs.csv").write_text("weights,bin,image\nraw,all,a\n")
        if finished:
            save_record(record, folder / "record.json")
        return folder

    return make


def collected(tmp_path, *args, target="figures"):
    paths = collect("smoke", tmp_path / "runs", tmp_path / target, *args)
    return {path.relative_to(tmp_path / target / "smoke").as_posix(): path for path in paths}


def test_finished_runs_become_tables_figures_and_records(tmp_path, make_run):
    folders = [make_run(seed=seed) for seed in (0, 1)]
    make_run(seed=2, finished=False)
    files = collected(tmp_path)
    originals = {}
    for seed, folder in enumerate(folders):
        originals[f"records/aotgan-seed{seed}.json"] = folder / "record.json"
        originals[f"records/aotgan-seed{seed}.csv"] = folder / "log.csv"
        originals[f"records/aotgan-seed{seed}-pairs.csv"] = folder / "pairs.csv"
    assert files.keys() == FILES | originals.keys()
    for name, original in originals.items():
        assert files[name].read_bytes() == original.read_bytes()
    assert "records/aotgan-seed0.json, records/aotgan-seed1.json" in files["aotgan.md"].read_text()
    for name in ("aotgan_fills.png", "aotgan_loss_curves.png"):
        assert name in files["aotgan.md"].read_text()
        assert min(Image.open(files[name]).size) > 100


def test_the_same_runs_give_the_same_bytes(tmp_path, make_run):
    make_run()
    first, second = collected(tmp_path), collected(tmp_path, target="again")
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name


def test_only_the_runs_asked_for_are_collected(tmp_path, make_run, monkeypatch):
    monkeypatch.setattr(module, "save_figure", lambda figure, path: path)
    monkeypatch.setattr(module, "fills", lambda *_: None)
    for experiment in ("aotgan", "aotgan-demo"):
        for seed in (0, 1):
            make_run(experiment, seed)
    records = {name for name in collected(tmp_path, ["aotgan"], [1]) if name.endswith("json")}
    assert records == {"records/aotgan-seed1.json"}
    everything = {name for name in collected(tmp_path) if name.endswith("json")}
    assert len(everything) == 4


def test_figures_show_bundled_photographs_whatever_the_training_data(
    tmp_path, make_run, monkeypatch
):
    make_run(data="scenes", ema=True)
    shown = {}
    monkeypatch.setattr(
        module, "fills", lambda networks, cases, note: shown.update(c=cases, n=note)
    )
    monkeypatch.setattr(module, "save_figure", lambda figure, path: path)
    collected(tmp_path)
    assert {path.stem for path in shown["c"].image_paths.values()} == set(BUNDLED_TEST)
    assert len({pair.bin for _, _, pair in shown["c"]}) == 6
    assert shown["n"] == "pipeline check,\n20 steps"


def test_the_first_seed_fills(tmp_path, make_run, monkeypatch):
    for seed in (0, 1):
        make_run(seed=seed)
    figures = {}
    monkeypatch.setattr(module, "save_figure", lambda figure, path: figures.update({path: figure}))
    collect("smoke", tmp_path / "runs", tmp_path)
    figure = figures[tmp_path / "smoke" / "aotgan_fills.png"]
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert [label.split("\n")[0] for label in labels] == ["masked", "aotgan", "original"]
    pictures = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert pictures[0].shape == (64, 64, 3)
    network = load_generator(tmp_path / "runs/smoke/aotgan/seed0/generator.safetensors")
    files = load_images("bundled", "test").files
    manifest = make_manifest(files, 64, per_bin=len(files), seed=EVALUATION_SEED)
    (image, mask, _), *_ = one_of_each_bin(manifest)
    assert np.array_equal(pictures[6], fill_bytes(network, image, mask))


def test_a_model_leaves_the_files_of_another_alone(tmp_path, make_run):
    """The shipped model's table and pictures stay when Table 1's AOT-GAN is collected."""
    make_run("aotgan-demo")
    first = collected(tmp_path)
    before = {name: path.read_bytes() for name, path in first.items()}
    assert {"aotgan-demo.md", "aotgan-demo_fills.png", "aotgan-demo_loss_curves.png"} <= {*first}
    make_run("aotgan")
    assert {*collected(tmp_path, ["aotgan"])} & {*before} == {PAGE}, "which shows all runs"
    del before[PAGE]
    assert before == {name: first[name].read_bytes() for name in before}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "holds no finished run. Train one first"),
        ((["aotgan"], [0]), "aotgan train --experiment aotgan --scale smoke --seed 0"),
        ((["aotgan"], None), "aotgan holds no finished run"),
    ],
)
def test_runs_that_are_not_there_are_named(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        collected(tmp_path, *arguments)
    assert not (tmp_path / "figures").exists()


def test_one_missing_seed_is_not_passed_over(tmp_path, make_run):
    make_run(seed=0)
    with pytest.raises(InputError, match=r"seed1 holds no finished run"):
        collected(tmp_path, ["aotgan"], [0, 1])


def test_an_unknown_scale_is_refused(tmp_path):
    with pytest.raises(InputError, match="choose one of smoke"):
        collect("huge", tmp_path)
