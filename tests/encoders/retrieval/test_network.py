"""Networks at the photo's own shape and resolution: sizes and formulas with stubs whose maps are the photo itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from recessive.balls import LInf
from recessive.encoders import BACKBONES, EncoderError, GeM, accelerate, encode, make_backbone
from recessive.encoders.heads import MAC, SPoC
from recessive.encoders.networks.library import torchvision_backbone
from recessive.encoders.retrieval.files import load_retrieval_network
from recessive.encoders.retrieval.network import (
    THREE_SCALES,
    RetrievalHead,
    RetrievalNetwork,
    RetrievalTrunk,
    make_retrieval_network,
)
from recessive.encoders.retrieval.whitening import Whitening
from recessive.protection.optimise import Evaluation, minimise
from recessive.protection.steps import Sign

POOLINGS = ("gem", "mac", "spoc", "r-mac")


def photos(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def trunk(smallest=1, **options):
    """Its maps are the photo itself, as the backbone would see it."""
    return RetrievalTrunk(nn.Identity(), smallest, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), **options)


def network(pool=None, smallest=1, longest_side=1024, scales=(1.0,), **head):
    halves = trunk(smallest, longest_side=longest_side, scales=scales), RetrievalHead(3, pool or GeM(), **head)
    return RetrievalNetwork("stub", *halves).eval()


def direction(vectors):
    return vectors / vectors.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((30, 50), (12, 20)),
        ((50, 30), (20, 12)),
        ((20, 20), (20, 20)),
        ((7, 11), (7, 11)),
        ((1, 400), (3, 20)),  # ⌊1/20⌉ = 0, stretched to the smallest side
        ((1, 1), (3, 3)),
        ((2, 5), (3, 5)),
    ],
)
def test_larger_photos_are_shrunk_in_proportion_and_short_sides_stretched(shape, expected):
    (seen,) = trunk(3, longest_side=20)(photos(2, 3, *shape))
    assert seen.shape == (2, 3, *expected)


def test_shrinking_is_antialiased():
    stripes = torch.tensor([0.0, 1.0, 1.0, 0.0]).repeat(16).expand(1, 3, 64, 64)  # all 1 where two pixels are asked
    (seen,) = trunk(longest_side=16)(stripes)
    torch.testing.assert_close(seen[..., 1:-1], torch.full((1, 3, 16, 14), 0.5))


def test_photos_within_the_limit_are_seen_as_they_are_and_normalised():
    values = photos(2, 3, 6, 8)
    (seen,) = RetrievalTrunk(nn.Identity(), 1, (0.1, 0.2, 0.3), (0.5, 1.0, 2.0))(values)
    expected = (values - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / torch.tensor([0.5, 1.0, 2.0])[:, None, None]
    torch.testing.assert_close(seen, expected)


def test_the_sides_of_several_scales():
    seen = trunk(4, longest_side=20, scales=(1.0, 2**-0.5, 0.5, 0.1, 1.5))(photos(1, 3, 40, 30))
    assert [tuple(one.shape[2:]) for one in seen] == [(20, 15), (14, 10), (10, 7), (4, 4), (30, 22)]


def test_half_the_size_is_the_mean_of_four_pixels():
    values = photos(1, 3, 6, 8)
    whole, half = trunk(scales=(1.0, 0.5))(values)
    assert torch.equal(whole, values)
    torch.testing.assert_close(half, F.avg_pool2d(values, 2))


def each_scale(values, pool):
    """Unit descriptors of a photo and of its half."""
    return [direction(pool(one)) for one in (values, F.avg_pool2d(values, 2))]


def test_scales_are_combined_with_the_exponent_of_gem():
    values = photos(2, 3, 6, 8)
    values[:, 0] = torch.arange(8).remainder(2)  # so that the two scales differ
    first, second = each_scale(values, lambda z: z.pow(2.5).mean(dim=(2, 3)).pow(1 / 2.5))
    expected = direction(((first**2.5 + second**2.5) / 2) ** (1 / 2.5))
    torch.testing.assert_close(network(GeM(2.5), scales=(1.0, 0.5))(values), expected, rtol=1e-5, atol=1e-5)
    assert (expected - direction(first + second)).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("pool", "by_hand"), [(MAC(), lambda z: z.amax(dim=(2, 3))), (SPoC(), lambda z: z.mean(dim=(2, 3)))]
)
def test_scales_of_other_poolings_are_averaged(pool, by_hand):
    values = photos(2, 3, 6, 8)
    first, second = each_scale(values, by_hand)
    torch.testing.assert_close(network(pool, scales=(1.0, 0.5))(values), direction(first + second))


def linear(inputs, outputs):
    torch.manual_seed(1)
    return nn.Linear(inputs, outputs)


def test_with_a_whitening_layer_scales_are_averaged_after_it():
    values, layer = photos(2, 3, 6, 8), linear(3, 5)
    values[:, 0] = 3 * torch.arange(8).remainder(2)  # so that the two scales differ
    first, second = (direction(layer(vectors)) for vectors in each_scale(values, GeM()))
    found = network(linear=layer, scales=(1.0, 0.5))
    assert found.dim == 5
    torch.testing.assert_close(found(values), direction(first + second), rtol=1e-5, atol=1e-5)


def test_a_whitening_learned_afterwards_is_applied_to_the_combination():
    values = photos(2, 3, 6, 8)
    whitening = Whitening(torch.tensor([0.5, 0.6, 0.5]), torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]]))
    plain = network(scales=(1.0, 0.5))(values)
    found = network(scales=(1.0, 0.5), whitening=whitening)
    assert found.dim == 2
    torch.testing.assert_close(found(values), direction((plain - whitening.mean) @ whitening.projection.T))


def test_local_whitening_is_applied_at_each_place_before_pooling():
    values, layer = photos(2, 3, 6, 8), linear(3, 3)
    places = torch.stack([layer(place) for place in values.flatten(2).unbind(dim=2)], dim=2)
    expected = direction(places.clamp(min=1e-6).pow(3).mean(dim=2).pow(1 / 3))
    torch.testing.assert_close(network(local=layer)(values), expected, rtol=1e-4, atol=1e-5)


def test_a_whitening_of_other_vectors_is_refused():
    with pytest.raises(ValueError, match="the whitening takes vectors of 4 values, the network gives 3"):
        RetrievalHead(3, GeM(), whitening=Whitening(torch.zeros(4), torch.eye(4)))


def test_high_powers_of_small_values_are_finite_and_right():
    """The powers of the descriptor's values are below what float32 holds."""
    values = torch.tensor([1e3, 1e-5, 0.0]).view(1, 3, 1, 1).repeat(1, 1, 2, 2).requires_grad_()
    found = network(GeM(6.0), scales=(1.0, 0.5))(values)
    torch.testing.assert_close(found, torch.tensor([[1.0, 1e-8, 1e-9]]), rtol=1e-3, atol=0)
    found[:, 1].sum().backward()
    assert torch.isfinite(values.grad).all()
    assert values.grad[0, 1].sum() == pytest.approx(1e-3, rel=1e-3)


