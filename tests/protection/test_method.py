"""What all gradient methods share: views of the saved photo, best so far, several encoders."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from recessive.balls import LInf
from recessive.encoders import Encoder
from recessive.protection.method import Run, Surrogate, descend, original_outputs
from recessive.protection.steps import Sign


class MeanColour(nn.Module):
    def forward(self, photos):
        return photos.mean(dim=(2, 3))


@dataclass(frozen=True)
class Brightness:
    """loss = −Σ outputs; the score is how far the outputs are from 3 levels brighter."""

    aim: torch.Tensor

    def __call__(self, outputs, progress):
        del progress
        return -outputs.sum(1)

    def score(self, outputs):
        return (outputs - self.aim).abs().sum(1)

    def of(self, rows):
        return Brightness(self.aim[rows])


def colour_surrogate():
    return Surrogate(Encoder("colour", MeanColour(), nn.Identity(), 3, "descriptor"), torch.ones(1, 3), 0.1)


def test_without_keep_best_the_last_iterate_is_returned_and_with_it_the_best():
    photos = torch.full((1, 3, 2, 2), 100 / 255)
    aim = torch.full((1, 3), 103 / 255)
    run = Run(LInf(8), 10, [0])
    last = descend(photos, [colour_surrogate()], [Brightness(aim)], run, step=Sign(1))
    best = descend(photos, [colour_surrogate()], [Brightness(aim)], run, step=Sign(1), keep_best=True)
    torch.testing.assert_close(last.photos, torch.full_like(photos, 108 / 255))
    torch.testing.assert_close(best.photos, torch.full_like(photos, 103 / 255))


def test_the_loss_is_the_mean_over_the_saved_photo_and_each_transform_of_it():
    seen = []

    def note(word, factor):
        def transform(photos):
            seen.append((word, photos.detach().clone()))
            return factor * photos

        return transform

    photos = torch.full((1, 3, 2, 2), 100 / 255)
    run = Run(LInf(8), 0, [0], saving=note("save", 0.5), survive=[note("first", 0.5), note("second", 0.0)])
    found = descend(photos, [colour_surrogate()], [Brightness(torch.zeros(1, 3))], run, step=Sign(1))
    assert [word for word, _ in seen] == ["save", "save", "first", "save", "second"]
    for word, given in seen:  # platforms alter the saved photo
        torch.testing.assert_close(given, photos if word == "save" else 0.5 * photos)
    torch.testing.assert_close(found.losses, torch.tensor([-3 * (100 / 255) * (0.5 + 0.25 + 0) / 3]))


def test_the_start_is_passed_on():
    photos, start = torch.full((1, 3, 2, 2), 100 / 255), torch.full((1, 3, 2, 2), 105 / 255)
    aim = torch.zeros(1, 3)
    found = descend(photos, [colour_surrogate()], [Brightness(aim)], Run(LInf(8), 0, [0]), step=Sign(1), start=start)
    assert torch.equal(found.photos, start)


def test_original_outputs_are_those_of_each_encoder_without_a_gradient(surrogates, draw_photos):
    photos = draw_photos(2, 24, 24, 0).requires_grad_()
    outputs = original_outputs(photos, list(surrogates.values()))
    for surrogate, found in zip(surrogates.values(), outputs, strict=True):
        assert not found.requires_grad
        torch.testing.assert_close(found, surrogate.encoder(photos).detach())
