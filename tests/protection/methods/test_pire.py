"""What is PIRE's own: its box and its magnification."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.balls import LInf
from recessive.protection.methods import METHODS, Run
from recessive.protection.methods.pire import NormalisedBox, refine

XI = 10 / 255
EDGE = torch.tensor(XI).item()  # in single precision
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
