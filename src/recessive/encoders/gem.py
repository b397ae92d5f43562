"""Generalised-mean pooling and the descriptor head on it.

Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018, Eq. 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GeM(nn.Module):
    """Generalised mean over places: f_c = (mean_{hw} max(z_chw, ε)^p)^(1/p), one learned p for all channels.

    p = 1 is average pooling, p → ∞ is max pooling. (N, C, h, w) to (N, C).

    Args:
        p: the initial exponent (3 in the paper).
        eps: the floor ε under the features, which keeps the root's gradient finite.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to pooled features (N, C)."""
        return features.float().clamp(min=self.eps).pow(self.p).mean(dim=(2, 3)).pow(1.0 / self.p)


class DescriptorHead(nn.Module):
    """GeM, an optional linear projection (whitening), L2 normalisation: d = P f ||P f||₂^(e − 1), e = 0 by default.

    Args:
        channels: C of the feature map.
        dim: length of the descriptor; None keeps the pooled features themselves (dim = C).
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
    """Descriptor of several parts: d = L2([√s_i p_i]_i) with shares s_i that sum to 1.

    Each part looks at one feature map: an early one tells colours and edges apart, the last one what is shown. A part
    p_i is P_i GeM(f_i) + b_i, its length ℓ_i brought to ℓ_i^e_i. A part that separates known classes is short for a
    photo of none of them, and then leaves the word to the others: the more so, the higher its exponent e_i.

    Args:
        parts: of each part, which map it looks at, that map's channels, how many values it has, and the exponent of
            its length.
    """

    shares: Tensor

    def __init__(self, parts: Sequence[tuple[int, int, int, float]]) -> None:
        super().__init__()
        self.levels = [level for level, _, _, _ in parts]
        self.dim = sum(dim for _, _, dim, _ in parts)
        self.parts = nn.ModuleList(DescriptorHead(channels, dim, exponent=e) for _, channels, dim, e in parts)
        self.register_buffer("shares", torch.full((len(self.parts),), 1 / len(self.parts)))

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Maps (N, C, h, w) to descriptors (N, sum of lengths) of unit length."""
        weighted = [
            share.sqrt() * part(features[level])
            for share, level, part in zip(self.shares, self.levels, self.parts, strict=True)
        ]
        return F.normalize(torch.cat(weighted, dim=1), dim=1)
