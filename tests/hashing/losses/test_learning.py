"""A small network learns from every loss to tell classes apart by their codes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recessive.codes import sign
from recessive.galleries import HammingGallery, mean_average_precision
from recessive.hashing.losses import LOSSES, LossContext, make_loss

BITS, CLASSES, DIM, STEPS, BATCH = 16, 4, 16, 200, 64
SPREAD = 4.0  # of the four means, in two of sixteen directions, over the noise
NOISE = 4.0  # in the other directions: an untrained code mostly sees these


def blobs(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    points = torch.randn(count, DIM, generator=generator)
    points[:, 2:] *= NOISE
    points[:, 0] += SPREAD * (labels % 2 * 2 - 1)
    points[:, 1] += SPREAD * (labels // 2 * 2 - 1)
    return points, labels


def map_of(network, gallery, queries):
    network.eval()
    with torch.no_grad():
        codes, asked = sign(network(gallery[0])), sign(network(queries[0]))
    network.train()
    held = HammingGallery(BITS)
    held.add(codes)
    return mean_average_precision(held, asked, queries[1], gallery[1]).map


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_teaches_a_small_network(name):
    train, queries = blobs(800, 0), blobs(200, 1)
    generator = torch.Generator().manual_seed(2)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = nn.Sequential(nn.Linear(DIM, 64), nn.ReLU(), nn.Linear(64, BITS), nn.BatchNorm1d(BITS, affine=False))
    assert map_of(network, train, queries) < 0.5
    loss = make_loss(name, LossContext(BITS, CLASSES, len(train[0]), train[1], 4, multi_label=False))
    optimiser = torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=5e-3)
    values = []
    for step in range(STEPS):
        rows = torch.randperm(len(train[0]), generator=generator)[:BATCH]
        value = loss(network(train[0][rows]), train[1][rows], rows, step / STEPS)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(float(value.detach()))
    assert map_of(network, train, queries) > 0.9
    if name != "hashnet":  # its β, and so its loss, changes on the way
        assert sum(values[-20:]) < sum(values[:20])
