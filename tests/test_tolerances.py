"""No test has a tolerance of its own: they are levels of `tolerances.py`, each with its reason."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NAMES = {"rtol", "atol", "rel", "abs", "tolerance"}


def literals(source):
    """Yields the lines of tolerances that are written as numbers; integers have a unit."""
    for node in ast.walk(ast.parse(source)):
        values = []
        if isinstance(node, ast.keyword) and node.arg in NAMES:
            values = [node.value]
        if isinstance(node, ast.FunctionDef):
            last = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            given = zip(last, node.args.defaults, strict=True)
            values = [value for name, value in given if name.arg in NAMES]
        for value in values:
            whole = isinstance(value, ast.Constant) and isinstance(value.value, int)
            if not whole and any(isinstance(part, ast.Constant) for part in ast.walk(value)):
                yield value.lineno


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS))
)
def test_tolerances_come_from_their_table(path):
    assert list(literals(path.read_text("utf-8"))) == []


def test_a_number_is_noticed():
    noticed = ("f(a, rtol=1e-6)", "f(a, atol=2**-11)", "def f(a, tolerance=1e-9): pass")
    assert all(list(literals(source)) for source in noticed)
    passed = ("f(a, rtol=SINGLE)", "f(a, rtol=0, abs=3)", "def f(a, tolerance=DOUBLE): pass")
    assert not any(list(literals(source)) for source in passed)
