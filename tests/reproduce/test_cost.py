"""What a model costs, on one whose cost is known by counting."""

import pytest
import torch
from torch import nn

from aotgan.models.inpainter import Inpainter
from aotgan.reproduce.runs.cost import _LiveTensors, cost_row, measure_cost


class OneConvolution(Inpainter):
    """A 3x3 convolution of the masked image."""

    fill = 0.0
    config = {}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, masked_image, mask):
        return self.conv(masked_image)


def test_parameters_and_multiply_adds_are_counted():
    cost = measure_cost(OneConvolution(), 32)
    assert cost.parameters == 3 * 3 * 9 + 3
    assert cost.gmacs == pytest.approx(32 * 32 * 3 * 3 * 9 / 1e9)
    assert cost.seconds > 0
    image_mb = 3 * 32 * 32 * 4 / 2**20
    assert 2 * image_mb <= cost.memory_mb <= 6 * image_mb


def test_the_peak_counts_what_is_alive_at_one_time():
    with _LiveTensors() as live:
        first = torch.zeros(2**18)  # 1 MiB
        second = first + 1
        del first
        third = second + 1
        view = third.view(-1, 2)
        fourth = view * 2
        del second, third, view
        fourth + 1
    assert live.peak == 3 * 2**20


def test_a_record_gets_json_values():
    row = cost_row(OneConvolution(), 32)
    assert set(row) == {"parameters", "gmacs", "seconds", "memory_mb"}
    assert {type(value) for value in row.values()} == {int, float}
