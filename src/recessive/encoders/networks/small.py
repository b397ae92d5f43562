"""Small networks for photos of 28 to 64 pixels: at most 700,000 weights, one feature map at a quarter of the side.

Three clearly different architectures, so that what works on one can be tried on another: with short cuts, without,
and with depthwise convolutions. All halve the side twice, whatever it is, and end with values ≥ 0, as GeM pooling
needs. Widths were chosen by what two processor cores train in half an hour.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from recessive.encoders.networks.convolutional import ResidualBlock, convolution


def _activated(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [convolution(inputs, outputs, stride), nn.ReLU()]


class SmallResidual(nn.Module):
    """Two stages of residual blocks, each after a strided convolution, and few channels at the full side.

    Sources: He et al., "Deep residual learning for image recognition", 2016; Page, "How to train your ResNet", 2018,
    for few and wide blocks that learn in few epochs.

    Args:
        widths: channels at the full side, at the half and at the quarter.
        blocks: residual blocks at the half and at the quarter.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (1, 1)) -> None:
        super().__init__()
        full, half, quarter = widths
        self.channels = quarter
        self.layers = nn.Sequential(
            *_activated(3, full),
            *_activated(full, half, 2),
            *(ResidualBlock(half, half) for _ in range(blocks[0])),
            *_activated(half, quarter, 2),
            *(ResidualBlock(quarter, quarter) for _ in range(blocks[1])),
        )

    def forward(self, photos: Tensor) -> Tensor:
        """Normalised photos (N, 3, H, W) to features (N, channels, ⌈H/4⌉, ⌈W/4⌉), ≥ 0."""
        features: Tensor = self.layers(photos)
        return features


class SmallPlain(nn.Module):
    """Plain 3×3 convolutions with max-pooling between stages, no short cuts.

    Source: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, with
    batch normalisation.

    Args:
        stages: channels of the convolutions at the full side, at the half and at the quarter.
    """

    def __init__(self, stages: Sequence[Sequence[int]] = ((32,), (64, 64), (128, 128, 128))) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for index, stage in enumerate(stages):
            if index:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            for channels in stage:
                layers += _activated(before, channels)
                before = channels
        self.channels = before
        self.layers = nn.Sequential(*layers)

    def forward(self, photos: Tensor) -> Tensor:
        """Normalised photos (N, 3, H, W) to features (N, channels, ⌈H/4⌉, ⌈W/4⌉), ≥ 0."""
        features: Tensor = self.layers(photos)
        return features


class SmallDepthwiseBlock(nn.Module):
    """z = x + W₂ relu(W₁ norm(depthwise₃ₓ₃(x))), the width tripled inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = convolution(channels, channels, groups=channels)
        self.widen = nn.Conv2d(channels, 3 * channels, 1)
        self.narrow = convolution(3 * channels, channels, side=1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, h, w) to the same shape."""
        narrowed: Tensor = self.narrow(F.relu(self.widen(self.spatial(features))))
        return features + narrowed


class SmallDepthwise(nn.Module):
    """Depthwise convolutions between pointwise ones, at the half and at the quarter of the side.

    Sources: Howard et al., "MobileNets", 2017; Liu et al., "A ConvNet for the 2020s", 2022, Fig. 4, for the order
    inside a block, with 3×3 in place of 7×7, which is too slow on processors.

    Args:
        widths: channels of the two stages.
        depths: blocks of each.
    """

    def __init__(self, widths: Sequence[int] = (48, 128), depths: Sequence[int] = (2, 4)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width, depth in zip(widths, depths, strict=True):
            layers += [convolution(before, width, 2), *(SmallDepthwiseBlock(width) for _ in range(depth))]
            before = width
        self.channels = before
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(before), nn.ReLU())

    def forward(self, photos: Tensor) -> Tensor:
        """Normalised photos (N, 3, H, W) to features (N, channels, ⌈H/4⌉, ⌈W/4⌉), ≥ 0."""
        features: Tensor = self.layers(photos)
        return features
