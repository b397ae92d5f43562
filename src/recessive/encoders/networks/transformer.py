"""A small vision transformer with a convolutional stem.

Sources: Dosovitskiy et al., "An image is worth 16×16 words", 2021; Xiao et al., "Early convolutions help
transformers see better", 2021 (the stem); Chu et al., "Conditional positional encodings for vision transformers",
2021 (places told by a depthwise convolution, so that any size works).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from recessive.encoders.networks.convolutional import convolution


class AttentionBlock(nn.Module):
    """t ← t + attention(norm(t)); t ← t + mlp(norm(t)), on tokens (N, L, width).

    Args:
        width: of a token.
        heads: of the self-attention; divides the width.
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
        seen = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.merge(seen.transpose(1, 2).reshape(count, length, width))
        mixed: Tensor = self.mlp(self.norm_mlp(tokens))
        return tokens + mixed


class Transformer(nn.Module):
    """Features at 1/2 (of the stem) and 1/16 of the photo's side, both ≥ 0.

    Args:
        width: of a token.
        depth: number of attention blocks.
        heads: of each.
        channels: of the last map.
    """

    def __init__(self, width: int = 176, depth: int = 6, heads: int = 4, channels: int = 512) -> None:
        super().__init__()
        self.early_channels, self.channels = 24, channels
        self.stem = nn.Sequential(
            convolution(3, 24, 2),
            nn.ReLU(),
            convolution(24, 48, 2),
            nn.ReLU(),
            convolution(48, 96, 2),
            nn.ReLU(),
            nn.Conv2d(96, width, 2, 2),
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
