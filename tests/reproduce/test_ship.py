"""A run becomes a model of the package, whole or not at all; its card says what was measured."""

import json
import platform
import re
import shlex
import shutil
import sys
from dataclasses import replace

import pytest
import torch

import aotgan
from aotgan.cli import main
from aotgan.errors import InputError
from aotgan.models import weights
from aotgan.models.generator import Generator
from aotgan.models.weights import load_generator, read_metadata, save_generator
from aotgan.reproduce import ship as shipping
from aotgan.reproduce.bars import CHANNELS
from aotgan.reproduce.runs.experiments import get_experiment
from aotgan.reproduce.runs.record import load_record, save_record
from aotgan.reproduce.runs.run import run
from aotgan.reproduce.runs.tuned import SHIPPED
from aotgan.reproduce.ship import ship
from aotgan.training.loop import RunOptions

QUICK = RunOptions(device="cpu", workers=0, progress="none")
pytestmark = pytest.mark.usefixtures("tiny_scale")


@pytest.fixture(scope="module")
def runs(tiny_scale, tmp_path_factory):
    """A tiny run of each model that is to be shipped."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs")
    for experiment in SHIPPED:
        run(experiment.name, "tiny", 0, "bundled", out, options=QUICK, steps=16)
    return out


@pytest.fixture
def scenes(runs, tmp_path):
    """A copy of the run for scenes that may be spoilt."""
    return shutil.copytree(runs / "tiny/aotgan-scenes", tmp_path / "tiny/aotgan-scenes") / "seed0"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of shipped models, with a default and nothing else."""
    folder = tmp_path / "package"
    torch.manual_seed(0)
    monkeypatch.setattr(weights, "DEFAULT_MODEL", "aotgan-other")
    save_generator(Generator(width=1), folder / "aotgan-other.safetensors")
    monkeypatch.setattr(weights, "SHIPPED", folder)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["scenes", "faces"])
def test_the_tuned_models_are_shipped_and_load_by_name(name, runs, package):
    before = contents(package)
    directory = runs / f"tiny/aotgan-{name}/seed0"
    written = ship(directory, package, progress=False)
    assert [path.name for path in written] == [f"aotgan-{name}.safetensors", f"aotgan-{name}.md"]
    trained = load_generator(directory / "generator-ema.safetensors")
    shipped = load_generator(name)
    assert shipped.config == trained.config
    for key, value in trained.state_dict().items():
        assert torch.equal(shipped.state_dict()[key], value.half().float())
    facts = read_metadata(name)
    assert facts["images"] == "32" and "CC BY 2.0" in facts["terms"]
    image, mask = torch.zeros(3, 64, 64), torch.zeros(1, 64, 64)
    mask[:, 20:40, 20:40] = 1
    filled, other = (aotgan.inpaint(image, mask[0].bool().numpy(), model=m) for m in (name, None))
    assert filled.isfinite().all() and not torch.equal(filled, other)
    assert {key: contents(package)[key] for key in before} == before, "the default stays"


def test_every_number_of_the_card_was_measured(runs, package):
    directory = runs / "tiny/aotgan-scenes/seed0"
    record = load_record(directory / "record.json")
    bars = {}
    with pytest.MonkeyPatch.context() as patch:
        measure = shipping.measure_bars
        patch.setattr(shipping, "measure_bars", lambda *a: bars.update(measure(*a)) or bars)
        card = ship(directory, package, progress=False)[1].read_text()
    for fact in (
        get_experiment("aotgan-scenes").departs,
        "11 photographs of `bundled`",
        "CC BY 2.0",
        "images seen | 32 in 16 steps of 2: 2.9 passes",
        f"px, 1 min on CPU ({platform.machine()}), seed 0",
        f"{sum(p.numel() for p in load_generator('scenes').parameters()):,} parameters",
        '`aotgan.inpaint(photo, mask, model="scenes")`',
    ):
        assert fact in card
    curve = {row["seen"]: row for row in record.curve if row["weights"] == "ema"}
    assert len(curve) == 5
    for seen in curve:
        [row] = [
            r for r in record.curve if (r["seen"], r["weights"], r["bin"]) == (seen, "ema", "all")
        ]
        assert (
            f"| {seen} | {row['psnr']:.2f} | {row['ssim']:.3f} | {100 * row['l1_hole']:.2f} |"
            in card
        )
    assert f"| 32 | {record.metrics['ema'][-1]['psnr']:.2f} |" in card
    rows = [line.split(" | ") for line in card.splitlines() if line.startswith("| ")]
    for filler in ("aotgan-scenes", "telea", "navier-stokes", "smooth"):
        for row in bars["metrics"][filler]:
            [cells] = [r for r in rows if r[:2] == [f"| {row['bin']}", filler]]
            assert f"{row['psnr']:.2f}" in [cell.split(" (")[0] for cell in cells]
    for channel in CHANNELS:
        mean, low, high = bars["cast"][channel]
        assert f"| {channel} | {mean:+.2f} | {low:+.2f} to {high:+.2f} |" in card
    worse = [d for d in bars["differences"] if d["metric"] == "psnr" and (d["high"] or 0) < 0]
    assert all(f"{d['against']} is better in PSNR" in card for d in worse)


def test_a_shipped_file_has_at_most_10_mb(scenes, package, monkeypatch):
    before = contents(package)
    torch.manual_seed(0)
    save_generator(Generator(width=40), scenes / "generator-ema.safetensors")
    with pytest.raises(InputError, match=r"has 12\.\d MB in half precision; .* at most 10"):
        ship(scenes, package, progress=False)
    assert contents(package) == before


