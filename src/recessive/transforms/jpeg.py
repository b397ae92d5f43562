"""JPEG: what most platforms do to an upload, and what a saved .jpg does to itself.

Source: ITU-T T.81, annexes A and K, with libjpeg's scaling of the tables by quality.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from recessive.transforms.rounding import from_bytes, round_straight_through, to_bytes

_LUMINANCE = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
_CHROMINANCE = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""
_TO_YCC = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]]
)
_SUBSAMPLINGS = {"4:4:4": 0, "4:2:0": 2}  # as Pillow numbers them


@cache
def quantisation_tables(quality: int) -> Tensor:
    """Luminance and chrominance tables (2, 8, 8) of libjpeg at a quality of 1 to 100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = torch.tensor([[int(n) for n in table.split()] for table in (_LUMINANCE, _CHROMINANCE)])
    return ((base * scale + 50) // 100).clamp(1, 255).float().view(2, 8, 8)


@cache
def _dct() -> Tensor:
    """The orthonormal 8 × 8 DCT-II matrix: C = M x Mᵀ."""
    k, n = np.mgrid[:8, :8]
    matrix = 0.5 * np.cos((2 * n + 1) * k * np.pi / 16)
    matrix[0] /= np.sqrt(2)
    return torch.from_numpy(matrix).float()


def _quantise_plane(plane: Tensor, table: Tensor) -> Tensor:
    """Planes (N, C, H, W) in levels, centred on 0, through blocks of quantised DCT coefficients and back."""
    count, channels, height, width = plane.shape
    padded = F.pad(plane, (0, -width % 8, 0, -height % 8), mode="replicate")
    rows, columns = padded.shape[2] // 8, padded.shape[3] // 8
    blocks = padded.view(count, channels, rows, 8, columns, 8).transpose(3, 4)
    dct = _dct()
    coefficients = round_straight_through(dct @ blocks @ dct.T / table) * table
    blocks = dct.T @ coefficients @ dct
    return blocks.transpose(3, 4).reshape(padded.shape)[..., :height, :width]


@dataclass(frozen=True)
class JPEG:
    """Compress and decompress. Rounding passes the gradient of the identity (straight through).

    Attributes:
        quality: 1 to 100, libjpeg's scale.
        subsampling: of colour: "4:2:0", which platforms use, or "4:4:4", which our own saved files use.
    """

    quality: int = 75
    subsampling: str = "4:2:0"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100 or self.subsampling not in _SUBSAMPLINGS:
            raise ValueError(f"jpeg takes a quality of 1 to 100: {self.quality}")

    @property
    def name(self) -> str:
        """Such as jpeg:75."""
        return f"jpeg:{self.quality}"

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) in [0, 1] to the same shape, differentiable."""
        height, width = photos.shape[-2:]
        levels = round_straight_through(photos * 255)
        ycc = round_straight_through(torch.einsum("dc,nchw->ndhw", _TO_YCC, levels))
        luma, chroma = ycc[:, :1] - 128, ycc[:, 1:]
        tables = quantisation_tables(self.quality)
        luma = _quantise_plane(luma, tables[0])
        if self.subsampling == "4:2:0":
            even = F.pad(chroma, (0, width % 2, 0, height % 2), mode="replicate")
            small = _quantise_plane(round_straight_through(F.avg_pool2d(even, 2)), tables[1])
            chroma = F.interpolate(round_straight_through(small), scale_factor=2, mode="bilinear")
            chroma = chroma[..., :height, :width]
        else:
            chroma = _quantise_plane(chroma, tables[1])
        ycc = round_straight_through(torch.cat([luma + 128, chroma], dim=1))
        rgb = torch.einsum("cd,ndhw->nchw", torch.linalg.inv(_TO_YCC), ycc)
        return round_straight_through(rgb).clamp(0, 255) / 255

    def real(self, photos: Tensor) -> Tensor:
        """What libjpeg makes of them; no gradient."""
        decoded = []
        for photo in to_bytes(photos):
            stored = io.BytesIO()
            options = {"quality": self.quality, "subsampling": _SUBSAMPLINGS[self.subsampling]}
            Image.fromarray(photo).save(stored, "JPEG", **options)
            decoded.append(np.asarray(Image.open(stored)))
        return from_bytes(decoded)
