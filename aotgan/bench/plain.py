"""The released network and its training step, written plainly: what everything is compared with.

Padding is a layer of its own, tensors are contiguous, a block runs its branches one by one, as in
the authors' model/aotgan.py. The step computes the same losses as ours in the arrangement of their
code: two feature networks to relu5_4, each run on both images (loss/loss.py:18-56); three passes of
the discriminator, with gradients of the generator's loss through it (trainer/trainer.py:108-125); a
dense 71x71 blur whose kernel is rebuilt in every step (loss/common.py:68-131).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from aotgan.errors import InputError
from aotgan.losses.features import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PERCEPTUAL_LAYERS,
    STYLE_LAYERS,
    VGG19Features,
    torchvision_indices,
)
from aotgan.losses.perceptual import perceptual_loss, style_loss
from aotgan.models.generator import Generator
from aotgan.models.inpainter import composite, erase
from aotgan.models.weights import released_name
from aotgan.training.step import Step

BLUR_TAPS, BLUR_SIGMA = 71, 10.0
FILL = 1.0  # of erased pixels (trainer.py:99)


class PlainGenerator(nn.Module):
    """The released generator on the weights of ours, which it shares, under the authors' names.

    Args:
        ours: a `Generator("released")` of any width, blocks and rates.

    Raises:
        InputError: another reading.
    """

    def __init__(self, ours: Generator):
        super().__init__()
        width, rates = ours.config["width"], ours.config["rates"]
        if ours.config != Generator("released", **_sizes(ours)).config:
            raise InputError(f"the released network has other options than {ours.config}.")
        # the authors' layers, padding as layers of their own
        c = 4 * width
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(4, width, 7),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * width, c, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
        )
        self.middle = nn.Sequential(*(PlainBlock(c, rates) for _ in range(ours.config["blocks"])))
        self.decoder = nn.Sequential(
            PlainUpsample(c, 2 * width),
            nn.ReLU(inplace=True),
            PlainUpsample(2 * width, width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 3, 3, padding=1),
        )
        # the same tensors under the authors' names, so that both networks compute the same
        state = {released_name(name): value for name, value in ours.state_dict().items()}
        self.load_state_dict(state, assign=True)

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Predicts (B, 3, H, W) from the masked image (B, 3, H, W) and its mask (B, 1, H, W)."""
        x = torch.cat([masked_image, mask], dim=1)
        return torch.tanh(self.decoder(self.middle(self.encoder(x))))

    def complete(self, image: Tensor, mask: Tensor) -> Tensor:
        """Eq. 2, as `Generator.complete`."""
        return composite(image, self(erase(image, mask, FILL), mask), mask)


