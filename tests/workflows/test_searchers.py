"""Encoders with their galleries."""

import shutil

import pytest
import torch

from recessive.codes import sign
from recessive.encoders import EncoderError
from recessive.photos import read_photo
from recessive.workflows import SettingsError, searchers
from recessive.workflows.searchers import default_surrogates, unseen

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


def test_a_folder_is_encoded_but_for_broken_photos(photo, scene, broken, tiny_encoders):
    files = [photo(f"{seed}.png", scene(40, 50 + seed, seed)) for seed in range(4)]
    complaints, progress = [], []
    descriptors, codes = searchers(
        ("tiny-gem", "tiny-hash"),
        (),
        broken.parent,
        complain=complaints.append,
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
def test_checkpoints_lack_what_a_searcher_needs(committed_checkpoint, photo, folder):
    gallery = photo().parent if folder else None
    with pytest.raises(EncoderError) as refused:
        searchers(("tiny-gem", committed_checkpoint), (), gallery)
    assert str(refused.value).startswith("hashnet-12 cannot be used here: no threshold and no outputs of other photos")
    assert str(refused.value).endswith("are tiny-gem, tiny-hash, other-gem")
