"""Generalised-mean pooling and the descriptor head on it.

Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018, Eq. 3.
"""

from __future__ import annotations

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
    """GeM, an optional linear projection (whitening), L2 normalisation: d = P f / ||P f||_2.

    Args:
        channels: C of the feature map.
        dim: length of the descriptor; None keeps the pooled features themselves (dim = C).
    """

    def __init__(self, channels: int, dim: int | None = None) -> None:
        super().__init__()
        self.pool = GeM()
        self.projection = nn.Identity() if dim is None else nn.Linear(channels, dim)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to descriptors (N, dim) of unit length."""
        return F.normalize(self.projection(self.pool(features)), dim=1)


class TwoLevelHead(nn.Module):
    """Descriptor of two feature maps: d = [√s L2(P₁ GeM(f₁) + b₁), √(1 − s) L2(P₂ GeM(f₂) + b₂)].

    The early map tells colours and textures apart, the last map what is shown; s is the early one's share of every
    dot product.

    Args:
        channels: of the early and of the last map.
        dims: lengths of the two parts.
        share: s, of the early part.
    """

    def __init__(self, channels: tuple[int, int], dims: tuple[int, int], share: float) -> None:
        super().__init__()
        self.early = DescriptorHead(channels[0], dims[0])
        self.last = DescriptorHead(channels[1], dims[1])
        self.share = share

    def forward(self, features: tuple[Tensor, Tensor]) -> Tensor:
        """Two maps (N, C, h, w) to descriptors (N, sum of dims) of unit length."""
        early, last = self.early(features[0]), self.last(features[1])
        return torch.cat([self.share**0.5 * early, (1 - self.share) ** 0.5 * last], dim=1)
