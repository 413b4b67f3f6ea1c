"""Eq. 3 and 4 and their four variants against numpy, and what tells them apart."""

import math
import pickle

import numpy as np
import pytest
import torch
from tolerances import DOUBLE, DOUBLE_SUM, SINGLE_NET, SINGLE_SUM
from torch import nn

from aotgan.errors import InputError
from aotgan.losses import OBJECTIVES, label_map, make_objective
from aotgan.models.discriminator import Discriminator

HEIGHT, WIDTH = 64, 88
SIZE = (6, 9)
ON_THE_MAP = ("paper", "hm-patchgan", "patchgan")


def example(seed=0, batch=3):
    """Maps of real images and composites and masks with one differently sized hole each."""
    rng = np.random.default_rng(seed)
    d_real, d_fake = rng.normal(0.5, 1, (2, batch, 1, *SIZE))
    mask = np.zeros((batch, 1, HEIGHT, WIDTH))
    for b in range(batch):
        mask[b, 0, 10 : 20 + 14 * b, 13 : 40 + 11 * b] = 1
    return d_real, d_fake, mask


def tensors(*arrays):
    return [torch.from_numpy(np.array(a)) for a in arrays]


def gaussian_matrix(centres, pixels, taps, inside):
    distance = np.arange(pixels)[None] - np.asarray(centres)[:, None]
    weight = np.exp(-(distance**2) / 200.0) * (abs(distance) <= (taps - 1) / 2)
    whole = np.exp(-((np.arange(taps) - (taps - 1) / 2) ** 2) / 200.0).sum()
    return weight / (weight.sum(1, keepdims=True) if inside else whole)


def numpy_label(name, mask):
    if name == "patchgan":
        return np.zeros((len(mask), 1, *SIZE))
    if name == "hm-patchgan":
        return 1.0 * (numpy_share(mask) < 0.5)
    if name == "paper":
        a, b = (
            gaussian_matrix([8 * j + 11.5 for j in range(n)], side, 70, True)
            for n, side in zip(SIZE, (HEIGHT, WIDTH), strict=True)
        )
        return a @ (1 - mask) @ b.T
    a, b = (gaussian_matrix(range(side), side, 71, False) for side in (HEIGHT, WIDTH))
    return a @ mask @ b.T


def numpy_share(mask):
    h, w = SIZE
    centre = mask[:, :, 8 : 8 + 8 * h, 8 : 8 + 8 * w]
    return centre.reshape(len(mask), 1, h, 8, w, 8).mean((3, 5))


def numpy_upsample(x):
    """Bilinear interpolation with aligned corners to the size of the mask."""
    out = np.zeros((*x.shape[:2], HEIGHT, WIDTH))
    for i in range(HEIGHT):
        for j in range(WIDTH):
            y, z = i * (SIZE[0] - 1) / (HEIGHT - 1), j * (SIZE[1] - 1) / (WIDTH - 1)
            y0, z0 = min(int(y), SIZE[0] - 2), min(int(z), SIZE[1] - 2)
            a, b = y - y0, z - z0
            out[..., i, j] = (
                (1 - a) * (1 - b) * x[..., y0, z0]
                + (1 - a) * b * x[..., y0, z0 + 1]
                + a * (1 - b) * x[..., y0 + 1, z0]
                + a * b * x[..., y0 + 1, z0 + 1]
            )
    return out


def numpy_discriminator_loss(name, d_real, d_fake, mask):
    if name not in ON_THE_MAP:
        d_real, d_fake = numpy_upsample(d_real), numpy_upsample(d_fake)
    real_label = 0.0 if name == "released" else 1.0
    fake_error = (d_fake - numpy_label(name, mask)) ** 2
    return fake_error.mean() + ((d_real - real_label) ** 2).mean()


