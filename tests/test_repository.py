"""Promises about the whole repository: safe loading, thin files, one direction of imports."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "aotgan").rglob("*.py"))
MAX_LINES = 350

# Who may import whom: a package imports from its own layer or a lower one, never in a circle.
LAYERS = (
    ("errors", "files", "winograd", "devices"),
    ("data", "models", "losses", "metrics"),
    ("training",),
    ("reproduce", "apply"),
    ("bench",),
    ("commands",),
    ("cli", "__init__", "__main__"),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# These run code that a file brings along.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
MACHINE_PATH = re.compile(
    r"(?<![\w.~-])/(?:home|root|tmp|work|Users)/[\w.+-]+|\.\./shared\b|[A-Z]:\\+Users\b"
)
TEXT_SUFFIXES = set(".py .js .ipynb .md .toml .yml .yaml .cff .lock .txt .json .csv .sh".split())
TEXT_NAMES = {"Makefile", "Snakefile", "run", ".gitignore"}


def committed_files():
    """Files under version control or about to be; skips where this is no git checkout."""
    command = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listing = subprocess.run(command, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    files = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [path for path in files if path.is_file()]


def name_of_call(node):
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def keyword(node, name):
    return next((ast.unparse(k.value) for k in node.keywords if k.arg == name), None)


def unsafe_loading(source):
    """Yields what in `source` could run code out of a data file."""
    for node in ast.walk(ast.parse(source)):
        if name_of_call(node).endswith("torch.load") and keyword(node, "weights_only") != "True":
            yield "torch.load without weights_only=True"
        if isinstance(node, ast.Call) and keyword(node, "allow_pickle") not in (None, "False"):
            yield "allow_pickle"
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in UNSAFE_MODULES)
        if isinstance(node, ast.ImportFrom):
            yield from unsafe_names(node)


def unsafe_names(node):
    names = {alias.name for alias in node.names}
    # The exception that a refused file raises is no way to load one.
    if (node.module or "").split(".")[0] in UNSAFE_MODULES and names != {"UnpicklingError"}:
        yield node.module
    if node.module == "torch" and "load" in names:
        yield "torch.load under a name that hides it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_can_run_code_from_a_data_file(path):
    assert list(unsafe_loading(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\ntorch.load(path, weights_only=safe)",
        "from torch import load",
        "import pickle",
        "from pickle import loads, UnpicklingError",
        "def f():\n    import joblib",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
    ],
)
def test_loading_that_can_run_code_is_noticed(source):
    assert list(unsafe_loading(source))


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(path, map_location='cpu', weights_only=True)",
        "from pickle import UnpicklingError",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
    ],
)
def test_safe_loading_is_let_through(source):
    assert list(unsafe_loading(source)) == []


def test_no_source_file_is_long():
    sources = [p for p in committed_files() if p.suffix in (".py", ".js", ".sh") or not p.suffix]
    sources = [path for path in sources if path.name not in ("LICENSE", ".gitignore")]
    lines = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in sources}
    assert lines
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_no_file_names_a_place_on_somebodys_machine():
    leaks = {}
    for path in committed_files():
        if path.suffix in TEXT_SUFFIXES or path.name in TEXT_NAMES:
            if found := MACHINE_PATH.findall(path.read_text("utf-8")):
                leaks[str(path.relative_to(ROOT))] = sorted(set(found))
    assert leaks == {}


def test_a_place_on_somebodys_machine_is_noticed():
    for parts in (["", "home", "me", "x"], ["in ", "tmp", "y.png"], ["..", "shared", "data"]):
        assert MACHINE_PATH.search("/".join(parts))
    elsewhere = (["https://example.org", "home", "page"], ["runs", "tmp", "x"], ["~", "tmp", "x"])
    for parts in (*elsewhere, ["a", "b"]):
        assert not MACHINE_PATH.search("/".join(parts))


def package_of(path):
    """The layer name of a module: 'data' for aotgan/data/masks.py, 'cli' for aotgan/cli.py."""
    return path.relative_to(ROOT / "aotgan").parts[0].removesuffix(".py")


def imported_names(tree):
    """Yields the layer names that a module imports from aotgan, at its top or in functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import: write it from aotgan on"
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in dotted:
            if name.split(".")[0] == "aotgan":
                first = [*name.split("."), "__init__"][1]
                yield first if first in RANK else "__init__"


def import_graph():
    graph = {}
    for path in MODULES:
        names = set(imported_names(ast.parse(path.read_text("utf-8"))))
        graph.setdefault(package_of(path), set()).update(names - {package_of(path)})
    return graph


def test_each_module_belongs_to_a_layer():
    assert {package_of(path) for path in MODULES} - RANK.keys() == set()


def test_imports_run_one_way():
    graph = import_graph()
    upward = [(a, b) for a, names in graph.items() for b in names if RANK[b] > RANK[a]]
    assert upward == []
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError on a circle


def test_imports_against_the_direction_are_noticed():
    tree = ast.parse("def f():\n    from aotgan.training import loop\nimport aotgan.cli, torch")
    assert sorted(imported_names(tree)) == ["cli", "training"]
    assert list(imported_names(ast.parse("from aotgan import inpaint"))) == ["__init__"]


def capitalised(tree):
    """Names of the public classes and types that a module defines at its top."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id


def test_a_name_stands_for_one_class_or_type():
    homes = {}
    for path in MODULES:
        # options of the command line are named for what they give; kernels have their own words
        if package_of(path) in ("reproduce", "winograd", "commands", "cli"):
            continue
        for name in capitalised(ast.parse(path.read_text("utf-8"))):
            if name[0].isupper() and not name.isupper():
                homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_importing_the_package_loads_no_notebook_or_workflow_engine():
    program = "import sys, aotgan; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    engines = {"IPython", "ipykernel", "jupyter_client", "jupyter_core", "jupyterlab", "nbformat"}
    engines |= {"nbclient", "papermill", "snakemake", "anywidget", "ipywidgets"}
    assert "aotgan" in loaded.split()
    assert engines & set(loaded.split()) == set()
