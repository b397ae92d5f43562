"""SIFT: what the detector sees, where it finds a blob, and what a descriptor is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from recessive.encoders.features.sift import SIFT, grey_levels


def flat(red, green, blue, size=(4, 5)):
    return torch.tensor([red, green, blue]).view(3, 1, 1).expand(3, *size) / 255


def textured(height=96, width=128, seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    enlarged = cv2.resize(levels, (width, height), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(enlarged).permute(2, 0, 1).float() / 255


def blob(height, width, x, y, deviation):
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    bump = torch.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * deviation**2))
    return (0.2 + 0.6 * bump).expand(3, height, width)


@pytest.mark.parametrize(
    ("colour", "level"),
    [
        ((255, 0, 0), 76),  # 76.245
        ((0, 255, 0), 150),  # 149.685
        ((0, 0, 255), 29),  # 29.07
        ((255, 255, 255), 255),
        ((10, 20, 30), 18),  # 2.99 + 11.74 + 3.42 = 18.15
        ((0.4, 0.4, 0.6), 0),  # blue rounds to level 1, which is worth 0.114
        ((-60, 0, 400), 29),  # clamped to 0, 0, 255
    ],
)
def test_grey_is_the_weighted_sum_of_8_bit_levels(colour, level):
    grey = grey_levels(flat(*colour))
    assert grey.dtype == np.uint8
    assert grey.shape == (4, 5)
    assert (grey == level).all()


def test_grey_of_any_photo_is_nearest_to_the_weighted_sum():
    photo = textured()
    exact = np.tensordot([0.299, 0.587, 0.114], np.rint(photo.numpy().astype(np.float64) * 255), 1)
    assert np.abs(grey_levels(photo) - exact).max() < 0.51  # 0.01 for fixed-point weights
    assert (grey_levels(photo.clone().requires_grad_()) == grey_levels(photo)).all()
    assert (grey_levels(photo.transpose(1, 2)) == grey_levels(photo).T).all()


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (torch.zeros(1, 3, 8, 8), r"a photo \(3, H, W\), not \(1, 3, 8, 8\)"),
        (torch.zeros(1, 8, 8), "not"),
        (torch.zeros(3, 0, 8), "not"),
        (torch.full((3, 8, 8), torch.nan), "not finite"),
        (torch.full((3, 8, 8), -torch.inf), "not finite"),
    ],
)
def test_what_is_no_photo_is_refused(photo, message):
    with pytest.raises(ValueError, match=message):
        grey_levels(photo)
    with pytest.raises(ValueError, match=message):
        SIFT().features(photo)


def test_a_blob_is_found_at_its_place_and_scale():
    found = SIFT().features(blob(120, 160, x=90, y=50, deviation=6))
    assert len(found) > 0
    x, y, size, angle = found.keypoints.T
    # Above the blob's deviation s, the normalised Laplacian is extremal at scale σ = s; D lies between σ and 2^⅓ σ, and
    # a keypoint has the lower of the two.
    assert np.abs(x - 90).max() < 0.5
    assert np.abs(y - 50).max() < 0.5
    assert (size > 2 * 6 / 2 ** (1 / 3) * 0.9).all()
    assert (size < 2 * 6 * 1.05).all()
    assert ((angle >= 0) & (angle <= 360)).all()


def test_large_photos_are_shrunk_and_keypoints_told_in_their_own_pixels():
    photo = blob(300, 401, x=240, y=110, deviation=14)
    whole, shrunk = SIFT().features(photo), SIFT(longest_side=100).features(photo)
    for found in (whole, shrunk):
        assert np.abs(found.keypoints[:, 0] - 240).max() < 2
        assert np.abs(found.keypoints[:, 1] - 110).max() < 2
    assert np.median(shrunk.keypoints[:, 2]) == pytest.approx(np.median(whole.keypoints[:, 2]), rel=0.1)


def test_no_photo_is_enlarged():
    photo = textured()
    one, other = SIFT(longest_side=128).features(photo), SIFT(longest_side=4000).features(photo)
    assert len(one) > 50
    assert np.array_equal(one.keypoints, other.keypoints)
    assert np.array_equal(one.descriptors, other.descriptors)


def test_features_are_opencvs_with_these_constants():
    photo = textured()
    sift = SIFT(contrast=0.09, edge=5, sigma=1.4, layers=4, root=False)
    found = sift.features(photo)
    keypoints, descriptors = cv2.SIFT.create(0, 4, 0.09, 5, 1.4).detectAndCompute(grey_levels(photo), None)
    assert 0 < len(found) < len(SIFT().features(photo))
    assert np.array_equal(found.descriptors, descriptors)
    expected = np.array([(*point.pt, point.size, point.angle) for point in keypoints], np.float32)
    assert np.array_equal(found.keypoints, expected)
    assert found.keypoints.dtype == found.descriptors.dtype == np.float32


def test_root_sift_has_the_square_roots_of_shares():
    raw = SIFT(root=False).features(textured()).descriptors
    root = SIFT().features(textured()).descriptors
    assert np.allclose(np.linalg.norm(root, axis=1), 1, atol=1e-5)
    assert np.allclose(root**2 * raw.sum(axis=1, keepdims=True), raw, atol=1e-2)
    assert np.array_equal(raw, np.rint(raw))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (7, 5), (64, 64)])
def test_photos_without_keypoints_have_no_features(size):
    found = SIFT(longest_side=100).features(torch.full((3, *size), 0.4))
    assert len(found) == 0
    assert found.keypoints.shape == (0, 4)
    assert found.descriptors.shape == (0, 128)
    assert found.keypoints.dtype == found.descriptors.dtype == np.float32


def test_threads_find_what_one_thread_finds():
    photos = [textured(seed=seed) for seed in range(8)]
    sift = SIFT()
    alone = [sift.features(photo) for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(sift.features, photos))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.keypoints, other.keypoints)
        assert np.array_equal(one.descriptors, other.descriptors)


@pytest.mark.parametrize(
    "constants", [{"contrast": -0.1}, {"edge": 0}, {"sigma": 0}, {"layers": 0}, {"longest_side": 0}]
)
def test_constants_without_meaning_are_refused(constants):
    with pytest.raises(ValueError, match="positive constants"):
        SIFT(**constants)
