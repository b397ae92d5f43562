"""The project's own architectures: three for the bundled encoders, three smaller ones for photos of 28 to 64 pixels.

Within each three, the architectures differ clearly (residual or plain convolutions, depthwise convolutions, attention),
so that what holds against one can be judged by another. All end with features ≥ 0, as GeM pooling needs.

`Convolutional`, `Depthwise` and `Transformer` give two feature maps: an early one, of the first layer, which sees
colours and edges and tells instances apart, and the last one at 1/16 of the side, which sees what is shown. The small
ones have at most 700,000 weights and give one map at a quarter of the side; their widths were chosen by what two
processor cores train in half an hour.

Sources: He et al., "Deep residual learning for image recognition", 2016; Liu et al., "A ConvNet for the 2020s", 2022,
Fig. 4; Howard et al., "MobileNets", 2017; Simonyan, Zisserman, "Very deep convolutional networks for large-scale image
recognition", 2015; Page, "How to train your ResNet", 2018; Dosovitskiy et al., "An image is worth 16×16 words", 2021;
Xiao et al., "Early convolutions help transformers see better", 2021; Chu et al., "Conditional positional encodings for
vision transformers", 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def convolution(inputs: int, outputs: int, stride: int = 1, *, side: int = 3, groups: int = 1) -> nn.Sequential:
    """A convolution without bias, then batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


def _activated(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [convolution(inputs, outputs, stride), nn.ReLU()]


class ResidualBlock(nn.Module):
    """z = relu(x + conv(relu(conv(x)))), with a 1×1 convolution on the shortcut where shapes differ."""

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
    """A residual network with two strided convolutions for a stem: features at 1/2 and 1/16 of the photo's side.

    Args:
        widths: the channels of the four stages.
        channels: the channels of the last map.
        early_channels: the channels of the early map.
    """

    def __init__(
        self, widths: Sequence[int] = (48, 96, 192, 256), channels: int = 512, early_channels: int = 24
    ) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.early_channels, self.channels = early_channels, channels
        self.stem = nn.Sequential(*_activated(3, early_channels, 2), *_activated(early_channels, first, 2))
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
    """Large depthwise convolutions between pointwise ones, as in ConvNeXt, with batch in place of layer normalisation.

    Args:
        widths: the channels of the three stages, at 1/4, 1/8 and 1/16 of the side. The first is also that of the early
            map, with which the stages begin.
        depths: the blocks of each stage.
        channels: the channels of the last map.
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


class AttentionBlock(nn.Module):
    """t ← t + attention(norm(t)); t ← t + mlp(norm(t)), on tokens (N, L, width).

    Args:
        width: the length of a token.
        heads: the number of heads of the self-attention, which divides the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, L, width) to the same shape."""
        count, length, width = tokens.shape
        projected = self.query_key_value(self.norm_attention(tokens))
        query, key, value = projected.view(count, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.merge(attended.transpose(1, 2).reshape(count, length, width))
        mixed: Tensor = self.mlp(self.norm_mlp(tokens))
        return tokens + mixed


class Transformer(nn.Module):
    """A small vision transformer with a convolutional stem: features at 1/2 (of the stem) and 1/16 of the photo's side.

    A depthwise convolution tells the tokens their places, so that photos of any size work.

    Args:
        width: the length of a token.
        depth: the number of attention blocks.
        heads: the number of heads of each block.
        channels: the channels of the last map.
    """

    def __init__(self, width: int = 176, depth: int = 6, heads: int = 4, channels: int = 512) -> None:
        super().__init__()
        self.early_channels, self.channels = 24, channels
        self.stem = nn.Sequential(
            *_activated(3, 24, 2), *_activated(24, 48, 2), *_activated(48, 96, 2), nn.Conv2d(96, width, 2, 2)
        )
        self.place = nn.Conv2d(width, width, 3, 1, 1, groups=width)
        self.blocks = nn.Sequential(*(AttentionBlock(width, heads) for _ in range(depth)))
        self.last = nn.Sequential(convolution(width, channels, side=1), nn.ReLU())

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised photos (N, 3, H, W) to (N, early, H/2, W/2) and (N, channels, H/16, W/16)."""
        early = self.stem[:2](photos)
        features = self.stem[2:](early)
        features = features + self.place(features)
        tokens = self.blocks(features.flatten(2).transpose(1, 2))
        return early, self.last(tokens.transpose(1, 2).reshape_as(features))


class _Small(nn.Module):
    """Layers in a row: normalised photos (N, 3, H, W) to features (N, channels, ⌈H/4⌉, ⌈W/4⌉), ≥ 0."""

    def __init__(self, channels: int, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.Sequential(*layers)

    def forward(self, photos: Tensor) -> Tensor:
        """Normalised photos (N, 3, H, W) to features (N, channels, ⌈H/4⌉, ⌈W/4⌉), ≥ 0."""
        features: Tensor = self.layers(photos)
        return features


class SmallResidual(_Small):
    """Two stages of residual blocks, each after a strided convolution, and few channels at the full side.

    Args:
        widths: the channels at the full side, at half and at a quarter of it.
        blocks: the residual blocks at half and at a quarter of the side.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (1, 1)) -> None:
        full, half, quarter = widths
        layers = [
            *_activated(3, full),
            *_activated(full, half, 2),
            *(ResidualBlock(half, half) for _ in range(blocks[0])),
            *_activated(half, quarter, 2),
            *(ResidualBlock(quarter, quarter) for _ in range(blocks[1])),
        ]
        super().__init__(quarter, layers)


class SmallPlain(_Small):
    """Plain 3×3 convolutions with max-pooling between stages, as in VGG, with batch normalisation.

    Args:
        stages: the channels of the convolutions at the full side, at half and at a quarter of it.
    """

    def __init__(self, stages: Sequence[Sequence[int]] = ((32,), (64, 64), (128, 128, 128))) -> None:
        layers: list[nn.Module] = []
        before = 3
        for index, stage in enumerate(stages):
            if index:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            for channels in stage:
                layers += _activated(before, channels)
                before = channels
        super().__init__(before, layers)


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


class SmallDepthwise(_Small):
    """Depthwise convolutions between pointwise ones, at half and at a quarter of the side.

    The order inside a block is that of ConvNeXt, with 3×3 in place of 7×7, which is too slow on processors.

    Args:
        widths: the channels of the two stages.
        depths: the blocks of each stage.
    """

    def __init__(self, widths: Sequence[int] = (48, 128), depths: Sequence[int] = (2, 4)) -> None:
        layers: list[nn.Module] = []
        before = 3
        for width, depth in zip(widths, depths, strict=True):
            layers += [convolution(before, width, 2), *(SmallDepthwiseBlock(width) for _ in range(depth))]
            before = width
        super().__init__(before, [*layers, nn.BatchNorm2d(before), nn.ReLU()])