def test_a_box_is_cut_out_before_it_is_described():
    whole, values = network(), photos(3, 20, 30)
    part = values[:, 4:11, 9:25]
    assert torch.equal(whole.describe(values, (9, 4, 25, 11)), whole.describe(part))
    assert torch.equal(whole.describe(values, (8.6, 4.4, 25.2, 10.7)), whole.describe(part))  # rounded
    assert torch.equal(whole.describe(values, (-5, 3, 99, 1e9)), whole.describe(values[:, 3:]))  # clipped
    assert torch.equal(whole.describe(values, (0, 0, 30, 20)), whole(values[None])[0])
    assert torch.equal(whole.describe(values), whole(values[None])[0])
    assert (whole.describe(values) - whole.describe(part)).abs().max() > 1e-3


def test_a_box_is_shrunk_as_the_whole_photo_is():
    """The limit is 16 · 24/48 = 8 for a box 24 wide of a photo 48 wide."""
    values, small = photos(3, 30, 48), network(longest_side=16)
    part = values[None, :, 6:18, 12:36]
    expected = small.head(F.interpolate(part, (4, 8), mode="bilinear", antialias=True))
    torch.testing.assert_close(small.describe(values, (12, 6, 36, 18)), expected[0])
    # A box is not shrunk where the photo is not, and stretched where it is too small.
    assert torch.equal(network(longest_side=48).describe(values, (12, 6, 36, 18)), network()(part)[0])
    assert network(smallest=8, longest_side=16).describe(values, (3, 3, 4, 4)).isfinite().all()


