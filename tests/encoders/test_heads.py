from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recessive.encoders import DescriptorHead, GeM
from recessive.encoders.heads import PartedHead


def features(seed=0):
    return torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, 4.5])
def test_gem_is_the_generalised_mean(p):
    values = features()
    expected = [
        [(sum(v**p for v in channel.flatten().tolist()) / 20) ** (1 / p) for channel in photo] for photo in values
    ]
    torch.testing.assert_close(GeM(p)(values), torch.tensor(expected))


def test_gem_goes_from_the_average_to_the_maximum():
    values = features()
    torch.testing.assert_close(GeM(1.0)(values), values.mean(dim=(2, 3)))
    torch.testing.assert_close(GeM(400.0)(0.5 + values / 2), (0.5 + values / 2).amax(dim=(2, 3)), rtol=0.01, atol=0)
    means = [GeM(p)(values) for p in (1.0, 3.0, 10.0)]
    assert (means[0] < means[1]).all()
    assert (means[1] < means[2]).all()


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-7, 100.0])
def test_gradients_of_features_and_exponent_are_finite(value):
    pool, values = GeM(), torch.full((1, 2, 3, 3), value, requires_grad=True)
    pool(values).sum().backward()
    assert torch.isfinite(values.grad).all()
    assert torch.isfinite(pool.p.grad)


@pytest.mark.parametrize("dim", [None, 7])
def test_descriptors_have_unit_length(dim):
    torch.manual_seed(0)
    descriptors = DescriptorHead(3, dim)(100 * features())
    assert descriptors.shape == (2, dim or 3)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2))


def test_without_a_projection_the_descriptor_is_the_pooled_features():
    pooled = GeM()(features())
    torch.testing.assert_close(DescriptorHead(3)(features()), pooled / pooled.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("exponent", [0, 1, 1.5])
def test_an_exponent_keeps_some_of_the_length(exponent):
    torch.manual_seed(0)
    plain, kept = DescriptorHead(3, 7, exponent=1), DescriptorHead(3, 7, exponent=exponent)
    kept.load_state_dict(plain.state_dict())
    length = plain(features()).norm(dim=1)
    torch.testing.assert_close(plain(features()), plain.projection(plain.pool(features())))
    torch.testing.assert_close(kept(features()).norm(dim=1), length**exponent)
    torch.testing.assert_close(F.normalize(kept(features()), dim=1), F.normalize(plain(features()), dim=1))


def test_parts_share_each_dot_product():
    torch.manual_seed(0)
    head = PartedHead([(0, 3, 4, 0), (1, 5, 6, 0), (1, 5, 2, 1.5)])
    head.shares.copy_(torch.tensor([0.3, 0.5, 0.2]))
    early, last = features(), torch.rand(2, 5, 2, 2, generator=torch.Generator().manual_seed(1))
    descriptors = head((early, last))
    assert descriptors.shape == (2, 12)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2))
    parts = head.parts[0](early), head.parts[1](last), head.parts[2](last)
    expected = sum(share * part @ part.T for share, part in zip((0.3, 0.5, 0.2), parts, strict=True))
    length = expected.diagonal().sqrt()  # not 1: the last part keeps a length of its own
    torch.testing.assert_close(descriptors @ descriptors.T, expected / length / length[:, None])
    torch.testing.assert_close(head.parts[1](last).norm(dim=1), torch.ones(2))
    assert (head.parts[2](last).norm(dim=1) - 1).abs().min() > 1e-3
