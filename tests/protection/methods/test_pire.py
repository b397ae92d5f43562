"""What is PIRE's own: its box, its magnification, how it is saved, and its search within a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recessive.balls import L2, LInf
from recessive.encoders import Encoder
from recessive.protection.methods import METHODS, Run, Surrogate
from recessive.protection.methods.pire import PIRE, PIRE_PLAIN, NormalisedBox, PIREBudget, min_max_saved, refine

XI = 10 / 255
EDGE = torch.tensor(XI).item()  # in single precision
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@given(st.lists(st.floats(-EDGE, EDGE, width=32), min_size=1, max_size=20))
def test_refined_perturbations_are_whole_steps_of_the_same_sign_eleven_at_most(values):
    v = torch.tensor(values)
    steps = refine(v) / 0.032
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)
    assert (steps.abs().round() <= 11).all()
    assert torch.equal(steps.sign(), v.sign())
    assert (steps.abs() >= 256 * v.abs() - 1e-4).all()
    assert (steps.abs() < 256 * v.abs() + 1 + 1e-4).all()


def test_refined_perturbations_at_known_places():
    v = torch.tensor([0.0, 1e-9, -1e-9, 1 / 256, -2.5 / 256, XI, -XI])
    torch.testing.assert_close(refine(v) / 0.032, torch.tensor([0.0, 1, -1, 1, -3, 11, -11]))


def test_the_box_is_one_standard_deviation_times_xi_in_each_channel():
    originals = torch.full((2, 3, 4, 4), 0.5)
    moved = NormalisedBox().project(originals + torch.tensor([1.0, -1.0]).view(2, 1, 1, 1), originals)
    torch.testing.assert_close(moved[0] - 0.5, (XI * STD[0]).expand(3, 4, 4))
    torch.testing.assert_close(moved[1] - 0.5, (-XI * STD[0]).expand(3, 4, 4))
    inside = originals + 0.3 * XI * STD
    torch.testing.assert_close(NormalisedBox().project(inside, originals), inside)


def test_the_start_fills_the_box_and_each_photo_has_its_own_seed():
    originals = torch.full((2, 3, 16, 16), 0.5)
    start = NormalisedBox().random_start(originals, [4, 9])
    v = (start - originals) / STD
    assert v.abs().max() <= XI * (1 + 1e-4)
    assert v.abs().amax(dim=(2, 3)).min() > 0.9 * XI
    assert torch.equal(NormalisedBox().random_start(originals[:1], [9])[0], start[1])
    assert not torch.equal(start[0], start[1])


def test_another_seed_gives_another_photo(surrogates, draw_photos):
    photos = draw_photos(1, 24, 24, 0)
    pire = METHODS["pire"]
    results = [pire(photos, [surrogates["descriptor"]], Run(LInf(21), 2, [seed])).photos for seed in (0, 1)]
    assert not torch.equal(results[0], results[1])


def test_before_any_step_pire_saves_its_magnified_start(surrogates, draw_photos):
    photos = 0.3 + 0.4 * draw_photos(1, 24, 24, 0)  # far from the ends of [0, 1]
    photos = (photos * 255).round() / 255
    v = (NormalisedBox().random_start(photos, [3]) - photos) / STD
    for name, p in (("pire", refine(v)), ("pire-plain", 10 * v)):
        method = METHODS[name]
        found = method(photos, [surrogates["descriptor"]], Run(LInf(method.budget), 0, [3])).photos
        torch.testing.assert_close(found, photos + p * STD, rtol=0, atol=0.51 / 255)


def test_the_box_may_be_another(surrogates):
    photos = torch.full((1, 3, 24, 24), 128 / 255)
    found = replace(PIRE_PLAIN, xi=XI / 2)(photos, [surrogates["descriptor"]], Run(LInf(23), 3, [3])).photos
    changes = 255 * (found - photos).abs().amax(dim=(2, 3)).view(3)
    torch.testing.assert_close(changes, 50 * STD.view(3), rtol=0, atol=0.51)


def test_min_max_saving_spreads_the_normalised_photo_over_the_range(draw_photos):
    photos = draw_photos(2, 6, 5, 0) * torch.tensor([1.0, 0.5]).view(2, 1, 1, 1)
    saved = min_max_saved(photos)
    for photo, result in zip(photos, saved, strict=True):
        normalised = (photo - MEAN[0]) / STD[0]
        lowest, highest = min(normalised.flatten().tolist()), max(normalised.flatten().tolist())
        torch.testing.assert_close(result, (normalised - lowest) / (highest - lowest))
    assert saved.amin(dim=(1, 2, 3)).tolist() == [0, 0]
    assert saved.amax(dim=(1, 2, 3)).tolist() == [1, 1]


def test_min_max_saving_of_one_normalised_value_is_black():
    saved = min_max_saved((MEAN + 0.2 * STD).expand(1, 3, 4, 4))  # its channels differ by rounding
    torch.testing.assert_close(saved, torch.zeros(1, 3, 4, 4), rtol=0, atol=0.05)


def test_pire_saves_by_min_max_when_asked_to_and_the_ball_holds(surrogates, draw_photos):
    photos = draw_photos(1, 24, 24, 0)
    method = replace(PIRE(), saving="min-max")
    v = (NormalisedBox().random_start(photos, [3]) - photos) / STD
    expected = min_max_saved(photos + refine(v) * STD)
    free, held = (method(photos, [surrogates["descriptor"]], Run(LInf(b), 0, [3])).photos for b in (255, 8))
    torch.testing.assert_close(free, expected, rtol=0, atol=0.51 / 255)
    assert 255 * (free - photos).abs().max() > 21
    assert 255 * (held - photos).abs().max() < 8.01


def linear(dim=5):
    """W and f(x) = W x, of photos of 4 × 4 pixels."""
    weights = torch.randn(dim, 48, generator=torch.Generator().manual_seed(0))
    head = nn.Linear(48, dim, bias=False)
    head.weight.data = weights
    return weights, Encoder("linear", nn.Flatten(), head.requires_grad_(False), dim, "descriptor")


def uphill(weights, start, photos):
    """Sign of the gradient of ||W (x' − x)||²: of Wᵀ W (x' − x), summed by hand."""
    changes = (start - photos).flatten(1)
    rows = [sum((row @ change) * row for row in weights) for change in changes]
    return torch.stack(rows).sign().view_as(photos)


def test_the_first_step_goes_along_the_naive_gradient():
    weights, encoder = linear()
    photos = torch.full((2, 3, 4, 4), 128 / 255)
    start = NormalisedBox().random_start(photos, [3, 4])
    v = ((start - photos) / STD + 0.5 * XI * uphill(weights, start, photos)).clamp(-XI, XI)
    method = replace(PIRE_PLAIN, rate=0.5 * XI)
    found = method(photos, [Surrogate(encoder)], Run(LInf(255), 1, [3, 4])).photos
    torch.testing.assert_close(found, photos + 10 * v * STD, rtol=0, atol=0.51 / 255)


@pytest.mark.parametrize("ball", [LInf(16), L2(16)], ids=["LInf", "L2"])
def test_the_first_step_within_the_budget_likewise(ball):
    weights, encoder = linear()
    photos = torch.full((2, 3, 4, 4), 128 / 255)
    start = ball.random_start(photos, [3, 4])
    found = replace(PIREBudget(), rate=0.5)(photos, [Surrogate(encoder)], Run(ball, 1, [3, 4])).photos
    moved = ball.project(start + 0.5 * 16 / 255 * uphill(weights, start, photos), photos)
    torch.testing.assert_close(found, ball.to_grid(moved, photos), rtol=0, atol=1e-6)


def test_within_the_budget_one_projection_is_driven_to_its_optimum():
    """(w·d)² over a box is largest at the corner d = ± budget · sign(w), on the side where the start lies."""
    weights, encoder = linear(1)
    photos = torch.full((2, 3, 4, 4), 128 / 255)
    found = PIREBudget()(photos, [Surrogate(encoder)], Run(LInf(8), 900, [3, 4]))
    sides = ((LInf(8).random_start(photos, [3, 4]) - photos).flatten(1) @ weights.T).sign()
    expected = 8 * (sides * weights.sign()).view_as(photos)
    torch.testing.assert_close(255 * (found.photos - photos), expected, rtol=0, atol=1e-3)


def test_within_the_budget_saving_is_part_of_the_search():
    _, encoder = linear()
    calls = []

    def saving(photos):
        calls.append(photos)
        return photos

    photos = torch.full((1, 3, 4, 4), 128 / 255)
    PIREBudget()(photos, [Surrogate(encoder)], Run(LInf(8), 2, [3], saving=saving))
    assert len(calls) == 3


def test_published_constants():
    for method in (PIRE(), PIRE_PLAIN):
        assert (method.xi, method.rate, method.steps) == (10 / 255, 1e-4, 500)
    assert PIREBudget().rate == pytest.approx(1e-4 / (10 / 255))
    assert PIREBudget().steps == 500
