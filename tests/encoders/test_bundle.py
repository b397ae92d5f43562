"""What ships with the package: encoders, reference galleries and samples of the owner."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from recessive.encoders import (
    CEDD,
    GIST,
    EncoderError,
    bundled_encoders,
    descriptor_gallery,
    descriptor_sample,
    descriptor_thresholds,
    load_encoder,
    owners_sample,
    reference_gallery,
    words_gallery,
)
from recessive.encoders.bundle import BITS, NETWORKS, UNSEEN
from recessive.encoders.features.vocabulary import bundled_vocabulary
from recessive.encoders.networks.backbones import BUNDLE
from recessive.galleries import InvertedFile, euclidean_distances, tanimoto_distances

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


FEATURES = ["cedd", "gist"]
PHOTOS, OTHERS = 1000, 400
MEASURES = {"cedd": tanimoto_distances, "gist": euclidean_distances}


@pytest.fixture(scope="module")
def card():
    return json.loads((BUNDLE / "descriptors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def stored():
    """The tensors as they lie in the file."""
    with safe_open(BUNDLE / "descriptors-gallery.safetensors", framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary


@pytest.fixture(scope="module")
def word_distances():
    """From the first 200 photos of the gallery to all."""
    gallery, photos = InvertedFile(len(bundled_vocabulary())), words_gallery()
    gallery.add(photos)
    return torch.cat([part for _, part in gallery.distances(photos[:200])])


@pytest.mark.parametrize("name", FEATURES)
def test_gallery_and_sample_hold_descriptors_like_the_describers(name):
    dim = {"cedd": CEDD.dim, "gist": GIST().dim}[name]
    gallery, sample = descriptor_gallery(name), descriptor_sample(name)
    assert gallery.shape == (PHOTOS, dim)
    assert sample.shape == (OTHERS, dim)
    assert gallery.dtype == sample.dtype == torch.float32


def test_cedd_holds_whole_numbers_of_eight_levels():
    for items in (descriptor_gallery("cedd"), descriptor_sample("cedd")):
        assert torch.equal(items.unique(), torch.arange(8.0))
        assert (items.sum(dim=1) > 0).all()  # no photo is without blocks


def test_gist_holds_energies_on_a_grid_of_256_levels(stored):
    items = torch.cat([descriptor_gallery("gist"), descriptor_sample("gist")])
    assert items.isfinite().all()
    assert float(items.min()) >= 0
    levels = items / stored["gist_unit"]
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
    assert levels.round().amax(dim=0).tolist() == [255] * items.shape[1]  # all of the range is used
    # The largest error of rounding, half a level in each value, is far below the threshold.
    assert float(stored["gist_unit"].norm()) / 2 < 0.1 * descriptor_thresholds()["gist"]


@pytest.mark.parametrize("name", FEATURES)
def test_no_photo_of_the_gallery_is_in_the_sample(name):
    gallery, sample = descriptor_gallery(name), descriptor_sample(name)
    shared = len(gallery.unique(dim=0)) + len(sample.unique(dim=0)) - len(torch.cat([gallery, sample]).unique(dim=0))
    assert shared == 0
    assert float(MEASURES[name](sample, gallery).min()) > 1e-3


@pytest.mark.parametrize("name", FEATURES)
def test_gallery_and_sample_are_of_different_photos_of_one_kind(name):
    gallery, sample = descriptor_gallery(name), descriptor_sample(name)
    assert len(gallery.unique(dim=0)) > 0.99 * PHOTOS
    assert len(sample.unique(dim=0)) > 0.99 * OTHERS
    within, across = MEASURES[name](gallery, gallery).mean(), MEASURES[name](sample, gallery).mean()
    assert float(across / within) == pytest.approx(1, abs=0.05)


def test_words_lie_within_the_vocabulary():
    photos, words = words_gallery(), len(bundled_vocabulary())
    assert len(photos) == PHOTOS
    together = np.concatenate([photo.words for photo in photos])
    assert together.dtype == np.int32
    assert together.min() >= 0
    assert together.max() < words
    assert len(np.unique(together)) > 0.9 * words  # and use it


def test_signatures_are_of_even_bits():
    signatures = np.concatenate([photo.signatures for photo in words_gallery()])
    assert signatures.dtype == np.uint64
    # A bit says on which side of its word's median a descriptor lies.
    ones = [float((signatures >> np.uint64(bit) & np.uint64(1)).mean()) for bit in range(64)]
    assert 0.4 < min(ones) < max(ones) < 0.6


def test_words_come_photo_by_photo_as_they_are_counted(stored):
    photos, first = words_gallery(), 0
    assert [len(photo) for photo in photos] == stored["counts"].tolist()
    for photo in photos:
        here = slice(first, first + len(photo))
        assert np.array_equal(photo.words, stored["words"].numpy()[here])
        assert np.array_equal(photo.signatures, stored["signatures"].numpy()[here])
        first += len(photo)
    assert first == len(stored["words"]) == len(stored["signatures"])


def test_the_card_says_what_the_files_hold(card, stored):
    assert (card["gallery"], card["sample"]) == (PHOTOS, OTHERS)
    assert card["gallery"] == len(stored["counts"])
    assert card["gallery"] + card["sample"] == len(stored["cedd"]) == len(stored["gist"]) <= card["photos"]
    assert card["words"] == len(bundled_vocabulary())
    assert card["descriptors"] >= 10 * card["words"]
    assert list(card["thresholds"]) == list(card["best_f1"]) == ["bovw-he", "cedd", "gist"]
    assert all(0 < f1 < 1 for f1 in card["best_f1"].values())


def test_beside_descriptors_nothing_is_stored_of_photos(stored):
    kinds = {name: (tensor.dtype, tuple(tensor.shape[1:])) for name, tensor in stored.items()}
    assert kinds == {
        "counts": (torch.int32, ()),
        "words": (torch.uint16, ()),
        "signatures": (torch.uint64, ()),
        "cedd": (torch.uint8, (54,)),
        "gist": (torch.uint8, (GIST().dim,)),
        "gist_unit": (torch.float32, ()),
    }


def test_thresholds_are_those_of_the_card(card):
    thresholds = descriptor_thresholds()
    assert thresholds == card["thresholds"]
    assert all(type(threshold) is float for threshold in thresholds.values())


@pytest.mark.parametrize("name", ["bovw-he", *FEATURES])
def test_within_the_threshold_a_photo_is_found_and_hardly_another(name, word_distances):
    if name == "bovw-he":
        distances = word_distances
    else:
        gallery = descriptor_gallery(name)
        distances = MEASURES[name](gallery[:200], gallery)
    within = distances <= descriptor_thresholds()[name]
    own = within.diagonal()
    assert own.float().mean() > 0.99
    # But not nobody: T is that of views, which differ as much as some other photos do.
    assert 0 < within.float().mean() - 1 / PHOTOS < 0.01


def test_words_and_descriptors_are_of_the_same_photos_in_the_same_order(word_distances):
    cedd, gist = (MEASURES[name](descriptor_gallery(name)[:200], descriptor_gallery(name)) for name in FEATURES)
    others = torch.arange(PHOTOS) != torch.arange(200)[:, None]

    def agreement(first, second):
        return float(torch.corrcoef(torch.stack([first[others], second[others]]))[0, 1])

    for first, second in ((cedd, gist), (cedd, word_distances), (gist, word_distances)):
        shifted = [agreement(first, second.roll((shift, shift), (0, 1))) for shift in (1, 7, 40, 111)]
        assert agreement(first, second) > 0.03
        assert agreement(first, second) > 3 * max(map(abs, shifted))