@pytest.mark.parametrize(
    "box",
    [
        (5, 5, 5, 9),
        (9, 5, 5, 9),
        (30, 0, 40, 20),
        (-9, 0, 0, 20),
        (0, -9, 30, 0),
        (0, 0, 0.4, 9),
        (0, 0, float("nan"), 9),
    ],
)
def test_a_box_that_shows_nothing_is_refused(box):
    with pytest.raises(ValueError, match=r"\(left, top, right, bottom\) shows nothing of a photo 30 wide, 20 high"):
        network().describe(photos(3, 20, 30), box)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 4, 8, 8), (1, 3, 0, 8), (1, 3, 8, 0)])
def test_what_is_no_batch_of_photos(shape):
    with pytest.raises(ValueError, match=r"takes photos of shape \(N, 3, H, W\)"):
        network()(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (8, 8), (4, 8, 8), (3, 0, 8), (3, 0, 0)])
def test_what_is_no_photo(shape):
    with pytest.raises(ValueError, match=r"has shape \(3, H, W\)|of shape \(N, 3, H, W\)"):
        network().describe(torch.zeros(shape))


@pytest.fixture(scope="module", params=[("conv", (1.0,)), ("transformer", THREE_SCALES)], ids=["conv", "transformer"])
def pretrained(request):
    """A bundled network at one scale or several."""
    backbone, scales = request.param
    return make_retrieval_network(backbone, pretrained=True, scales=scales, longest_side=96)


def test_the_gradient_reaches_the_photos_own_pixels(pretrained):
    values = photos(2, 3, 50, 130).requires_grad_()
    pretrained(values)[:, 0].sum().backward()
    assert torch.isfinite(values.grad).all()
    assert (values.grad != 0).float().mean() > 0.9


def test_photos_of_a_batch_do_not_influence_each_other(pretrained):
    values = photos(3, 3, 40, 64)
    together = pretrained(values)
    torch.testing.assert_close(together, torch.cat([pretrained(one[None]) for one in values]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))


def test_encoders_that_share_the_trunk_and_accelerated_ones_agree(pretrained):
    values = photos(2, 3, 40, 64)
    other = RetrievalNetwork("maxima", pretrained.trunk, RetrievalHead(pretrained.dim, MAC()))
    for found, alone in zip(encode([pretrained, other], values), (pretrained, other), strict=True):
        assert torch.equal(found, alone(values))
    (accelerated,) = accelerate([pretrained])
    torch.testing.assert_close(accelerated(values), pretrained(values), rtol=1e-4, atol=1e-5)


@dataclass(frozen=True)
class Likeness:
    """The cosine with the descriptors that the photos had."""

    encoder: RetrievalNetwork
    before: Tensor

    def __call__(self, photos, progress):
        del progress
        cosine = (self.encoder(photos) * self.before).sum(dim=1)
        return Evaluation(cosine, cosine.detach(), torch.zeros(len(photos), dtype=torch.bool))

    def of(self, rows):
        return Likeness(self.encoder, self.before[rows])


def test_photos_can_be_walked_away_from_their_descriptor():
    seen = make_retrieval_network("conv", pretrained=True)
    values = F.interpolate(photos(2, 3, 6, 4), (48, 32), mode="bilinear")
    start = (values + 0.01 * (photos(2, 3, 48, 32, seed=1) - 0.5)).clamp(0, 1)
    loss = Likeness(seen, seen(values))
    found = minimise(loss, values, step=Sign(2), ball=LInf(8), steps=6, start=start)
    assert (loss(start, 0).loss > 0.9999).all()
    assert (found.losses < 0.99).all()


