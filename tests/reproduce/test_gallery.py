"""From trained runs to every file that the workflow expects of them."""

from types import SimpleNamespace

import pandas as pd
import pytest
from PIL import Image

from aotgan.files import sha256_of
from aotgan.models.weights import load_generator
from aotgan.reproduce.collect import collect
from aotgan.reproduce.figures import gallery
from aotgan.reproduce.figures.gallery import DRAWN, Trained
from aotgan.reproduce.runs.batch import make_batch, run_batch
from aotgan.reproduce.runs.experiments import EXPERIMENTS, select
from aotgan.reproduce.runs.outputs import (
    FIGURES,
    NUMBERS,
    PAGE,
    TABLES,
    figure_files,
    record_files,
    table_files,
)
from aotgan.training.loop import EMA_WEIGHTS, RunOptions

NAMES = ["residual-gated", "hm-patchgan", "sm-patchgan", "rates-2", "smooth", "telea-centre"]


def test_every_ablation_together_gives_every_table_and_figure_of_section_4_7():
    names = select(["ablations"])
    tables = [f"table{n}.{ending}" for n in "4567" for ending in ("md", "csv", "tex")]
    assert table_files(names) == [*tables, PAGE]
    assert table_files(["fill-white"]) == [*(f"readings.{e}" for e in ("md", "csv", "tex")), PAGE]
    models = {"figure1.png", "figure5.png"}
    others = {"readings_discriminators.png", "repairs.png"}
    assert set(figure_files(names)) == {*FIGURES, *NUMBERS.values()} - others - models
    assert models <= set(figure_files(["aotgan", *select(["baselines"])]))
    table1 = ["table1.md", "table1.csv", "table1.tex"]
    assert table_files(["aotgan"]) == ["aotgan.md", "aotgan.csv", *table1, PAGE]
    assert figure_files(["aotgan"]) == ["aotgan_loss_curves.png", "aotgan_fills.png"]
    assert table_files(["aotgan-demo"]) == ["aotgan-demo.md", "aotgan-demo.csv", PAGE]
    assert table_files(["mnps"]) == ["table2.md", "table2.csv", "table2.tex", PAGE]
    assert figure_files(["sm-patchgan"]) == ["gate_maps.png"]
    pictures = ["aotgan-scenes_loss_curves.png", "aotgan-scenes_fills.png", "repairs.png"]
    assert figure_files(["aotgan-scenes"]) == pictures


def test_every_figure_is_drawn_from_declared_experiments():
    assert DRAWN.keys() == FIGURES.keys()
    for names in FIGURES.values():
        assert set(names) <= EXPERIMENTS.keys()
    assert {table for e in EXPERIMENTS.values() for table, _ in e.rows} == set(TABLES)


@pytest.mark.usefixtures("tiny_scale")
def test_runs_become_exactly_the_files_that_are_announced(tmp_path, photographs, monkeypatch):
    monkeypatch.setitem(FIGURES, "receptive_fields.png", ("rates-2",))
    monkeypatch.setattr(gallery, "FIELD_PX", 48)
    batch = make_batch("tiny", NAMES, [0], tmp_path / "runs", str(photographs))
    run_batch(batch, RunOptions(device="cpu", workers=0, progress="none"))
    written = collect("tiny", tmp_path / "runs", tmp_path / "figures")
    folder = tmp_path / "figures" / "tiny"
    names = [path.relative_to(folder).as_posix() for path in written]
    announced = [file for name in NAMES for file in record_files(name, 0)]
    assert sorted(names) == sorted([*announced, *table_files(NAMES), *figure_files(NAMES)])
    assert {"figure8.png", "gate_maps.png", "discriminators.png", "table7.md"} <= set(names)
    for name in figure_files(NAMES)[:-1]:
        assert min(Image.open(folder / name).size) > 100
    numbers = pd.read_csv(folder / "receptive_fields.csv")
    weights = tmp_path / "runs/tiny/rates-2/seed0" / EMA_WEIGHTS
    field = gallery.effective_receptive_field(load_generator(weights), 48)
    radii = [gallery.field_radius(field, share) for share in numbers["share"]]
    assert numbers["radius_px"].tolist() == radii and numbers["share"].tolist() == [0.5, 0.95]
    assert set(numbers["weights_sha256"]) == {sha256_of(weights)}
    before = {path: path.read_bytes() for path in written}
    collect("tiny", tmp_path / "runs", tmp_path / "figures")
    assert before == {path: path.read_bytes() for path in written}


def test_a_figure_names_the_seed_of_each_of_its_networks():
    def record(seed):
        return SimpleNamespace(scale="laptop", steps=1500, data={"name": "faces"}, seed=seed)

    def trained(**seeds):
        return Trained({}, {name: record(seed) for name, seed in seeds.items()})

    start = "scale laptop, 1,500 steps on faces, "
    assert trained(a=1, b=1).note("a", "b") == f"{start}seed 1"
    assert trained(a=1, b=0).note("b", "a") == f"{start}seeds in this order: 0, 1"
    assert trained(a=1, b=0).note("a") == f"{start}seed 1"
