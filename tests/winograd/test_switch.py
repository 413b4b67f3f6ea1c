"""When the fast path runs, and what it keeps."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tolerances import SINGLE_NET, SINGLE_SUM
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.flop_counter import FlopCounterMode

from aotgan.winograd import convolution
from aotgan.winograd.convolution import SWITCH, Conv2d, winograd

pytest.importorskip("numba")
FOLDER = Path(convolution.__file__).parent


@pytest.fixture
def calls(monkeypatch):
    """Counts the calls of the fast path."""
    counted = []
    convolve = convolution._convolve
    monkeypatch.setattr(
        convolution, "_convolve", lambda *args: counted.append(1) or convolve(*args)
    )
    return counted


def conv(channels=32, outputs=32, **options):
    return Conv2d(channels, outputs, 3, **{"padding": 1, **options})


def images(channels=32, side=20, **options):
    return torch.randn(1, channels, side, side, **options)


def test_the_state_is_that_of_an_ordinary_layer(calls):
    ours, theirs = conv(), nn.Conv2d(32, 32, 3, padding=1)
    theirs.load_state_dict(ours.state_dict())
    x = images()
    torch.testing.assert_close(ours(x), theirs(x), rtol=SINGLE_NET, atol=SINGLE_SUM)
    assert calls == [1]


def test_the_switch_turns_it_off_for_a_while(calls):
    layer, x = conv(), images()
    with winograd(False):
        assert torch.equal(layer(x), nn.Conv2d.forward(layer, x))
        assert not calls
    layer(x)
    assert calls


@pytest.mark.parametrize("value, runs", [("0", False), ("1", True)])
def test_the_environment_turns_it_off(value, runs):
    code = "from aotgan.winograd import convolution; print(convolution._enabled)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {SWITCH: value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str(runs)


def test_without_numba_nothing_turns_it_on(monkeypatch, calls):
    monkeypatch.setattr(convolution, "_installed", False)
    with winograd(True):
        conv()(images())
    assert not calls


@pytest.mark.parametrize(
    "layer, x",
    [
        (conv(dtype=torch.float64), images(dtype=torch.float64)),
        (conv(stride=2), images()),
        (conv(padding=2), images()),
        (conv(groups=2), images()),
        (conv(padding_mode="circular"), images()),
        (conv(dilation=2, padding=1), images()),
        (conv(channels=4), images(channels=4)),
        (conv(), images(side=8)),
        (conv().to("meta"), images(device="meta")),
        (spectral_norm(conv()), images()),
    ],
)
def test_other_layers_and_inputs_take_the_plain_path(layer, x, calls):
    assert layer(x).shape[1] == 32
    assert not calls


def test_under_autocast_counters_hooks_and_tracing_the_plain_path_runs(calls):
    layer, x = conv(), images()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    with FlopCounterMode(display=False) as counter:
        layer(x)
    assert counter.get_total_flops() == 2 * 9 * 32 * 32 * 400
    seen = []
    handle = layer.register_forward_hook(lambda *args: seen.append(1))
    layer(x)
    handle.remove()
    torch.export.export(layer, (x,))
    assert not calls
    assert seen


def test_wrong_channels_raise_pytorchs_error():
    with pytest.raises(RuntimeError, match="channels"):
        conv()(images(channels=16))


@pytest.mark.parametrize("change", ["data", "step", "load", "replace"])
def test_weights_kept_for_inference_follow_every_change(change):
    layer, x = conv(), images()
    with torch.no_grad():
        layer(x)
        layer(x)
    other = 0.1 * torch.randn_like(layer.weight)
    if change == "data":
        layer.weight.data.copy_(other)
    elif change == "replace":
        layer.weight.data = other
    elif change == "load":
        layer.load_state_dict({"weight": other, "bias": layer.bias.detach()})
    else:
        with torch.no_grad():
            layer.weight += other
    with torch.no_grad():
        torch.testing.assert_close(
            layer(x), nn.Conv2d.forward(layer, x), rtol=SINGLE_NET, atol=SINGLE_NET
        )


def test_kept_weights_are_bounded_and_go_with_their_layer(monkeypatch):
    from aotgan.winograd import weights

    weights._kept.clear()
    size = 36 * (32 * 32 + 16) * 4
    monkeypatch.setattr(weights, "KEPT_BYTES", 2 * size)
    layers, x = [conv() for _ in range(3)], images()
    with torch.no_grad():
        results = [layer(x) for layer in layers]
        assert len(weights._kept) == 2
        assert all(torch.equal(layer(x), y) for layer, y in zip(layers, results, strict=True))
        with torch.inference_mode():
            assert torch.equal(layers[0](x), results[0])
    del layers
    assert len(weights._kept) == 0


def test_what_was_compiled_from_other_sources_is_not_used():
    from aotgan.winograd import kernels

    digest = hashlib.sha256()
    for name in ("vectors.py", "transforms.py"):
        digest.update((FOLDER / name).read_bytes())
    assert digest.hexdigest() == kernels.SOURCES


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_convolves_with_threads_of_its_own():
    code = (
        "import os, torch\n"
        "from aotgan.winograd.convolution import Conv2d\n"
        "torch.set_num_threads(2)\n"
        "layer, x = Conv2d(32, 32, 3, padding=1), torch.randn(2, 32, 20, 20)\n"
        "with torch.no_grad():\n"
        "    y = layer(x)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os._exit(0 if torch.equal(layer(x), y) else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
