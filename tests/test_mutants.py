"""The mutants are what they say, and those set aside exist."""

import ast
import tomllib

import pytest

import mutants

SOURCE = '''"""A module of 3 lines."""

LIMIT = 2


def area(width: int, height: int) -> int:
    """Returns width * height."""
    if not width <= LIMIT and all([height, True]):
        raise ValueError(f"{1 + 1} is {2}")
    return scaled(width, height) * -3
'''
EXPECTED = [
    "LIMIT = 3",
    "if not width <= LIMIT or all([height, True]):",
    "if not not width <= LIMIT and all([height, True]):",
    "if not width < LIMIT and all([height, True]):",
    "if not width <= LIMIT and any([height, True]):",
    "if not width <= LIMIT and all([height, False]):",
    "return scaled(width, height) / -3",
    "return scaled(height, width) * -3",
    "return scaled(width, height) * +3",
    "return scaled(width, height) * -4",
]


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    path = tmp_path / "area.py"
    path.write_text(SOURCE)
    return path


def test_each_mutant_changes_one_place_that_computes(module):
    every = list(mutants.mutants_of(module))
    assert [mutant.after for mutant in every] == EXPECTED
    plain = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in every:
        lines = mutants.mutated(mutant).splitlines()
        [(before, after)] = [
            (old, new) for old, new in zip(plain, lines, strict=True) if old != new
        ]
        assert (before.strip(), after.strip()) == (mutant.before, mutant.after)
        assert SOURCE.splitlines()[mutant.line - 1].strip() == mutant.before


def test_a_mutant_that_is_set_aside_exists_and_has_its_reason():
    entries = tomllib.loads(mutants.EQUIVALENT.read_text()).get("equivalent", [])
    for module in {entry["module"] for entry in entries}:
        there = {(m.before, m.after) for m in mutants.mutants_of(mutants.ROOT / module)}
        own = [entry for entry in entries if entry["module"] == module]
        assert all((entry["before"], entry["after"]) in there for entry in own)
    assert all(entry["reason"] for entry in entries)


@pytest.mark.parametrize("code, alive", [(0, True), (1, False)])
def test_a_mutant_survives_where_its_tests_pass(monkeypatch, code, alive):
    [mutant, *_] = mutants.mutants_of(mutants.ROOT / "aotgan/losses/reconstruction.py")
    ran = []

    def run(words, env, **_):
        ran.append((mutants.Path(env["PYTHONPATH"]) / mutant.module).read_text())
        return mutants.subprocess.CompletedProcess(words, code)

    monkeypatch.setattr(mutants.subprocess, "run", run)
    assert mutants.survives(mutant, ("tests/losses", "tests/field")) == alive
    assert ran == [mutants.mutated(mutant)] * (1 + 2 * alive)
