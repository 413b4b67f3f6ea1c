"""A finished run keeps what another metric needs: its fills, and its weights in half precision."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from aotgan.errors import InputError
from aotgan.models.weights import load_inpainter, read_metadata
from aotgan.reproduce.runs import remeasure as module
from aotgan.reproduce.runs.kept import FILLS, HALVES
from aotgan.reproduce.runs.record import load_record, save_record
from aotgan.reproduce.runs.remeasure import remeasure
from aotgan.reproduce.runs.run import run
from aotgan.training.loop import RunOptions

QUICK = RunOptions(device="cpu", workers=0, progress="none")
pytestmark = pytest.mark.usefixtures("tiny_scale")


@pytest.fixture(scope="module")
def finished(tiny_scale, photographs, tmp_path_factory):
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs")
    run("aotgan", "tiny", 0, str(photographs), out, options=QUICK)
    return out / "tiny" / "aotgan" / "seed0"


@pytest.fixture
def once(finished, tmp_path):
    """A copy of the run's directory below `tmp_path`."""
    return shutil.copytree(finished, tmp_path / "tiny" / "aotgan" / "seed0")


def again(photographs, tmp_path, **more):
    return remeasure("aotgan", "tiny", 0, **{"data": str(photographs), "out": tmp_path} | more)


def test_the_fills_measure_what_the_networks_did(once, photographs, tmp_path):
    before, pairs = load_record(once / "record.json"), (once / "pairs.csv").read_bytes()
    spoilt = {name: [{"bin": "all", "psnr": 1.0}] for name in before.metrics}
    save_record(replace(before, metrics=spoilt, protocol={}), once / "record.json")
    (once / "pairs.csv").unlink()
    for weights in once.glob("*.safetensors"):
        weights.unlink()
    record = again(photographs, tmp_path)
    assert set(before.metrics) == {"raw", "ema"}
    assert (record.metrics, record.protocol) == (before.metrics, before.protocol)
    assert (once / "pairs.csv").read_bytes() == pairs
    assert load_record(once / "record.json") == record
    code = record.environment.pop("measured_code_sha256")
    assert code == before.environment["code_sha256"]
    assert asdict(record) == asdict(before), "what is said of the training stays"


def test_another_metric_comes_from_the_same_fills(once, photographs, tmp_path, monkeypatch):
    before = load_record(once / "record.json")
    monkeypatch.setattr(module, "embedding_of", lambda *_: None)
    record = again(photographs, tmp_path)
    assert record.protocol["frechet"] is None and before.protocol["frechet"] is not None
    assert np.isnan(record.table()["fd"]).all()
    assert record.table()["psnr"].equals(before.table()["psnr"])


def test_what_cannot_be_measured_again_is_named(once, photographs, tmp_path):
    with pytest.raises(InputError, match="seed1 holds no finished run. Train it first"):
        remeasure("aotgan", "tiny", 1, str(photographs), tmp_path)
    with pytest.raises(InputError, match=r"fills\.zip holds the fills of other pairs"):
        remeasure("aotgan", "tiny", 0, "bundled", tmp_path)
    before = (once / "record.json").read_bytes()
    (once / FILLS["ema"]).unlink()
    with pytest.raises(InputError, match=r"fills-ema\.zip holds no fills"):
        again(photographs, tmp_path)
    assert (once / "record.json").read_bytes() == before


def test_weights_are_kept_in_half_precision(once):
    for whole, half in HALVES.items():
        assert read_metadata(once / half) == read_metadata(once / whole)
        first, second = (load_inpainter(once / name).state_dict() for name in (whole, half))
        for name, value in first.items():
            assert second[name].dtype == value.dtype == torch.float32
            assert torch.equal(second[name], value.half().float()), name
        assert (once / half).stat().st_size < 0.6 * (once / whole).stat().st_size
    assert json.loads(read_metadata(once / half)["config"])["width"] == 4


def test_a_verb_measures_what_is_finished(once, photographs, tmp_path, monkeypatch, capsys):
    from aotgan import cli

    before = load_record(once / "record.json")
    words = f"remeasure --scale tiny --experiments aotgan --seeds 0,1 --data {photographs}"

    def call(out):
        monkeypatch.setattr("sys.argv", ["aotgan", *words.split(), "--out", str(out)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, *capsys.readouterr()

    status, out, _ = call(tmp_path)
    assert (status, out) == (0, "measured again: aotgan, seed 0\n")
    assert load_record(once / "record.json").metrics == before.metrics
    status, out, err = call(tmp_path / "elsewhere")
    assert status == 2 and "holds no finished run of these" in err
