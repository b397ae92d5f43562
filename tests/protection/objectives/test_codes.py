"""The objectives of codes against loops over bits; where the weights that RNM prints stall."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.codes import hamming, sign
from recessive.protection.objectives import (
    BinaryPenalty,
    DescriptorDistance,
    MaskedAgreement,
    MeanAgreement,
    SquaredAgreement,
    UnturnedBits,
)
from recessive.protection.objectives.codes import sharpness


def draw(count, dim, seed):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_squared_agreement_is_the_squared_mean_product_plus_one():
    logits, codes = draw(4, 12, 0), sign(draw(4, 12, 1))
    expected = [
        (sum(math.tanh(u) * h for u, h in zip(row, code, strict=True)) / 12 + 1) ** 2
        for row, code in zip(logits.tolist(), codes.tolist(), strict=True)
    ]
    torch.testing.assert_close(SquaredAgreement(codes)(logits, 0.0), torch.tensor(expected))


def test_squared_agreement_is_4_at_the_original_and_0_when_all_bits_are_flipped():
    codes = sign(draw(3, 12, 1))
    torch.testing.assert_close(SquaredAgreement(codes)(20 * codes, 0.0), torch.full((3,), 4.0))
    torch.testing.assert_close(SquaredAgreement(codes)(-20 * codes, 0.0), torch.zeros(3))


def test_squared_agreement_has_a_gradient_at_the_original():
    logits = draw(3, 12, 0).requires_grad_()
    (gradient,) = torch.autograd.grad(SquaredAgreement(sign(logits.detach()))(logits, 0.0).sum(), logits)
    assert (gradient * logits > 0).all()  # descent brings each logit nearer to zero


def test_squared_agreement_scores_the_bits_that_agree_and_zero_is_a_plus():
    objective = SquaredAgreement(torch.tensor([[1.0, 1, -1, -1], [1, 1, 1, 1]]))
    logits = torch.tensor([[0.0, -2, -0.1, 3], [1, 2, 3, 0.1]])
    assert objective.score(logits).tolist() == [2, 4]


def test_squared_agreement_and_descriptor_distance_take_some_photos():
    outputs, originals, rows = draw(4, 12, 0), sign(draw(4, 12, 1)), torch.tensor([3, 1])
    for objective in (SquaredAgreement(originals), DescriptorDistance(originals)):
        torch.testing.assert_close(objective.of(rows)(outputs[rows], 0.0), objective(outputs, 0.0)[rows])


def test_mean_agreement_is_the_mean_product_of_softened_bits_and_code():
    logits, codes = draw(4, 12, 0), sign(draw(4, 12, 1))
    expected = [
        sum(math.tanh(u) * c for u, c in zip(row, code, strict=True)) / 12
        for row, code in zip(logits.tolist(), codes.tolist(), strict=True)
    ]
    torch.testing.assert_close(MeanAgreement(codes)(logits, 0.3), torch.tensor(expected))


def test_mean_agreement_is_1_at_the_code_and_minus_1_at_its_opposite():
    codes = sign(draw(3, 12, 1))
    torch.testing.assert_close(MeanAgreement(codes)(20 * codes, 0.0), torch.ones(3))
    torch.testing.assert_close(MeanAgreement(codes)(-20 * codes, 0.0), -torch.ones(3))


def test_mean_agreement_scores_the_bits_that_agree_and_zero_is_a_plus():
    objective = MeanAgreement(torch.tensor([[1.0, 1, -1, -1], [1, 1, 1, 1]]))
    assert objective.score(torch.tensor([[0.0, -2, -0.1, 3], [1, 2, 3, 0.1]])).tolist() == [2, 4]


def test_mean_agreement_takes_some_photos_with_their_codes():
    logits, objective, rows = draw(4, 12, 0), MeanAgreement(sign(draw(4, 12, 1))), torch.tensor([3, 1])
    torch.testing.assert_close(objective.of(rows)(logits[rows], 0.0), objective(logits, 0.0)[rows])


def test_mean_distance_to_a_target_is_the_mean_distance_of_softened_bits_to_the_target():
    logits, targets = draw(4, 12, 0), sign(draw(4, 12, 1))
    expected = [
        sum(abs(math.tanh(u) - t) for u, t in zip(row, target, strict=True)) / 12
        for row, target in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    torch.testing.assert_close(MeanAgreement(targets, towards=True, constant=1.0)(logits, 0.3), torch.tensor(expected))


def test_mean_distance_to_a_target_is_0_at_the_target_and_2_at_its_opposite():
    targets = sign(draw(3, 12, 1))
    torch.testing.assert_close(MeanAgreement(targets, towards=True, constant=1.0)(20 * targets, 0.0), torch.zeros(3))
    torch.testing.assert_close(
        MeanAgreement(targets, towards=True, constant=1.0)(-20 * targets, 0.0), torch.full((3,), 2.0)
    )


def test_mean_distance_to_a_target_scores_the_hamming_distance_and_takes_some_photos_with_their_targets():
    logits, targets, rows = draw(4, 12, 0), sign(draw(4, 12, 1)), torch.tensor([3, 1])
    objective = MeanAgreement(targets, towards=True, constant=1.0)
    assert torch.equal(objective.score(logits), hamming(sign(logits), targets).diagonal())
    torch.testing.assert_close(objective.of(rows)(logits[rows], 0.0), objective(logits, 0.0)[rows])


BITS = 12


def draw_bits(count, seed):
    return torch.randn(count, BITS, generator=torch.Generator().manual_seed(seed))


def slopes(objective, logits, progress=0.0):
    logits = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(logits, progress).sum(), logits)
    return gradient


def walked(objective, logits, steps=2000, rate=0.05):
    """Gradient descent on the logits themselves."""
    for _ in range(steps):
        logits = logits - rate * slopes(objective, logits)
    return logits


@pytest.mark.parametrize(("progress", "alpha"), [(0.0, 0.1), (0.55, 0.2), (1.0, 1.0)])
def test_target_agreement_and_its_slope_are_the_formula(progress, alpha):
    logits, anchors = 5 * draw_bits(4, 0), sign(draw_bits(4, 1))
    objective = MeanAgreement(anchors, towards=True, sharpen=True)
    rows = list(zip(logits.tolist(), anchors.tolist(), strict=True))
    expected = [-sum(math.tanh(alpha * u) * h for u, h in zip(*row, strict=True)) / BITS for row in rows]
    slope = [[-h * alpha * (1 - math.tanh(alpha * u) ** 2) / BITS for u, h in zip(*row, strict=True)] for row in rows]
    torch.testing.assert_close(objective(logits, progress), torch.tensor(expected))
    torch.testing.assert_close(slopes(objective, logits, progress), torch.tensor(slope))


@pytest.mark.parametrize("weight", [1 / BITS, 0.7])
def test_binary_penalty_and_its_slope_are_the_formula(weight):
    logits, anchors = 2 * draw_bits(4, 2), sign(draw_bits(4, 3))
    objective = BinaryPenalty(anchors, weight=weight)
    loss, slope = [], []
    for row, code in zip(logits.tolist(), anchors.tolist(), strict=True):
        bits = [1 if u >= 0 else -1 for u in row]
        penalty = sum((u - b) ** 2 for u, b in zip(row, bits, strict=True))
        loss.append(weight * penalty - sum(b * h for b, h in zip(bits, code, strict=True)))
        slope.append([2 * weight * (u - b) - h for u, b, h in zip(row, bits, code, strict=True)])
    torch.testing.assert_close(objective(logits, 0.5), torch.tensor(loss))
    torch.testing.assert_close(slopes(objective, logits), torch.tensor(slope))


def test_rnm_flips_every_wrong_bit_and_with_both_weights_as_printed_none():
    """As printed a = 1/K and the product is divided by K too: multiplied by K that is a = 1 here."""
    anchors = torch.ones(1, BITS)
    wrong = -torch.linspace(0.05, 3, BITS)[None]
    flipped = walked(BinaryPenalty(anchors, weight=1 / BITS), wrong)
    torch.testing.assert_close(flipped, torch.full_like(wrong, 1 + BITS / 2), rtol=0, atol=1e-3)  # 2a (C − 1) = 1
    stalled = walked(BinaryPenalty(anchors, weight=1.0), wrong)
    torch.testing.assert_close(stalled, torch.full_like(wrong, -0.5))
    torch.testing.assert_close(walked(BinaryPenalty(anchors, weight=1.0), -wrong), torch.full_like(wrong, 1.5))


@pytest.mark.parametrize("weight", [0.49, 0.51])
def test_half_is_the_largest_weight_that_flips(weight):
    anchors, wrong = torch.ones(1, BITS), -torch.linspace(0.05, 3, BITS)[None]
    flipped = walked(BinaryPenalty(anchors, weight=weight), wrong) > 0
    assert flipped.all() if weight < 0.5 else not flipped.any()


def test_a_wrong_bit_is_pulled_the_harder_by_rnm_the_farther_it_is_and_less_by_tanh():
    """With both divided by K, as printed: RNM's slope is ten times tanh's near 0 and grows with the distance."""
    anchors = torch.ones(3, 1)
    wrong = torch.tensor([[-0.01], [-10.0], [-30.0]])
    rnm = slopes(BinaryPenalty(anchors, weight=1 / 48), wrong).abs().flatten()
    tanh = slopes(MeanAgreement(anchors, towards=True, sharpen=True), wrong).abs().flatten()
    torch.testing.assert_close(rnm, torch.tensor([1 - 0.99 / 24, 1 + 9 / 24, 1 + 29 / 24]))
    torch.testing.assert_close(tanh, torch.tensor([0.1, 0.1 / math.cosh(1) ** 2, 0.1 / math.cosh(3) ** 2]))


@pytest.mark.parametrize(
    "objective",
    [
        lambda anchors: MeanAgreement(anchors, towards=True, sharpen=True),
        lambda anchors: BinaryPenalty(anchors, weight=0.1),
    ],
)
def test_both_score_the_hamming_distance_and_take_some_photos(objective):
    anchors = torch.tensor([[1.0, 1, -1, -1], [1, 1, 1, 1]])
    logits = torch.tensor([[0.0, -2, 0.1, 3], [1, 2, 3, 0.1]])
    made, rows = objective(anchors), torch.tensor([1])
    assert made.score(logits).tolist() == [3, 0]
    torch.testing.assert_close(made.of(rows)(logits[rows], 0.6), made(logits, 0.6)[rows])
    assert made.of(rows).score(logits[rows]).tolist() == [0]


def by_hand(logits, code, alpha, margin):
    products, values = [], []
    for u, h in zip(logits, code, strict=True):
        soft = math.tanh(alpha * u)
        if abs(soft - h) < 1 + margin:
            products.append(soft * h)
            values.append(soft)
    return (sum(products) / len(products) + 1) ** 2 + (sum(values) / len(logits)) ** 2


@pytest.mark.parametrize(("progress", "alpha"), [(0.0, 0.1), (0.65, 0.3), (1.0, 1.0)])
@pytest.mark.parametrize("margin", [0.1, 0.5])
def test_masked_agreement_is_the_formula_over_the_bits_that_are_not_yet_flipped(progress, alpha, margin):
    logits, codes = 8 * draw(5, 12, 0), sign(draw(5, 12, 1))
    expected = [by_hand(row, code, alpha, margin) for row, code in zip(logits.tolist(), codes.tolist(), strict=True)]
    torch.testing.assert_close(MaskedAgreement(codes, margin=margin)(logits, progress), torch.tensor(expected))


def test_masked_bits_that_are_flipped_by_the_margin_rest_and_the_others_turn():
    codes = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    logits = torch.tensor([[-0.6, -0.5, 0.5, -2.0]], requires_grad=True)  # tanh 0.6 = 0.54, tanh 0.5 = 0.46
    (gradient,) = torch.autograd.grad(MaskedAgreement(codes, margin=0.5)(logits, 1.0).sum(), logits)
    assert gradient[0, 0] == 0
    assert (gradient * codes)[0, 1:].min() > 0  # descent leads away from the original's code


def test_the_second_term_of_masked_agreement_keeps_pluses_and_minuses_in_balance():
    """Two codes with the same agreement, of which one has its +1 and −1 in balance."""
    objective = MaskedAgreement(torch.tensor([[1.0, 1, 1, 1], [1.0, 1, -1, -1]]), margin=0.5)
    logits = 30 * objective.codes
    torch.testing.assert_close(objective(logits, 1.0), torch.tensor([5.0, 4.0]))


def test_masked_agreement_without_any_bit_left_there_is_no_gradient():
    codes = sign(draw(2, 8, 3))
    logits = (-9 * codes).requires_grad_()
    loss = MaskedAgreement(codes, margin=0.5)(logits, 1.0)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.tolist() == [1, 1]
    assert not gradient.any()


def test_masked_agreement_scores_the_bits_that_agree_and_takes_some_photos():
    codes, logits, rows = sign(draw(4, 8, 4)), draw(4, 8, 5), torch.tensor([3, 1])
    objective = MaskedAgreement(codes, margin=0.5)
    assert objective.score(logits).tolist() == (sign(logits) == codes).sum(1).tolist()
    torch.testing.assert_close(objective.of(rows)(logits[rows], 0.3), objective(logits, 0.3)[rows])


ALPHAS = {0.0: 0.1, 0.49: 0.1, 0.5: 0.2, 0.6: 0.3, 0.75: 0.5, 0.8: 0.7, 0.99: 1.0, 1.0: 1.0}


def draw_wide(count, dim, seed):
    return 3 * torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("progress", "alpha"), ALPHAS.items())
def test_unturned_bits_is_the_mean_of_t_times_t_plus_2(progress, alpha):
    logits, codes = draw_wide(4, 12, 0), sign(draw_wide(4, 12, 1))
    expected = []
    for row, code in zip(logits.tolist(), codes.tolist(), strict=True):
        agreements = [max(c * math.tanh(alpha * u), -0.5) for u, c in zip(row, code, strict=True)]
        expected.append(sum(t * (t + 2) for t in agreements) / 12)
    torch.testing.assert_close(UnturnedBits(codes)(logits, progress), torch.tensor(expected))


def test_unturned_bitss_gradient_is_that_of_the_released_loss_for_each_photo_alone():
    """Released: the sum of s (s + 2) over the bits with s > −½, divided by their number."""
    logits, codes = draw_wide(5, 16, 2), sign(draw_wide(5, 16, 3))
    for row, code in zip(logits, codes, strict=True):
        ours, released = row[None].clone().requires_grad_(), row.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(UnturnedBits(code[None])(ours, 1.0).sum(), ours)
        agreement = released.tanh() * code
        kept = agreement > -0.5
        assert 0 < kept.sum() < 16
        (expected,) = torch.autograd.grad((agreement * (agreement + 2))[kept].sum() / kept.sum(), released)
        torch.testing.assert_close(gradient[0], expected * kept.sum() / 16)


def test_unturned_bits_is_3_at_the_code_and_minus_three_quarters_without_a_gradient_once_all_bits_are_turned():
    codes = sign(draw_wide(3, 12, 1))
    torch.testing.assert_close(UnturnedBits(codes)(20 * codes, 1.0), torch.full((3,), 3.0))
    logits = (-codes).requires_grad_()
    losses = UnturnedBits(codes)(logits, 1.0)
    torch.testing.assert_close(losses, torch.full((3,), -0.75))
    assert torch.equal(torch.autograd.grad(losses.sum(), logits)[0], torch.zeros_like(codes))


def test_unturned_bits_never_rises_as_a_bit_turns():
    logits = torch.linspace(3, -3, 601)[:, None]
    losses = UnturnedBits(torch.ones(601, 1))(logits, 1.0)
    assert (losses.diff() <= 0).all()
    assert losses.diff().abs().max() < 0.03


def test_unturned_bits_scores_the_bits_that_agree_and_takes_some_photos_with_their_codes():
    objective = UnturnedBits(torch.tensor([[1.0, 1, -1, -1], [1, 1, 1, 1]]))
    logits = torch.tensor([[0.0, -2, -0.1, 3], [1, 2, 3, 0.1]])
    assert objective.score(logits).tolist() == [2, 4]
    rows = torch.tensor([1])
    torch.testing.assert_close(objective.of(rows)(logits[rows], 1.0), objective(logits, 1.0)[rows])


@pytest.mark.parametrize("steps", [100, 2000])
def test_alpha_is_a_tenth_for_half_of_the_run_and_then_grows_every_tenth(steps):
    published = [(0.5, 0.1), (0.6, 0.2), (0.7, 0.3), (0.8, 0.5), (0.9, 0.7), (1.0, 1.0)]  # up to which share
    for i in range(steps):
        expected = next(alpha for share, alpha in published if i < round(share * steps))
        assert sharpness(i / steps) == expected, i
    assert sharpness(1.0) == 1.0
