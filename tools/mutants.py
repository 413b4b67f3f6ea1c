"""Do the tests notice a wrong line? `make mutants` changes single operators and numbers and looks.

Usage: python tools/mutants.py [-n 120] [--seed 0] [--jobs 2] [--only TEXT]

A mutant is a copy of the package in which one place of losses, metrics, masks or filling differs:
another comparison, another operator, a number one higher, `all` for `any`, two arguments swapped.
It is killed when the tests of its folder fail or hang. Places are drawn with a seed; those whose
change nobody could notice stand in mutants.toml, each with the reason.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {  # modules, and the tests that have to notice
    "aotgan/losses/*.py": ("tests/losses",),
    "aotgan/metrics/*.py": ("tests/metrics",),
    "aotgan/data/mask*.py": ("tests/data",),
    "aotgan/apply/[chip]*.py": ("tests/apply", "tests/field"),
}
NOT_ARITHMETIC = "painter"  # views and controls; a browser tests them
EQUIVALENT = Path(__file__).with_suffix(".toml")
FLOOR = 0.9  # of the mutants have to be killed
LIMIT_S = 900

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"any": "all", "min": "max", "minimum": "maximum", "floor": "ceil", "mean": "sum"}
NAMES |= {other: name for name, other in NAMES.items()}
COMMUTE = {*NAMES, "hypot", "logical_and", "logical_or", "array_equal", "equal", "promote_types"}

Change = Callable[[], None]  # of the syntax tree that it was found in


@dataclass(frozen=True)
class Mutant:
    """One changed place: the `number`-th of a module, with the line before and after."""

    module: str
    number: int
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}\n    - {self.before}\n    + {self.after}"


def changes(tree: ast.Module) -> Iterator[tuple[ast.expr, Change]]:
    """Yields each place that can be changed, in the order of the tree."""
    for node in _computing(tree):
        match node:
            case ast.Compare(ops=[operator, *_]) if type(operator) in COMPARED:
                yield node, partial(node.ops.__setitem__, 0, COMPARED[type(operator)]())
            case ast.BinOp(op=operator) if type(operator) in COMPUTED:
                yield node, partial(setattr, node, "op", COMPUTED[type(operator)]())
            case ast.BoolOp(op=ast.And()):
                yield node, partial(setattr, node, "op", ast.Or())
            case ast.BoolOp():
                yield node, partial(setattr, node, "op", ast.And())
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield node, partial(setattr, node, "operand", ast.UnaryOp(ast.Not(), operand))
            case ast.UnaryOp(op=ast.USub()):
                yield node, partial(setattr, node, "op", ast.UAdd())
            case ast.Constant(value=bool() as value):
                yield node, partial(setattr, node, "value", not value)
            case ast.Constant(value=int() | float() as value):
                yield node, partial(setattr, node, "value", value + 1)
            case ast.Attribute(attr=name) if name in NAMES:
                yield node, partial(setattr, node, "attr", NAMES[name])
            case ast.Name(id=name) if name in NAMES:
                yield node, partial(setattr, node, "id", NAMES[name])
            case ast.Call(args=[ast.Name(), ast.Name(), *_]) if not _commutes(node.func):
                yield node, partial(node.args.__setitem__, slice(0, 2), node.args[1::-1])


def _commutes(function: ast.expr) -> bool:
    return ast.unparse(function).rpartition(".")[2] in COMMUTE


def _computing(node: ast.AST) -> Iterator[ast.expr]:
    """Walks through what computes: not through types, messages, decorators and `strict=True`."""
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, (ast.Raise, ast.JoinedStr)):
                if isinstance(child, ast.expr):
                    yield child
                yield from _computing(child)


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Yields all mutants of a module."""
    source = path.read_text()
    for number, (node, _) in enumerate(changes(ast.parse(source))):
        tree = ast.parse(source)
        place, change = list(changes(tree))[number]
        statement = _statement(tree, place)
        before = ast.unparse(statement)
        change()
        after = ast.unparse(statement)
        if after != before:
            module = str(path.relative_to(ROOT))
            yield Mutant(module, number, node.lineno, *_different_lines(before, after))


def _statement(tree: ast.Module, place: ast.expr) -> ast.stmt:
    """The innermost statement around a place."""
    around = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and place in ast.walk(n)]
    return around[-1]


def _different_lines(before: str, after: str) -> tuple[str, str]:
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return next((old.strip(), new.strip()) for old, new in pairs if old != new)


def mutated(mutant: Mutant) -> str:
    """Returns the source of a mutant."""
    tree = ast.parse((ROOT / mutant.module).read_text())
    list(changes(tree))[mutant.number][1]()
    return ast.unparse(tree)


def survives(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Runs the tests on a copy of the package with one changed place; whether they pass."""
    folders = [ROOT / name for name in tests]
    own = folders[0] / f"test_{Path(mutant.module).stem}.py"  # the likeliest to fail, and soon
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "aotgan", Path(folder) / "aotgan", ignore=_caches)
        (Path(folder) / mutant.module).write_text(mutated(mutant))
        return all(_pass(place, folder) for place in [own] * own.exists() + folders)


def _pass(tests: Path, folder: str) -> bool:
    options = ["-x", "-q", "-p", "no:cacheprovider", "--timeout=120", "-m", "not browser"]
    try:
        run = subprocess.run(  # noqa: S603  # this project's tests
            [sys.executable, "-P", "-m", "pytest", *options, str(tests)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": folder},
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


_caches = shutil.ignore_patterns("__pycache__")


def draw(count: int, seed: int, only: str) -> list[tuple[Mutant, tuple[str, ...]]]:
    """Draws mutants with the folders of their tests, without those that are known as equivalent."""
    known = {
        (entry["module"], entry["before"], entry["after"])
        for entry in tomllib.loads(EQUIVALENT.read_text()).get("equivalent", [])
    }
    every = [
        (mutant, tests)
        for pattern, tests in TARGETS.items()
        for path in sorted(ROOT.glob(pattern))
        if NOT_ARITHMETIC not in path.name and only in str(path.relative_to(ROOT))
        for mutant in mutants_of(path)
        if (mutant.module, mutant.before, mutant.after) not in known
    ]
    drawn = np.random.default_rng(seed).permutation(len(every))[:count]
    return [every[at] for at in drawn]


def main() -> int:
    """Prints what survived and the share that was killed; 1 where that is below the floor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=120, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--only", default="", help="text that the module's path has to contain")
    options = parser.parse_args()
    drawn = draw(options.n, options.seed, options.only)
    with ThreadPoolExecutor(options.jobs) as pool, tqdm(total=len(drawn), unit="mutant") as bar:

        def alive(case: tuple[Mutant, tuple[str, ...]]) -> bool:
            outcome = survives(*case)
            if outcome:
                bar.write(f"survived: {case[0]}")
            bar.update()
            return outcome

        survived = sum(pool.map(alive, drawn))
    share = 1 - survived / len(drawn)
    print(f"{len(drawn) - survived} of {len(drawn)} mutants killed: {share:.0%}")
    return int(share < FLOOR)


if __name__ == "__main__":
    raise SystemExit(main())
