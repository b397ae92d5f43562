"""Heads: the features of a trunk to a descriptor of unit length, or to the logits of a code.

Both pool a feature map by GeM and project it linearly. `DescriptorHead` and `PartedHead` then normalise the length,
`HashLayer` normalises each bit over the training photos.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.encoders.pooling import GeM


class DescriptorHead(nn.Module):
    """GeM, an optional linear projection (whitening), L2 normalisation: d = P f ‖P f‖₂^(e − 1).

    Args:
        channels: C of the feature map.
        dim: the length of the descriptor; None keeps the pooled features themselves (dim = C).
        exponent: e, of the length that is kept: 0 is unit length, 1 is P f as it is, beyond it long ones gain.
    """

    def __init__(self, channels: int, dim: int | None = None, *, exponent: float = 0.0) -> None:
        super().__init__()
        self.exponent = exponent
        self.pool = GeM()
        self.projection = nn.Identity() if dim is None else nn.Linear(channels, dim)

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps (N, C, h, w), or pooled features (N, C), to descriptors (N, dim), of unit length by default."""
        projected: Tensor = self.projection(self.pool(features) if features.ndim == 4 else features)
        length: Tensor = projected.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return projected / length.pow(1 - self.exponent)


class PartedHead(nn.Module):
    """A descriptor of several parts: d = L2([√s_i p_i]_i) with shares s_i that sum to 1.

    Each part looks at one feature map: an early one tells colours and edges apart, the last one what is shown. A part
    is p_i = P_i GeM(f_i) + b_i with its length ℓ_i replaced by ℓ_i^e_i. A part that separates known classes is short
    for a photo of none of them, and then leaves the decision to the other parts, the more so the higher its exponent.

    Args:
        parts: for each part, the index of its map, that map's channels, the number of values, and the exponent e_i.
    """

    shares: Tensor

    def __init__(self, parts: Sequence[tuple[int, int, int, float]]) -> None:
        super().__init__()
        self.levels = [level for level, _, _, _ in parts]
        self.dim = sum(dim for _, _, dim, _ in parts)
        self.parts = nn.ModuleList(DescriptorHead(channels, dim, exponent=e) for _, channels, dim, e in parts)
        self.register_buffer("shares", torch.full((len(self.parts),), 1 / len(self.parts)))

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Maps (N, C, h, w) to descriptors (N, sum of the parts' lengths) of unit length."""
        weighted = [
            share.sqrt() * part(features[level])
            for share, level, part in zip(self.shares, self.levels, self.parts, strict=True)
        ]
        return F.normalize(torch.cat(weighted, dim=1), dim=1)


class HashLayer(nn.Module):
    """Pooled features to logits: u = norm(W f + b), whose signs are the code.

    The batch normalisation has no scale and keeps the mean of each bit near 0 over the training photos, so that each
    bit splits them in halves (Hoe et al., "One loss for all: deep hashing with a single cosine similarity based
    learning objective", 2021, section 3.3). In evaluation mode it is a fixed linear map.

    Args:
        channels: C of the features.
        bits: the length of the code.
    """

    def __init__(self, channels: int, bits: int) -> None:
        super().__init__()
        self.pool = GeM()
        self.linear = nn.Linear(channels, bits)
        self.norm = nn.BatchNorm1d(bits, affine=False)

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps (N, C, h, w), or pooled features (N, C), to logits (N, bits)."""
        pooled = self.pool(features) if features.ndim == 4 else features
        logits: Tensor = self.norm(self.linear(pooled))
        return logits
