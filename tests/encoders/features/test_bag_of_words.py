"""Bags of visual words, the sample that a vocabulary is trained on, and the vocabulary that ships with the package."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from recessive.encoders import EncoderError
from recessive.encoders.features.sift import SIFT, LocalFeatures
from recessive.encoders.features.vocabulary import BagOfWords, Vocabulary, bundled_vocabulary, training_descriptors


def textured(seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    enlarged = cv2.resize(levels, (128, 96), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(enlarged).permute(2, 0, 1).float() / 255


def vocabulary(words=8):
    return Vocabulary.train(SIFT().features(textured()).descriptors, words)


class Numbered:
    """In place of SIFT: descriptors that say their number, as many from each photo as it asks for."""

    def __init__(self):
        self.given = 0

    def features(self, photo):
        count = int(photo)
        numbers = np.arange(self.given, self.given + count, dtype=np.float32)
        self.given += count
        return LocalFeatures(np.zeros((count, 4), np.float32), np.repeat(numbers[:, None], 128, axis=1))


def sampled(counts, most, seed=0):
    photos = (torch.tensor(count) for count in counts)
    return training_descriptors(photos, Numbered(), most=most, seed=seed)


def test_a_photo_is_the_words_of_its_descriptors():
    held = vocabulary()
    found = BagOfWords(held).describe(textured(1))
    expected = held.assign(SIFT().features(textured(1)).descriptors)
    assert len(found) > 50
    assert np.array_equal(found.words, expected.words)
    assert np.array_equal(found.signatures, expected.signatures)


def test_a_photo_is_most_like_itself_when_it_is_a_little_darker():
    bag = BagOfWords(vocabulary(50))
    photos = [textured(seed) for seed in range(5)]
    counts = [np.bincount(bag.describe(photo).words, minlength=50) for photo in photos]
    darker = np.bincount(bag.describe(photos[3] * 0.95).words, minlength=50)
    assert np.argmin([np.abs(darker - count).sum() for count in counts]) == 3


@pytest.mark.parametrize("size", [(1, 1), (60, 80)])
def test_photos_without_keypoints_have_no_words(size):
    assert len(BagOfWords(vocabulary()).describe(torch.full((3, *size), 0.5))) == 0


def test_what_is_no_photo_is_refused():
    with pytest.raises(ValueError, match="a photo"):
        BagOfWords(vocabulary()).describe(torch.zeros(1, 3, 8, 8))


def test_its_digest_is_of_the_vocabulary_and_the_constants():
    held = vocabulary()
    digests = {
        BagOfWords(held).digest,
        BagOfWords(held, SIFT(longest_side=500)).digest,
        BagOfWords(held, SIFT(root=False)).digest,
        BagOfWords(vocabulary(9)).digest,
    }
    assert len(digests) == 4
    assert BagOfWords(held, SIFT()).digest == BagOfWords(vocabulary()).digest
    assert BagOfWords(held).name == "bovw"


def test_few_descriptors_are_all_taken_in_their_order():
    assert sampled([3, 0, 2, 4], most=9)[:, 0].tolist() == list(range(9))
    assert sampled([3, 0, 2, 4], most=100)[:, 5].tolist() == list(range(9))
    assert sampled([], most=10).shape == sampled([0, 0], most=10).shape == (0, 128)


def test_a_sample_has_no_descriptor_twice():
    for seed in range(20):
        numbers = sampled([4, 30, 1, 0, 7, 50], most=10, seed=seed)[:, 0]
        assert len(set(numbers.tolist())) == len(numbers) == 10


def test_each_descriptor_is_as_likely_to_be_taken():
    rounds, counts, most = 3000, [1, 9, 3, 0, 7], 6
    taken = np.zeros(20)
    for seed in range(rounds):
        taken[sampled(counts, most, seed)[:, 0].astype(int)] += 1
    # Each is taken with probability 6/20: 900 ± 25 of 3,000 times. 5 deviations in 20 tries: once in 10^5 tests.
    assert np.abs(taken - rounds * most / 20).max() < 5 * (rounds * 0.3 * 0.7) ** 0.5
    assert taken.sum() == rounds * most


def test_a_sample_repeats_and_depends_on_its_seed():
    photos = [textured(seed) for seed in range(3)]
    first = training_descriptors(photos, SIFT(), most=40, seed=1)
    assert first.shape == (40, 128)
    assert first.dtype == np.float32
    assert np.array_equal(first, training_descriptors(iter(photos), SIFT(), most=40, seed=1))
    assert not np.array_equal(first, training_descriptors(photos, SIFT(), most=40, seed=2))


def test_an_empty_sample_is_refused():
    with pytest.raises(ValueError, match="at least one descriptor, not 0"):
        training_descriptors([], SIFT(), most=0, seed=0)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.setattr("recessive.encoders.features.vocabulary.BUNDLE", tmp_path)
    bundled_vocabulary.cache_clear()
    yield tmp_path
    bundled_vocabulary.cache_clear()


def test_the_bundled_vocabulary_is_read_once(bundle):
    held = vocabulary()
    held.save(bundle / "vocabulary.safetensors")
    assert bundled_vocabulary().digest == held.digest
    assert bundled_vocabulary() is bundled_vocabulary()


def test_without_its_file_there_is_no_bundled_vocabulary(bundle):
    with pytest.raises(EncoderError, match=r"vocabulary.safetensors: there is no such file"):
        bundled_vocabulary()
    vocabulary().save(bundle / "vocabulary.safetensors")
    assert len(bundled_vocabulary()) == 8
