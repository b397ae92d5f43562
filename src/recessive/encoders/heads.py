"""Pooling and heads: a feature map z (N, C, h, w) to one vector per photo.

Global pooling gives (N, C), by one of

GeM    f_c = (mean_{hw} z_chw^p)^(1/p)           Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no
human annotation", 2018, Eq. 3
MAC    f_c = max_{hw} z_chw                      Razavian et al., "Visual instance retrieval with deep convolutional
networks", 2016; GeM with p → ∞
SPoC   f_c = mean_{hw} z_chw                     Babenko, Lempitsky, "Aggregating deep convolutional features for
image retrieval", 2015, without its centre prior; GeM with p = 1
R-MAC  f = unit(Σ_r unit(max_{hw in r} z_chw))   Tolias, Sicre, Jégou, "Particular object retrieval with integral
max-pooling of CNN activations", 2016, section 3
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 3  # L of the paper on R-MAC
_MOST_EXTRA = 6  # the most squares that are added along the longer side


class GeM(nn.Module):
    """Generalised mean over places: f_c = (mean_{hw} max(z_chw, ε)^p)^(1/p), with one learned p for all channels.

    p = 1 is average pooling, p → ∞ is max pooling.

    Args:
        p: the initial exponent (3 in the paper).
        eps: the floor ε under the features, which keeps the gradient of the root finite.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to pooled features (N, C)."""
        return features.float().clamp(min=self.eps).pow(self.p).mean(dim=(2, 3)).pow(1.0 / self.p)


class MAC(nn.Module):
    """Maximum over places: f_c = max_{hw} z_chw."""

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to pooled features (N, C)."""
        return features.amax(dim=(2, 3))


class SPoC(nn.Module):
    """Mean over places: f_c = mean_{hw} z_chw. The sum in the paper has the same direction."""

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to pooled features (N, C)."""
        return features.mean(dim=(2, 3))


def unit(vectors: Tensor) -> Tensor:
    """v / (‖v‖₂ + 1e-6) along the last dimension, as in the public code of GeM and R-MAC: zero stays zero."""
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / (length + 1e-6)


class Squares(NamedTuple):
    """The regions of one level: squares of one side, at each pair of a top and a left.

    Attributes:
        side: the side of a square, in places of the map.
        tops: the first rows.
        lefts: the first columns.
    """

    side: int
    tops: list[int]
    lefts: list[int]


def squares(height: int, width: int, levels: int = LEVELS) -> list[Squares]:
    """The overlapping squares of R-MAC on a map of height × width.

    Level l = 1 … L has squares of side ⌊2 min(h, w) / (l + 1)⌋: l of them along the shorter side and l + m along the
    longer one (m = 0 on a square map), evenly spread from border to border, with corners rounded down. m in 1 … 6 is
    chosen such that m + 1 squares as large as the shorter side overlap by as near to 40% as possible:
    1 − (long − short) / (m short) ≈ 0.4, the smaller m of two as near. Levels whose side is 0, on maps of one place,
    are left out.

    Args:
        height: h ≥ 1.
        width: w ≥ 1.
        levels: L.
    """
    short, spare = min(height, width), abs(height - width)
    extra = min(range(1, _MOST_EXTRA + 1), key=lambda m: Fraction(abs(3 * m * short - 5 * spare), m)) if spare else 0
    found = []
    for level in range(1, levels + 1):
        side = 2 * short // (level + 1)
        if side:
            tops = _spread(height - side, level + (extra if height > width else 0))
            lefts = _spread(width - side, level + (extra if width > height else 0))
            found.append(Squares(side, tops, lefts))
    return found


def _spread(last: int, count: int) -> list[int]:
    """Whole numbers from 0 to last at even distances."""
    return [i * last // max(count - 1, 1) for i in range(count)]


class RMAC(nn.Module):
    """Regional maxima: f = unit(Σ_r unit(max_{hw in r} z_chw)) over regions r: the whole map and its `squares`.

    The whole map counts beside the squares, as in the public code; the sum in the paper leaves it out. On a square map
    it is also the square of level 1, and counts twice.

    Args:
        levels: L of the `squares`.
    """

    def __init__(self, levels: int = LEVELS) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to pooled features (N, C) of unit length."""
        height, width = features.shape[2:]
        maxima = [features.amax(dim=(2, 3))]
        for side, tops, lefts in squares(height, width, self.levels):
            for top in tops:  # the maxima of columns serve all squares of one row
                columns = features[:, :, top : top + side].amax(dim=2)
                maxima += [columns[:, :, left : left + side].amax(dim=2) for left in lefts]
        return unit(unit(torch.stack(maxima, dim=1)).sum(dim=1))


class RegionalPooling(nn.Module):
    """f = unit(Σ_r unit(W unit(pool(r)) + b)) over the regions of `RMAC`, with any pooling.

    Args:
        pool: regions (M, C, side, side) to (M, C).
        whiten: W and b, for vectors (…, C).
        levels: L of the `squares`.
    """

    def __init__(self, pool: nn.Module, whiten: nn.Linear, levels: int = LEVELS) -> None:
        super().__init__()
        self.rpool = pool
        self.whiten = whiten
        self.levels = levels

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to pooled features (N, C) of unit length."""
        count, channels, height, width = features.shape
        pooled = [self.rpool(features)[:, None]]
        for side, tops, lefts in squares(height, width, self.levels):
            rows = features.unfold(2, side, 1)[:, :, tops]
            regions = rows.unfold(3, side, 1)[:, :, :, lefts].permute(0, 2, 3, 1, 4, 5)
            vectors: Tensor = self.rpool(regions.reshape(-1, channels, side, side))
            pooled.append(vectors.view(count, len(tops) * len(lefts), channels))
        whitened: Tensor = self.whiten(unit(torch.cat(pooled, dim=1)))
        return unit(unit(whitened).sum(dim=1))


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