@pytest.mark.parametrize("backbone", ["small-resnet", "conv", "depthwise", "transformer"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_pixel_and_one_colour_have_a_direction(backbone, pooling):
    made = make_retrieval_network(backbone, pooling, pretrained=backbone != "small-resnet", scales=(1.0, 0.5))
    assert (made.name, made.dim, made.outputs) == (f"{backbone}-{pooling}", BACKBONES[backbone].channels, "descriptor")
    for values in (torch.full((1, 3, 1, 1), 0.3), torch.zeros(1, 3, 9, 40), torch.ones(1, 3, 33, 20)):
        values.requires_grad_()
        found = made(values)
        assert found.shape == (1, made.dim)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(1))
        found[:, 1].sum().backward()
        assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_maps_of_zeros_give_equal_values_or_none(pooling):
    head = make_retrieval_network("small-plain", pooling).head
    expected = 128**-0.5 if pooling == "gem" else 0.0
    torch.testing.assert_close(head(torch.zeros(1, 128, 3, 4)), torch.full((1, 128), expected))


def test_a_network_is_the_backbone_at_the_photos_own_size():
    made = make_retrieval_network("conv", "gem", pretrained=True, p=2.0)
    assert not made.training
    assert not any(parameter.requires_grad for parameter in made.parameters())
    values = photos(2, 3, 48, 80)
    maps = make_backbone("conv", pretrained=True).module.eval()((values - 0.5) / 0.25)
    assert maps.shape == (2, 512, 3, 5)
    expected = direction(maps.clamp(min=1e-6).square().mean(dim=(2, 3)).sqrt())
    torch.testing.assert_close(made(values), expected, rtol=1e-4, atol=1e-5)


def test_weights_come_from_a_file(tmp_path):
    path = tmp_path / "small.pth"
    stored = make_backbone("small-plain").module
    torch.save(stored.state_dict(), path)
    made, values = make_retrieval_network("small-plain", "spoc", weights=path), photos(1, 3, 32, 40)
    expected = direction(stored.eval()((values - 0.5) / 0.25).mean(dim=(2, 3)))
    torch.testing.assert_close(made(values), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "none"}, "no backbone is called 'none'; there are small-resnet"),
        ({"pooling": "max"}, "no pooling is called 'max'; there are gem, mac, spoc, r-mac"),
        ({"p": 0.5}, "GeM's exponent lies in 1 to 6, not 0.5"),
        ({"p": 6.5}, "not 6.5"),
        ({"p": float("nan")}, "not nan"),
        ({"scales": ()}, r"scales are positive factors, such as \(1.0, 0.5\), not \(\)"),
        ({"scales": (1.0, 0.0)}, r"not \(1.0, 0.0\)"),
        ({"scales": (float("inf"),)}, r"not \(inf,\)"),
        ({"longest_side": 3}, "the backbone sees sides of at least 4 pixels, the limit is 3"),
    ],
)
def test_networks_that_cannot_be(arguments, message):
    with pytest.raises(EncoderError, match=message) as refused:
        make_retrieval_network(**{"backbone": "small-resnet", **arguments})
    assert "\n" not in str(refused.value)


def test_a_retrieval_network_from_a_file_of_known_weights(tmp_path):
    torch.manual_seed(0)
    network = torchvision_backbone("squeezenet1_1").eval()
    path = tmp_path / "squeezenet.safetensors"
    save_file({**network.state_dict(), "classifier.1.weight": torch.zeros(2, 2)}, path)
    found = load_retrieval_network(path, "gem", scales=(1.0, 0.5), longest_side=80)
    assert (found.name, found.dim, found.training) == ("squeezenet", 512, False)
    assert (found.trunk.scales, found.trunk.longest_side) == ((1.0, 0.5), 80)
    photo = torch.rand(3, 60, 90, generator=torch.Generator().manual_seed(0))
    alone = load_retrieval_network(path, "mac")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    maps = network(((photo - mean.view(3, 1, 1)) / std.view(3, 1, 1))[None])
    torch.testing.assert_close(alone.describe(photo), F.normalize(maps.amax(dim=(2, 3)))[0])
    with pytest.raises(EncoderError, match="no pooling is called 'gme'; there are gem, mac"):
        load_retrieval_network(path, "gme")
    save_file({"layer": torch.zeros(3)}, path)
    with pytest.raises(EncoderError, match=r"squeezenet\.safetensors: holds the weights of no network"):
        load_retrieval_network(path)
    with pytest.raises(EncoderError, match="there is no such"):
        load_retrieval_network(tmp_path / "gone.safetensors")
