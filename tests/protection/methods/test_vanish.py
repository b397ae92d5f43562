"""What is vanish's own: the photo's neighbours, the smaller reach in flat places, and the iterate that is kept."""

from __future__ import annotations

import torch
from torch import nn

from recessive.balls import LInf
from recessive.codes import sign
from recessive.encoders import Encoder, Trunk
from recessive.protection.methods import METHODS, Run, Surrogate
from recessive.protection.methods.vanish import FLAT_SHARE, OWN_WEIGHT, WithinTexture, neighbours, shuffled
from recessive.protection.objectives import SoftCount
from recessive.transforms.rounding import round_straight_through

BITS = 24


class Chaotic(nn.Module):
    """logits = sin(1000 W x): a step of one level leads anywhere, so the last iterate is a random one."""

    def __init__(self):
        super().__init__()
        weights = torch.randn(192, BITS, generator=torch.Generator().manual_seed(0)) / 192**0.5
        self.register_buffer("weights", weights)

    def forward(self, photos):
        return torch.sin(1000 * photos.flatten(1) @ self.weights)


def test_neighbours_are_the_photo_its_mirror_image_and_its_middle():
    photos = torch.arange(3 * 16 * 24, dtype=torch.float32).view(1, 3, 16, 24)
    same, mirrored, middle = neighbours(photos, [0])
    assert torch.equal(same, photos)
    assert torch.equal(mirrored[..., 0], photos[..., -1])
    assert torch.equal(middle, photos[:, :, 2:14, 3:21])


def test_shuffled_tiles_are_the_same_pixels_in_another_order_from_the_seed_of_each_photo():
    photos = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    mixed = shuffled(photos, 4, [7, 8])
    assert mixed.shape == photos.shape
    assert not torch.equal(mixed, photos)
    for before, after in zip(photos, mixed, strict=True):
        assert torch.equal(before.flatten(1).sort(dim=1).values, after.flatten(1).sort(dim=1).values)
    tiles = {
        tuple(tile.flatten().tolist()) for tile in photos[0].unfold(1, 4, 4).unfold(2, 6, 6).flatten(1, 2).unbind(1)
    }
    first = tuple(mixed[0, :, :4, :6].flatten().tolist())
    assert first in tiles
    assert torch.equal(shuffled(photos[1:], 4, [8]), mixed[1:])


def test_flat_places_change_less_and_the_ball_that_was_asked_for_holds():
    generator = torch.Generator().manual_seed(0)
    originals = torch.full((1, 3, 32, 64), 0.5)
    originals[..., 32:] = torch.rand(1, 1, 32, 32, generator=generator)
    ball = WithinTexture(LInf(8), 8)
    pushed = ball.project(originals + 1, originals)
    change = 255 * (pushed - originals)
    torch.testing.assert_close(change[..., :24], torch.full((1, 3, 32, 24), 8 * FLAT_SHARE))
    assert change.max() <= 8 + 1e-4
    assert change[..., 40:].max() > 7.9
    assert torch.equal(LInf(8).project(pushed, originals), pushed)
    torch.testing.assert_close(ball.project(pushed, originals), pushed)


def test_the_iterate_with_the_smallest_loss_is_kept(draw_photos):
    photos = draw_photos(16, 8, 8, 6)
    encoder = Encoder("chaotic", Trunk(nn.Identity(), 8), Chaotic(), BITS, "logits")
    sample = sign(torch.randn(60, BITS, generator=torch.Generator().manual_seed(1)))
    own = torch.stack([sign(encoder(view)) for view in neighbours(photos, range(16))], dim=1)
    loss = SoftCount(sample, own, 11, 3.0, OWN_WEIGHT, "logits")
    run = Run(LInf(8), 6, range(16), saving=lambda given: round_straight_through(given * 255) / 255)
    found = METHODS["vanish"](photos, [Surrogate(encoder, sample, 11)], run)
    before, after = loss(encoder(photos), 0.0), loss(encoder(found.photos), 1.0)
    assert (after <= before).all()
    assert (after < before).sum() > 8
    torch.testing.assert_close(found.losses, after)
