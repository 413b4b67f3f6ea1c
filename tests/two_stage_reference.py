"""The published table of CA's layers, walked through plainly; GatedConv has it too."""

import torch
import torch.nn.functional as F

from aotgan.models.baselines.attention import match, paste, propagate, valid_keys, weigh

# kernel, stride, dilation, channels in half widths; "up" enlarges the input of the next one
DECODE = [(3, 1, 1, 8), (3, 1, 1, 8), "up", (3, 1, 1, 4), (3, 1, 1, 4), "up", (3, 1, 1, 2)]
DECODE += [(3, 1, 1, 1)]
DILATE = [(3, 1, 2, 8), (3, 1, 4, 8), (3, 1, 8, 8), (3, 1, 16, 8)]
COARSE = [(5, 1, 1, 2), (3, 2, 1, 4), (3, 1, 1, 4), (3, 2, 1, 8), (3, 1, 1, 8), (3, 1, 1, 8)]
COARSE += DILATE + DECODE
BRANCH = [(5, 1, 1, 2), (3, 2, 1, 2), (3, 1, 1, 4), (3, 2, 1, 4), (3, 1, 1, 8), (3, 1, 1, 8)]
BRANCH += DILATE
ATTENDED = [(5, 1, 1, 2), (3, 2, 1, 2), (3, 1, 1, 4), (3, 2, 1, 8), (3, 1, 1, 8), (3, 1, 1, 8)]
AFTER = [(3, 1, 1, 8), (3, 1, 1, 8)]


def walk(x, plan, width, convs, activate, relu_last=False):
    """Applies the next convolutions of a network as the table says."""
    for number, step in enumerate(plan):
        if step == "up":
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            continue
        kernel, stride, rate, halves = step
        conv = next(convs)
        assert conv.weight.shape == (halves * width // 2, x.shape[1], kernel, kernel)
        y = F.conv2d(x, conv.weight, conv.bias, stride, (kernel - 1) * rate // 2, rate)
        assert y.shape[2] == x.shape[2] // stride
        last = relu_last and number == len(plan) - 1
        x = activate(y, F.relu if last else F.elu)
    return x


def head(x, convs):
    conv = next(convs)
    assert conv.weight.shape == (3, x.shape[1], 3, 3)
    return F.conv2d(x, conv.weight, conv.bias, padding=1)


def plain(model, image, mask, activate, end, five):
    """Both predictions of a model with CA's layout."""
    width, hole = model.config["width"], mask.bool()

    def convs(part):
        return (m for m in part.modules() if isinstance(m, torch.nn.Conv2d))

    ones = torch.ones_like(mask)
    of_coarse = convs(model.coarse)
    x = walk(torch.cat([image, ones, mask], 1), COARSE, width, of_coarse, activate)
    coarse = end(head(x, of_coarse))
    x = torch.where(hole, coarse, image)
    x = torch.cat([x, ones, mask], 1) if five else x
    left = walk(x, BRANCH, width, convs(model.hallucination), activate)
    right = walk(x, ATTENDED, width, convs(model.attended), activate, relu_last=True)
    small = right[:, :, ::2, ::2]
    scores = propagate(match(small, 3, 1e-4), tuple(small.shape[2:]))
    weights = weigh(scores, valid_keys(mask[:, :, ::8, ::8], 3), 10.0)
    right = paste(weights, right, 4, 2, 4.0)
    right = walk(right, AFTER, width, convs(model.after_attention), activate)
    of_merge = convs(model.merge)
    x = walk(torch.cat([left, right], 1), DECODE, width, of_merge, activate)
    return coarse, end(head(x, of_merge))


def example(size=(32, 48), batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, *size, generator=generator) * 2 - 1
    mask = torch.zeros(batch, 1, *size)
    for i in range(batch):
        mask[i, :, 3 + 5 * i : 14, 2 : 9 + 9 * i] = 1
    return image * (1 - mask), mask


def parameters(model):
    return sum(p.numel() for p in model.parameters())
