"""Small training splits and batches, and the pairs that loops run over."""

from __future__ import annotations

import pytest
import torch

from recessive.hashing.losses import LossContext

BITS, CLASSES, PHOTOS = 8, 4, 24


def context(*, bits=BITS, classes=CLASSES, photos=PHOTOS, seed=0, multi_label=False):
    generator = torch.Generator().manual_seed(100 + seed)
    if multi_label:
        labels = torch.rand(photos, classes, generator=generator) < 0.35
    else:
        labels = torch.arange(photos) % classes
        labels = labels[torch.randperm(photos, generator=generator)]
    return LossContext(bits, classes, photos, labels, seed, multi_label)


def batch(made, size=7, *, seed=0, scale=1.0):
    """Logits (size, bits) in float64, labels and rows of some photos of the split."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(made.photos, generator=generator)[:size]
    logits = scale * torch.randn(size, made.bits, generator=generator, dtype=torch.float64)
    return logits, made.labels[rows], rows


def share_a_label(first, second):
    """By hand: whether two photos, each with one label or a row of them, are similar."""
    if first.ndim == 0:
        return int(first) == int(second)
    return any(bool(a) and bool(b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="session")
def make_context():
    return context


@pytest.fixture(scope="session")
def draw_batch():
    return batch


@pytest.fixture(scope="session")
def similar():
    return share_a_label
