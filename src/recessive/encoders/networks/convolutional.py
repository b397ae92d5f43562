"""A residual network of plain 3×3 convolutions.

Backbones give two feature maps: an early one, of the first layer, which sees colours and edges and tells instances
apart, and the last one, which sees what is shown.

Source: He et al., "Deep residual learning for image recognition", 2016, with two strided convolutions for a stem.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def convolution(inputs: int, outputs: int, stride: int = 1, *, side: int = 3, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class ResidualBlock(nn.Module):
    """z = relu(x + conv(relu(conv(x)))), with a 1×1 convolution on the short cut where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, stride)
        self.second = convolution(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, stride, side=1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, h, w) to (N, outputs, h / stride, w / stride)."""
        return F.relu(self.second(F.relu(self.first(features))) + self.shortcut(features))


class Convolutional(nn.Module):
    """Features at 1/2 and 1/16 of the photo's side, both ≥ 0.

    Args:
        widths: channels of the four stages.
        channels: of the last map.
        early_channels: of the early map.
    """

    def __init__(
        self, widths: Sequence[int] = (48, 96, 192, 256), channels: int = 512, early_channels: int = 24
    ) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.early_channels, self.channels = early_channels, channels
        self.stem = nn.Sequential(
            convolution(3, early_channels, 2), nn.ReLU(), convolution(early_channels, first, 2), nn.ReLU()
        )
        self.stages = nn.Sequential(
            ResidualBlock(first, first),
            ResidualBlock(first, second, 2),
            ResidualBlock(second, second),
            ResidualBlock(second, third, 2),
            ResidualBlock(third, third),
            ResidualBlock(third, fourth),
        )
        self.last = nn.Sequential(convolution(fourth, channels, side=1), nn.ReLU())

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised photos (N, 3, H, W) to (N, early, H/2, W/2) and (N, channels, H/16, W/16)."""
        early = self.stem[:2](photos)
        return early, self.last(self.stages(self.stem[2:](early)))