@pytest.mark.parametrize("failing", ["measure_bars", "model_card", "card", "weights"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "again"])
def test_nothing_is_left_of_a_shipment_that_fails(failing, there, scenes, package, monkeypatch):
    if there:
        ship(scenes, package, progress=False)
        (package / "aotgan-scenes.md").write_text("of an earlier run")
    before = contents(package)

    def fail(*words, **options):
        raise KeyboardInterrupt

    if failing in ("card", "weights"):
        write, ending = (
            shipping.write_atomically,
            {"card": ".md", "weights": ".safetensors"}[failing],
        )

        def write_or_fail(path, data):
            ours = path.parent == package and path.suffix == ending
            return fail() if ours else write(path, data)

        monkeypatch.setattr(shipping, "write_atomically", write_or_fail)
    else:
        monkeypatch.setattr(shipping, failing, fail)
    with pytest.raises(KeyboardInterrupt):
        ship(scenes, package, replaces=True, progress=False)
    assert contents(package) == before


def test_values_that_are_not_finite_are_not_shipped(scenes, package):
    before = contents(package)
    network = load_generator(scenes / "generator-ema.safetensors")
    with torch.no_grad():
        network.decoder[4].bias[0] = torch.nan
    save_generator(network, scenes / "generator-ema.safetensors")
    with pytest.raises(InputError, match="NaN or infinite"):
        ship(scenes, package, progress=False)
    assert contents(package) == before


def test_a_shipped_model_is_replaced_when_that_is_said(scenes, package):
    first = ship(scenes, package, progress=False)[0].read_bytes()
    with pytest.raises(InputError, match="aotgan-scenes is shipped already.*--replaces"):
        ship(scenes, package, progress=False)
    assert ship(scenes, package, replaces=True, progress=False)[0].read_bytes() == first


def test_other_photographs_are_noticed(scenes, package):
    record = load_record(scenes / "record.json")
    other = replace(record, evaluation=record.evaluation | {"manifest_sha256": "0"})
    save_record(other, scenes / "record.json")
    with pytest.raises(InputError, match="the pairs of bundled are not those .*--data-root"):
        ship(scenes, package, progress=False)


def test_a_training_that_was_stopped_says_so_and_which_sizes_it_saw(scenes, package):
    record = json.loads((scenes / "record.json").read_text())
    sides = [16, 32, 40]
    record["config"]["data"]["stages"] = list(zip([0.6, 0.88, 1], sides, strict=True))
    for steps, seen, stopped in ((16, sides, False), (10, sides[:2], True), (8, sides[:1], True)):
        record["steps"], record["images_seen"] = steps, 2 * steps
        (scenes / "record.json").write_text(json.dumps(record))
        card = ship(scenes, package, replaces=True, progress=False)[1].read_text()
        assert f"images of {', then '.join(map(str, seen))} px" in card
        assert ("stopped before 16 steps" in card) == stopped
        assert f"{2 * steps} in {steps} steps" in card


def test_a_folder_of_photographs_is_named(photographs, tmp_path, package):
    run("aotgan-scenes", "tiny", 0, str(photographs), tmp_path / "runs", options=QUICK, steps=2)
    directory = tmp_path / "runs/tiny/aotgan-scenes/seed0"
    with pytest.raises(InputError, match=f"the folder '{photographs.name}'.* by --data"):
        ship(directory, package, progress=False)
    card = ship(directory, package, str(photographs), progress=False)[1].read_text()
    assert "as the user's photographs" in card and str(photographs) not in card


def call(monkeypatch, capsys, words):
    monkeypatch.setattr(sys, "argv", ["aotgan", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0, *capsys.readouterr()


def test_an_unfinished_run_is_named_with_its_step_and_how_to_finish_it(
    tmp_path, package, monkeypatch, capsys
):
    def stop(trainer):
        raise SystemExit

    with pytest.raises(SystemExit):
        run("aotgan-scenes", "tiny", 3, "bundled", tmp_path, None, QUICK, 4, on_sample=stop)
    directory = tmp_path / "tiny/aotgan-scenes/seed3"
    status, _, err = call(monkeypatch, capsys, ["weights", "ship", directory])
    assert status == 2 and "holds an unfinished run, at step 2 of 4: finish it first" in err
    [command] = re.findall("`aotgan ([^`]+)`", err)
    assert call(monkeypatch, capsys, shlex.split(command))[0] == 0
    assert [path.suffix for path in ship(directory, package, progress=False)] == [
        ".safetensors",
        ".md",
    ]


def test_what_is_no_run_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for given, message in {
        "aotgan-scenes": "is the name of an experiment: give the folder of a run of it",
        "absent": "absent is no folder of a run: expected record.json",
    }.items():
        status, _, err = call(monkeypatch, capsys, ["weights", "ship", given])
        assert status == 2 and message in err


def test_the_command_ships(scenes, package, monkeypatch, capsys):
    monkeypatch.setattr(shipping.ship, "__defaults__", (package, *shipping.ship.__defaults__[1:]))
    status, out, _ = call(monkeypatch, capsys, ["weights", "ship", scenes])
    assert (status, out.split()) == (0, ["aotgan-scenes.safetensors", "aotgan-scenes.md"])
    assert json.loads(read_metadata("scenes")["config"])["fill"] == "surface"
