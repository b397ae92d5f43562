"""Galleries as arrays: what they hold comes back, and searches alike."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from recessive.galleries.kinds import OfCodes, OfDescriptors, OfWords
from recessive.visual_words import VisualWords

GENERATOR = torch.Generator().manual_seed(0)
ROWS = torch.rand(30, 10, generator=GENERATOR)


def bags():
    drawn = np.random.default_rng(0)
    sizes = [0, *drawn.integers(1, 40, 29)]
    return [
        VisualWords(drawn.integers(0, 7, n).astype(np.int32), drawn.integers(0, 2**63, n).astype(np.uint64))
        for n in sizes
    ]


KINDS = {
    "codes": (OfCodes(10), list(torch.where(ROWS > 0.5, 1.0, -1.0))),
    "cosine": (OfDescriptors(10), list(F.normalize(ROWS))),
    "euclidean": (OfDescriptors(10, "euclidean"), list(ROWS)),
    "tanimoto": (OfDescriptors(10, "tanimoto"), list(ROWS)),
    "words": (OfWords(7, "words"), bags()),
    "hamming": (OfWords(7, "hamming"), bags()),
    "burstiness": (OfWords(7, "burstiness"), bags()),
}


@pytest.fixture(params=KINDS)
def kind_and_items(request):
    return KINDS[request.param]


def hits(kind, gallery, items):
    found = gallery.search(kind.batch(items), 5)
    return found.indices.tolist(), found.distances.tolist()


def test_a_gallery_from_arrays_searches_as_one_that_was_added_to(kind_and_items):
    kind, items = kind_and_items
    added = kind.empty()
    added.add(kind.batch(items))
    stored = kind.gallery(kind.arrays(items))
    assert len(stored) == len(items)
    assert hits(kind, stored, items[:8]) == hits(kind, added, items[:8])


def test_items_come_back_and_make_the_same_arrays(kind_and_items):
    kind, items = kind_and_items
    arrays = kind.arrays(items)
    back = kind.items(arrays)
    assert len(back) == len(items)
    again = kind.arrays([back[row] for row in range(len(back))])
    assert arrays.keys() == again.keys()
    for name, array in arrays.items():
        assert array.dtype == again[name].dtype
        assert np.array_equal(array, again[name])


def test_no_items_make_an_empty_gallery(kind_and_items):
    kind, items = kind_and_items
    arrays = kind.arrays([])
    assert len(kind.gallery(arrays)) == len(kind.items(arrays)) == 0
    assert hits(kind, kind.gallery(arrays), items[:1]) == ([[]], [[]])


def test_missing_and_misfit_arrays_are_refused(kind_and_items):
    kind, items = kind_and_items
    arrays = kind.arrays(items)
    with pytest.raises(ValueError, match=r"there are no |missing|also has"):
        kind.gallery({})
    name = next(iter(arrays))
    with pytest.raises(ValueError, match=r"do not hold codes|takes descriptors|not the arrays"):
        kind.gallery({**arrays, name: arrays[name][..., :-1]})


def test_scores():
    assert OfCodes(64).score(16) == 0.75
    assert OfDescriptors(3).score(0.25) == 0.75
    assert OfDescriptors(3, "tanimoto").score(1.0) == 0.0
    assert OfDescriptors(3, "euclidean").score(3.0) == 0.25
    assert OfWords(3, "hamming").score(0.6) == pytest.approx(0.4)


def test_digests_of_index_files_stay_valid():
    """`SearchEncoder.digest` contains these texts, and an index with another digest is refused."""
    kinds = OfCodes(48), OfDescriptors(144, "tanimoto"), OfWords(1000, "burstiness")
    assert [repr(kind) for kind in kinds] == [
        "OfCodes(bits=48)",
        "OfDescriptors(dim=144, measure='tanimoto')",
        "OfWords(words=1000, scoring='burstiness')",
    ]