def numpy_generator_loss(name, d_fake, mask):
    if name == "patchgan":
        return ((d_fake - 1) ** 2).mean()
    if name in ON_THE_MAP:
        share = numpy_share(mask)
        per_image = [
            (s * (d - 1) ** 2).sum() / s.sum() if s.sum() > 0 else 0.0
            for s, d in zip(share, d_fake, strict=True)
        ]
        return sum(per_image) / len(per_image)
    scalar = ((numpy_upsample(d_fake) - 1) ** 2).mean()
    return (scalar * mask / mask.mean()).mean()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_equal_numpy(name):
    d_real, d_fake, mask = example()
    objective = make_objective(name)
    real, fake, m = tensors(d_real, d_fake, mask)
    loss_d, loss_g = objective.discriminator_loss(real, fake, m), objective.generator_loss(fake, m)
    assert loss_d.shape == loss_g.shape == ()
    assert abs(loss_d.item() - numpy_discriminator_loss(name, d_real, d_fake, mask)) < DOUBLE_SUM
    assert abs(loss_g.item() - numpy_generator_loss(name, d_fake, mask)) < DOUBLE_SUM


@pytest.mark.parametrize("name", OBJECTIVES)
def test_label_map_equals_numpy(name):
    mask = example()[2]
    got = label_map(name, torch.from_numpy(mask), SIZE)
    np.testing.assert_allclose(got.numpy(), numpy_label(name, mask), rtol=0, atol=DOUBLE_SUM)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients(name):
    real, fake, mask = tensors(*example())
    real.requires_grad_()
    fake.requires_grad_()
    objective = make_objective(name)
    assert torch.autograd.gradcheck(
        lambda r, f: objective.discriminator_loss(r, f, mask), (real, fake), fast_mode=True
    )
    assert torch.autograd.gradcheck(
        lambda f: objective.generator_loss(f, mask), fake, fast_mode=True
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_generator_loss_depends_on_the_hole_only_where_the_paper_says_so(name):
    _, fake, mask = tensors(*example())
    fake.requires_grad_()
    objective = make_objective(name)
    loss = objective.generator_loss(fake, mask)
    loss.backward()
    known = torch.from_numpy(numpy_share(mask.numpy()) == 0)
    other = torch.roll(mask, (20, 30), dims=(2, 3))
    if name in ("paper", "hm-patchgan"):
        assert (fake.grad[known] == 0).all() and (fake.grad[~known] != 0).all()
        assert abs(objective.generator_loss(fake, other) - loss) > 1e-3
    else:  # the mask of the released code cancels, PatchGAN has none
        assert (fake.grad[known] != 0).all()
        assert abs(objective.generator_loss(fake, other) - loss) < DOUBLE


@pytest.mark.parametrize("name", ["paper", "hm-patchgan"])
def test_paper_loss_is_a_mean_over_each_hole_then_over_images(name):
    _, fake, mask = tensors(*example())
    objective = make_objective(name)
    singly = [objective.generator_loss(fake[b : b + 1], mask[b : b + 1]) for b in range(3)]
    together = objective.generator_loss(fake, mask)
    torch.testing.assert_close(torch.stack(singly).mean(), together)
    torch.testing.assert_close(
        objective.generator_loss(torch.full_like(fake, -1.0), mask), torch.tensor(4.0).double()
    )


def test_a_hole_of_less_than_a_cell_counts_by_its_weight():
    _, fake, _ = tensors(*example())
    mask = torch.zeros(len(fake), 1, HEIGHT, WIDTH).double()
    mask[..., 30, 30] = 1  # a pixel
    objective = make_objective("paper")
    level = objective.generator_loss(torch.full_like(fake, -1.0), mask)
    assert level.item() == pytest.approx(4, rel=DOUBLE), "whatever the weights sum to"


def test_image_without_hole():
    _, fake, mask = tensors(*example())
    fake.requires_grad_()
    empty = torch.zeros_like(mask)
    for name in ("paper", "hm-patchgan"):
        loss = make_objective(name).generator_loss(fake, empty)
        (gradient,) = torch.autograd.grad(loss, fake)
        assert loss.item() == 0 and (gradient == 0).all()
    for name in ("released", "mmagic"):
        assert math.isnan(make_objective(name).generator_loss(fake, empty).item())


def test_only_the_released_trainer_leaks_into_the_discriminator():
    leaking = [n for n in OBJECTIVES if make_objective(n).leaks_into_discriminator]
    assert leaking == ["released"]


def train_discriminator(name, real, filled, mask):
    """A small D of the paper's geometry, trained until it tells holes from known pixels."""
    torch.manual_seed(0)
    layers, channels = [], 3
    for width, stride in ((8, 2), (8, 2), (8, 2), (8, 1)):
        layers += [nn.Conv2d(channels, width, 4, stride, 1), nn.LeakyReLU(0.2)]
        channels = width
    d = nn.Sequential(*layers, nn.Conv2d(channels, 1, 4, 1, 1)).double()
    optimiser = torch.optim.Adam(d.parameters(), 5e-3)
    for _ in range(60):
        loss = make_objective(name).discriminator_loss(d(real), d(filled), mask)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return d


def hole_scores(name):
    """D's scores in a hole: of real content, and of a fill before and after G's loss moved it."""
    generator = torch.Generator().manual_seed(0)
    real = 0.1 * torch.randn(2, 3, 96, 96, generator=generator, dtype=torch.float64)
    mask = torch.zeros(2, 1, 96, 96, dtype=torch.float64)
    mask[:, :, 24:72, 24:72] = 1
    d = train_discriminator(name, real, real * (1 - mask) + 0.5 * mask, mask)
    fill = torch.full_like(real, 0.3).requires_grad_()  # less obvious than what D was trained on
    scores = [d(real)[:, :, 4:6, 4:6].mean().item()]
    for _ in range(8):
        d_fake = d(real * (1 - mask) + fill * mask)
        scores.append(d_fake[:, :, 4:6, 4:6].mean().item())  # cells in the middle of the hole
        loss = make_objective(name).generator_loss(d_fake, mask)
        (gradient,) = torch.autograd.grad(loss, fill)
        fill = (fill - 0.04 * gradient.sign()).detach().requires_grad_()
    return scores[0], scores[1], scores[-1]


def test_generator_moves_the_hole_towards_the_real_label_under_the_paper():
    real, before, after = hole_scores("paper")
    assert before < 0.6 < 0.8 < real  # D has learnt: holes 0, real 1
    assert abs(after - 1) < abs(before - 1) - 0.1


def test_generator_moves_the_hole_away_from_the_real_label_under_the_released_code():
    real, before, after = hole_scores("released")
    assert real < 0.2 < 0.4 < before  # D has learnt: holes 1, real 0
    assert abs(after - 0) > abs(before - 0) + 0.1


@pytest.mark.parametrize("size", [(64, 64), (71, 101), (128, 96)])
def test_sizes_agree_with_the_discriminator(size):
    d = Discriminator(width=2)
    image, mask = torch.zeros(1, 3, *size), torch.zeros(1, 1, *size)
    mask[..., 20:40, 20:40] = 1
    d_map = d(image)
    for name in OBJECTIVES:
        objective = make_objective(name)
        assert objective.discriminator_loss(d_map, d_map, mask).isfinite()
        assert objective.generator_loss(d_map, mask).isfinite()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_half_maps_are_compared_in_full_precision(name):
    real, fake, mask = (x.bfloat16() for x in tensors(*example()))
    objective = make_objective(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = objective.discriminator_loss(real, fake, mask), objective.generator_loss(fake, mask)
    real, fake, mask = real.double(), fake.double(), mask.double()
    expected = objective.discriminator_loss(real, fake, mask), objective.generator_loss(fake, mask)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == torch.float32
        assert abs(a.item() - b.item()) < SINGLE_SUM


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_can_be_sent_to_worker_processes(name):
    assert pickle.loads(pickle.dumps(make_objective(name))) == make_objective(name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", OBJECTIVES)
def test_cuda_gives_the_same_losses(name):
    real, fake, mask = (x.float() for x in tensors(*example()))
    objective = make_objective(name)
    for loss, maps in (
        (objective.discriminator_loss, (real, fake)),
        (objective.generator_loss, (fake,)),
    ):
        got = loss(*(x.cuda() for x in maps), mask.cuda())
        torch.testing.assert_close(got.cpu(), loss(*maps, mask), rtol=SINGLE_NET, atol=SINGLE_SUM)


def test_bad_input_is_refused():
    real, fake, mask = tensors(*example())
    objective = make_objective("paper")
    with pytest.raises(InputError, match="hm-patchgan"):
        make_objective("smgan")
    with pytest.raises(InputError, match="hm-patchgan"):
        label_map("smgan", mask, SIZE)
    with pytest.raises(InputError, match="does not belong"):
        objective.generator_loss(fake[..., :-1], mask)
    with pytest.raises(InputError, match="same B"):
        objective.generator_loss(fake[:1], mask)
    with pytest.raises(InputError, match="equal shapes"):
        objective.discriminator_loss(real[:1], fake, mask)
