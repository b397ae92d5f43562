"""The report of one photo: its fidelity, and whether the photo may be released."""

import math

import pytest
import torch

from recessive.exposure import EncoderAudit
from recessive.quality import ssim
from recessive.reports import fidelity, may_be_released


def test_figures_are_those_of_the_formulas_in_the_units_of_reports():
    before = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))
    after = (before + 3 / 255).clamp(0, 1)
    near = fidelity(before, after)
    change = 255 * (after - before)
    assert near.linf == 3
    assert near.psnr == pytest.approx(10 * math.log10(255**2 / float(change.square().mean())), abs=1e-3)
    assert near.ssim == pytest.approx(float(ssim(before[None], after[None])), abs=1e-5)


def test_a_photo_that_did_not_change_has_no_psnr():
    photo = torch.rand(3, 20, 30)
    near = fidelity(photo, photo)
    assert (near.linf, near.psnr, near.ssim) == (0, None, 1)


def test_photos_too_small_for_ssim_have_none():
    assert fidelity(torch.zeros(3, 10, 30), torch.ones(3, 10, 30)).ssim is None
    assert fidelity(torch.zeros(3, 11, 30), torch.zeros(3, 11, 30)).ssim == 1


def test_photos_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        fidelity(torch.zeros(3, 11, 30), torch.zeros(3, 12, 30))


def found(*, seen, hidden, survives=()):
    rank = 50 if hidden else 1
    return EncoderAudit("any", seen, 0.0, 0.5, 1, rank, 3, 0, 0.4, 100, hidden, dict(survives))


@pytest.mark.parametrize(
    ("hidden", "hidden_unseen", "seen", "everybody"),
    [
        (True, True, True, True),
        (True, False, True, False),
        (False, True, False, False),
        (False, False, False, False),
        (True, None, True, True),
        (False, None, False, False),
        (None, True, True, True),  # the method is optimised against nobody: all are asked
        (None, False, False, False),
        (None, None, False, False),  # nobody was asked
    ],
)
def test_a_photo_passes_when_those_that_count_do_not_find_it(hidden, hidden_unseen, seen, everybody):
    entries = [found(seen=True, hidden=hidden)] if hidden is not None else []
    entries += [found(seen=False, hidden=hidden_unseen)] if hidden_unseen is not None else []
    assert (may_be_released(entries, "seen"), may_be_released(entries, "all")) == (seen, everybody)


def test_one_that_finds_it_is_enough():
    entries = [found(seen=True, hidden=True), found(seen=True, hidden=False)]
    assert not may_be_released(entries, "seen")
    assert not may_be_released(entries, "all")


def test_it_must_stay_hidden_after_each_transform_that_was_asked_for():
    kept = found(seen=True, hidden=True, survives={"jpeg:75": True, "blur:1": True})
    lost = found(seen=True, hidden=True, survives={"jpeg:75": True, "blur:1": False})
    lost_by_another = found(seen=False, hidden=True, survives={"jpeg:75": False})
    assert may_be_released([kept], "seen")
    assert not may_be_released([lost], "seen")
    assert may_be_released([kept, lost_by_another], "seen")
    assert not may_be_released([kept, lost_by_another], "all")
