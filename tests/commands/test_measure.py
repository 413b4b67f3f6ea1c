"""`aotgan measure`: each study names what it wrote, or what it lacks."""

from pathlib import Path

import pytest

from aotgan.errors import InputError
from aotgan.reproduce.studies import borders, logos, sizes

STUDIES = {
    "borders": (borders, "border_result"),
    "logos": (logos, "measure_removal"),
    "sizes": (sizes, "size_result"),
}


@pytest.mark.parametrize("name", STUDIES)
def test_what_was_written_is_named(aotgan, monkeypatch, name):
    given = []

    def study(*arguments):
        given.extend(arguments)
        return [Path("one.csv"), Path("one.json")]

    monkeypatch.setattr(*STUDIES[name], study)
    command = f"measure {name} laptop --figures tables --data-root photographs"
    command += "" if name == "borders" else " --out runs"
    assert aotgan(command) == (0, "one.csv\none.json\n", "")
    assert [str(value) for value in given if value] == [
        "laptop",
        *([] if name == "borders" else ["runs"]),
        "tables",
        "photographs",
    ]


@pytest.mark.parametrize("name", STUDIES)
def test_bad_input_is_one_line(aotgan, monkeypatch, name):
    def fail(*_):
        raise InputError("no run.")

    monkeypatch.setattr(*STUDIES[name], fail)
    assert aotgan(f"measure {name} laptop") == (2, "", "error: no run.\n")
