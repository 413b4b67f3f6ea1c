"""Names that notebooks and other programs use may not vanish, and importing stays light."""

import importlib
import inspect
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import aotgan

ROOT = Path(__file__).parents[1]

NAMES = {
    "aotgan": "Discriminator Generator InputError __version__ inpaint load_generator",
    "aotgan.apply.holes": "feather_mask grow_mask",
    "aotgan.apply.inpaint": "PRECISIONS inpaint",
    "aotgan.data.mask_files": "read_mask",
    "aotgan.errors": "InputError",
    "aotgan.files": "sha256_of write_atomically",
    "aotgan.models": "AOTBlock Discriminator Generator ResidualBlock composite erase"
    " receptive_field",
    "aotgan.models.blocks": "GATES RESIDUALS AOTBlock GatedResidual ResidualBlock branch_widths"
    " normalised_gate",
    "aotgan.models.discriminator": "STRIDES TEXT_STRIDES Discriminator receptive_field",
    "aotgan.models.generator": "UPSAMPLINGS VARIANTS Generator",
    "aotgan.models.inpainter": "Inpainter composite erase",
    "aotgan.models.reach": "reach theoretical_field",
    "aotgan.models.weights": "import_released load_generator load_inpainter read_metadata"
    " save_generator shipped_models",
}

PARAMETERS = {
    "aotgan.Generator": "variant width blocks rates residual gate gate_bias upsampling fill"
    " correction",
    "aotgan.Generator.forward": "self masked_image mask",
    "aotgan.Generator.complete": "self image mask",
    "aotgan.Discriminator": "width",
    "aotgan.Discriminator.forward": "self image",
    "aotgan.inpaint": "image mask model grow feather context levels device precision on_progress",
    "aotgan.load_generator": "path device",
    "aotgan.models.AOTBlock": "channels rates residual gate",
    "aotgan.models.ResidualBlock": "channels rate",
    "aotgan.models.erase": "image mask fill",
    "aotgan.models.composite": "image prediction mask",
    "aotgan.models.receptive_field": "layers",
    "aotgan.models.weights.save_generator": "generator path metadata",
    "aotgan.models.weights.import_released": "source destination",
    "aotgan.files.write_atomically": "path data",
    "aotgan.files.sha256_of": "path",
}


@pytest.mark.parametrize("module", NAMES)
def test_names_are_there(module):
    found = importlib.import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


@pytest.mark.parametrize("module", [name for name in NAMES if name.count(".") < 2])
def test_all_names_what_is_public_and_dir_shows_it(module):
    found = importlib.import_module(module)
    listed = getattr(found, "__all__", NAMES[module].split())
    assert set(NAMES[module].split()) <= set(listed) <= set(dir(found))
    assert all(hasattr(found, name) for name in listed)


@pytest.mark.parametrize("path", PARAMETERS)
def test_parameters_keep_their_names_and_places(path):
    found = aotgan
    for name in path.split(".")[1:]:
        if inspect.ismodule(found) and not hasattr(found, name):
            importlib.import_module(f"{found.__name__}.{name}")
        found = getattr(found, name)
    expected = PARAMETERS[path].split()
    assert list(inspect.signature(found).parameters)[: len(expected)] == expected


def test_the_same_object_everywhere():
    from aotgan.errors import InputError
    from aotgan.models.generator import Generator
    from aotgan.models.weights import load_generator

    assert aotgan.Generator is Generator
    assert aotgan.load_generator is load_generator
    assert aotgan.InputError is InputError and issubclass(InputError, ValueError)


def test_unknown_names_raise_what_python_expects():
    with pytest.raises(AttributeError, match="module 'aotgan' has no attribute 'nothing'"):
        _ = aotgan.nothing
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from aotgan import nothing")  # noqa: S102


def test_version_is_that_of_the_project():
    try:
        installed = metadata.version("aotgan")
    except metadata.PackageNotFoundError:
        assert aotgan.__version__ == "0+unknown"
        return
    assert aotgan.__version__ == installed
    assert installed == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_a_source_tree_that_is_not_installed_says_so(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.delitem(vars(aotgan), "__version__", raising=False)
    assert aotgan.__version__ == "0+unknown"
    monkeypatch.delitem(vars(aotgan), "__version__")


def loaded_by(statement):
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", program]
    return set(
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_the_package_or_its_command_line_loads_no_torch():
    assert {"torch", "numpy", "pandas"} & loaded_by("import aotgan, aotgan.cli") == set()


def test_loading_a_generator_costs_little_more_than_torch():
    extra = loaded_by("import aotgan; aotgan.load_generator") - loaded_by("import torch")
    heavy = "lightning matplotlib pandas PIL scipy skimage sklearn torchmetrics torchvision typer"
    assert "aotgan" in extra
    assert extra & set(heavy.split()) == set()
