"""A training that takes a second, with all that a snapshot has to keep; also run as a program that is killed.

python tiny.py '{"snapshot": "FILE", "weights": "FILE", "die_at": 7}'
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from recessive.datasets import Split
from recessive.encoders import HashNetwork, Trunk
from recessive.hashing import Recipe, TrainingData, TrainingSettings, joined, train

PHOTOS, SIZE, BITS, CLASSES = 70, 16, 12, 3
RECIPE = Recipe(
    optimiser="sgd", lr=0.05, momentum=0.9, batch=16, epochs=3, schedule="one-cycle", weight_decay=1e-4, head_factor=2.0
)
SETTINGS = TrainingSettings(recipe=RECIPE, size=SIZE, seed=3, average=0.9, minutes=1e-9)


def changed(**changes):
    """The settings with some changes, to them or to their recipe."""
    recipe = {name: changes.pop(name) for name in list(changes) if hasattr(RECIPE, name)}
    return replace(SETTINGS, recipe=replace(RECIPE, **recipe), **changes)


class Blobs:
    """Noisy photos whose colour tells their class."""

    def __init__(self, photos=PHOTOS, size=SIZE, seed=0, prefix="train"):
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(photos) % CLASSES
        colours = torch.tensor([[200, 60, 60], [60, 200, 60], [60, 60, 200]])[self.labels]
        noise = torch.randint(-50, 50, (photos, 3, size, size), generator=generator)
        self.pixels = (colours[:, :, None, None] + noise).to(torch.uint8)
        self.prefix = prefix

    def __len__(self):
        return len(self.pixels)

    def batch(self, indices, size):
        assert size == self.pixels.shape[-1]
        return self.pixels[indices]

    def key(self, index):
        return f"{self.prefix}/{index}"


def split(**options):
    photos = Blobs(**options)
    return Split(photos, photos.labels)


class Memory(nn.Module):
    """A loss with a classifier and a memory: both decide how a training goes on."""

    def __init__(self, photos=PHOTOS):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.classifier = nn.Parameter(torch.randn(CLASSES, BITS, generator=generator))
        self.register_buffer("memory", torch.zeros(photos, BITS))

    def forward(self, logits, labels, rows, progress):
        similar = (logits @ self.memory.clone().T / BITS).square().mean()  # a copy: it changes before the gradient
        self.memory[rows] = logits.detach()
        return nn.functional.cross_entropy(logits @ self.classifier.T, labels) + progress * similar


class Mean(nn.Module):
    """Remembers the mean of what passes, which differs between processes, and does nothing with it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, features):
        self.mean.lerp_(features.detach().mean(), 0.1)
        return features


def network(*, dropout=0.2, normalised=True, seed=5):
    torch.manual_seed(seed)
    backbone = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8) if normalised else Mean(), nn.ReLU(), nn.Dropout(dropout)
    )
    made = HashNetwork("tiny", Trunk(backbone, SIZE), 8, BITS)
    if not normalised:
        made.head.norm = nn.Identity()
    return made


def run(*, snapshot=None, weights=None, die_at=None, interrupt_at=None, resume=False, normalised=True, settings=None):
    """Train; give the network, the loss and the report. `die_at`, `interrupt_at`: after so many batches."""
    made, loss = network(normalised=normalised, dropout=0.2 if normalised else 0.0), Memory()
    seen = 0

    def on_batch(_):
        nonlocal seen
        seen += 1
        if seen == interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        if seen == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    chosen = changed(snapshot=snapshot and Path(snapshot), **(settings or {}))
    with joined(torch.device("cpu")) as group:
        report = train(made, loss, TrainingData(split()), chosen, group=group, resume=resume, on_batch=on_batch)
        if weights:
            torch.save({"network": made.state_dict(), "loss": loss.state_dict()}, f"{weights}.{group.rank}")
    return made, loss, report


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with Ctrl-C ignored
    torch.set_num_threads(1)
    run(**json.loads(sys.argv[1]))
