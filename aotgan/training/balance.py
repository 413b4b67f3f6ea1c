"""How strongly each term of Eq. 8 pulls, by the sizes of their gradients."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from aotgan.losses.adversarial import Objective
from aotgan.models.inpainter import composite, erase
from aotgan.training.step import Step


def gradient_ratios(step: Step, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Returns by how much the gradients of the weighted losses exceed that of the weighted L1.

    Args:
        step: with the generator whose predictions they are taken at; a fresh one, to compare
            weights. Nothing is updated.
        batches: images (B, 3, H, W) in [-1, 1] and masks (B, 1, H, W) in {0, 1}.

    Returns:
        Of "perceptual" and "style" the norm of the gradient with respect to the raw prediction,
        divided by that of "reconstruction"; means over the batches.
    """
    ratios = [_ratios(step, image, mask) for image, mask in batches]
    return {name: sum(r[name] for r in ratios) / len(ratios) for name in ratios[0]}


def adversarial_share(step: Step, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Returns how large the adversary's part of the generator's gradient is.

    Args:
        step: with the networks as they stand; neither is updated.
        batches: as `gradient_ratios`.

    Returns:
        The norm of the weighted adversarial term's gradient with respect to the generator's
        weights, divided by that of all terms together; the mean over the batches. 0 without an
        adversary.
    """
    if step.objective is None:
        return 0.0
    step.discriminator.eval()  # its spectral norms stay as they are
    shares = [_share(step, image, mask) for image, mask in batches]
    step.discriminator.train()
    return sum(shares) / len(shares)


def _share(step: Step, image: Tensor, mask: Tensor) -> float:
    with step.fabric.autocast():
        prediction = step.generator(erase(image, mask, step.generator.fill), mask)
    z = composite(image, prediction, mask)
    # as in a step, what the adversary sends to z first: its graph is gone before the features' is
    leaf = z.detach().requires_grad_()
    with step.fabric.autocast():
        adversarial = cast(Objective, step.objective).generator_loss(step.discriminator(leaf), mask)
    (pull,) = torch.autograd.grad(step.config.loss.adversarial * adversarial, leaf)
    others = step.weighted(step.reconstruction_losses(image, prediction, z, mask))

    def gradient(loss: Tensor) -> Tensor:
        weights = list(step.generator.parameters())
        parts = torch.autograd.grad(loss, weights, retain_graph=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in parts])

    own = gradient((z * pull).sum())
    return float(own.norm() / (own + gradient(others)).norm())


def _ratios(step: Step, image: Tensor, mask: Tensor) -> dict[str, float]:
    with torch.no_grad():
        prediction = step.generator(erase(image, mask, step.generator.fill), mask)
    prediction.requires_grad_()
    losses = step.reconstruction_losses(image, prediction, composite(image, prediction, mask), mask)
    norms = {}
    for name, value in losses.items():
        weighted = getattr(step.config.loss, name) * value
        (gradient,) = torch.autograd.grad(weighted, prediction, retain_graph=True)
        norms[name] = gradient.norm().item()
    return {name: norms[name] / norms["reconstruction"] for name in ("perceptual", "style")}
