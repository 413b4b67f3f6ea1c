"""Table and picture from records alone, the same bytes each time."""

import json
from pathlib import Path

import pytest

from aotgan.bench import measure
from aotgan.bench.cases import CASES, DIRECT, FAST, LABELS, ONNX, RELEASED
from aotgan.bench.report import NOTE, circumstances, summary_table, variant_table, write_report

COMMITTED = Path(__file__).parents[2] / "figures/bench"
ENVIRONMENT = {
    "device": "CPU (x)",
    "processors": 2,
    "instructions": "AVX2",
    "packages": {"torch": "2.0"},
}


def record_of(group, name, threads=1, share=0.0, **ratios):
    case = next(case for case in CASES[group] if case.name == name)
    names = [RELEASED, FAST] if group == measure.GROWTH else [*ratios, FAST]
    times = {"wall_s": 2.0, "processor_s": 1.0, "seconds": 1.234, "peak_mb": 700, "before_mb": 500}
    timed: dict = {} if group == measure.GROWTH else {"gflop": 3.0, "of_peak": 1.234}
    variants = {name: times | timed for name in names}
    for rival, found in ratios.items():
        variants[rival] = {**variants[rival], "ours_faster": list(found)}
    return {
        "format": measure.FORMAT,
        "group": group,
        "name": name,
        "title": case.title,
        "size_px": case.size_px,
        "threads": threads,
        "device": "cpu",
        "ours": FAST,
        "against": case.against,
        "goal": case.goal,
        "clock": "processor",
        "rounds": dict.fromkeys(ratios, [[1.0, 1.0]]),
        "variants": variants,
        "others_share": share,
        "environment": ENVIRONMENT,
    }


@pytest.fixture
def records():
    fast = {RELEASED: (2.5, 2.4, 2.6), DIRECT: (2.0, 1.9, 2.1), ONNX: (1.5, 1.4, 1.6)}
    return [
        record_of("inference", "released-256px", **fast),
        record_of("training", "width16", 2, 0.31, direct=(2.1, 2.0, 2.3)),
        record_of("growth", "released-128px"),
        record_of("growth", "released-256px"),
    ]


def test_the_summary_has_a_row_a_timed_case_and_says_whether_goals_are_met(records):
    table = summary_table(records)
    assert table.to_dict("records") == [
        {
            "what": "inference, released reading, 256 px",
            "on": "1 thread",
            "ours (s)": "1.23",
            "x released code": "2.50 (2.40 to 2.60)",
            "x PyTorch's convolutions": "2.00 (1.90 to 2.10)",
            "x ONNX Runtime": "1.50 (1.40 to 1.60)",
            "goal": "2.0, met",
            "peak (MB)": "700, 700",
        },
        {
            "what": "training step, width 16, 128 px, batch 8",
            "on": "2 threads",
            "ours (s)": "1.23",
            "x released code": "-",
            "x PyTorch's convolutions": "2.10 (2.00 to 2.30)",
            "x ONNX Runtime": "-",
            "goal": "2.2, missed",
            "peak (MB)": "700, 700",
        },
    ]


def test_every_variant_has_a_row(records):
    table = variant_table(records)
    assert list(table["variant"])[:4] == [LABELS[name] for name in (RELEASED, DIRECT, ONNX, FAST)]
    assert len(table) == 4 + 2 + 2 + 2
    assert list(table["of matmul (%)"]) == ["123"] * 6 + ["-"] * 4
    assert set(table["peak (MB)"]) == {"700"} and set(table["idle (MB)"]) == {"500"}


def test_a_shared_machine_is_said_to_be_one(records):
    assert "machine was shared: other programs had 0 to 31 %" in circumstances(records)
    assert "shared" not in circumstances(records[:1])
    records[0]["others_share"] = None
    assert "shared" not in circumstances(records[:1])


def test_the_report_is_made_from_the_records_and_the_note(records, tmp_path):
    for record in reversed(records):
        measure.save(record, tmp_path)
    (tmp_path / NOTE).write_text("What bounds it.\n")
    first = [path.read_bytes() for path in write_report(tmp_path)]
    assert first == [path.read_bytes() for path in write_report(tmp_path)]
    assert first[0].startswith(b"# How fast") and first[0].endswith(b"What bounds it.\n")
    assert first[1].startswith(b"\x89PNG")


@pytest.mark.parametrize("kept", [[0], [2], [1]])
def test_a_report_of_a_part_of_the_records_can_be_made(records, tmp_path, kept):
    for i in kept:
        measure.save(records[i], tmp_path)
    assert all(path.exists() for path in write_report(tmp_path))


def test_the_committed_report_is_that_of_the_committed_records(tmp_path):
    for path in (*COMMITTED.glob("*.json"), *COMMITTED.glob(NOTE)):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        if path.suffix == ".json":
            assert json.loads(path.read_text("utf-8"))["format"] == measure.FORMAT
    table, _ = write_report(tmp_path)
    assert table.read_text("utf-8") == (COMMITTED / "bench.md").read_text("utf-8")
