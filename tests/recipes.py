"""What the tests of training steps share: a processor and pictures."""

import torch
import torch.nn.functional as F
from lightning.fabric import Fabric


def on_cpu(precision="32-true"):
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    fabric.launch()
    return fabric


def pictures(size, batch=2, seed=1, cells=None):
    """Noise in [-1, 1], (batch, 3, size, size); of `cells` squares a side instead of pixels."""
    side, generator = cells or size, torch.Generator().manual_seed(seed)
    noise = torch.rand(batch, 3, side, side, generator=generator)
    return F.interpolate(noise, size=(size, size)) * 2 - 1
