"""The audit with encoders whose outputs are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recessive.encoders import Encoder
from recessive.exposure import FIRST_RESULTS, audit, describe, expected_queries
from recessive.galleries import DenseGallery, HammingGallery, InvertedFile
from recessive.searchers import Searcher
from recessive.visual_words import VisualWords

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


VOCABULARY = 8


@dataclass(frozen=True)
class PaintedWords:
    """A search without a network: each pixel that has red is a local feature.

    Red tells its word, and green how many bits of its signature are set.
    """

    name: str = "painted"

    def items(self, photo):
        red, green, _ = photo.flatten(1).numpy()
        features = red > 0
        words = np.rint(red[features] * VOCABULARY).astype(np.int32) - 1
        bits = np.rint(green[features] * 64).astype(int).tolist()
        return [VisualWords(words, np.array([2**count - 1 for count in bits], np.uint64))]


def painted(*features):
    """The photo of four pixels with these (word, bits) and otherwise black."""
    pixels = torch.zeros(3, 2, 2)
    for place, (word, bits) in enumerate(features):
        pixels.flatten(1)[:2, place] = torch.tensor([(word + 1) / VOCABULARY, bits / 64])
    return pixels


def painted_searcher(*photos, threshold=0.9, seen=True):
    gallery, painter = InvertedFile(VOCABULARY), PaintedWords()
    for each in photos:
        gallery.add(painter.items(each))
    return Searcher(painter, gallery, threshold, seen)


# Word 0 occurs in two of four photos, idf = ln 2 = L, and words 1 to 5 in one each, idf = 2 L.
PAINTED = [painted((0, 0), (3, 0), (4, 0)), painted((0, 0), (1, 0)), painted((2, 0)), painted((5, 0))]


@pytest.mark.parametrize(
    ("bits", "distance", "rank", "found_by", "hidden"),
    [
        (0, 0.8, 2, 3, False),  # word 0 is shared: L² of norms √5 L and √5 L; only the second photo, a copy, is nearer
        (24, 0.8, 2, 3, False),  # still within the 24 bits of Hamming Embedding
        (25, 1.0, 3, 1, True),  # nothing is shared: the first photo is nearer, too, and no longer finds it
    ],
)
def test_a_search_without_a_network_by_hand(bits, distance, rank, found_by, hidden):
    searcher = painted_searcher(*PAINTED)
    original, protected = painted((0, 0), (1, 0)), painted((0, bits), (2, 0))
    found = audit(original, protected, [searcher])
    (entry,) = found.encoders
    # From the original to the first photo: L² of norms √5 L and √(1 + 4 + 4) L = 3 L.
    first = 1 - 1 / (3 * math.sqrt(5))
    assert searcher.gallery.search(searcher.encoder.items(original), 4).distances[0].tolist() == pytest.approx(
        [0, first, 1, 1]
    )
    assert (entry.name, entry.seen, entry.threshold) == ("painted", True, 0.9)
    assert (entry.distance_before, entry.rank_before) == (0, 1)
    assert entry.distance_after == pytest.approx(distance)
    assert entry.rank_after == rank
    assert entry.found_by_before == 2  # the first and the second: 0.85 and 0
    # Of the protected photo: to the first 0.85, the second 0.8, the third 1 − 2 / √5 as long as signatures agree.
    assert entry.found_by_after == found_by
    assert (entry.gallery_photos, entry.hidden) == (4, hidden)
    assert (found.gallery_photos, found.hidden, found.hidden_unseen) == (4, hidden, None)


def test_visual_words_hide_a_photo_behind_ten_others():
    others = [painted((0, 0), (1, 0))] * FIRST_RESULTS
    original, protected = painted((0, 0), (1, 0)), painted((0, 0), (2, 0))
    for nearer, hidden in ((others, True), (others[1:], False)):
        (entry,) = audit(original, protected, [painted_searcher(*nearer, painted((5, 0)), painted((6, 0)))]).encoders
        assert entry.rank_after == len(nearer) + 1
        assert entry.hidden is hidden


def test_a_photo_without_local_features_is_found_by_none():
    searcher, blank = painted_searcher(*PAINTED), torch.zeros(3, 2, 2)
    (entry,) = audit(painted((0, 0), (1, 0)), blank, [searcher]).encoders
    assert (entry.distance_after, entry.found_by_before, entry.found_by_after) == (1, 2, 0)
    assert (entry.rank_after, entry.hidden) == (3, True)  # behind the two that share a word with the original
    # An original without any finds nothing, be it a copy.
    (entry,) = audit(blank, painted((0, 0)), [searcher]).encoders
    assert (entry.distance_after, entry.found_by_before, entry.rank_after, entry.hidden) == (1, 0, 1, True)
    (entry,) = audit(blank, blank, [searcher]).encoders
    assert (entry.distance_after, entry.found_by_after, entry.rank_after, entry.hidden) == (1, 0, 1, True)


def test_a_search_without_a_network_looks_at_transformed_photos_too():
    searcher = painted_searcher(*[painted((0, 0), (1, 0))] * FIRST_RESULTS, painted((5, 0)))
    original, protected = painted((0, 0), (1, 0)), painted((0, 0), (2, 0))
    transforms = {"undo": lambda photos: original[None] + 0 * photos, "nothing": lambda photos: photos}
    found = audit(original, protected, [searcher], transforms)
    assert found.encoders[0].survives == {"undo": False, "nothing": True}
    assert found.verdict.startswith("Hidden from the encoders it was optimised against (painted)")
    assert "found again after undo (painted)" in found.verdict


class Counting(nn.Module):
    """The photo's values, and how often they were asked for."""

    def __init__(self):
        super().__init__()
        self.runs = 0

    def forward(self, photos):
        self.runs += 1
        return photos.flatten(1)


