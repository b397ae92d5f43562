"""Heat maps of encoders for which they can be computed by hand, and of bundled ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recessive.codes import sign
from recessive.encoders import Encoder, load_encoder
from recessive.exposure.heat_map import heat_maps

CHANNELS, DIM = 6, 5


class Linear(nn.Module):
    """Mean over places, then a linear map; of unit length for a descriptor."""

    def __init__(self, weights, *, unit):
        super().__init__()
        self.weights, self.unit = nn.Parameter(weights), unit

    def forward(self, features):
        outputs = features.mean(dim=(2, 3)) @ self.weights.T
        return F.normalize(outputs, dim=1) if self.unit else outputs


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def photos_of(count, height=4, width=7, seed=3):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def linear_encoder():
    """Makes an encoder of a linear map of each place, the mean over places, and another linear map."""

    def make(outputs):
        trunk = nn.Conv2d(3, CHANNELS, 1, bias=False)
        trunk.weight.data = drawn(CHANNELS, 3, 1, 1, seed=1)
        return Encoder(
            "linear", trunk, Linear(drawn(DIM, CHANNELS, seed=2), unit=outputs == "descriptor"), DIM, outputs
        )

    return make


@pytest.mark.parametrize("outputs", ["descriptor", "logits"])
def test_a_linear_encoder_by_hand(linear_encoder, outputs):
    encoder, photos = linear_encoder(outputs), photos_of(2)
    views = encoder(photos_of(4, seed=8)).detach()
    views = sign(views) if outputs == "logits" else views
    # The mean over places, and with it all that the head sees, is the same along the path: that of the mean colour.
    colours = photos.double().mean(dim=(2, 3))
    inner = encoder.trunk.weight.detach()[:, :, 0, 0].double()
    head = encoder.head.weights.detach().double()
    motif = F.normalize(views.double(), dim=1).mean(dim=0)
    expected = []
    for photo, colour in zip(photos.double(), colours, strict=True):
        output = head @ inner @ colour
        direction = output / output.norm()
        cosine = direction @ motif
        assert cosine > 0
        slope = cosine * head.T @ (motif - cosine * direction) / output.norm()  # of ½ cos² by the mean over places
        shown = torch.einsum("ci,ihw->chw", inner, photo - colour[:, None, None])
        expected.append(torch.einsum("c,chw->hw", slope, shown).clamp(min=0))
    expected = torch.stack(expected)
    found = heat_maps(encoder, photos, views)
    assert found.shape == (2, 4, 7)
    torch.testing.assert_close(found, (expected / expected.max()).float(), atol=1e-5, rtol=1e-4)
    assert found[0].max() != found[1].max()  # one scale for both


class Places(nn.Module):
    """Two maps: the mean colour of the photo, and the photo itself."""

    def forward(self, photos):
        return photos.mean(dim=(2, 3), keepdim=True), photos


class MeanSquare(nn.Module):
    """The squares of the last map on average, at unit length; nothing where the first map is grey."""

    def forward(self, features):
        colour, last = features
        coloured = colour.std(dim=1).flatten()[:, None] > 1e-3
        return F.normalize(last.square().mean(dim=(2, 3)), dim=1) * coloured


def test_the_path_is_averaged_and_other_maps_stay():
    encoder = Encoder("squares", Places(), MeanSquare(), 3, "descriptor")
    photo, motif = photos_of(1), torch.tensor([1.0, 0.2, 0.1])
    colour, steps = photo.double().mean(dim=(2, 3), keepdim=True), 4
    shown, weights = photo.double() - colour, torch.zeros(1, 3, 1, 1, dtype=torch.float64)
    for step in range(steps):
        point = (colour + (step + 0.5) / steps * shown).requires_grad_()
        squares = point.square().mean(dim=(2, 3))
        cosine = F.normalize(squares, dim=1) @ F.normalize(motif.double(), dim=0)
        weights += torch.autograd.grad(cosine.square().sum() / 2, point)[0].mean(dim=(2, 3), keepdim=True) / steps
    expected = (weights * shown).sum(dim=1).clamp(min=0)
    expected = (expected / expected.max()).float()
    torch.testing.assert_close(heat_maps(encoder, photo, motif[None]), expected, atol=1e-4, rtol=0)


@pytest.fixture
def colours_encoder():
    """Its map is the photo, and its descriptor the mean colour, at unit length."""

    class Unit(nn.Module):
        def forward(self, features):
            return F.normalize(features.mean(dim=(2, 3)), dim=1)

    return Encoder("colours", nn.Identity(), Unit(), 3, "descriptor")


def test_what_views_show_is_bright(colours_encoder):
    photo = torch.zeros(3, 4, 6)
    photo[2] = 0.5
    photo[:, 1:3, 4] = torch.tensor([1.0, 0.0, 0.0])[:, None]  # a red spot on blue
    red = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]])
    spot = torch.zeros(4, 6)
    spot[1:3, 4] = 1
    torch.testing.assert_close(heat_maps(colours_encoder, photo[None], red)[0], spot)


def test_a_photo_that_matches_nothing_is_dark_beside_one_that_does(colours_encoder):
    red, blue = photos_of(2)
    red, blue = red * torch.tensor([1.0, 0.1, 0.1])[:, None, None], blue * torch.tensor([0.0, 0.0, 1.0])[:, None, None]
    before, after = heat_maps(colours_encoder, torch.stack([red, blue]), torch.tensor([[1.0, 0.0, 0.0]]))
    assert before.max() == 1
    assert not after.any()


@pytest.mark.parametrize("name", ["conv-gem", "transformer-hash"])
def test_a_mirrored_photo_has_the_mirrored_map(name):
    encoder, photos = load_encoder(name), photos_of(2, 40, 56)
    with torch.no_grad():
        views = encoder(photos_of(3, 40, 56))
    found = heat_maps(encoder, photos, views)
    assert found.std() > 0.05
    assert not torch.allclose(found, found.flip(-1), atol=0.1)
    torch.testing.assert_close(heat_maps(encoder, photos.flip(-1), views).flip(-1), found, atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (170, 90)])
def test_photos_of_any_size(size):
    encoder, photos = load_encoder("conv-gem"), photos_of(2, *size)
    with torch.no_grad():
        views = encoder(photos)
    found = heat_maps(encoder, photos, views)
    assert found.shape == (2, 10, 10)
    assert found.min() >= 0
    assert found.max() == (0 if size == (1, 1) else 1)


def test_photos_of_one_colour_have_nothing_to_look_at():
    encoder, photos = load_encoder("conv-gem"), torch.tensor([0.3, 0.55, 0.8])[:, None, None].expand(1, 3, 60, 80)
    with torch.no_grad():
        views = encoder(photos_of(2, 60, 80))
    assert not heat_maps(encoder, photos, views).any()


def test_no_gradient_gives_zeros(colours_encoder):
    opposite = -torch.ones(1, 3)
    assert torch.equal(heat_maps(colours_encoder, photos_of(2), opposite), torch.zeros(2, 4, 7))


def test_a_gradient_that_is_no_number_gives_zeros():
    class Root(nn.Module):
        def forward(self, features):
            light = (features.mean(dim=(1, 2, 3), keepdim=True) > 0.6).float()
            return F.normalize((features + (light * features).sqrt()).mean(dim=(2, 3)), dim=1)  # slope 0 · ∞ where dark

    encoder, photos = Encoder("root", nn.Identity(), Root(), 3, "descriptor"), photos_of(2)
    photos[1] = 0.5 + 0.5 * photos[1]
    point = photos.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(point).sum(), point)
    assert gradient[0].isnan().all()
    dark, light = heat_maps(encoder, photos, torch.ones(1, 3))
    assert torch.equal(dark, torch.zeros(4, 7))
    assert light.max() == 1


def test_each_view_has_one_vote(linear_encoder):
    encoder, views = linear_encoder("descriptor"), drawn(2, DIM, seed=9).abs()
    longer = views * torch.tensor([[1.0], [50.0]])
    torch.testing.assert_close(heat_maps(encoder, photos_of(2), longer), heat_maps(encoder, photos_of(2), views))


def test_no_places_no_heat():
    encoder = Encoder("flat", nn.Flatten(), nn.Identity(), 84, "descriptor")
    assert torch.equal(heat_maps(encoder, photos_of(2), torch.ones(1, 84)), torch.zeros(2, 1, 1))


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_nothing_is_left_behind(linear_encoder, mode):
    encoder = linear_encoder("descriptor")
    expected = heat_maps(encoder, photos_of(2), torch.ones(1, DIM))
    with mode():
        photos = photos_of(2)
        asked = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        found = heat_maps(encoder, photos, torch.ones(1, DIM))
        assert asked == (torch.is_grad_enabled(), torch.is_inference_mode_enabled())
    assert torch.equal(found, expected)
    assert not found.requires_grad
    assert photos.grad is None
    assert [parameter.grad for parameter in encoder.parameters()] == [None, None]


@pytest.mark.parametrize("views", [torch.ones(DIM), torch.ones(0, DIM), torch.ones(1, DIM + 1)])
def test_views_that_do_not_fit(linear_encoder, views):
    with pytest.raises(ValueError, match=r"needs views \(V, 5\)"):
        heat_maps(linear_encoder("descriptor"), photos_of(1), views)
