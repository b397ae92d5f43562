"""What is TMA's own: the target, the scales, the new tries and the price of distortion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.balls import LInf
from recessive.codes import sign
from recessive.encoders import Encoder
from recessive.protection.method import MethodError, Run, Surrogate
from recessive.protection.methods.tma import TMA, RestartingAdam, Tries, Watched, at_scales
from recessive.protection.optimise import Evaluation, minimise
from recessive.transforms import Blur

SIDE, DIM = 8, 12


class Linear(nn.Module):
    """Centred photos to a few random projections, of unit length when asked for."""

    def __init__(self, unit, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("weights", torch.randn(DIM, 3 * SIDE * SIDE, generator=generator))
        self.unit = unit

    def forward(self, photos):
        found = (photos - 0.5).flatten(1) @ self.weights.T
        return F.normalize(found) if self.unit else found


def linear(outputs):
    trunk = nn.AdaptiveAvgPool2d(SIDE)
    return Encoder(f"linear-{outputs}", trunk, Linear(outputs == "descriptor"), DIM, outputs)


@pytest.fixture(scope="module")
def photos(draw_photos):
    return draw_photos(2, 20, 14, seed=0)


@pytest.fixture(scope="module")
def targets(draw_photos):
    """Two a photo, of other sizes; the first ones count."""
    return [[*draw_photos(1, 16, 24, 40), *draw_photos(1, 9, 9, 41)], [*draw_photos(1, 11, 8, 50)]]


def test_a_linear_encoder_takes_the_photo_for_its_first_target(photos, targets):
    encoder = linear("descriptor")
    wanted = torch.cat([encoder(own[0][None]) for own in targets])
    found = TMA()(photos, [Surrogate(encoder)], Run(LInf(255), 100, [1, 2], targets=targets))
    assert (F.cosine_similarity(encoder(photos), wanted) < 0.9).all()
    assert (F.cosine_similarity(encoder(found.photos), wanted) > 0.999).all()
    torch.testing.assert_close(found.losses, torch.zeros(2), rtol=0, atol=2e-3)


def test_a_descriptor_and_a_code_at_once(photos, targets):
    encoders = [linear("descriptor"), linear("logits")]
    run = Run(LInf(255), 100, [1, 2], targets=targets)
    found = TMA()(photos, [Surrogate(encoder) for encoder in encoders], run).photos
    first = [own[0][None] for own in targets]
    descriptors, logits = (torch.cat([encoder(target) for target in first]) for encoder in encoders)
    assert (F.cosine_similarity(encoders[0](found), descriptors) > 0.85).all()
    assert torch.equal(sign(encoders[1](found)), sign(logits))
    assert not torch.equal(sign(encoders[1](photos)), sign(logits))


def test_the_loss_of_logits_is_the_cosine_to_the_targets_code(photos, targets):
    encoder = linear("logits")
    found = TMA()(photos, [Surrogate(encoder)], Run(LInf(255), 0, [1, 2], targets=targets))
    codes = torch.cat([sign(encoder(own[0][None])) for own in targets])
    torch.testing.assert_close(found.losses, 1 - F.cosine_similarity(encoder(photos), codes))


def test_the_photo_stays_as_it_was_when_no_iterate_is_nearer_to_the_target(photos):
    targets = [[(photo + 1 / 255).clamp(0, 1)] for photo in photos]
    far = TMA(rate=1.0)(photos, [Surrogate(linear("descriptor"))], Run(LInf(255), 1, [1, 2], targets=targets))
    assert far.steps.tolist() == [1, 1]
    assert torch.equal(far.photos, photos)


def test_published_constants():
    method = TMA()
    assert (method.rate, method.steps, method.distortion, method.scales, method.budget) == (0.01, 100, 0, (1.0,), 255)


def test_the_first_step_is_the_sign_of_the_naive_gradient_times_the_rate(photos, targets):
    encoder = linear("descriptor")
    found = TMA(rate=4 / 255)(photos, [Surrogate(encoder)], Run(LInf(255), 1, [1, 2], targets=targets)).photos
    seen = photos.clone().requires_grad_()
    loss = sum(1 - encoder(seen[i : i + 1])[0] @ encoder(own[0][None])[0] for i, own in enumerate(targets))
    (gradient,) = torch.autograd.grad(loss, seen)
    torch.testing.assert_close(found, (photos - 4 / 255 * gradient.sign()).clamp(0, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, -0.5), (4.0,)])
def test_scales_that_make_no_sense_are_refused(scales):
    with pytest.raises(MethodError, match=r"scales of tma must be a number from 0\.02 to 3, or several"):
        TMA(scales=scales)


def test_one_scale_of_1_leaves_the_encoders_as_they_are():
    surrogates = [Surrogate(linear("descriptor"))]
    assert at_scales(surrogates, (1.0,)) == surrogates


def test_an_encoder_at_scales_sees_the_photo_blurred_and_smaller(photos):
    encoder = linear("descriptor")
    found = at_scales([Surrogate(encoder)], (1.0, 0.5))
    assert [surrogate.encoder.name for surrogate in found] == ["linear-descriptor", "linear-descriptor at 0.5"]
    for surrogate, sigma, sides in zip(found, (0.3, 0.6), ((20, 14), (10, 7)), strict=True):
        seen = F.interpolate(Blur(sigma)(photos), sides, mode="bilinear")
        torch.testing.assert_close(surrogate.encoder(photos), encoder(seen))


def test_encoders_with_one_trunk_share_it_at_each_scale():
    one, other = linear("descriptor"), linear("logits")
    other.trunk = one.trunk
    trunks = [surrogate.encoder.trunk for surrogate in at_scales([Surrogate(one), Surrogate(other)], (1.0, 0.5))]
    assert trunks[0] is trunks[1]
    assert trunks[2] is trunks[3]
    assert trunks[0] is not trunks[2]


def test_several_scales_bring_every_one_nearer(photos, targets):
    encoder, scales = linear("descriptor"), (1.0, 0.5)
    found = TMA(scales=scales)(photos, [Surrogate(encoder)], Run(LInf(255), 60, [1, 2], targets=targets)).photos
    for surrogate in at_scales([Surrogate(encoder)], scales):
        wanted = torch.cat([surrogate.encoder(own[0][None]) for own in targets])
        assert (F.cosine_similarity(surrogate.encoder(found), wanted) > 0.95).all()


def test_distortion_has_its_price(photos, targets):
    run = Run(LInf(255), 40, [1, 2], targets=targets)
    free, dear = (TMA(distortion=price)(photos, [Surrogate(linear("descriptor"))], run).photos for price in (0, 30))
    spent = [(found - photos).square().sum(dim=(1, 2, 3)) for found in (free, dear)]
    assert (spent[1] < 0.5 * spent[0]).all()


@dataclass(frozen=True)
class Bowl:
    """loss = mean (x − lowest)²."""

    lowest: Tensor
    seen: list[Tensor]

    def __call__(self, photos, progress):  # noqa: ARG002 - constant throughout
        self.seen.append(photos.detach())
        loss = (photos - self.lowest).square().mean(dim=(1, 2, 3))
        return Evaluation(loss, loss.detach(), torch.zeros_like(loss, dtype=torch.bool))

    def of(self, rows):
        return replace(self, lowest=self.lowest[rows])


def walk(offsets, rate, steps, terms=1, weight=0.0):
    """From 0.5 to 0.5 plus each offset; what is seen on the way, (steps + 1, N)."""
    originals = torch.full((len(offsets), 3, 2, 2), 0.5)
    seen: list[Tensor] = []
    bowl = Bowl(originals + torch.tensor(offsets).view(-1, 1, 1, 1), seen)
    tries = Tries.before(originals)
    loss = Watched(bowl, tries, terms, weight)
    minimise(loss, originals, step=RestartingAdam(tries, rate), ball=LInf(255), steps=steps)
    return torch.stack(seen)[..., 0, 0, 0], tries


def test_a_try_that_diverges_begins_anew_with_a_fifth_of_the_rate():
    seen, _ = walk([0.02, 0.4], rate=0.25, steps=6)
    torch.testing.assert_close(seen[:, 0], torch.tensor([0.5, 0.75, 0.5, 0.55, 0.5, 0.51, 0.52]), rtol=0, atol=1e-3)
    alone, _ = walk([0.4], rate=0.25, steps=6)
    torch.testing.assert_close(seen[:, 1], alone[:, 0])
    assert (seen[1:, 1] > 0.6).all()  # its batch-mate does not begin anew


def test_a_new_try_is_judged_by_its_own_losses():
    seen, _ = walk([0.28], rate=0.25, steps=4)  # the first try passes by the lowest place
    assert seen[2] > 0.85
    torch.testing.assert_close(seen[3:, 0], torch.tensor([0.5, 0.55]))


def test_photos_that_leave_the_batch_take_nobody_elses_place():
    photos = torch.arange(4).view(4, 1, 1, 1).expand(4, 3, 2, 2) / 10
    tries = Tries.before(photos)
    rest = Watched(Bowl(photos, []), tries, 1, 0.0).of(torch.tensor([1, 2, 3])).of(torch.tensor([1, 2]))
    rest(photos[2:] + 0.1, 0.0)
    torch.testing.assert_close(tries.smallest, torch.tensor([torch.inf, torch.inf, 0.01, 0.01]))
    torch.testing.assert_close(tries.back[:, 0, 0, 0], torch.tensor([0, 0, -0.1, -0.1]))


def test_there_are_ten_tries():
    seen, tries = walk([0.011], rate=1e6, steps=30)
    starts = (seen[:, 0] - 0.5).abs() < 1e-6
    assert starts.sum() == 10
    assert not starts[20:].any()
    assert tries.smallest.isfinite().all()


def test_what_was_below_1e4_has_not_diverged():
    below, above = walk([0.0099], rate=0.05, steps=1)[1], walk([0.0101], rate=0.05, steps=1)[1]
    assert not below.diverged.any()
    assert above.diverged.all()
    assert not walk([0.0101], rate=0.05, steps=1, terms=2)[1].diverged.any()  # 1e-4 is of the mean


def test_the_price_is_per_pixel_and_of_the_mean():
    photos = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    originals = torch.zeros_like(photos)
    bowl = Bowl(originals, [])
    priced = Watched(bowl, Tries.before(originals), terms=3, weight=0.7)(photos, 0.0)
    cost = torch.stack([3 * 0.7 * sum(v * v for v in photo.flatten()) / 20 for photo in photos])
    torch.testing.assert_close(priced.loss, bowl(photos, 0.0).loss + cost)
    torch.testing.assert_close(priced.score, priced.loss)
