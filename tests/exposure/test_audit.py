"""The audit with encoders whose outputs are known."""

from __future__ import annotations

import pytest
import torch

from recessive.exposure import FIRST_RESULTS, Searcher, audit
from recessive.galleries import DenseGallery, HammingGallery

BITS = 48
CODE = torch.tensor([1.0, -1.0]).repeat(BITS // 2)


def flipped(*counts):
    """Codes with so many first bits flipped: at these distances from CODE."""
    codes = CODE.repeat(len(counts), 1)
    for row, count in enumerate(counts):
        codes[row, :count] *= -1
    return codes


def photo(code):
    """The 4×4 photo with that code."""
    return ((code + 1) / 2).view(3, 4, 4)


def colour(red, green, blue, side=2):
    return torch.tensor([red, green, blue]).view(3, 1, 1).expand(3, side, side)


@pytest.fixture
def search_bits(bits_encoder):
    """Audits a photo at some distance from its original in a gallery of codes at these distances."""

    def run(distance, gallery_distances, threshold=5.0, transforms=None):
        gallery = HammingGallery(BITS)
        gallery.add(flipped(*gallery_distances))
        searcher = Searcher(bits_encoder(), gallery, threshold, seen=True)
        return audit(photo(CODE), photo(flipped(distance)[0]), [searcher], transforms)

    return run


def test_ranks_distances_and_counts(search_bits):
    found = search_bits(7, [0, 3, 3, 6, 8, 12, 13, 40], threshold=5.0)
    (entry,) = found.encoders
    assert (entry.distance_before, entry.distance_after) == (0, 7)
    assert (entry.rank_before, entry.rank_after) == (1, 5)  # behind 0, 3, 3 and 6
    assert entry.found_by_before == 3  # within 5 of distance 0
    assert entry.found_by_after == 5  # within 5 of distance 7: 3, 3, 6, 8 and 12
    assert (entry.name, entry.seen, entry.threshold) == ("bits", True, 5.0)
    assert found.gallery_photos == 8


def test_an_unchanged_photo_is_the_first_result(search_bits):
    found = search_bits(0, [0, 0, 1])
    assert found.encoders[0].rank_after == 1
    assert found.hidden is False


def test_equal_codes_do_not_hide_a_photo(search_bits):
    assert search_bits(4, [1, 2, *[4] * 30]).encoders[0].rank_after == 3


@pytest.mark.parametrize(("nearer", "hidden"), [(FIRST_RESULTS - 1, False), (FIRST_RESULTS, True)])
def test_the_first_ten_results_are_those_that_count(search_bits, nearer, hidden):
    found = search_bits(20, [*range(1, nearer + 1), 30, 40])
    assert found.encoders[0].rank_after == nearer + 1
    assert found.encoders[0].hidden is hidden
    assert found.hidden is hidden
    assert found.hidden_unseen is None


def test_descriptors(colour_encoder):
    gallery = DenseGallery(3)
    gallery.add(torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]))
    searcher = Searcher(colour_encoder(), gallery, 0.1, seen=True)
    # The protected photo may have another size than the original.
    (entry,) = audit(colour(1.0, 0.0, 0.0), colour(0.35, 0.6, 0.0, side=5), [searcher]).encoders
    cosine = 0.35 / (0.35**2 + 0.6**2) ** 0.5
    assert entry.distance_after == pytest.approx(1 - cosine, abs=1e-6)
    assert entry.rank_after == 4  # behind all but the blue one
    assert entry.found_by_before == 1
    assert entry.found_by_after == 2  # its descriptor is (0.504, 0.864, 0)
    assert entry.distance_before == 0


def test_equal_descriptors_do_not_hide_a_photo(colour_encoder):
    gallery = DenseGallery(3)
    gallery.add(torch.tensor([[0.0, 1.0, 0.0]] * 20 + [[0.0, 0.0, 1.0]] * 20))
    searcher = Searcher(colour_encoder(), gallery, 0.25, seen=True)
    (entry,) = audit(colour(1.0, 0.0, 0.0), colour(0.0, 1.0, 0.0), [searcher]).encoders
    assert entry.distance_after == 1
    assert entry.rank_after == 1


def test_copies_of_the_protected_photo_do_not_hide_it(pixel_encoder):
    # Long descriptors: the same distance, computed in another order, differs in its last digits.
    encoder, ranks = pixel_encoder(), set()
    for seed in range(100):
        original, protected = torch.rand(2, 3, 10, 10, generator=torch.Generator().manual_seed(seed))
        gallery = DenseGallery(300)
        gallery.add(encoder(protected[None]).repeat(50, 1))
        found = audit(original, protected, [Searcher(encoder, gallery, 0.25, seen=True)])
        ranks.add(found.encoders[0].rank_after)
    assert ranks == {1}


def test_transforms_are_applied_to_the_protected_photo_alone(search_bits):
    given = []

    def restore(photos):
        given.append(photos.clone())
        return photo(CODE)[None]

    found = search_bits(20, range(1, 16), transforms={"restore": restore, "nothing": lambda photos: photos})
    assert found.encoders[0].survives == {"restore": False, "nothing": True}
    assert found.encoders[0].hidden
    assert torch.equal(given[0], photo(flipped(20)[0])[None])
    assert "found again after restore (bits)" in found.verdict
    assert "nothing" not in found.verdict


def test_no_transform_is_asked_for(search_bits):
    found = search_bits(20, range(1, 16))
    assert found.encoders[0].survives == {}
    assert "found again" not in found.verdict


@pytest.mark.parametrize("seen_hidden", [True, False])
@pytest.mark.parametrize("unseen_hidden", [True, False])
def test_a_difference_between_seen_and_unseen_encoders_is_said(bits_encoder, seen_hidden, unseen_hidden):
    searchers = []
    for name, seen, hidden in (("ours", True, seen_hidden), ("theirs", False, unseen_hidden)):
        gallery = HammingGallery(BITS)
        gallery.add(flipped(*(range(1, 13) if hidden else range(30, 42))))
        searchers.append(Searcher(bits_encoder(name), gallery, 5.0, seen))
    found = audit(photo(CODE), photo(flipped(20)[0]), searchers)
    assert found.hidden is seen_hidden
    assert found.hidden_unseen is unseen_hidden
    about_seen, about_unseen = found.verdict.split("; ")
    hidden, seen_by = "Hidden from the encoders it was optimised against (ours)", "FOUND by the encoders"
    assert about_seen.startswith(hidden if seen_hidden else f"{seen_by} it was optimised against (ours at rank 1)")
    unseen = "encoders it was not optimised against"
    expected = f"hidden from {unseen} (theirs)" if unseen_hidden else f"FOUND by {unseen} (theirs at rank 1)"
    assert about_unseen.startswith(expected)
    assert "Another encoder may still find it." in found.verdict


def test_one_encoder_that_finds_it_is_enough(bits_encoder):
    searchers = []
    for name, distances in (("blind", range(1, 13)), ("keen", range(30, 42))):
        gallery = HammingGallery(BITS)
        gallery.add(flipped(*distances))
        searchers.append(Searcher(bits_encoder(name), gallery, 5.0, seen=True))
    found = audit(photo(CODE), photo(flipped(20)[0]), searchers)
    assert [entry.hidden for entry in found.encoders] == [True, False]
    assert found.hidden is False
    assert "keen at rank 1" in found.verdict


def test_without_a_searcher_nothing_is_claimed():
    found = audit(photo(CODE), photo(CODE), [])
    assert (found.encoders, found.gallery_photos, found.hidden, found.hidden_unseen) == ((), 0, None, None)
    assert "idden" not in found.verdict
