"""A running average of a network's weights, often better than its last ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """w̄ ← d w̄ + (1 − d) w after each step t = 0, 1, …, with d = min(decay, (1 + t) / (10 + t)).

    The smaller d of the first steps forgets the random start (as TensorFlow's ExponentialMovingAverage does with
    `num_updates`). Running means and variances of batch normalisation are averaged too; counters are copied.

    Args:
        network: whose weights.
        decay: d in the long run, in (0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.decay = decay
        self.steps = 0
        self._pairs = list(zip(_tensors(self.module), _tensors(network), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the network's weights of now."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for mean, value in self._pairs:
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        return {"module": self.module.state_dict(), "steps": self.steps}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go back to what `state_dict` gave."""
        self.module.load_state_dict(saved["module"])
        self.steps = saved["steps"]


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()
