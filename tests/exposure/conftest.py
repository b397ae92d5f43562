"""Encoders whose outputs are known at sight."""

from __future__ import annotations

import pytest
from torch import nn
from torch.nn.functional import normalize

from recessive.encoders import Encoder

BITS = 48  # values of a 4×4 photo


class _Centred(nn.Module):
    def forward(self, values):
        return values - 0.5


class _MeanColour(nn.Module):
    def forward(self, photos):
        return photos.mean(dim=(2, 3))


class _Unit(nn.Module):
    def forward(self, values):
        return normalize(values, dim=1)


@pytest.fixture
def bits_encoder():
    """Makes an encoder whose bits are the values of a 4×4 photo: light +1, dark −1."""
    return lambda name="bits": Encoder(name, nn.Flatten(), _Centred(), BITS, "logits")


@pytest.fixture
def colour_encoder():
    """Makes an encoder whose descriptor is the mean colour, at unit length."""
    return lambda name="colour": Encoder(name, _MeanColour(), _Unit(), 3, "descriptor")


@pytest.fixture
def pixel_encoder():
    """Makes an encoder whose descriptor is the photo itself, centred and at unit length: 10×10 pixels."""
    return lambda name="pixels": Encoder(name, nn.Flatten(), nn.Sequential(_Centred(), _Unit()), 300, "descriptor")
