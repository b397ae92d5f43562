from __future__ import annotations

import cv2
import numpy as np
import pytest

from recessive.protection.keypoints.rdg.detector import Detector, describe, matches


def noise(height, width, seed):
    generator = np.random.default_rng(seed)
    image = sum(cv2.GaussianBlur(generator.normal(size=(height, width)), (0, 0), sigma) * sigma for sigma in (2, 4))
    return np.clip(128 + 60 * image, 0, 255).round().astype(np.uint8)


def keypoints(grey, octaves=(0,)):
    detector = Detector(octaves)
    found = detector.keypoints(detector.layers(grey.astype(np.float32)))
    return found, describe(grey, found)


@pytest.mark.parametrize("octaves", [(0,), (-1, 0, 1)])
def test_a_photo_has_its_own_keypoints(octaves):
    own = keypoints(noise(80, 100, 0), octaves)
    assert own[1].shape == (len(own[0]), 128)
    pairs = matches(*own, *own)
    assert len(own[0]) > 20
    assert len(pairs) > 0.7 * len(own[0])  # some look too much like another of nearly the same place
    assert (pairs[:, 0] == pairs[:, 1]).all()


@pytest.mark.parametrize(("shift", "found"), [(3, True), (7, True), (9, False)])
def test_a_match_lies_less_than_8_pixels_away(shift, found):
    wide = noise(80, 120, 1)
    first, second = keypoints(wide[:, :100].copy()), keypoints(wide[:, shift : 100 + shift].copy())
    pairs = matches(*first, *second)
    away = first[0].x[pairs[:, 0]] - second[0].x[pairs[:, 1]]
    moved = np.abs(away - shift) < 0.5
    assert moved.sum() > 0.4 * len(first[0]) if found else not moved.any()
    assert (np.hypot(away, first[0].y[pairs[:, 0]] - second[0].y[pairs[:, 1]]) < 8).all()


def test_the_second_nearest_descriptor_must_be_further_away():
    keys, _ = keypoints(noise(80, 100, 0))
    one, two = keys[np.array([0])], keys[np.array([0, 0])]
    own = np.zeros((1, 128), np.float32)
    for second, count in ((30.0, 1), (24.0, 0)):  # squared distances 400 and 900, or 576: 600 is needed
        theirs = np.zeros((2, 128), np.float32)
        theirs[0, 5], theirs[1, 9] = 20.0, second
        assert len(matches(one, own, two, theirs)) == count


def test_a_lone_keypoint_nearby_matches():
    keys, descriptors = keypoints(noise(80, 100, 0))
    one = keys[np.array([3])], descriptors[[3]]
    assert matches(*one, *one).tolist() == [[0, 0]]


def test_other_photos_match_hardly_at_all():
    first, second = keypoints(noise(80, 100, 0)), keypoints(noise(80, 100, 5))
    assert len(matches(*first, *second)) < 0.1 * len(first[0])


def test_without_keypoints_there_is_no_match():
    some, none = keypoints(noise(80, 100, 0)), keypoints(np.full((30, 30), 90, np.uint8))
    assert none[1].shape == (0, 128)
    for pair in ((some, none), (none, some), (none, none)):
        assert matches(*pair[0], *pair[1]).shape == (0, 2)
