"""Cases and records: every variant that can run, in a process of its own for its memory."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from bench_cases import case_of, fail, hold, stop
from tolerances import MEMORY, ROUNDED, TENTH

from aotgan.bench import cases, measure
from aotgan.bench.alone import Alone, alone
from aotgan.bench.cases import DIRECT, FAST, ONNX, RELEASED, Setting
from aotgan.errors import InputError
from aotgan.winograd import convolution

HELD_MB = 300


@pytest.fixture
def setting(tmp_path):
    return Setting(1, tmp_path)


def quiet(text):
    pass


@pytest.mark.slow
def test_the_memory_is_that_of_the_process_alone_whatever_the_parent_has(setting):
    parent = np.ones(2 * HELD_MB << 17)
    held, nothing = (alone(case_of(partial(hold, mb)), DIRECT, setting) for mb in (HELD_MB, 0))
    assert parent.nbytes == 2 * HELD_MB << 20
    assert held.peak_mb - nothing.peak_mb == pytest.approx(HELD_MB, rel=MEMORY)
    assert held.before_mb == pytest.approx(nothing.before_mb, rel=TENTH)


def test_a_process_that_is_killed_is_an_error_with_advice(setting):
    with pytest.raises(InputError, match="a case, direct: .* status -9, .*memory.*with --what"):
        alone(case_of(stop), DIRECT, setting)


def test_a_mistake_in_the_process_is_no_matter_of_memory(setting):
    with pytest.raises(RuntimeError, match="a case, direct: its process ended with status 1"):
        alone(case_of(fail), DIRECT, setting)


def test_bad_input_in_the_process_comes_back(setting):
    with pytest.raises(InputError, match="size_px=24: aot-gan"):
        alone(cases.released_step(24, 1, width=2), DIRECT, setting)


TINY = (
    cases.inference("released", 64, width=8),
    cases.inference("paper", 64, width=8),
    cases.scale_step(8, 1, size_px=48),
    cases.released_step(64, 1, width=4),
    cases.large_photograph(200, 120, 16),
)


@pytest.mark.parametrize("case", TINY, ids=lambda case: case.name)
def test_each_variant_runs_and_ours_alone_by_the_fast_convolutions(case, setting, monkeypatch):
    monkeypatch.setattr(convolution, "SMALLEST", 1)
    fast, calls = convolution._convolve, []
    monkeypatch.setattr(convolution, "_convolve", lambda *a: calls.append(1) or fast(*a))
    assert {DIRECT, FAST, case.against} <= set(case.runnable(setting))
    for variant in case.runnable(setting):
        work = case.make(variant, setting)
        calls.clear()
        work()
        assert bool(calls) == (variant == FAST), variant


def test_all_variants_of_inference_fill_alike(setting):
    fills = {}
    case = cases.inference("released", 64, width=16)
    for variant in case.runnable(setting):
        found = case.make(variant, setting)()
        fills[variant] = np.asarray(found[0] if variant == ONNX else found)
    assert set(fills) >= {RELEASED, DIRECT, FAST}
    for variant, fill in fills.items():
        np.testing.assert_allclose(fill, fills[RELEASED], atol=ROUNDED, err_msg=variant)


def test_a_record_has_times_ratios_and_memory_of_each_variant(setting, monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "alone", lambda *a: Alone(9.0, 8.0, 700.0, 500.0))
    case = cases.scale_step(8, 1, goal=2.2, size_px=48)
    record = measure.measure("training", case, setting, 6, quiet)
    path = measure.save(record, tmp_path / "new")
    assert path.name == "training-width8-threads1.json"
    assert json.loads(path.read_text()) == record and measure.load(path.parent) == [record]
    assert (record["clock"], record["ours"], record["goal"]) == ("processor", FAST, 2.2)
    assert set(record["rounds"]) == set(record["variants"]) == {DIRECT, FAST}
    assert [len(rounds) for rounds in record["rounds"].values()] == [6, 6]
    for name, values in record["variants"].items():
        seconds = np.median([processor for _, processor in record["rounds"][name]])
        assert values["seconds"] == values["processor_s"] == pytest.approx(seconds, rel=ROUNDED)
        rate = values["gflop"] / seconds / record["peak_gflops"]
        assert values["of_peak"] == pytest.approx(rate, rel=ROUNDED)
        assert (values["peak_mb"], values["before_mb"]) == (700.0, 500.0)
    slow, quick = (np.array(record["rounds"][name])[:, 1] for name in (DIRECT, FAST))
    expected = [np.median(slow / quick), min(slow / quick), max(slow / quick)]
    assert record["variants"][DIRECT]["ours_faster"] == pytest.approx(expected, rel=ROUNDED)
    assert "ours_faster" not in record["variants"][FAST]
    assert "peak_memory_mb" not in record["environment"]


def test_growth_takes_times_from_the_processes_alone(setting, monkeypatch):
    monkeypatch.setattr(measure, "alone", lambda *a: Alone(9.0, 8.0, 700.0, 500.0))
    record = measure.measure("growth", cases.inference("released", 64), setting, 6, quiet)
    assert record["rounds"] == {} and record["size_px"] == 64
    assert {values["seconds"] for values in record["variants"].values()} == {8.0}


def test_several_threads_are_timed_by_the_wall(tmp_path):
    assert Setting(2, tmp_path).clock == Setting(1, tmp_path, "cuda").clock == "wall"


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_other_files_are_no_records(tmp_path, text):
    with pytest.raises(InputError, match="no records in .*aotgan bench --out"):
        measure.load(tmp_path)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="a.json is no record of `aotgan bench`. Move it away"):
        measure.load(tmp_path)


def test_groups_are_named_by_commas():
    names = [group for group, _ in measure.chosen("large,inference,large")]
    assert names == ["large", "inference", "inference", "inference"]
    assert {group for group, _ in measure.chosen("all")} == set(cases.CASES)
    with pytest.raises(InputError, match="no 'speed' to measure: choose of inference"):
        measure.chosen("large,speed")


def test_no_compiler_is_an_error_in_seconds():
    missing = torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)})
    with missing, pytest.raises(InputError, match="--compiled: .*C\\+\\+ compiler"):
        cases.check_compiler()
