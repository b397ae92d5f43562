"""The encoders that ship with the package."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open

from recessive.encoders import EncoderError, bundled_encoders, load_encoder, owners_sample, reference_gallery
from recessive.encoders.bundle import BITS, NETWORKS, UNSEEN
from recessive.encoders.networks.backbones import BUNDLE

NAMES = [f"{network}-{head}" for network in NETWORKS for head in ("gem", "hash")]
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def photos():
    return torch.rand(2, 3, 83, 121, generator=torch.Generator().manual_seed(0))


def test_there_are_a_descriptor_and_a_code_of_each_network():
    assert list(bundled_encoders()) == NAMES
    assert len(NETWORKS) >= 3


def test_one_network_is_kept_unseen():
    unseen = {entry.network for entry in bundled_encoders().values() if not entry.seen}
    assert unseen == {UNSEEN}
    assert all(entry.seen for entry in bundled_encoders().values() if entry.network != UNSEEN)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_an_encoder_holds(name, photos):
    entry, encoder = bundled_encoders()[name], load_encoder(name)
    assert entry.name == encoder.name == name
    assert entry.outputs == encoder.outputs == ("descriptor" if name.endswith("gem") else "logits")
    outputs = encoder(photos)
    assert outputs.shape == (2, entry.dim) == (2, encoder.dim)
    assert torch.isfinite(outputs).all()
    assert entry.dim == BITS or entry.outputs == "descriptor"
    if entry.outputs == "descriptor":
        torch.testing.assert_close(outputs.norm(dim=1), torch.ones(2))
        assert 0 < entry.threshold < 1
    else:
        assert 0 < entry.threshold < BITS / 2  # half of the bits agree by chance
    assert entry.card


@pytest.mark.parametrize("name", NAMES)
def test_encoders_are_ready_to_be_optimised_against(name, photos):
    encoder = load_encoder(name)
    assert not any(module.training for module in encoder.modules())
    assert not any(weight.requires_grad for weight in encoder.parameters())
    given = photos[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(given).square().mul(torch.arange(encoder.dim)).sum(), given)
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).float().mean() > 0.9


@pytest.mark.parametrize("network", NETWORKS)
def test_encoders_of_one_network_share_its_trunk(network):
    descriptor, code = load_encoder(f"{network}-gem"), load_encoder(f"{network}-hash")
    assert descriptor.trunk is code.trunk
    assert load_encoder(f"{network}-gem") is descriptor


def test_networks_do_not_share_theirs():
    assert len({id(load_encoder(name).trunk) for name in NAMES}) == len(NETWORKS)


@pytest.mark.parametrize("ask", [load_encoder, owners_sample, reference_gallery])
def test_an_unknown_name_lists_those_that_there_are(ask):
    with pytest.raises(EncoderError, match="no encoder is called 'conv'") as refused:
        ask("conv")
    assert all(name in str(refused.value) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("half", [owners_sample, reference_gallery])
def test_sample_and_gallery_hold_items_like_the_encoders(half, name):
    entry, items = bundled_encoders()[name], half(name)
    assert items.shape == (len(items), entry.dim)
    assert items.dtype == torch.float32
    if entry.outputs == "descriptor":
        torch.testing.assert_close(items.norm(dim=1), torch.ones(len(items)))
    else:
        assert torch.equal(items.abs(), torch.ones_like(items))
    assert len(items.unique(dim=0)) > 0.5 * len(items)  # of different photos


def test_sample_and_gallery_are_of_several_thousand_photos_the_same_for_all():
    sizes = {(len(owners_sample(name)), len(reference_gallery(name))) for name in NAMES}
    ((sample, gallery),) = sizes
    assert min(sample, gallery) >= 1000
    assert sample + gallery >= 3000


@pytest.mark.parametrize("network", NETWORKS)
def test_no_photo_of_the_gallery_is_shown_to_a_method(network):
    sample, gallery = owners_sample(f"{network}-gem"), reference_gallery(f"{network}-gem")
    both = torch.cat([sample, gallery])
    shared = len(sample.unique(dim=0)) + len(gallery.unique(dim=0)) - len(both.unique(dim=0))
    assert shared < 0.01 * len(gallery)  # but for photos that occur twice


def test_files_stay_small():
    sizes = {path.name: path.stat().st_size for path in BUNDLE.iterdir() if path.is_file()}
    assert max(sizes.values()) <= 10 * MEGABYTE, sizes
    assert sum(sizes.values()) <= 40 * MEGABYTE, sizes
    assert {f"{network}.safetensors" for network in NETWORKS} <= sizes.keys()


@pytest.mark.parametrize("network", NETWORKS)
def test_beside_descriptors_and_codes_nothing_is_stored_of_photos(network):
    with safe_open(BUNDLE / f"{network}-gallery.safetensors", framework="pt") as stored:
        assert set(stored.keys()) == {f"{network}-gem", f"{network}-hash"}
