"""The same encoders, faster: on another device, in another layout of memory, in half the precision."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from recessive.encoders.encoder import Encoder, Features

Precision = Literal["float32", "bfloat16"]


class HalfPrecision(nn.Module):
    """A trunk whose convolutions and products are computed in bfloat16; photos, features and gradients are float32.

    Args:
        trunk: photos (N, 3, H, W) to features.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, photos: Tensor) -> Features:
        """As the trunk, with about three digits."""
        with torch.autocast(photos.device.type, dtype=torch.bfloat16):
            features: Features = self.trunk(photos)
        if isinstance(features, Tensor):
            return features.float()
        return tuple(part.float() for part in features)


def hasten(
    encoders: Sequence[Encoder], device: torch.device | str = "cpu", precision: Precision = "float32"
) -> list[Encoder]:
    """Copies of encoders on a device, channels last in memory; those that share a trunk still share one.

    Forward and backward of the committed CIFAR-10 network with 100 photos, on one core of a processor with AVX-512
    BF16: 1.13 times as fast with channels last, 1.57 times in bfloat16, 1.94 times with both. `torch.compile` took 44 s
    and was slower there (0.88).

    Args:
        encoders: stay as they are.
        device: where to.
        precision: of the trunks; heads, which turn features into bits, stay float32.
    """
    copies = copy.deepcopy(list(encoders))  # together, so that what is shared stays so
    halves: dict[int, nn.Module] = {}
    made = []
    for encoder in copies:
        encoder.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        trunk = encoder.trunk
        if precision == "bfloat16":
            trunk = halves.setdefault(id(trunk), HalfPrecision(trunk))
        made.append(Encoder(encoder.name, trunk, encoder.head, encoder.dim, encoder.outputs).eval())
    return made
