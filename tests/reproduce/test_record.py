"""A record is complete, exact, portable JSON."""

import json
import math
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from aotgan.errors import InputError
from aotgan.reproduce.runs import record as records
from aotgan.reproduce.runs.record import Record, environment, load_record, portable, save_record
from aotgan.training.config import DataConfig, TrainConfig


@pytest.fixture
def record():
    per_bin = pd.DataFrame(
        {"bin": ["1-10%", "all"], "n": [2, 2], "psnr": [20.123456789, math.nan], "fd": math.nan}
    )
    return Record(
        experiment="aotgan",
        scale="smoke",
        seed=3,
        config=portable(TrainConfig(seed=3).to_dict()),
        features="random-16-seed0",
        steps=150,
        images_seen=1200,
        train_seconds=12.345,
        images_per_s=97.2,
        data={"name": "bundled", "images": 7},
        evaluation={"pairs": 24},
        protocol={"metrics": {"psnr": "10 log10(255^2 / MSE)"}},
        metrics={"raw": records.rows_of(per_bin)},
        environment=environment(torch.device("cpu")),
    )


def test_a_record_comes_back_as_it_was(record, tmp_path):
    path = save_record(record, tmp_path / "new" / "record.json")
    found = load_record(path)
    assert replace(found, metrics={}) == replace(record, metrics={})
    pd.testing.assert_frame_equal(found.table(), record.table())
    assert TrainConfig.from_dict(found.config) == TrainConfig(seed=3)
    save_record(found, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_nan_is_null_in_the_file_and_nan_in_the_table(record, tmp_path):
    path = save_record(record, tmp_path / "record.json")

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    rows = json.loads(path.read_text(), parse_constant=refuse)["metrics"]["raw"]
    assert rows == [
        {"bin": "1-10%", "n": 2, "psnr": 20.1235, "fd": None},
        {"bin": "all", "n": 2, "psnr": None, "fd": None},
    ]
    for table in (record.table(), load_record(path).table()):
        assert table[["n", "psnr", "fd"]].map(lambda x: isinstance(x, int | float)).all(axis=None)
        assert table["fd"].dtype == table["psnr"].dtype == float
        assert table["psnr"].tolist()[0] == 20.1235 and math.isnan(table["psnr"].tolist()[1])
        assert table["fd"].isna().all()


def test_infinities_are_null_too(record, tmp_path):
    text = save_record(replace(record, images_per_s=math.inf), tmp_path / "r.json").read_text()
    assert json.loads(text)["images_per_s"] is None


def test_tables_show_the_average_where_it_was_kept(record):
    assert record.weights == "raw"
    both = replace(record, metrics={"raw": [{"psnr": 1.0}], "ema": [{"psnr": 2.0}]})
    assert both.weights == "ema"
    assert both.table("ema")["psnr"].tolist() == [2]
    assert both.table("raw")["psnr"].tolist() == [1]
    with pytest.raises(InputError, match="no 'ema' weights were measured: choose of raw"):
        record.table("ema")


def test_nothing_tells_whose_machine_it_was(record, tmp_path):
    config = TrainConfig(data=DataConfig(name="/somewhere/photos", masks="folder:/else/masks"))
    record = replace(record, config=portable(config.to_dict()))
    text = save_record(record, tmp_path / "record.json").read_text()
    found = json.loads(text)["config"]["data"]
    assert (found["name"], found["masks"]) == ("folder:photos", "folder:masks")
    assert socket.gethostname() not in text
    assert not re.search(r'"[^"]*(/(home|root|tmp|work|usr|somewhere|else)/|[A-Z]:\\\\)', text)
    assert str(Path.home()) not in text and str(tmp_path) not in text


def test_named_sets_and_mask_kinds_stay_as_they_are():
    config = TrainConfig(data=DataConfig(name="faces", masks="boxes")).to_dict()
    assert portable(config) == config


def test_the_environment_names_device_and_versions(record):
    found = record.environment
    assert found["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert found["device"].startswith("CPU (") and found["threads"] == 1
    assert found["peak_memory_mb"] > 50
    assert re.fullmatch("[0-9a-f]{64}", found["code_sha256"])


@pytest.fixture
def copied_code(monkeypatch, tmp_path):
    """The package's sources, where they can be changed."""
    package = Path(records.__file__).parents[2]
    copy = shutil.copytree(package, tmp_path / "aotgan", ignore=shutil.ignore_patterns("*.csv"))
    before = records.code_hash()
    monkeypatch.setattr(records, "__file__", str(copy / "reproduce" / "runs" / "record.py"))
    assert records.code_hash() == before, "the place and other files do not matter"
    return copy


@pytest.mark.parametrize(
    "name",
    [
        "data/masks.py",
        "losses/perceptual.py",
        "metrics/pixel.py",
        "models/baselines/ca.py",
        "training/step.py",
    ],
)
def test_the_code_hash_changes_with_what_decides_numbers(copied_code, name):
    before, source = records.code_hash(), copied_code / name
    original = source.read_text()
    source.write_text(original + "\n# changed\n")
    assert records.code_hash() != before
    source.write_text(original)
    assert records.code_hash() == before
    source.rename(source.with_name("renamed.py"))
    assert records.code_hash() != before


@pytest.mark.parametrize("name", ["reproduce/tables/table.py", "apply/inpaint.py", "cli.py"])
def test_the_code_hash_stays_when_tables_and_pictures_change(copied_code, name):
    before = records.code_hash()
    (copied_code / name).write_text("changed = True\n")
    assert records.code_hash() == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not a readable record"),
        (b"\xff\xfe\x00", "not a readable record"),
        ("[]", "has format None"),
        ('{"format": 99}', "has format 99, expected a record of format 1"),
        ('{"format": 1}', "not a readable record"),
        ('{"format": 1, "unknown": 2}', "not a readable record"),
    ],
)
def test_other_files_are_refused_with_the_way_out(tmp_path, content, expected):
    path = tmp_path / "record.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=f"{expected}.*Move it away"):
        load_record(path)
    with pytest.raises(InputError, match="not a readable record"):
        load_record(tmp_path / "absent.json")
