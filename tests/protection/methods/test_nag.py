"""NAG's noise, its targets, and its way."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recessive.balls import LInf
from recessive.codes import hamming, sign
from recessive.protection.method import Run
from recessive.protection.methods.targeted import NAG, WithNoise
from recessive.protection.optimise import Evaluation


@dataclass(frozen=True)
class Remember:
    """Loss: the photo's mean, plus the number of its row; keeps what it was shown."""

    seen: list[Tensor]
    rows: Tensor

    def __call__(self, photos, progress):
        self.seen.append(photos.detach().clone())
        loss = photos.mean(dim=(1, 2, 3)) + self.rows
        return Evaluation(loss, loss.detach() - progress, loss > 2.5)

    def of(self, rows):
        return Remember(self.seen, self.rows[rows])


def noisy(photos, seeds=(4, 5, 6, 7), steps=10, noise=32.0, weight=1.0):
    seen = []
    return seen, WithNoise(Remember(seen, torch.arange(len(photos)).float()), seeds, steps, noise, weight)


GREY = torch.full((4, 3, 16, 16), 0.5)


def test_the_loss_is_that_of_the_photo_plus_that_of_the_noisy_one_and_the_score_that_of_the_photo():
    seen, loss = noisy(GREY, weight=0.25)
    evaluation = loss(GREY, 0.3)
    clean, shifted = seen
    assert torch.equal(clean, GREY)
    rows = torch.arange(4)
    expected = 0.5 + rows + 0.25 * (shifted.mean(dim=(1, 2, 3)) + rows)
    torch.testing.assert_close(evaluation.loss, expected)
    torch.testing.assert_close(evaluation.score, 0.2 + rows)
    assert evaluation.done.tolist() == [False, False, False, True]


def test_noise_is_uniform_within_its_bounds_and_another_for_each_photo_and_step():
    seen, loss = noisy(GREY)
    for progress in (0.0, 0.1, 1.0):
        loss(GREY, progress)
    noise = 255 * (torch.stack(seen[1::2]) - 0.5)
    assert noise.abs().max() <= 32 + 1e-3
    assert noise.abs().flatten(2).amax(2).min() > 31
    assert (noise.flatten(2).mean(2).abs() < 4).all()  # five times its standard deviation
    torch.testing.assert_close(noise.square().mean(), torch.tensor(32**2 / 3), rtol=0.05, atol=0)
    assert len({tuple(each.flatten().tolist()) for each in noise.flatten(0, 1)}) == 12


def test_photos_keep_their_own_noise_when_others_leave():
    seen, loss = noisy(GREY)
    loss(GREY, 0.3)
    together = seen[1].clone()
    seen.clear()
    rows = torch.tensor([3, 1])
    loss.of(rows)(GREY[rows], 0.3)
    assert torch.equal(seen[1], together[rows])
    seen.clear()
    loss.of(rows).of(torch.tensor([1]))(GREY[:1], 0.3)
    assert torch.equal(seen[1], together[1:2])


def test_noisy_photos_stay_in_the_range_of_photos():
    seen, loss = noisy(torch.ones(4, 3, 16, 16))
    loss(torch.ones(4, 3, 16, 16), 0.0)
    assert seen[1].max() == 1
    assert seen[1].min() > 1 - 32.1 / 255


def test_the_target_is_each_bits_majority(surrogates, draw_photos):
    surrogate, photos = surrogates["logits"], draw_photos(2, 24, 24, 5)
    targets = [list(draw_photos(3, 24, 24, 60)), list(draw_photos(1, 30, 20, 61))]
    run = Run(LInf(32), 32, [0, 1], targets=targets)
    wanted = torch.stack(
        [sign(torch.stack([sign(surrogate.encoder(each[None]))[0] for each in own]).sum(0)) for own in targets]
    )
    found = NAG()(photos, [surrogate], run).photos
    before, after = (hamming(sign(surrogate.encoder(each)), wanted).diagonal() for each in (photos, found))
    assert (before >= 6).all()
    assert (after <= 1).all(), (before, after)


def test_the_way_is_that_of_a_plain_loop_over_photos_and_steps(surrogates, draw_photos):
    encoder, photos = surrogates["logits"].encoder, draw_photos(2, 24, 24, 5)
    targets = draw_photos(2, 24, 24, 70)
    run = Run(LInf(4), 6, [11, 12], targets=[[each] for each in targets])
    found = NAG(weight=3.0)(photos, [surrogates["logits"]], run).photos
    seen, drawing = noisy(photos, [11, 12], 6)
    plain = photos.clone()
    for step in range(6):
        drawing(torch.full_like(photos, 0.5), step / 6)
        noise = seen[-1] - 0.5
        for row in range(2):
            wanted = sign(encoder(targets[row : row + 1]))
            x = plain[row : row + 1].clone().requires_grad_()
            first, second = (encoder(each).tanh() for each in (x, (x + noise[row]).clamp(0, 1)))
            loss = (first - wanted).abs().mean() + 3 * (second - wanted).abs().mean()
            (gradient,) = torch.autograd.grad(loss, x)
            moved = plain[row] - gradient[0].sign() / 255
            plain[row] = moved.clamp(photos[row] - 4 / 255, photos[row] + 4 / 255).clamp(0, 1)
    # Convolutions of one and of two photos may round differently, and a sign step magnifies it.
    assert ((found - plain).abs() > 0.5 / 255).float().mean() < 0.005


def test_constants_are_the_released_codes():
    method = NAG()
    assert (method.budget, method.steps, method.size, method.noise, method.weight) == (32, 32, 1, 32, 1)
