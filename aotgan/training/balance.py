"""How strong the losses on features are beside L1, by their gradients on the prediction."""

from collections.abc import Iterable

import torch
from torch import Tensor

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
