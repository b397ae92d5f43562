import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.balls import L2, LInf

BALLS = st.one_of(st.builds(LInf, st.floats(0.05, 40)), st.builds(L2, st.floats(0.05, 40)))
SLACK = 1.1e-6  # 1e-6 is allowed for float32; a little more for this test's own rounding


def radius(change, ball):
    change = change.double()
    return change.abs().amax((1, 2, 3)) if isinstance(ball, LInf) else change.square().mean((1, 2, 3)).sqrt()


@st.composite
def photos_near_originals(draw, *, grid):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    originals = torch.rand(3, 3, draw(st.integers(1, 6)), draw(st.integers(1, 6)), generator=generator)
    originals = originals * draw(st.sampled_from([0.05, 1.0]))  # the dark ones reach the box
    if draw(st.booleans()) if grid is None else grid:
        originals = (originals * 255).round() / 255
    scale = draw(st.sampled_from([1e-3, 0.03, 1.0]))
    return originals + scale * torch.randn(originals.shape, generator=generator), originals


def is_within(photos, originals, ball):
    in_box = float(photos.min()) >= 0 and float(photos.max()) <= 1
    return in_box and bool((radius(photos - originals, ball) <= ball.budget / 255 + SLACK).all())


@given(BALLS, photos_near_originals(grid=None))
def test_a_projection_lies_in_ball_and_box_and_is_its_own_projection(ball, pair):
    photos, originals = pair
    projected = ball.project(photos, originals)
    assert is_within(projected, originals, ball)
    torch.testing.assert_close(ball.project(projected, originals), projected, rtol=0, atol=2e-7)


@given(BALLS, photos_near_originals(grid=None))
def test_a_projection_moves_no_value_away_from_the_original_nor_past_it(ball, pair):
    photos, originals = pair
    change, projected = photos - originals, ball.project(photos, originals) - originals
    assert bool((projected.abs() <= change.abs() + 1e-7).all())
    assert bool((projected * change >= -1e-9).all())


@given(st.floats(0.05, 40), photos_near_originals(grid=None))
def test_the_projection_to_an_l_inf_ball_is_the_nearest_point_of_ball_and_box(budget, pair):
    photos, originals = pair
    lowest, highest = (originals - budget / 255).clamp(min=0), (originals + budget / 255).clamp(max=1)
    nearest = torch.where(photos < lowest, lowest, torch.where(photos > highest, highest, photos))
    torch.testing.assert_close(LInf(budget).project(photos, originals), nearest, rtol=0, atol=1e-7)


def test_the_projection_to_an_l2_ball_keeps_the_direction():
    originals = torch.full((1, 3, 4, 4), 0.5)
    change = 0.1 * torch.randn(originals.shape, generator=torch.Generator().manual_seed(0))
    projected = L2(3).project(originals + change, originals) - originals
    assert float(projected.double().square().mean().sqrt()) == pytest.approx(3 / 255, rel=1e-5)
    assert float(torch.cosine_similarity(projected.flatten(), change.flatten(), dim=0)) == pytest.approx(1)


@given(BALLS, st.integers(0, 99))
def test_a_random_start_lies_in_ball_and_box_and_depends_on_its_own_seed_alone(ball, seed):
    originals = torch.rand(3, 3, 5, 4, generator=torch.Generator().manual_seed(seed))
    started = ball.random_start(originals, [seed, seed + 1, seed])
    assert is_within(started, originals, ball)
    alone = ball.random_start(originals[2:], [seed])
    assert torch.equal(started[2:], alone)
    assert not torch.equal(started[1:2], ball.random_start(originals[1:2], [seed]))
    assert not torch.equal(started, originals)


def test_random_starts_fill_the_ball():
    originals = torch.full((1, 3, 40, 40), 0.5)
    change = (LInf(8).random_start(originals, [0]) - originals) * 255
    assert float(change.max()) > 7.9
    assert float(change.min()) < -7.9
    assert float(change.std()) == pytest.approx(8 / math.sqrt(3), rel=0.05)
    change = (L2(8).random_start(originals, [0]) - originals) * 255
    assert float(change.square().mean().sqrt()) == pytest.approx(8, rel=1e-4)


@given(BALLS, photos_near_originals(grid=True))
def test_the_grid_point_lies_in_the_ball(ball, pair):
    photos, originals = pair
    found = ball.to_grid(ball.project(photos, originals), originals)
    assert torch.equal(found, (found * 255).round() / 255)
    assert is_within(found, originals, ball)


@given(BALLS.filter(lambda ball: ball.budget >= 0.5), photos_near_originals(grid=False))
def test_the_grid_point_lies_in_the_ball_around_originals_off_the_grid(ball, pair):
    photos, originals = pair
    found = ball.to_grid(ball.project(photos, originals), originals)
    assert torch.equal(found, (found * 255).round() / 255)
    assert is_within(found, originals, ball)


@given(BALLS, photos_near_originals(grid=None))
def test_photos_off_the_ball_are_brought_in_with_the_grid(ball, pair):
    photos, originals = pair
    originals = (originals * 255).round() / 255
    assert is_within(ball.to_grid(photos, originals), originals, ball)


@given(st.floats(0.05, 12), photos_near_originals(grid=None))
def test_the_grid_point_of_an_l_inf_ball_is_the_nearest_level_inside(budget, pair):
    photos, originals = pair
    found = (LInf(budget).to_grid(photos, originals) * 255).flatten().tolist()
    levels = torch.arange(256, dtype=torch.float64)
    for level, photo, original in zip(found, photos.flatten().tolist(), originals.flatten().tolist(), strict=True):
        inside = levels[(levels - original * 255).abs() <= budget + 255e-6]
        if len(inside):
            assert abs(level - photo * 255) <= float((inside - photo * 255).abs().min()) + 1e-3
        else:
            assert abs(level - original * 255) <= 0.5 + 1e-3


def test_the_grid_takes_little_from_an_l2_change():
    generator = torch.Generator().manual_seed(0)
    originals = (torch.rand(2, 3, 32, 32, generator=generator) * 155 + 50).round() / 255
    ball = L2(4)
    photos = ball.project(originals + torch.randn(originals.shape, generator=generator), originals)
    found = ball.to_grid(photos, originals) - originals
    assert bool((radius(found, ball) > 0.995 * 4 / 255).all())


def test_a_photo_inside_an_l2_ball_is_only_rounded_whatever_its_batch_mates():
    originals = torch.full((2, 3, 4, 4), 100 / 255)
    change = torch.randn(originals.shape, generator=torch.Generator().manual_seed(0)) / 255
    change[1] *= 50
    found = L2(5).to_grid(originals + change, originals)
    assert torch.equal(found[0], ((originals + change)[0] * 255).round() / 255)


@pytest.mark.parametrize("ball", [LInf, L2])
@pytest.mark.parametrize("budget", [-1, math.nan, math.inf])
def test_a_budget_is_a_number_from_0(ball, budget):
    with pytest.raises(ValueError, match="budget is a number from 0"):
        ball(budget)


@pytest.mark.parametrize("ball", [LInf(8), L2(8)])
def test_shapes_and_seeds_must_match(ball):
    originals = torch.rand(2, 3, 4, 4)
    for call in (ball.project, ball.to_grid):
        with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\) and originals \(2, 3, 4, 4\)"):
            call(originals[:1], originals)
        with pytest.raises(ValueError, match=r"must both be \(N, 3, H, W\)"):
            call(originals[0], originals[0])
    with pytest.raises(ValueError, match="3 for 2 photos"):
        ball.random_start(originals, [1, 2, 3])
