from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from recessive.balls import L2, LInf
from recessive.encoders import grey_levels
from recessive.protection.keypoints import FMD, KEYPOINT_METHODS, LS, RMD, KeypointMethod
from recessive.protection.method import MethodError, Run
from recessive.quality import ssim

BY_NAME = {method.name: method for method in KEYPOINT_METHODS if isinstance(method, KeypointMethod)}
STAGES = {"rmd": (RMD,), "ls": (LS,), "fmd": (FMD,), "rmd+ls": (RMD, LS), "ls+fmd": (LS, FMD)}
each_method = pytest.mark.parametrize("method", [pytest.param(method, id=method.name) for method in BY_NAME.values()])


def protect(method, photos, ball=None):
    return method(photos, [], Run(ball or LInf(255), 0, list(range(len(photos)))))


@pytest.fixture(scope="module")
def photos(draw_texture):
    """Two photos (2, 3, 110, 130), each of three textures, with channels that are alike."""
    made = []
    for seed in (0, 10):
        shared = draw_texture(110, 130, seed).astype(float)
        made.append([0.9 * shared + 0.1 * draw_texture(110, 130, seed + more) for more in (1, 2, 3)])
    stretched = 2 * np.array(made) - 128
    return torch.from_numpy(stretched.round().clip(0, 255)).float() / 255


def places(photo):
    found = cv2.SIFT.create().detect(grey_levels(photo), None)
    return np.unique(np.array([keypoint.pt for keypoint in found]).reshape(-1, 2), axis=0)


def share_kept(photo, protected):
    first, second = places(photo), places(protected)
    return (np.linalg.norm(first[:, None] - second, axis=2) < 1).any(1).mean()


def test_they_are_what_the_paper_compares():
    assert list(BY_NAME) == list(STAGES)
    for name, stages in STAGES.items():
        assert tuple(type(stage) for stage in BY_NAME[name].stages) == stages
        assert "Do et al." in BY_NAME[name].paper
        assert "0.299 R" in BY_NAME[name].departures
        assert (BY_NAME[name].budget, BY_NAME[name].steps, BY_NAME[name].needs) == (255, 0, frozenset())


@each_method
def test_the_detector_sees_what_the_stages_made(method, photos):
    found = protect(method, photos)
    assert found.done.all()
    for photo, protected in zip(photos, found.photos, strict=True):
        wanted = grey_levels(photo)
        for stage in method.stages:
            wanted = stage(wanted)
        np.testing.assert_array_equal(grey_levels(protected), wanted)
        assert torch.equal((protected * 255).round() / 255, protected)


@pytest.mark.parametrize(
    ("name", "kept", "fewest", "most", "similar"),
    [
        ("rmd", (0.1, 0.4), 0.1, 0.4, 0.92),
        ("ls", (0, 0.2), 0, 0.25, 0.8),
        ("fmd", (0.9, 1), 1.08, 2, 0.99),
        ("rmd+ls", (0, 0.15), 0, 0.2, 0.8),
        ("ls+fmd", (0.1, 0.4), 0.3, 0.7, 0.8),
    ],
)
def test_keypoints_go_or_come_at_a_moderate_distortion(name, kept, fewest, most, similar, photos):
    protected = protect(BY_NAME[name], photos).photos
    assert (ssim(photos, protected) > similar).all()
    for photo, other in zip(photos, protected, strict=True):
        before = len(places(photo))
        assert before > 250
        assert fewest * before < len(places(other)) < most * before
        assert kept[0] <= share_kept(photo, other) <= kept[1]


def test_forging_adds_keypoints_to_a_smoothed_photo(photos):
    smooth, forged = (protect(BY_NAME[name], photos).photos for name in ("ls", "ls+fmd"))
    for first, second in zip(smooth, forged, strict=True):
        assert len(places(second)) > len(places(first))


@each_method
def test_each_photo_is_protected_on_its_own_and_always_the_same(method, photos):
    together = protect(method, photos).photos
    assert torch.equal(protect(method, photos).photos, together)
    for row in range(2):
        assert torch.equal(protect(method, photos[row : row + 1]).photos[0], together[row])


@each_method
@pytest.mark.parametrize("ball", [LInf(3), L2(1.5)], ids=["LInf", "L2"])
def test_the_budget_holds(method, ball, photos):
    change = 255 * (protect(method, photos, ball).photos - photos)
    assert change.abs().amax() > 0.5
    if isinstance(ball, LInf):
        assert change.abs().max() <= 3.001
    else:
        assert change.square().mean(dim=(1, 2, 3)).sqrt().max() <= 1.501


@each_method
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (5, 4), (40, 50)])
def test_photos_without_keypoints_come_back(method, size):
    photo = (torch.tensor([200.0, 90, 31]) / 255).view(1, 3, 1, 1).expand(2, 3, *size).clone()
    assert torch.equal(protect(method, photo).photos, photo)


@each_method
def test_grey_photos_stay_grey(method, draw_texture):
    photo = torch.from_numpy(draw_texture(80, 70)).float().expand(1, 3, 80, 70) / 255
    protected = protect(method, photo).photos[0]
    assert not torch.equal(protected, photo[0])
    assert torch.equal(protected[0], protected[1])
    assert torch.equal(protected[1], protected[2])


@each_method
def test_one_seed_a_photo_is_asked_for_as_everywhere(method, photos):
    with pytest.raises(MethodError, match="each photo needs one seed"):
        method(photos, [], Run(LInf(255), 0, [1]))


def test_stages_are_put_together_freely(photos):
    removed_last = replace(BY_NAME["rmd+ls"], name="ls+rmd", stages=(LS(passes=1), RMD()))
    assert not torch.equal(protect(removed_last, photos).photos, protect(BY_NAME["rmd+ls"], photos).photos)


def test_colours_follow_by_ratio_or_are_the_nearest(photos):
    by_ratio = BY_NAME["rmd"]
    nearest = replace(by_ratio, colours="nearest")
    first, second = protect(by_ratio, photos).photos, protect(nearest, photos).photos
    assert [np.array_equal(grey_levels(a), grey_levels(b)) for a, b in zip(first, second, strict=True)] == [True, True]
    assert (second - photos).square().sum() < (first - photos).square().sum()