class Minus(nn.Module):
    """Values less a constant."""

    def __init__(self, constant):
        super().__init__()
        self.constant = constant

    def forward(self, values):
        return values - self.constant


def test_networks_are_run_once_whoever_stands_between_them():
    trunk, other = Counting(), Counting()
    encoders = [
        Encoder("code", trunk, Minus(0.5), 12, "logits"),
        PaintedWords(),
        Encoder("descriptor", trunk, Minus(0.25), 12, "descriptor"),
        Encoder("another", other, Minus(0.75), 12, "logits"),
        PaintedWords("again"),
    ]
    pixels = painted((3, 64), (7, 0))
    code, words, descriptor, another, again = describe([Searcher(e, None, 0.0, seen=True) for e in encoders], pixels)
    assert (trunk.runs, other.runs) == (1, 1)
    values = pixels.view(1, 12)
    assert torch.equal(descriptor, values - 0.25)
    assert code.tolist() == [[1.0 if value >= 0.5 else -1.0 for value in values[0].tolist()]]
    assert another.tolist() == [[1.0 if value >= 0.75 else -1.0 for value in values[0].tolist()]]
    for (bag,) in (words, again):
        assert bag.words.tolist() == [3, 7]
        assert bag.signatures.tolist() == [2**64 - 1, 0]


def test_networks_and_searches_without_one_are_told_apart_by_who_was_seen(bits_encoder):
    hamming = HammingGallery(BITS)
    hamming.add(flipped(*range(1, 13)))
    network = Searcher(bits_encoder(), hamming, 5.0, seen=False)
    # Values of these photos are 0 or 1: all their features have word 7, which no photo of the gallery has.
    original, protected = photo(CODE), photo(flipped(20)[0])
    local = painted_searcher(painted((1, 0)), painted((2, 0)), painted((3, 0)))
    found = audit(original, protected, [local, network])
    assert [(entry.name, entry.seen) for entry in found.encoders] == [("painted", True), ("bits", False)]
    assert (found.gallery_photos, found.hidden, found.hidden_unseen) == (3, False, True)
    assert found.verdict.startswith("FOUND by the encoders it was optimised against (painted at rank 1)")
    assert "hidden from encoders it was not optimised against (bits)" in found.verdict


def test_without_a_searcher_nothing_is_claimed():
    found = audit(photo(CODE), photo(CODE), [])
    assert (found.encoders, found.gallery_photos, found.hidden, found.hidden_unseen) == ((), 0, None, None)
    assert "idden" not in found.verdict


def test_expected_queries_are_the_attack_photos_over_the_mean_number_of_hits():
    found = expected_queries(torch.tensor([3, 0, 1]), 1000)
    assert found.queries == pytest.approx(1000 / (4 / 3))
    assert (found.at_least, found.hits, found.attack_photos, found.photos) == (False, 4, 1000, 3)


def test_expected_queries_are_a_ratio_of_averages_not_an_average_of_ratios():
    assert expected_queries(torch.tensor([10, 90]), 100).queries == pytest.approx(2)


def test_without_any_hit_expected_queries_are_a_lower_bound():
    found = expected_queries(torch.zeros(20, dtype=torch.int64), 9500)
    assert found.queries == 9500 * 20
    assert found.at_least
    assert found.hits == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(1, 50))
def test_expected_queries_fall_with_each_hit_and_never_pass_the_bound(hits, extra):
    before = expected_queries(torch.tensor(hits), 1000)
    more = expected_queries(torch.tensor([*hits[:-1], hits[-1] + extra]), 1000)
    assert more.queries <= before.queries <= 1000 * len(hits)
    assert not more.at_least
    assert before.at_least == (sum(hits) == 0)


@pytest.mark.parametrize(("hits", "attack_photos"), [([], 10), ([1], 0)])
def test_nothing_to_count_is_refused(hits, attack_photos):
    with pytest.raises(ValueError, match="at least one"):
        expected_queries(torch.tensor(hits), attack_photos)
