"""The architectures of the bundled encoders, and the small ones."""

from __future__ import annotations

from math import ceil

import pytest
import torch
from torch import nn

from recessive.encoders.networks.compact import (
    Convolutional,
    Depthwise,
    ResidualBlock,
    SmallDepthwise,
    SmallPlain,
    SmallResidual,
    Transformer,
)

SMALL = {
    "convolutional": lambda: Convolutional((8, 12, 16, 20), 24, 6),
    "depthwise": lambda: Depthwise((8, 12, 16), (1, 1, 2), 24),
    "transformer": lambda: Transformer(16, 2, 4, 24),
}


@pytest.fixture(params=SMALL)
def network(request):
    torch.manual_seed(0)
    return SMALL[request.param]().eval()


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 48), (16, 80)])
def test_two_maps_of_the_first_and_the_last_layer_are_never_negative(network, height, width):
    early, last = network(draw(2, 3, height, width))
    stride = 4 if isinstance(network, Depthwise) else 2
    assert early.shape == (2, network.early_channels, height // stride, width // stride)
    assert last.shape == (2, 24, height // 16, width // 16)
    assert network.channels == 24
    for features in (early, last):
        assert (features >= 0).all()
        assert (features > 0).any()


@pytest.mark.parametrize("which", [0, 1], ids=["early", "last"])
def test_a_gradient_reaches_the_photo_through_either_map(network, which):
    photos = draw(1, 3, 32, 32).requires_grad_()
    network(photos)[which].sum().backward()
    assert torch.isfinite(photos.grad).all()
    assert (photos.grad != 0).float().mean() > 0.9


def test_batch_mates_do_not_influence_each_other(network):
    photos = draw(3, 3, 32, 32)
    for alone, together in zip(network(photos[1:2]), network(photos), strict=True):
        torch.testing.assert_close(alone, together[1:2], rtol=1e-3, atol=1e-5)


@pytest.fixture(params=[SmallResidual, SmallPlain, SmallDepthwise])
def small_network(request):
    torch.manual_seed(0)
    return request.param().eval()


def draw_small(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("height", "width"), [(28, 28), (32, 32), (64, 64), (33, 46), (4, 4)])
def test_one_map_at_a_quarter_of_the_side_is_never_negative(small_network, height, width):
    features = small_network(draw_small(2, 3, height, width))
    assert features.shape == (2, small_network.channels, ceil(height / 4), ceil(width / 4))
    assert (features >= 0).all()
    assert (features > 0).any()


def test_they_are_small(small_network):
    assert sum(weight.numel() for weight in small_network.parameters()) <= 700_000


def test_a_gradient_reaches_the_photo(small_network):
    photos = draw_small(1, 3, 32, 32).requires_grad_()
    small_network(photos).sum().backward()
    assert torch.isfinite(photos.grad).all()
    assert (photos.grad != 0).float().mean() > 0.9


def test_batch_mates_do_not_influence_each_other_in_small_networks(small_network):
    photos = draw_small(3, 3, 32, 32)
    torch.testing.assert_close(small_network(photos[1:2]), small_network(photos)[1:2], rtol=1e-3, atol=1e-5)


def test_the_memory_format_changes_nothing(small_network):
    photos = draw_small(2, 3, 32, 32)
    features = small_network(photos)
    small_network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        small_network(photos.to(memory_format=torch.channels_last)), features, rtol=1e-3, atol=1e-5
    )


def test_their_architectures_differ():
    def kinds(small_network):
        convolutions = [layer for layer in small_network.modules() if isinstance(layer, nn.Conv2d)]
        shortcuts = any(isinstance(layer, ResidualBlock) for layer in small_network.modules())
        return shortcuts, any(layer.groups > 1 for layer in convolutions)

    assert [kinds(build()) for build in (SmallResidual, SmallPlain, SmallDepthwise)] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_a_block_without_weights_passes_its_input_on():
    small_network = SmallDepthwise((8,), (1,))
    block, features = small_network.layers[1].eval(), draw_small(1, 8, 5, 5)
    nn.init.zeros_(block.narrow[0].weight)
    torch.testing.assert_close(block(features), features)
