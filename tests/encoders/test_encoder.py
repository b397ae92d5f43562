"""Trunks, encoders, and several at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from recessive.encoders import Encoder, HashNetwork, Trunk, encode


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, photos):
        self.calls += 1
        return photos


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(17, 300), (300, 17), (1, 1), (24, 24), (25, 23), (90, 60)])
def test_photos_of_any_size_and_aspect_become_square(shape):
    photos = draw(2, 3, *shape)
    seen = Trunk(nn.Identity(), 24, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))(photos)
    assert seen.shape == (2, 3, 24, 24)
    squeezed = interpolate(photos, (24, 24), mode="bilinear", antialias=True)
    expected = torch.stack([(squeezed[:, 0] - 0.1) / 0.5, squeezed[:, 1] - 0.2, (squeezed[:, 2] - 0.3) / 2], dim=1)
    torch.testing.assert_close(seen, expected)


@pytest.mark.parametrize("shape", [(17, 300), (24, 24), (8, 8), (97, 131)])
def test_a_gradient_reaches_every_value_of_the_photo(shape):
    photos = draw(1, 3, *shape).requires_grad_()
    Trunk(nn.Identity(), 24)(photos).sum().backward()
    assert (photos.grad > 0).all()


@pytest.mark.parametrize("shape", [(3, 24, 24), (1, 1, 24, 24), (1, 4, 24, 24), (1, 24, 24, 3)])
def test_other_shapes_are_refused_and_told(shape):
    with pytest.raises(ValueError, match="N, 3, H, W") as refused:
        Trunk(nn.Identity(), 24)(torch.zeros(shape))
    assert str(shape) in str(refused.value)


def test_mean_and_std_are_no_weights():
    assert Trunk(nn.Identity(), 24).state_dict() == {}


def test_an_encoder_is_its_head_after_its_trunk():
    encoder = Encoder("half", Counted(), nn.Sequential(nn.Flatten(), nn.Dropout(0.0)), 12, "descriptor")
    photos = draw(2, 3, 2, 2)
    torch.testing.assert_close(encoder(photos), photos.flatten(1))
    assert (encoder.name, encoder.dim, encoder.outputs) == ("half", 12, "descriptor")


def test_encode_runs_a_shared_trunk_once_and_keeps_the_order():
    shared, other, photos = Counted(), Counted(), draw(2, 3, 2, 2)
    flat, first = nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Softmax(dim=1))
    encoders = [
        Encoder("a", shared, flat, 12, "descriptor"),
        Encoder("b", other, first, 12, "descriptor"),
        Encoder("c", shared, first, 12, "descriptor"),
    ]
    outputs = encode(encoders, photos)
    assert (shared.calls, other.calls) == (1, 1)
    for encoder, found in zip(encoders, outputs, strict=True):
        torch.testing.assert_close(found, encoder(photos))


def test_encode_with_no_encoder_gives_nothing():
    assert encode([], draw(1, 3, 2, 2)) == []


def hash_network():
    torch.manual_seed(0)
    network = HashNetwork("tiny", Trunk(nn.Conv2d(3, 8, 3, 2), 16), channels=8, bits=12)
    for seed in range(3):  # statistics of the normalisation
        network(draw(16, 3, 20, 20, seed=seed))
    return network


def test_a_hash_network_gives_one_logit_a_bit():
    network = hash_network().eval()
    assert network(draw(3, 3, 21, 19)).shape == (3, 12)
    assert (network.name, network.dim, network.outputs) == ("tiny", 12, "logits")


def test_in_evaluation_mode_logits_are_the_same_each_time_and_in_any_company():
    network, photos = hash_network().eval(), draw(4, 3, 20, 20, seed=9)
    together = network(photos)
    assert torch.equal(together, network(photos))
    torch.testing.assert_close(network(photos[1:2]), together[1:2], rtol=1e-4, atol=1e-4)


def test_in_training_each_bit_splits_its_batch():
    logits = hash_network().train()(draw(32, 3, 20, 20))
    torch.testing.assert_close(logits.mean(0), torch.zeros(12), rtol=0, atol=1e-5)


def test_the_hash_layer_takes_pooled_features_too():
    layer = hash_network().eval().head
    features = draw(2, 8, 3, 3)
    torch.testing.assert_close(layer(layer.pool(features)), layer(features))
