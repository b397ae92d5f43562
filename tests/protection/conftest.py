"""Tiny encoders with random weights, and smooth photos on the 8-bit grid."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from recessive.codes import hamming, sign
from recessive.encoders import DescriptorHead, Encoder, HashLayer, Trunk
from recessive.protection.methods import Surrogate

SIZE = 24
CHANNELS = 32
DIM = 24  # of descriptors, and bits of codes


def smooth_photos(count, height, width, seed):
    """Photos (count, 3, height, width) on the grid; some values touch 0 and 1."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    fine = interpolate(1.4 * coarse - 0.2, (height, width), mode="bicubic").clamp(0, 1)
    return (fine * 255).round() / 255


@pytest.fixture(scope="session")
def draw_photos():
    return smooth_photos


@pytest.fixture(scope="session")
def encoders():
    """A descriptor and a code on one random trunk, centred so that they tell photos apart."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(16, CHANNELS, 3, 2, 1),
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(),
        )
        trunk = Trunk(backbone, SIZE)
        descriptor, code = DescriptorHead(CHANNELS, DIM), HashLayer(CHANNELS, DIM)
    with torch.no_grad():
        backbone[3].momentum = code.norm.momentum = 1.0  # one batch sets the statistics
        features = trunk(smooth_photos(64, SIZE, SIZE, seed=1))
        code(features)
        pooled = descriptor.pool(features).mean(0)
        descriptor.projection.bias.copy_(-descriptor.projection.weight @ pooled)
    return {
        "descriptor": Encoder("tiny-gem", trunk, descriptor, DIM, "descriptor").eval().requires_grad_(False),
        "logits": Encoder("tiny-hash", trunk, code, DIM, "logits").eval().requires_grad_(False),
    }


@pytest.fixture(scope="session")
def surrogates(encoders):
    """One surrogate a kind of outputs; its owner's sample: 60 photos of three classes, a quarter of them within T."""
    made = {}
    for outputs, encoder in encoders.items():
        sample = encoder(smooth_photos(60, SIZE, SIZE, seed=2))
        if outputs == "logits":
            sample = sign(sample)
            near = sign(encoder(smooth_photos(2, SIZE, SIZE + 8, seed=0)))
            for row in range(20):  # two dense places, where the photos of the conformance test lie
                sample[row] = near[row % 2]
                sample[row, : row // 4] *= -1
            distances = hamming(sample, sample)
        else:
            distances = 1 - sample @ sample.T
        threshold = float(distances.flatten().quantile(0.25))
        made[outputs] = Surrogate(encoder, sample, threshold, torch.arange(60) % 3)
    return made
