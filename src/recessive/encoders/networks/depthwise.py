"""A network of large depthwise convolutions between pointwise ones.

Source: Liu et al., "A ConvNet for the 2020s", 2022, Fig. 4, with batch in place of layer normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from recessive.encoders.networks.convolutional import convolution


class DepthwiseBlock(nn.Module):
    """z = x + W₂ gelu(W₁ norm(depthwise₇ₓ₇(x))), the width tripled inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = convolution(channels, channels, side=7, groups=channels)
        self.mix = nn.Sequential(nn.Conv2d(channels, 3 * channels, 1), nn.GELU(), nn.Conv2d(3 * channels, channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, h, w) to the same shape."""
        mixed: Tensor = self.mix(self.spatial(features))
        return features + mixed


class Depthwise(nn.Module):
    """Features at 1/4 and 1/16 of the photo's side, both ≥ 0.

    Args:
        widths: channels of the three stages, at 1/4, 1/8 and 1/16 of the side; the first is also that of the early map,
            which is what the stages begin with.
        depths: blocks of each stage.
        channels: of the last map.
    """

    def __init__(
        self, widths: Sequence[int] = (48, 96, 192), depths: Sequence[int] = (2, 2, 4), channels: int = 512
    ) -> None:
        super().__init__()
        self.early_channels, self.channels = widths[0], channels
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 4), nn.BatchNorm2d(widths[0])]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage:
                layers += [nn.BatchNorm2d(widths[stage - 1]), nn.Conv2d(widths[stage - 1], width, 2, 2)]
            layers += [DepthwiseBlock(width) for _ in range(depth)]
        self.stages = nn.Sequential(*layers)
        self.last = nn.Sequential(convolution(widths[-1], channels, side=1), nn.ReLU())

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised photos (N, 3, H, W) to (N, early, H/4, W/4) and (N, channels, H/16, W/16)."""
        early = self.stages[:2](photos)  # before the first block
        return F.relu(early), self.last(self.stages[2:](early))
