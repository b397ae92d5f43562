"""Encoders with their galleries."""

import shutil

import numpy as np
import pytest
import torch

from recessive.codes import sign
from recessive.encoders import (
    CEDD,
    GIST,
    BagOfWords,
    EncoderError,
    bundled_vocabulary,
    descriptor_gallery,
    descriptor_sample,
    descriptor_thresholds,
    words_gallery,
)
from recessive.errors import SettingsError
from recessive.photos import read_photo
from recessive.searchers import HANDCRAFTED, default_surrogates, find_differentiable, searchers, unseen

pytestmark = pytest.mark.usefixtures("tiny_encoders")


def test_methods_get_the_seen_encoders_that_fit():
    assert default_surrogates(frozenset({"logits", "descriptor"})) == ("tiny-gem", "tiny-hash")
    assert default_surrogates(frozenset({"logits"})) == ("tiny-hash",)


@pytest.mark.parametrize(
    ("surrogates", "honest"),
    [
        (("tiny-gem", "tiny-hash"), ("other-gem",)),
        (("tiny-hash",), ("other-gem",)),  # tiny-gem has the same network
        (("other-gem",), ("tiny-gem", "tiny-hash")),
        (("tiny-gem", "other-gem"), ()),
    ],
)
def test_honest_judges_share_no_network_with_surrogates(surrogates, honest):
    assert unseen(surrogates) == honest


def test_without_a_folder_the_reference_gallery_is_searched(reference):
    first, second = searchers(("tiny-gem", "other-gem"), ("tiny-gem",))
    assert (first.encoder.name, first.seen, second.encoder.name, second.seen) == ("tiny-gem", True, "other-gem", False)
    assert len(first.gallery) == len(second.gallery) == 400
    assert float(first.gallery.search(reference("tiny-gem")[7:8], 1).indices) == 7


def test_local_and_global_searches_have_the_bundled_gallery_and_thresholds():
    found = searchers(HANDCRAFTED, ("cedd",))
    assert [searcher.encoder.name for searcher in found] == ["bovw-he", "cedd", "gist"]
    assert [searcher.seen for searcher in found] == [False, True, False]
    assert [searcher.threshold for searcher in found] == [descriptor_thresholds()[name] for name in HANDCRAFTED]
    assert [len(searcher.gallery) for searcher in found] == [1000] * 3
    local, cedd, gist = (searcher.gallery for searcher in found)
    assert int(local.search(words_gallery()[7:8], 1).indices) == 7
    assert int(cedd.search(descriptor_gallery("cedd")[7:8], 1).indices) == 7
    assert int(gist.search(descriptor_gallery("gist")[7:8], 1).indices) == 7
    # what methods may use is not in it
    assert not cedd.count_within(descriptor_sample("cedd")[:50], 1e-6).any()
    assert not gist.count_within(descriptor_sample("gist")[:50], 1e-6).any()


def test_networks_and_searches_without_one_come_in_the_order_of_their_names(photo, texture):
    names = ("gist", "other-gem", "bovw-he", "tiny-hash", "cedd", "tiny-gem")
    folder = photo("0.png", texture()).parent
    for gallery in (None, folder):
        found = searchers(names, ("bovw-he", "tiny-gem"), gallery)
        assert tuple(searcher.encoder.name for searcher in found) == names
        assert [searcher.seen for searcher in found] == [False, False, True, False, False, True]
        of = descriptor_thresholds()
        expected = [of["gist"], 0.4, of["bovw-he"], 8.0, of["cedd"], 0.4]
        assert [searcher.threshold for searcher in found] == expected
        assert [len(searcher.gallery) for searcher in found] == (
            [1] * 6 if gallery else [1000, 400, 1000, 400, 1000, 400]
        )


