"""Poolings and heads."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recessive.encoders.heads import (
    MAC,
    RMAC,
    DescriptorHead,
    GeM,
    PartedHead,
    RegionalPooling,
    SPoC,
    squares,
    unit,
)


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


def feature_map(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


HAND = torch.tensor([[[[1.0, 5.0, 0.0], [2.0, 0.0, 4.0]], [[0.5, 0.5, 0.5], [0.5, 0.5, 3.5]]]])


def test_maximum_and_mean_by_hand():
    assert MAC()(HAND).tolist() == [[5.0, 3.5]]
    assert SPoC()(HAND).tolist() == [[2.0, 1.0]]


def test_gem_lies_between_the_two():
    torch.testing.assert_close(GeM(1.0)(HAND), SPoC()(HAND))
    torch.testing.assert_close(GeM(48.0)(HAND), MAC()(HAND), rtol=0.05, atol=0)
    assert (GeM(3.0)(HAND) > SPoC()(HAND)).all()
    assert (GeM(3.0)(HAND) < MAC()(HAND)).all()


def test_unit_by_hand():
    assert unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist() == [
        [pytest.approx(3 / (5 + 1e-6)), pytest.approx(4 / (5 + 1e-6))],
        [0.0, 0.0],
    ]


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (1, 1, [(1, [0], [0])]),  # sides ⌊2/2⌋ = 1, then ⌊2/3⌋ = ⌊2/4⌋ = 0
        (2, 2, [(2, [0], [0]), (1, [0, 1], [0, 1]), (1, [0, 0, 1], [0, 0, 1])]),
        (4, 4, [(4, [0], [0]), (2, [0, 2], [0, 2]), (2, [0, 1, 2], [0, 1, 2])]),
        # two squares of 3 in 5 overlap by 1/3, three by 2/3: one more than along the height
        (3, 5, [(3, [0], [0, 2]), (2, [0, 1], [0, 1, 3]), (1, [0, 1, 2], [0, 1, 2, 4])]),
        (5, 3, [(3, [0, 2], [0]), (2, [0, 1, 3], [0, 1]), (1, [0, 1, 2, 4], [0, 1, 2])]),
        # 2, 3 or 4 squares of 4 in 10 overlap by −1/2, 1/4, 1/2: three more
        (4, 10, [(4, [0], [0, 2, 4, 6]), (2, [0, 2], [0, 2, 4, 6, 8]), (2, [0, 1, 2], [0, 1, 3, 4, 6, 8])]),
        # two squares of 5 in 9 overlap by 1/5, three by 3/5, both 1/5 from what is wanted: the fewer
        (5, 9, [(5, [0], [0, 4]), (3, [0, 2], [0, 3, 6]), (2, [0, 1, 3], [0, 2, 4, 7])]),
        (
            24,
            32,
            [(24, [0], [0, 8]), (16, [0, 8], [0, 8, 16]), (12, [0, 6, 12], [0, 6, 13, 20])],
        ),
        # one place high: never more than seven squares along the width
        (1, 50, [(1, [0], [0, 8, 16, 24, 32, 40, 49])]),
    ],
)
def test_the_squares_of_a_map(height, width, expected):
    assert squares(height, width) == expected


@pytest.mark.parametrize(("height", "width"), [(h, w) for h in (1, 2, 5, 13) for w in (1, 3, 8, 40)])
def test_squares_reach_from_border_to_border(height, width):
    for level, (side, tops, lefts) in enumerate(squares(height, width), 1):
        assert side == 2 * min(height, width) // (level + 1) > 0
        for firsts, length in ((tops, height), (lefts, width)):
            assert firsts == sorted(firsts)
            assert firsts[0] == 0
            assert firsts[-1] == (length - side if len(firsts) > 1 else 0)


def test_regional_maxima_by_hand():
    """Nine places with repetition: the first four times, the second and third twice each, the last once (level 3)."""
    channels = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]])
    # whole map, and level 1: (1, 1)/√2 each; level 2: (1, 0), 0, 0, (0, 1); level 3: 4 × (1, 0), 4 × 0, (0, 1)
    total = torch.tensor([[5 + 2**0.5, 2 + 2**0.5]])
    torch.testing.assert_close(RMAC()(channels), total / total.norm())


# Of a map of 3 × 5: top, left, side.
REGIONS = [
    *[(0, left, 3) for left in (0, 2)],
    *[(top, left, 2) for top in (0, 1) for left in (0, 1, 3)],
    *[(top, left, 1) for top in (0, 1, 2) for left in (0, 1, 2, 4)],
]


def of_each_region(values, pool):
    parts = [values, *(values[:, :, t : t + s, left : left + s] for t, left, s in REGIONS)]
    return [(v := pool(part)) / v.norm(dim=1, keepdim=True) for part in parts]


def test_regional_maxima_are_the_sum_over_the_listed_squares():
    values = feature_map(2, 6, 3, 5)
    total = sum(of_each_region(values, lambda part: part.amax(dim=(2, 3))))
    torch.testing.assert_close(RMAC()(values), total / total.norm(dim=1, keepdim=True), rtol=1e-5, atol=1e-6)


def test_other_poolings_by_region_are_whitened_before_they_are_summed():
    torch.manual_seed(0)
    values, whiten, pool = feature_map(2, 6, 3, 5), nn.Linear(6, 6), GeM(2.5)
    each = [whiten(vectors) for vectors in of_each_region(values, pool)]
    total = sum(vectors / vectors.norm(dim=1, keepdim=True) for vectors in each)
    found = RegionalPooling(pool, whiten)(values)
    torch.testing.assert_close(found, total / total.norm(dim=1, keepdim=True), rtol=1e-4, atol=1e-5)


def test_regional_pooling_of_maxima_is_rmac_where_nothing_is_whitened():
    whiten = nn.Linear(5, 5)
    with torch.no_grad():
        whiten.weight.copy_(torch.eye(5))
        whiten.bias.zero_()
    for shape in ((3, 5, 4, 4), (1, 5, 7, 3), (2, 5, 1, 1), (2, 5, 1, 9)):
        values = feature_map(*shape)
        torch.testing.assert_close(RegionalPooling(MAC(), whiten)(values), RMAC()(values), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pool", [MAC(), SPoC(), GeM(), RMAC()])
class TestEachPooling:
    def test_a_map_of_one_place_keeps_its_direction(self, pool):
        values = feature_map(3, 4, 1, 1) + 0.1
        direction = nn.functional.normalize(values[:, :, 0, 0], dim=1)
        torch.testing.assert_close(nn.functional.normalize(pool(values), dim=1), direction)

    def test_photos_of_a_batch_do_not_influence_each_other(self, pool):
        values = feature_map(3, 4, 5, 7)
        torch.testing.assert_close(torch.cat([pool(one[None]) for one in values]), pool(values))

    def test_gradients_are_finite_on_maps_of_zeros_too(self, pool):
        for values in (feature_map(2, 4, 3, 5), torch.zeros(2, 4, 3, 5)):
            values.requires_grad_()
            pool(values)[:, 0].sum().backward()
            assert torch.isfinite(values.grad).all()
        with torch.no_grad():
            pooled = pool(values)
        assert pooled.abs().max() <= 1.0001e-6  # zero, or GeM's floor
