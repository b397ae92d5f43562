"""The architectures of the bundled encoders."""

from __future__ import annotations

import pytest
import torch

from recessive.encoders.networks import Convolutional, Depthwise, Transformer

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
