"""`aotgan bench`: records, table and picture; what is finished outlives Ctrl-C."""

import json

import pytest

from aotgan.bench import cases, measure
from aotgan.bench.alone import Alone
from aotgan.cli import INTERRUPTED


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Two tiny cases instead of all, and no other processes."""
    tiny = (cases.inference("released", 64, width=4), cases.inference("paper", 64, width=4))
    monkeypatch.setitem(cases.CASES, "inference", tiny)
    monkeypatch.setattr(measure, "alone", lambda *a: Alone(2.0, 1.0, 700.0, 500.0))


def test_records_table_and_picture_are_written_and_the_table_is_shown(aotgan, tmp_path):
    status, out, err = aotgan(f"bench --what inference --threads 1,2 --out {tmp_path}")
    assert status == 0
    stems = ("paper-64px", "released-64px")
    names = [f"inference-{stem}-threads{n}.json" for stem in stems for n in (1, 2)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bench.md", "bench.png", *names]
    assert out.startswith("| what ") and out.count("| 2 threads |") >= 4
    assert "[4/4] inference, text's reading, 64 px, 2 threads" in err
    record = json.loads((tmp_path / names[2]).read_text("utf-8"))
    assert (record["clock"], record["environment"]["threads"]) == ("processor", 1)


def test_what_is_finished_before_an_interrupt_is_kept(aotgan, tmp_path, monkeypatch):
    finished, calls = measure.measure, []

    def second_is_interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return finished(*arguments)

    monkeypatch.setattr(measure, "measure", second_is_interrupted)
    status, out, err = aotgan(f"bench --what inference --threads 1 --out {tmp_path}")
    assert status == INTERRUPTED and "released reading" in out and "text's" not in out
    assert (tmp_path / "inference-released-64px-threads1.json").exists()
    assert (tmp_path / "bench.md").exists() and len(list(tmp_path.glob("*.json"))) == 1
