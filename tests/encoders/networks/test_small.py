"""The small networks."""

from __future__ import annotations

from math import ceil

import pytest
import torch
from torch import nn

from recessive.encoders.networks import SmallDepthwise, SmallPlain, SmallResidual
from recessive.encoders.networks.compact import ResidualBlock


@pytest.fixture(params=[SmallResidual, SmallPlain, SmallDepthwise])
def network(request):
    torch.manual_seed(0)
    return request.param().eval()


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("height", "width"), [(28, 28), (32, 32), (64, 64), (33, 46), (4, 4)])
def test_one_map_at_a_quarter_of_the_side_is_never_negative(network, height, width):
    features = network(draw(2, 3, height, width))
    assert features.shape == (2, network.channels, ceil(height / 4), ceil(width / 4))
    assert (features >= 0).all()
    assert (features > 0).any()


def test_they_are_small(network):
    assert sum(weight.numel() for weight in network.parameters()) <= 700_000


def test_a_gradient_reaches_the_photo(network):
    photos = draw(1, 3, 32, 32).requires_grad_()
    network(photos).sum().backward()
    assert torch.isfinite(photos.grad).all()
    assert (photos.grad != 0).float().mean() > 0.9


def test_batch_mates_do_not_influence_each_other(network):
    photos = draw(3, 3, 32, 32)
    torch.testing.assert_close(network(photos[1:2]), network(photos)[1:2], rtol=1e-3, atol=1e-5)


def test_the_memory_format_changes_nothing(network):
    photos = draw(2, 3, 32, 32)
    features = network(photos)
    network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(photos.to(memory_format=torch.channels_last)), features, rtol=1e-3, atol=1e-5)


def test_their_architectures_differ():
    def kinds(network):
        convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
        shortcuts = any(isinstance(layer, ResidualBlock) for layer in network.modules())
        return shortcuts, any(layer.groups > 1 for layer in convolutions)

    assert [kinds(build()) for build in (SmallResidual, SmallPlain, SmallDepthwise)] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_a_block_without_weights_passes_its_input_on():
    network = SmallDepthwise((8,), (1,))
    block, features = network.layers[1].eval(), draw(1, 8, 5, 5)
    nn.init.zeros_(block.narrow[0].weight)
    torch.testing.assert_close(block(features), features)