class PlainBlock(nn.Module):
    """An AOT block as released (model/aotgan.py:50-70)."""

    def __init__(self, channels: int, rates: list[int]):
        super().__init__()
        self.names = [f"block{i:02d}" for i in range(len(rates))]
        for name, rate in zip(self.names, rates, strict=True):
            branch = _padded(channels, channels // len(rates), rate)
            self.add_module(name, nn.Sequential(*branch, nn.ReLU(inplace=True)))
        self.fuse = nn.Sequential(*_padded(channels, channels, 1))
        self.gate = nn.Sequential(*_padded(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Merges input and branches, (B, C, H, W)."""
        out = self.fuse(torch.cat([self.get_submodule(name)(x) for name in self.names], dim=1))
        mask = torch.sigmoid(layer_norm(self.gate(x)))
        return x * (1 - mask) + out * mask


class PlainUpsample(nn.Module):
    """Bilinear x2, then a convolution (model/aotgan.py:40-47)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Doubles the size."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))


def layer_norm(x: Tensor) -> Tensor:
    """What the released gate does to its logits (model/aotgan.py:73-78)."""
    mean = x.mean((2, 3), keepdim=True)
    std = x.std((2, 3), keepdim=True) + 1e-9
    return 5 * (2 * (x - mean) / std - 1)


def _padded(in_channels: int, out_channels: int, rate: int) -> tuple[nn.Module, nn.Module]:
    return nn.ReflectionPad2d(rate), nn.Conv2d(in_channels, out_channels, 3, dilation=rate)


def _sizes(generator: Generator) -> dict[str, Any]:
    return {name: generator.config[name] for name in ("width", "blocks", "rates")}


class TorchvisionFeatures(nn.Module):
    """VGG-19 to its last activation, relu5_4, with the taps of both losses."""

    mean: Tensor
    std: Tensor

    def __init__(self, ours: VGG19Features):
        super().__init__()
        from torchvision.models import vgg19

        self.layers = vgg19(weights=None).features[:36]
        self.names = dict(zip(torchvision_indices(), ours.convs, strict=True))
        for index, name in self.names.items():
            self.layers[index].load_state_dict(ours.convs[name].state_dict())
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Returns the activations that the losses compare, of images in [-1, 1]."""
        x = ((image + 1) / 2 - self.mean) / self.std
        taps = {}
        for index, layer in enumerate(self.layers):
            x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
            name = self.names.get(index - 1)  # a ReLU follows its convolution
            if name in PERCEPTUAL_LAYERS or name in STYLE_LAYERS:
                taps[str(name)] = x
        return taps


class PlainStep:
    """The released step: same losses and weights as ours.

    Args:
        ours: a step of the released reading, whose discriminator this one uses up.
        features: random or trained VGG-19.
    """

    def __init__(self, ours: Step, features: VGG19Features):
        optim, device = ours.config.optim, features.shift.device
        self.generator = PlainGenerator(ours.generator).to(device)  # type: ignore[arg-type]
        self.discriminator = ours.discriminator
        self.perceptual_features = TorchvisionFeatures(features).to(device)
        self.style_features = TorchvisionFeatures(features).to(device)
        self.optimisers = (
            Adam(self.generator.parameters(), optim.learning_rate, optim.betas),
            ours.optimisers["discriminator"],
        )

    def __call__(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Updates both networks on a batch (B, 3, H, W), (B, 1, H, W) and returns its losses."""
        prediction = self.generator(erase(image, mask, FILL), mask)
        fake = composite(image, prediction, mask)
        # each loss runs its own feature network, on both images, with gradients: as released
        perceptual, style = self.perceptual_features, self.style_features
        losses = {
            "reconstruction": F.l1_loss(prediction, image),
            "perceptual": perceptual_loss(perceptual(image), perceptual(prediction)),
            "style": style_loss(style(image), style(prediction)),
        }
        losses["discriminator"], losses["adversarial"] = self.adversarial(image, fake, mask)
        # the weights of section 3.4
        total = (
            losses["reconstruction"]
            + 0.1 * losses["perceptual"]
            + 250 * losses["style"]
            + 0.01 * losses["adversarial"]
        )
        # both backward passes before either step, so that D keeps G's leftovers
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        total.backward()
        losses["discriminator"].backward()
        for optimiser in self.optimisers:
            optimiser.step()
        return {name: value.detach() for name, value in losses.items()}

    def adversarial(self, image: Tensor, fake: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of D and G as released (loss/loss.py:77-104)."""
        judge, size = self.discriminator, mask.shape[2:]
        g_fake, d_fake, d_real = (
            F.interpolate(judge(x), size=size, mode="bilinear", align_corners=True)
            for x in (fake, fake.detach(), image)
        )
        label = dense_blur(mask)
        loss_d = F.mse_loss(d_fake, label) + F.mse_loss(d_real, torch.zeros_like(d_real))
        loss_g = F.mse_loss(g_fake, torch.ones_like(g_fake)) * mask / mask.mean()
        return loss_d, loss_g.mean()


def dense_blur(mask: Tensor) -> Tensor:
    """The 71x71 Gaussian as one dense kernel, built anew, zero padding (loss/common.py:68-179)."""
    x = torch.arange(BLUR_TAPS, dtype=mask.dtype) - BLUR_TAPS // 2
    line = torch.exp(-(x**2) / (2 * BLUR_SIGMA**2))
    line = line / line.sum()
    kernel = torch.outer(line, line).to(mask.device)[None, None]  # (1, 1, 71, 71)
    return F.conv2d(mask, kernel, padding=BLUR_TAPS // 2)
