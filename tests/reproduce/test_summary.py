"""Tables say what the records say, name what they show, and never mix what does not belong."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tolerances import SINGLE_SUM

from aotgan.errors import InputError
from aotgan.reproduce.runs.record import Record, load_record, save_record
from aotgan.reproduce.tables.captions import caption, heading
from aotgan.reproduce.tables.published import Published
from aotgan.reproduce.tables.summary import ENDS, metric_table, shown, write_tables
from aotgan.training.config import TrainConfig

RANDOM_FD = "Frechet distance, random features (seed 0)"


def caption_of(records):
    return caption(records, ENDS)


def bin_row(label, **values):
    row = {"bin": label, "n": 4, "images": 4, "identical": 0, "mask_ratio": 0.15}
    for metric, value in values.items():
        row |= {metric: value}
        if metric != "fd":
            row |= {f"{metric}_low": value - 0.25, f"{metric}_high": value + 0.25}
    return row


def measured(shift=0.0):
    return [
        bin_row("10-20%", l1=0.5 + shift, l1_hole=0.75, psnr=20 + shift, ssim=0.5, fd=1.5 + shift),
        bin_row("all", l1=0.25, l1_hole=0.5, psnr=18.0, ssim=0.5, fd=3.0),
    ]


def make_record(experiment="aotgan", seed=0, scale="smoke", shift=0.0, **changes):
    values = {
        "experiment": experiment,
        "scale": scale,
        "seed": seed,
        "config": {"seed": seed, "steps": 150, "generator": {"variant": "paper"}},
        "features": "random-16-seed0",
        "steps": 150,
        "images_seen": 1200,
        "train_seconds": 30.0,
        "images_per_s": 40.0,
        "data": {"name": "bundled", "split": "train", "images": 11, "manifest_sha256": "aa"},
        "evaluation": {
            "name": "bundled",
            "split": "test",
            "images": 4,
            "pairs": 24,
            "size_px": 64,
            "manifest_sha256": "bb",
        },
        "protocol": {"frechet": {"name": RANDOM_FD}},
        "metrics": {"raw": measured(shift)},
        "environment": {"code_sha256": "c0de" * 16, "device": "CPU (x86_64)"},
    }
    return Record(**values | changes)


def test_one_seed_shows_the_records_numbers_in_the_units_named():
    row = metric_table([make_record()]).iloc[0]
    assert row["L1 (1e-2)"] == pytest.approx(50.0)
    assert row["L1 (1e-2) low"] == pytest.approx(25.0)
    assert row["L1 (1e-2) high"] == pytest.approx(75.0)
    assert row["L1 in the hole (1e-2)"] == pytest.approx(75.0)
    assert (row["PSNR (dB)"], row["SSIM"], row[RANDOM_FD]) == (20.0, 0.5, 1.5)
    assert (row["hole"], row["pairs"], row["photographs"], row["seeds"]) == ("10-20%", 4, 4, 1)
    assert math.isnan(row[f"{RANDOM_FD} low"])


def test_several_seeds_show_their_mean_and_t_interval():
    shifts = (0.0, 0.1, 0.5)
    records = [make_record(seed=seed, shift=shift) for seed, shift in enumerate(shifts)]
    row = metric_table(records).iloc[0]
    values = 20 + np.array(shifts)
    low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    assert row["PSNR (dB)"] == pytest.approx(values.mean())
    assert row["PSNR (dB) low"] == pytest.approx(low)
    assert row["PSNR (dB) high"] == pytest.approx(high)
    assert row[f"{RANDOM_FD} high"] - row[f"{RANDOM_FD}"] == pytest.approx(high - values.mean())
    assert row["seeds"] == 3


def test_two_seeds_show_their_range():
    records = [make_record(seed=seed, shift=shift) for seed, shift in enumerate((0.5, 0.0))]
    row = metric_table(records).iloc[0]
    assert [row[f"PSNR (dB){end}"] for end in ("", " low", " high")] == [20.25, 20.0, 20.5]
    assert row["L1 (1e-2)"] == 75.0 and row["L1 (1e-2) high"] == 100.0
    text = shown(records).iloc[0]
    assert text["PSNR (dB)"] == "20.25 [20.00, 20.50]" and text["SSIM"].endswith("[0.500, 0.500]")


def test_averaged_weights_are_shown_where_they_were_kept():
    both = make_record(metrics={"raw": measured(), "ema": measured(shift=1.0)})
    table = metric_table([both])
    assert table.loc[0, "PSNR (dB)"] == 21.0
    assert table.loc[0, "weights"] == "ema"
    assert "moving average of the weights" in caption_of([both])
    assert "final weights" in caption_of([make_record()])


def test_a_missing_value_is_a_dash_and_a_missing_interval_nothing(tmp_path):
    rows = measured()
    rows[0] |= {"fd": math.nan, "psnr_low": math.nan, "psnr_high": math.nan}
    path = save_record(make_record(metrics={"raw": rows}), tmp_path / "record.json")
    record = load_record(path)
    first = shown([record]).iloc[0]
    assert first[RANDOM_FD] == "-"
    assert first["PSNR (dB)"] == "20.00"
    assert first["SSIM"] == "0.500 ± 0.250"
    assert first["L1 (1e-2)"] == "50.00 ± 25.00"


def test_the_frechet_distance_has_its_networks_name():
    assert RANDOM_FD in metric_table([make_record()])
    assert "not FID" in caption_of([make_record()])
    fid = make_record(protocol={"frechet": {"name": "FID"}})
    assert "FID" in metric_table([fid])
    assert "not FID" not in caption_of([fid])
    none = make_record(protocol={"frechet": None})
    assert not [name for name in metric_table([none]) if "F" in name]


def test_rows_follow_the_declaration_and_the_seeds():
    names = ["unheard-of", "aotgan-released", "aotgan"]
    records = [make_record(name, seed) for name in names for seed in (1, 0)]
    table = metric_table(records)
    assert list(dict.fromkeys(table["experiment"])) == ["aotgan", "aotgan-released", "unheard-of"]
    assert "aotgan: 150 steps, 1,200 images, 2 seeds: 0, 1;" in caption_of(records)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"scale": "laptop"}, "scale"),
        ({"data": {"manifest_sha256": "zz"}}, "training data"),
        ({"evaluation": {"manifest_sha256": "zz"}}, "evaluation pairs"),
        ({"protocol": {"frechet": {"name": "FID"}}}, "protocol"),
        ({"config": {"seed": 1, "steps": 150, "generator": {"variant": "released"}}}, "config"),
        ({"steps": 100}, "steps"),
    ],
)
def test_records_of_different_making_share_no_table(other, message):
    with pytest.raises(InputError, match=f"differ in {message}"):
        metric_table([make_record(), make_record(seed=1, **other)])


def test_seeds_may_be_older_than_a_setting_that_has_its_default():
    old = make_record()
    optim = TrainConfig().to_dict()["optim"]
    new = make_record(seed=1, config={**old.config, "seed": 1, "optim": optim})
    assert "2 seeds: 0, 1" in caption_of([old, new]) and len(metric_table([old, new])) == 2
    other = make_record(seed=1, config={**new.config, "optim": {**optim, "clip_norm": 1.0}})
    with pytest.raises(InputError, match="differ in config"):
        metric_table([old, other])


def test_the_caption_says_what_is_not_as_in_the_paper():
    assert "Not as in the paper: the gate's initial bias is 2." in caption_of(
        [make_record("gate-open")]
    )
    tuned = caption_of([make_record("aotgan-tuned"), make_record()])
    assert tuned.count("Not as in the paper") == 1
    for fact in ("bias is 2", "smooth surface", "6 times in L1", "0.9, 0.99", "cosine", "norm 1"):
        assert fact in tuned


def test_a_seed_counts_once_and_nothing_makes_no_table():
    with pytest.raises(InputError, match="same seed"):
        metric_table([make_record(), make_record()])
    with pytest.raises(InputError, match="no records"):
        metric_table([])


def test_the_caption_names_everything_a_number_depends_on():
    text = caption_of([make_record()])
    for fact in ("smoke", "64 px", "11 photographs", "bundled", "24 pairs", "4 held-out"):
        assert fact in text
    for fact in ("150 steps", "seed 0", "random-16-seed0", "95 %", "aotgan-seed0.json", "c0dec0de"):
        assert fact in text
    assert text.splitlines()[2] == f"- {ENDS}"
    for fact in ("of one seed that of the mean over photographs", "over seeds", "in brackets"):
        assert fact in ENDS


def test_a_check_of_the_pipeline_is_called_one(tmp_path):
    text, data = (path.read_text() for path in write_tables("smoke", [make_record()], tmp_path))
    assert text.startswith("# aotgan at scale smoke: pipeline check\n")
    assert "say nothing about the method" in text
    assert set(pd.read_csv(tmp_path / "smoke" / "aotgan.csv")["label"]) == {"pipeline check"}
    assert "ipeline check" in caption_of([make_record()])
    other = [make_record(scale="laptop")]
    assert "pipeline check" not in heading("laptop") + caption_of(other)
    assert list(metric_table(other)["label"]) == ["", ""]


def test_the_files_are_the_same_bytes_whatever_the_order_of_records(tmp_path):
    records = [make_record(seed=seed, shift=seed / 7) for seed in range(3)]
    first = write_tables("smoke", records, tmp_path / "a", ["A note."])
    second = write_tables("smoke", records[::-1], tmp_path / "b", ["A note."])
    assert [path.name for path in first] == ["aotgan.md", "aotgan.csv"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert first[0].read_text().endswith("\n\nA note.\n")
    again = pd.read_csv(first[1])
    assert again["PSNR (dB)"].tolist() == pytest.approx(
        metric_table(records)["PSNR (dB)"], SINGLE_SUM
    )


def test_tables_of_another_scale_are_refused(tmp_path):
    with pytest.raises(InputError, match="scale smoke among those of 'laptop'"):
        write_tables("laptop", [make_record()], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_published_number_cannot_enter_a_column_of_ours():
    rows = measured()
    rows[0]["psnr"] = Published("24.06")
    for seeds in ([0], [0, 1]):
        records = [make_record(seed=seed, metrics={"raw": rows}) for seed in seeds]
        with pytest.raises(TypeError):
            metric_table(records)


def test_a_record_keeps_its_numbers_on_the_way_into_the_table(tmp_path):
    record = make_record()
    back = load_record(save_record(record, tmp_path / "record.json"))
    assert metric_table([back]).equals(metric_table([record]))
    assert replace(back, seed=1) != record
