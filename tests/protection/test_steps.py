"""Each step rule against the update computed by hand, and against torch.optim."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.protection.steps import L2, SGD, Adam, MomentumSign, Sign, UnitGradient

SHAPE = (2, 3, 2, 2)


def gradients(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(SHAPE, generator=generator) for _ in range(count)]


def updates(step, grads):
    """The updates for a run of gradients."""
    state, made = step.initial(torch.zeros(SHAPE)), []
    for i, gradient in enumerate(grads):
        update, state = step(gradient, state, i / len(grads))
        made.append(update)
    return made


def followed(optimiser_of, grads):
    """The updates that a torch optimiser makes for the same gradients."""
    values = torch.zeros(SHAPE, dtype=torch.float64, requires_grad=True)
    optimiser, made = optimiser_of([values]), []
    for gradient in grads:
        before = values.detach().clone()
        values.grad = gradient.double()
        optimiser.step()
        made.append((values.detach() - before).float())
    return made


def test_sign_takes_one_size_downhill_and_rests_where_the_gradient_is_zero():
    gradient = torch.tensor([-3.0, 0.0, 1e-20, 5.0]).view(1, 1, 2, 2)
    update, state = Sign(2.0)(gradient, (), 0.7)
    torch.testing.assert_close(update.flatten(), torch.tensor([2.0, 0.0, -2.0, -2.0]) / 255, rtol=0, atol=0)
    assert state == ()


def test_momentum_sign_follows_its_memory_and_decays_linearly():
    first = torch.tensor([1.0, -3.0, 0.0, 4.0]).view(1, 1, 2, 2)  # mean |g| = 2
    second = torch.tensor([-1.0, 1.0, 2.0, -4.0]).view(1, 1, 2, 2)  # mean |g| = 2
    step = MomentumSign(size=4.0, momentum=0.5)
    update, state = step(first, step.initial(first), 0.0)
    torch.testing.assert_close(update.flatten(), -4 / 255 * torch.tensor([1.0, -1.0, 0.0, 1.0]))
    torch.testing.assert_close(state[0].flatten(), torch.tensor([0.5, -1.5, 0.0, 2.0]))
    update, state = step(second, state, 0.25)
    torch.testing.assert_close(state[0].flatten(), torch.tensor([-0.25, -0.25, 1.0, -1.0]))
    torch.testing.assert_close(update.flatten(), -3 / 255 * torch.tensor([-1.0, -1.0, 1.0, -1.0]))


def test_momentum_sign_scales_each_photo_by_its_own_gradient():
    step = MomentumSign(1.0)
    gradient = gradients(1)[0]
    scaled = gradient * torch.tensor([1.0, 1e-6]).view(2, 1, 1, 1)
    _, (plain,) = step(gradient, step.initial(gradient), 0.0)
    _, (memory,) = step(scaled, step.initial(gradient), 0.0)
    torch.testing.assert_close(memory, plain)
    torch.testing.assert_close(plain.abs().mean(dim=(1, 2, 3)), torch.ones(2))


def test_l2_moves_each_photo_by_its_size_in_root_mean_square():
    gradient = gradients(1)[0] * torch.tensor([1e-5, 1e5]).view(2, 1, 1, 1)
    update, state = L2(3.0)(gradient, L2(3.0).initial(gradient), 0.0)
    torch.testing.assert_close(update.square().mean(dim=(1, 2, 3)).sqrt(), torch.full((2,), 3 / 255))
    by_hand = -3 / 255 * math.sqrt(12) * gradient[0] / gradient[0].norm()
    torch.testing.assert_close(update[0], by_hand)
    later, _ = L2(3.0)(gradient, state, 0.75)
    torch.testing.assert_close(later, update / 4)


def test_l2_with_momentum_follows_its_memory():
    first, second = gradients(2)
    step = L2(3.0, momentum=0.5)
    _, state = step(first, step.initial(first), 0.0)
    later, _ = step(second, state, 0.5)
    mean = (1, 2, 3)
    memory = 0.5 * first / first.abs().mean(mean, keepdim=True) + second / second.abs().mean(mean, keepdim=True)
    by_hand = -3 / 255 * 0.5 * memory / memory.square().mean(mean, keepdim=True).sqrt()
    torch.testing.assert_close(later, by_hand)


def test_unit_gradient_is_as_long_whatever_the_gradient_the_progress_and_the_size_of_the_photo():
    for height, width in ((2, 2), (7, 9)):
        gradient = torch.randn(4, 3, height, width, generator=torch.Generator().manual_seed(height))
        scaled = gradient * torch.tensor([1e-36, 1e-12, 1.0, 1e30]).view(4, 1, 1, 1)
        for progress in (0.0, 0.99):
            update, state = UnitGradient(0.3)(scaled, (), progress)
            by_hand = torch.stack([-0.3 * one / one.norm() for one in gradient])
            torch.testing.assert_close(update, by_hand)
            assert state == ()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_torchs(momentum):
    grads = gradients(6)
    theirs = followed(lambda values: torch.optim.SGD(values, lr=20 / 255, momentum=momentum), grads)
    torch.testing.assert_close(updates(SGD(20.0, momentum), grads), theirs)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.8)])
def test_adam_is_torchs(betas):
    grads = gradients(6)
    theirs = followed(lambda values: torch.optim.Adam(values, lr=0.01, betas=betas), grads)
    ours = updates(Adam((0.01, 0.01, 0.01), betas), grads)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


def test_adam_has_one_rate_a_channel():
    (update,) = updates(Adam((0.1, 0.2, 0.4)), gradients(1))
    expected = torch.tensor([0.1, 0.2, 0.4]).view(1, 3, 1, 1).expand(SHAPE)
    torch.testing.assert_close(update.abs(), expected)  # the first step of Adam is the rate itself


STEPS = [Sign(1.0), MomentumSign(1.0), L2(1.0), UnitGradient(1.0), SGD(1.0), Adam((0.1, 0.1, 0.1))]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_without_a_gradient_nothing_moves(step):
    for update in updates(step, [torch.zeros(SHAPE)] * 2):
        assert torch.equal(update, torch.zeros(SHAPE))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_photo_steps_the_same_alone(step):
    grads = gradients(4)
    together = updates(step, grads)
    state = step.initial(torch.zeros(SHAPE)[1:])
    for i, gradient in enumerate(grads):
        update, state = step(gradient[1:], state, i / 4)
        torch.testing.assert_close(update, together[i][1:], rtol=1e-6, atol=0)
