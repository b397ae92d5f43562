"""Brightness, darkening and transparency, value by value."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.protection.obfuscation import Brightness, Transparency
from recessive.protection.obfuscation.brightness import DARKENING

LEVELS = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255


@pytest.mark.parametrize(
    ("method", "formula"),
    [
        (Brightness(), lambda level: 2 * level),
        (DARKENING, lambda level: level / 2),
        (Transparency(), lambda level: (4 * level + 255) / 5),
    ],
    ids=["brightness", "darkening", "transparency"],
)
def test_each_level_becomes_that_of_the_formula(method, formula, obfuscate):
    found = (255 * obfuscate(method, LEVELS)[0, 0]).flatten().tolist()
    away = [abs(a - b) for a, b in zip(found, map(formula, range(256)), strict=True) if b <= 255]
    assert max(away) <= 0.5 + 1e-3
    assert max(found) <= 255


@given(gain=st.floats(0, 1), share=st.floats(0, 1))
def test_darkening_never_brightens_and_transparency_never_darkens(gain, share, obfuscate):
    assert (obfuscate(Brightness(gain=gain), LEVELS) <= LEVELS).all()
    assert (obfuscate(Transparency(share=share), LEVELS) >= LEVELS).all()


@given(gain=st.floats(1, 300))
def test_brightness_never_darkens_and_ends_at_white(gain, obfuscate):
    found = obfuscate(Brightness(gain=gain), LEVELS)
    assert (found >= LEVELS).all()
    assert (found[LEVELS * gain >= 1] == 1).all()
