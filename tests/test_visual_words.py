"""Visual words of a photo, and what is none."""

import numpy as np
import pytest

from recessive.visual_words import VisualWords


def test_a_photo_has_as_many_features_as_words():
    words, signatures = np.array([3, 0, 3], np.int32), np.array([2**64 - 1, 0, 5], np.uint64)
    photo = VisualWords(words, signatures)
    assert len(photo) == 3
    assert photo.words is words
    assert photo.signatures is signatures


def test_a_photo_may_have_none():
    assert len(VisualWords(np.empty(0, np.int32), np.empty(0, np.uint64))) == 0


def test_the_largest_word_and_word_0_are_words():
    assert len(VisualWords(np.array([0, 2**31 - 1], np.int32), np.zeros(2, np.uint64))) == 2


def test_photos_are_themselves_alone():
    one, other = (VisualWords(np.array([1, 2], np.int32), np.zeros(2, np.uint64)) for _ in range(2))
    assert one == one  # noqa: PLR0124 - comparing arrays would have no truth value
    assert one != other
    assert len({one, other}) == 2


def test_what_a_photo_has_cannot_be_replaced():
    photo = VisualWords(np.zeros(1, np.int32), np.zeros(1, np.uint64))
    with pytest.raises(AttributeError):
        photo.words = np.zeros(2, np.int32)


@pytest.mark.parametrize("kind", [np.int64, np.uint32, np.int16, np.float32, bool])
def test_words_of_another_type_are_refused(kind):
    with pytest.raises(ValueError, match=r"visual words are int32 \(K,\), their signatures uint64 \(K,\)"):
        VisualWords(np.zeros(2, kind), np.zeros(2, np.uint64))


@pytest.mark.parametrize("kind", [np.int64, np.uint32, np.uint8, np.float64, bool])
def test_signatures_of_another_type_are_refused(kind):
    with pytest.raises(ValueError, match=r"visual words are int32 \(K,\), their signatures uint64 \(K,\)"):
        VisualWords(np.zeros(2, np.int32), np.zeros(2, kind))


def test_empty_arrays_of_another_type_are_refused():
    with pytest.raises(ValueError, match="int32"):
        VisualWords(np.empty(0), np.empty(0, np.uint64))
    with pytest.raises(ValueError, match="uint64"):
        VisualWords(np.empty(0, np.int32), np.empty(0))


@pytest.mark.parametrize("shape", [(), (2, 1), (1, 2)])
def test_arrays_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(K,\)"):
        VisualWords(np.zeros(shape, np.int32), np.zeros(2, np.uint64))
    with pytest.raises(ValueError, match=r"\(K,\)"):
        VisualWords(np.zeros(2, np.int32), np.zeros(shape, np.uint64))


@pytest.mark.parametrize(("words", "signatures"), [(2, 3), (3, 2), (0, 1), (1, 0)])
def test_each_word_needs_its_signature(words, signatures):
    with pytest.raises(ValueError, match=f"each word needs its signature: {words} and {signatures}"):
        VisualWords(np.zeros(words, np.int32), np.zeros(signatures, np.uint64))


@pytest.mark.parametrize("words", [[-1], [4, -(2**31), 7]])
def test_no_place_in_a_vocabulary_is_negative(words):
    with pytest.raises(ValueError, match="a visual word is a position in a vocabulary, at least 0"):
        VisualWords(np.array(words, np.int32), np.zeros(len(words), np.uint64))
