"""SIFT: what the detector sees, where it finds a blob, what a descriptor is; and the descriptor with a gradient."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from recessive.encoders.features.sift import SIFT, by_scale, describe_at, grey_levels


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


INSIDE = torch.tensor([[48.0, 40.0, 6.0, 0.0], [60.5, 44.25, 5.0, 77.0], [52.0, 50.0, 9.0, 300.0]])
"""Keypoints whose surroundings lie within 96 × 112 pixels."""


def textured_photo(height=96, width=112, seed=0):
    """A photo of random detail from 4 to 16 pixels, on the 8-bit grid."""
    generator = np.random.default_rng(seed)
    photo = np.zeros((height, width, 3), np.float32)
    for side in (4, 8, 16):
        coarse = generator.random((height // side, width // side, 3), dtype=np.float32)
        photo += side * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    photo = np.rint(255 * (photo - photo.min()) / np.ptp(photo)) / 255
    return torch.from_numpy(photo).permute(2, 0, 1).float()


def ramp(degrees, height=128, width=160):
    """Grey levels that rise in one direction, degrees clockwise from the right."""
    down, across = torch.meshgrid(torch.arange(height) - height / 2, torch.arange(width) - width / 2, indexing="ij")
    angle = torch.tensor(degrees).deg2rad()
    return (0.5 + 0.004 * (across * angle.cos() + down * angle.sin())).expand(3, -1, -1)


def described(photo, keypoints):
    """Descriptors in the order of the keypoints."""
    return torch.cat([describe_at(photo[None], by_scale(one[None])) for one in keypoints])


def cosines(first, second):
    return (first * second).sum(dim=1)


def cell_shares():
    """How much an even gradient adds to each of 4 × 4 cells, one sample after the other, brought to a sum of 1."""
    cells = np.zeros((4, 4))
    for row in range(16):
        for column in range(16):
            y, x = (row - 7.5) / 4, (column - 7.5) / 4  # in cells from the middle
            weight = np.exp(-(x * x + y * y) / (2 * 2.0**2))  # half the width of four cells
            for i in range(4):
                for j in range(4):
                    cells[i, j] += weight * max(0, 1 - abs(y - (i - 1.5))) * max(0, 1 - abs(x - (j - 1.5)))
    return cells / cells.sum()


def expected_of(shares_of_directions):
    """The squared descriptor (128,), a share a value, where each cell has the same directions."""
    raw = (cell_shares()[..., None] * np.array(shares_of_directions)).ravel()
    clipped = np.minimum(raw / np.linalg.norm(raw), 0.2)
    return torch.from_numpy(clipped / clipped.sum()).float()


@pytest.mark.parametrize(
    ("rising", "turned", "directions"),
    [
        (0, 0, [1, 0, 0, 0, 0, 0, 0, 0]),
        (180, 0, [0, 0, 0, 0, 1, 0, 0, 0]),
        (-90, 0, [0, 0, 1, 0, 0, 0, 0, 0]),  # upwards: directions go round as in mathematics
        (90, 0, [0, 0, 0, 0, 0, 0, 1, 0]),
        (0, 90, [0, 0, 1, 0, 0, 0, 0, 0]),  # upwards to who looks along the keypoint, downwards
        (-60, -60, [1, 0, 0, 0, 0, 0, 0, 0]),
        (-45, 0, [0, 1, 0, 0, 0, 0, 0, 0]),
        (-22.5, 0, [0.5, 0.5, 0, 0, 0, 0, 0, 0]),
        (-33.75, 0, [0.25, 0.75, 0, 0, 0, 0, 0, 0]),
        (11.25, 0, [0.75, 0, 0, 0, 0, 0, 0, 0.25]),
    ],
)
@pytest.mark.parametrize("size", [2, 6.3, 11])
def test_a_ramp_has_its_direction_in_each_cell(rising, turned, directions, size):
    keypoint = torch.tensor([[82.0, 63.5, size, turned]])
    found = describe_at(ramp(rising)[None], by_scale(keypoint))
    # Shares, since roots of what rounding leaves in other directions are not small.
    torch.testing.assert_close(found[0].square(), expected_of(directions), rtol=2e-3, atol=2e-4)


def test_it_is_near_opencvs():
    found, sizes, margins = [], [], []
    for seed in range(3):
        photo = textured_photo(160, 192, seed)
        features = SIFT().features(photo)
        keypoints, descriptors = torch.from_numpy(features.keypoints), torch.from_numpy(features.descriptors)
        here = described(photo, keypoints)
        found.append(cosines(here, descriptors))
        assert cosines(here, descriptors.roll(len(features) // 2, 0)).median() < 0.85
        x, y, size, _ = keypoints.T
        sizes.append(size)
        margins.append(torch.stack([x, y, 191 - x, 159 - y]).amin(dim=0) / (size / 2))
    near, size, inside = torch.cat(found), torch.cat(sizes), torch.cat(margins) > 9  # of what a descriptor looks at
    assert near.median() > 0.985
    assert near[inside].min() > 0.96
    for small, large in ((0, 5), (5, 9), (9, np.inf)):  # of each resolution at which photos are sampled
        some = near[inside & (size > small) & (size <= large)]
        assert len(some) > 5
        assert some.median() > 0.985


def test_rows_have_unit_length_and_no_negative_values():
    found = describe_at(textured_photo()[None], by_scale(INSIDE))
    assert found.shape == (3, 128)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    assert found.min() >= 0


def test_scales_are_grouped_to_thirds_of_an_octave():
    sizes = torch.tensor([4.0, 2.0, 2.2, 2.3, 8.0, 4.1, 0.5, 0.0])  # 2 σ; σ = 1.1 is nearer to 1, 1.15 to 2^⅓
    keypoints = torch.stack([torch.arange(8.0), torch.zeros(8), sizes, torch.zeros(8)], dim=1)
    groups = by_scale(keypoints)
    assert [sigma for sigma, _ in groups] == pytest.approx([0.5, 1, 2 ** (1 / 3), 2, 4])
    assert [places[:, 0].tolist() for _, places in groups] == [[6, 7], [1, 2], [3], [0, 5], [4]]


def test_groups_do_not_influence_each_other():
    photo, groups = textured_photo()[None], by_scale(INSIDE)
    apart = torch.cat([describe_at(photo, by_scale(one[None])) for _, places in groups for one in places])
    torch.testing.assert_close(describe_at(photo, groups), apart)


def test_a_photo_turned_by_a_right_angle_has_the_same_descriptors():
    photo = textured_photo()
    x, y, size, degrees = INSIDE.T
    turned = torch.stack([y, photo.shape[2] - 1 - x, size, (degrees - 90) % 360], dim=1)
    before, after = described(photo, INSIDE), described(photo.rot90(1, (1, 2)), turned)
    torch.testing.assert_close(after, before, rtol=0, atol=2e-3)
    assert cosines(described(photo, turned), before).max() < 0.9


def test_a_photo_turned_by_any_angle_has_nearly_the_same_descriptors():
    photo, degrees = cv2.GaussianBlur(textured_photo().permute(1, 2, 0).numpy(), (0, 0), 1.5), 25
    matrix = cv2.getRotationMatrix2D((54, 45), -degrees, 1)  # OpenCV's angles are counter-clockwise
    turned = cv2.warpAffine(photo, matrix, photo.shape[1::-1], flags=cv2.INTER_CUBIC)
    keypoint = torch.tensor([[54.0, 45.0, 6.0, 10.0]])
    before, after = (torch.from_numpy(each).permute(2, 0, 1) for each in (photo, turned))
    moved = keypoint + torch.tensor([0, 0, 0, degrees])
    assert cosines(described(before, keypoint), described(after, moved)) > 0.99
    assert cosines(described(before, keypoint), described(after, keypoint)) < 0.95


@pytest.mark.parametrize("factor", [2, 4])
def test_an_enlarged_photo_has_nearly_the_same_descriptors(factor):
    photo = torch.from_numpy(cv2.GaussianBlur(textured_photo().permute(1, 2, 0).numpy(), (0, 0), 1.5)).permute(2, 0, 1)
    large = torch.nn.functional.interpolate(photo[None], scale_factor=factor, mode="bicubic")[0]
    places = INSIDE.clone()
    places[:, :2] = (places[:, :2] + 0.5) * factor - 0.5
    places[:, 2] *= factor
    assert cosines(described(photo, INSIDE), described(large, places)).min() > 0.99


def test_what_lies_far_away_does_not_matter():
    # Sides that no power of two divides.
    photo, keypoints = textured_photo(128, 160), torch.tensor([[60.0, 50.0, 5.0, 20.0], [72.0, 60.0, 8.0, 130.0]])
    whole = described(photo, keypoints)
    torch.testing.assert_close(described(photo[:, :117, :131], keypoints), whole, rtol=0, atol=1e-3)
    moved = keypoints - torch.tensor([4.0, 4, 0, 0])
    torch.testing.assert_close(described(photo[:, 4:, 4:], moved), whole, rtol=0, atol=1e-3)


def test_light_and_contrast_do_not_matter_and_colours_count_as_grey():
    photo = textured_photo()
    before = described(photo, INSIDE)
    torch.testing.assert_close(described(0.3 + 0.5 * photo, INSIDE), before, rtol=0, atol=1e-3)
    grey = torch.einsum("c,chw->hw", torch.tensor([0.299, 0.587, 0.114]), photo)
    torch.testing.assert_close(described(grey.expand(3, -1, -1), INSIDE), before, rtol=0, atol=1e-3)
    assert cosines(described(photo[:1].expand(3, -1, -1), INSIDE), before).max() < 0.99


def test_a_photo_without_keypoints_has_no_descriptors():
    nowhere = by_scale(torch.zeros(0, 4))
    assert nowhere == ()
    assert describe_at(textured_photo()[None], nowhere).shape == (0, 128)


BORDER = torch.tensor(
    [[0.0, 0, 4, 0], [111, 95, 6, 30], [-3, 40, 5, 200], [56, 99.5, 12, 359], [-500, -500, 4, 45], [56, 40, 800, 10]]
)


def test_keypoints_at_and_beyond_the_border_are_described():
    photo = textured_photo()[None].requires_grad_()
    found = describe_at(photo, by_scale(BORDER))
    lengths = found.norm(dim=1)
    beyond = lengths < 0.01  # nothing of them lies in the photo
    torch.testing.assert_close(lengths[~beyond], torch.ones(int((~beyond).sum())))
    assert 0 < beyond.sum() < len(BORDER)
    (gradient,) = torch.autograd.grad((found * torch.arange(128.0).sin()).sum(), photo)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_constant_photos_have_finite_descriptors_and_gradients(level):
    photo = torch.full((1, 3, 40, 50), level, requires_grad=True)
    found = describe_at(photo, by_scale(torch.tensor([[20.0, 20, 3, 40], [49, 39, 12, 0]])))
    assert found.isfinite().all()
    (gradient,) = torch.autograd.grad((found * torch.arange(128.0).sin()).sum(), photo)
    assert gradient.isfinite().all()


def test_photos_of_one_pixel_are_described():
    photo = torch.full((1, 3, 1, 1), 0.5, requires_grad=True)
    found = describe_at(photo, by_scale(torch.tensor([[0.0, 0, 4, 0]])))
    assert found.isfinite().all()


def test_gradients_are_those_of_differences():
    generator = torch.Generator().manual_seed(3)
    photo = torch.rand(1, 3, 12, 14, generator=generator).double().requires_grad_()
    groups = by_scale(torch.tensor([[6.2, 5.1, 2.0, 33.0], [5.0, 7.0, 3.1, 250.0]], dtype=torch.float64))
    weights = torch.rand(2, 128, generator=generator).double()
    assert torch.autograd.gradcheck(lambda x: (describe_at(x, groups) * weights).sum(dim=1), photo, eps=1e-7, atol=1e-4)


def test_a_gradient_leads_to_another_descriptor():
    photo, groups = textured_photo()[None], by_scale(INSIDE)
    wanted = describe_at(textured_photo(seed=1)[None], groups)
    moved, before = photo, cosines(describe_at(photo, groups), wanted)
    for _ in range(10):
        moved = moved.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(cosines(describe_at(moved, groups), wanted).sum(), moved)
        moved = (moved + 2 / 255 * gradient.sign()).clamp(0, 1)
    assert (cosines(describe_at(moved, groups), wanted) > before + 0.1).all()


@pytest.mark.parametrize("shape", [(2, 3, 9, 9), (3, 9, 9), (1, 1, 9, 9), (1, 3, 9), (1, 3, 2, 9, 9), (0, 3, 9, 9)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"one photo \(1, 3, H, W\) is described at a time, not"):
        describe_at(torch.zeros(shape), by_scale(INSIDE))