@pytest.mark.parametrize("name", HANDCRAFTED)
def test_an_item_is_what_its_gallery_takes_and_finds(photo, texture, name):
    files = [photo(f"{seed}.png", texture(48 + 6 * seed, 72, seed)) for seed in range(4)]
    (searcher,) = searchers((name,), (), files[0].parent)
    assert len(searcher.gallery) == 4
    for place, file in enumerate(files):
        pixels = read_photo(file).pixels
        item = searcher.encoder.items(pixels)
        hits = searcher.gallery.search(item, 1)
        assert int(hits.indices) == place
        assert float(hits.distances) == pytest.approx(float(searcher.gallery.between(item, item)), abs=1e-7)
        if name == "bovw-he":
            (words,) = item
            expected = BagOfWords(bundled_vocabulary()).describe(pixels)
            assert len(words) > 0
            assert words.words.tolist() == expected.words.tolist()
            assert words.signatures.tolist() == expected.signatures.tolist()
        else:
            describer = {"cedd": CEDD(), "gist": GIST()}[name]
            assert torch.equal(item, describer(pixels[None]))


def test_broken_photos_are_in_no_gallery_of_any_kind(photo, texture, broken):
    for seed in range(2):
        photo(f"{seed}.png", texture(seed=seed))
    complaints = []
    found = searchers(("tiny-gem", *HANDCRAFTED), (), broken.parent, on_error=complaints.append)
    assert [len(searcher.gallery) for searcher in found] == [2] * 4
    assert len(complaints) == 1


def test_a_photo_without_local_features_is_in_the_gallery_all_the_same(photo, texture):
    grey = photo("0.png", np.full((48, 64, 3), 128, np.uint8))
    photo("1.png", texture())
    (searcher,) = searchers(("bovw-he",), (), grey.parent)
    assert len(searcher.gallery) == 2
    (words,) = searcher.encoder.items(read_photo(grey).pixels)
    assert len(words) == 0


@pytest.mark.parametrize("name", HANDCRAFTED)
def test_what_has_no_gradient_is_no_surrogate(name):
    with pytest.raises(EncoderError) as refused:
        find_differentiable(["tiny-gem", name])
    assert str(refused.value).startswith(f"{name} passes no gradient to optimise against. ")
    assert str(refused.value).endswith("Encoders: tiny-gem, tiny-hash, other-gem")


def test_a_folder_is_encoded_but_for_broken_photos(photo, scene, broken, tiny_encoders):
    files = [photo(f"{seed}.png", scene(40, 50 + seed, seed)) for seed in range(4)]
    complaints, progress = [], []
    descriptors, codes = searchers(
        ("tiny-gem", "tiny-hash"),
        (),
        broken.parent,
        on_error=complaints.append,
        progress=lambda *done: progress.append(done),
    )
    assert [str(complaint).partition(":")[0] for complaint in complaints] == [str(broken)]
    assert progress[-1] == (5, 5) or progress[-1] == (4, 5)
    assert len(descriptors.gallery) == len(codes.gallery) == 4
    pixels = read_photo(files[2]).pixels[None]
    with torch.no_grad():
        hits = descriptors.gallery.search(tiny_encoders["tiny-gem"](pixels), 1)
        assert (int(hits.indices), float(hits.distances)) == (2, pytest.approx(0, abs=1e-6))
        assert int(codes.gallery.search(sign(tiny_encoders["tiny-hash"](pixels)), 1).indices) == 2


def test_a_folder_of_broken_photos_is_no_gallery(broken):
    shutil.copy(broken, broken.with_name("second.jpg"))
    with pytest.raises(SettingsError, match="no photo that can be read"):
        searchers(("tiny-gem",), (), broken.parent)


def test_unknown_encoders_are_refused():
    with pytest.raises(EncoderError, match="tiny-gem, tiny-hash, other-gem"):
        searchers(("nobody",), ())


@pytest.mark.parametrize("folder", [True, False])
def test_a_checkpoint_gets_gallery_and_threshold_from_photos_or_from_the_reference_set(
    committed_checkpoint, photo, texture, folder
):
    files = [photo(f"{seed}.png", texture(seed=seed)) for seed in range(3)]
    gallery = files[0].parent if folder else None
    bundled, found = searchers(("tiny-gem", committed_checkpoint), (), gallery)
    assert found.encoder.name == committed_checkpoint
    assert len(found.gallery) == (3 if folder else 100)
    assert 0 <= found.threshold < 12
    assert bundled.note == ""
    assert found.note.endswith("give --gallery DIR for a verdict that counts") is not folder
    given = searchers((committed_checkpoint,), (), gallery, thresholds={committed_checkpoint: 5.0})
    assert given[0].threshold == 5.0
