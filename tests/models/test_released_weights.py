"""The authors' weights give the authors' network; other files are refused with a clear error."""

import os
import pickle
import re
import sys

import pytest
import torch
import torch.nn.functional as F
from tolerances import DOUBLE_NET
from torch import nn

from aotgan import Generator, InputError, cli, load_generator
from aotgan.models.weights import import_released, released_name


class Padded(nn.Sequential):
    """Reflection pad, then convolution (index 1, as in the authors' keys), then what follows."""

    def __init__(self, c_in, c_out, rate, *rest):
        super().__init__(nn.ReflectionPad2d(rate), nn.Conv2d(c_in, c_out, 3, dilation=rate), *rest)


class AuthorsBlock(nn.Module):
    """One block of the released network, with its state-dict keys."""

    def __init__(self, c):
        super().__init__()
        for i, rate in enumerate((1, 2, 4, 8)):
            setattr(self, f"block{i:02d}", Padded(c, c // 4, rate, nn.ReLU()))
        self.fuse, self.gate = Padded(c, c, 1), Padded(c, c, 1)

    def forward(self, x):
        views = [self.block00(x), self.block01(x), self.block02(x), self.block03(x)]
        update = self.fuse(torch.cat(views, 1))
        logits = self.gate(x).flatten(2)
        deviation = logits - logits.mean(2, keepdim=True)
        std = (deviation.square().sum(2, keepdim=True) / (logits.shape[2] - 1)).sqrt() + 1e-9
        g = torch.sigmoid(5 * (2 * deviation / std - 1)).view_as(x)
        return x * (1 - g) + update * g


class AuthorsUp(nn.Module):
    """Bilinear interpolation with aligned corners by its definition, then a convolution."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1)

    @staticmethod
    def matrix(n):
        """(2 n, n): row i interpolates at i (n - 1) / (2 n - 1)."""
        at = torch.arange(2 * n, dtype=torch.float64) * (n - 1) / (2 * n - 1)
        return (1 - (at[:, None] - torch.arange(n)).abs()).clamp(min=0)

    def forward(self, x):
        rows, columns = (self.matrix(n).to(x.dtype) for n in x.shape[2:])
        return self.conv(rows @ x @ columns.T)


class AuthorsGenerator(nn.Module):
    """The released generator, written from the table of its layers and keys."""

    def __init__(self, c=64):
        super().__init__()
        relu = nn.ReLU()
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3),
            *(nn.Conv2d(4, c, 7), relu),
            *(nn.Conv2d(c, 2 * c, 4, 2, 1), relu),
            *(nn.Conv2d(2 * c, 4 * c, 4, 2, 1), relu),
        )
        self.middle = nn.Sequential(*(AuthorsBlock(4 * c) for _ in range(8)))
        self.decoder = nn.Sequential(
            *(AuthorsUp(4 * c, 2 * c), relu, AuthorsUp(2 * c, c), relu),
            nn.Conv2d(c, 3, 3, padding=1),
        )

    def forward(self, image, mask):
        x = torch.cat([image, mask], 1)
        return torch.tanh(self.decoder(self.middle(self.encoder(x))))


def batch(height, width):
    image = torch.rand(1, 3, height, width, dtype=torch.float64) * 2 - 1
    mask = (torch.rand(1, 1, height // 4, width // 4, dtype=torch.float64) > 0.6).double()
    mask = F.interpolate(mask, scale_factor=4)
    return image * (1 - mask) + mask, mask


@pytest.fixture(scope="module")
def authors():
    """Their network at full width, float64, with weights at which gates open and close."""
    torch.manual_seed(0)
    return AuthorsGenerator().double().eval().requires_grad_(False)


@pytest.fixture
def narrow():
    """Their network at a width at which files are small."""
    return AuthorsGenerator(4).eval()


@torch.no_grad()
def assert_same_prediction(ours, theirs, size):
    image, mask = batch(*size)
    expected = theirs(image, mask)
    assert expected.std() > 0.01
    assert (ours(image, mask) - expected).abs().max() <= DOUBLE_NET


def run_cli(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["aotgan", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code or 0


def test_released_weights_give_the_released_network(authors, tmp_path):
    torch.save(authors.state_dict(), tmp_path / "G0000000.pt")
    destination = import_released(tmp_path / "G0000000.pt", tmp_path / "new/g.safetensors")
    generator = load_generator(destination)
    assert generator.config == Generator("released", blocks=8).config
    assert not generator.training and next(generator.parameters()).dtype == torch.float64
    for size in ((36, 36), (40, 52)):
        assert_same_prediction(generator, authors, size)


def test_command_line_imports_released_weights(narrow, tmp_path, monkeypatch, capsys):
    source, destination = tmp_path / "G0000000.pt", tmp_path / "g.safetensors"
    torch.save(narrow.state_dict(), source)
    assert run_cli(monkeypatch, "weights", "import", source, destination) == 0
    assert str(destination) in capsys.readouterr().out
    generator = load_generator(destination)
    assert next(generator.parameters()).dtype == torch.float32
    for size in ((36, 84), (64, 64), (100, 40)):
        assert_same_prediction(generator.double(), narrow.double(), size)
    assert run_cli(monkeypatch, "weights", "show", destination) == 0
    assert "source: released by the paper's authors" in capsys.readouterr().out


def test_command_line_refuses_in_one_line(tmp_path, monkeypatch, capsys):
    destination = tmp_path / "g.safetensors"
    assert run_cli(monkeypatch, "weights", "import", tmp_path / "G.pt", destination) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: no file") and message.count("\n") == 1
    assert not destination.exists()


def test_names_map_one_to_one():
    ours = list(Generator("released", width=1).state_dict())
    theirs = list(AuthorsGenerator(4).state_dict())
    assert len(ours) == 108
    assert sorted(map(released_name, ours)) == sorted(theirs)


def changed(state, **changes):
    return {**state, **changes}


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


def authors_discriminator():
    """First and last layer of theirs; the old form of spectral norm makes weight_orig, _u, _v."""
    first = torch.nn.utils.spectral_norm(nn.Conv2d(3, 2, 4, bias=False))
    return nn.ModuleDict({"conv": nn.ModuleDict({"0": first, "8": nn.Conv2d(2, 1, 4)})})


def adam_state():
    layer = nn.Linear(1, 1)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1)).backward()
    optimiser.step()
    return optimiser.state_dict()


BAD_STATES = {
    "discriminator": (
        lambda s: authors_discriminator().state_dict(),
        r"holds 5 entries, 0 of the 108 .* discriminator \(D\*\.pt\)\. Give the file named G",
    ),
    "optimisers": (
        lambda s: {"optimG": adam_state(), "optimD": adam_state()},
        r"optimiser file \(O\*\.pt\)",
    ),
    "missing": (lambda s: without(s, "decoder.4.bias"), "107 entries, 107 of the 108"),
    "extra": (lambda s: changed(s, more=torch.zeros(1)), "109 entries, 108 of the 108"),
    "list": (lambda s: list(s.values()), "0 of the 108"),
    "number": (lambda s: changed(s, **{"decoder.4.bias": 3}), "some of its entries are no weights"),
    "scalar": (lambda s: changed(s, **{"encoder.1.weight": torch.zeros(())}), "no weights"),
    "empty": (lambda s: changed(s, **{"encoder.1.weight": torch.zeros(0, 4, 7, 7)}), "width=0"),
    "shape": (
        lambda s: changed(s, **{"middle.3.gate.1.bias": torch.zeros(17)}),
        r"middle.3.merge.conv.bias is torch.float32 of shape \(17,\), .* shape \(16,\)",
    ),
    "width": (
        lambda s: changed(s, **{"encoder.1.weight": torch.zeros(5, 4, 7, 7)}),
        r"shape \(4,\), expected floating point of shape \(5,\)",
    ),
    "integers": (
        lambda s: changed(s, **{"decoder.4.bias": torch.zeros(3, dtype=torch.int32)}),
        "decoder.4.bias is torch.int32",
    ),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_other_state_dicts_are_refused(case, narrow, tmp_path):
    change, message = BAD_STATES[case]
    source, destination = tmp_path / "x.pt", tmp_path / "g.safetensors"
    torch.save(change(narrow.state_dict()), source)
    with pytest.raises(InputError, match=message) as error:
        import_released(source, destination)
    assert str(source) in str(error.value)
    assert not destination.exists()


class Payload:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(legacy, narrow, tmp_path):
    state = changed(narrow.state_dict(), more=Payload(tmp_path / "broken-into"))
    if legacy:
        (tmp_path / "G.pt").write_bytes(pickle.dumps(state, protocol=2))
    else:
        torch.save(state, tmp_path / "G.pt")
    with pytest.raises(InputError, match="files that hold code are refused"):
        import_released(tmp_path / "G.pt", tmp_path / "g.safetensors")
    assert not (tmp_path / "broken-into").exists()


def test_missing_released_files_are_named(tmp_path):
    for path in (tmp_path / "G0000000.pt", tmp_path):
        with pytest.raises(InputError, match=f"no file {re.escape(str(path))}: give the path"):
            import_released(path, tmp_path / "g.safetensors")
