"""JPEG: what most platforms do to an upload, and what saving as .jpg does to a photo.

Source: ITU-T T.81, annexes A and K. Tables are scaled, chroma is halved and doubled, and values are rounded as in
libjpeg, so that both agree except for a few coefficients on the edge between two levels. On two photos of 640 × 427
the agreement is 50 to 62 dB at qualities 1 to 100; kornia's `jpeg_codec_differentiable` reaches 36 to 48 dB in four
times the time.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from recessive.photos.formats import scaled_tables
from recessive.transforms.transform import Transform, from_bytes, round_straight_through, to_bytes

_TO_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]])
_FROM_YCC = torch.linalg.inv(_TO_YCC)
_SUBSAMPLINGS = {"4:2:0": 2, "4:4:4": 0}  # Pillow's numbers


@cache
def quantisation_tables(quality: int) -> Tensor:
    """Luminance and chrominance tables (2, 8, 8) of libjpeg at a quality of 1 to 100."""
    return torch.from_numpy(scaled_tables(np.array([quality]))[0]).float().view(2, 8, 8)


@cache
def _dct() -> Tensor:
    """The orthonormal DCT-II of an 8 × 8 block read row by row, (64, 64): c = M x, x = Mᵀ c."""
    k, n = np.mgrid[:8, :8]
    matrix = 0.5 * np.cos((2 * n + 1) * k * np.pi / 16)
    matrix[0] /= np.sqrt(2)
    return torch.from_numpy(np.kron(matrix, matrix)).float()


def _blocks(planes: Tensor) -> Tensor:
    """Planes (N, C, H, W) with sides of whole blocks to rows of 64 values."""
    count, channels, height, width = planes.shape
    return planes.view(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4).reshape(-1, 64)


def _planes(blocks: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `_blocks`."""
    count, channels, height, width = shape
    return blocks.view(count, channels, height // 8, width // 8, 8, 8).transpose(3, 4).reshape(shape)


class _Quantise(torch.autograd.Function):
    """Planes (N, C, H, W) of whole blocks, centred on 0, through quantised DCT coefficients and back.

    A coefficient c becomes q round(c/q). Its gradient passes unchanged where the coefficient survives, and is
    multiplied by 2|c|/q where it is rounded to 0: with the identity everywhere, a search would spend the budget on
    small changes that the file does not keep.
    """

    @staticmethod
    def forward(ctx: Any, planes: Tensor, table: Tensor) -> Tensor:  # noqa: ANN401 - torch does not type it
        """(N, C, H, W), (8, 8) to (N, C, H, W)."""
        dct, steps = _dct().to(planes), table.to(planes).view(64)
        # libjpeg's coefficients are the integers 8 c, so that ties are frequent; they are rounded away from 0.
        coefficients = (_blocks(planes) @ dct.T).mul_(8).round_()
        levels = (coefficients.abs() + 4 * steps).div_(8 * steps).floor_()
        slopes = (coefficients.abs() / (4 * steps)).masked_fill_(levels > 0, 1)
        ctx.save_for_backward(slopes)
        return _planes((levels * coefficients.sign() * steps) @ dct, planes.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """The gradient of the planes; the table has none."""
        (slopes,) = ctx.saved_tensors
        (gradient,) = gradients
        dct = _dct().to(gradient)
        return _planes(((_blocks(gradient.contiguous()) @ dct.T) * slopes) @ dct, gradient.shape), None


def _quantise(planes: Tensor, table: Tensor) -> Tensor:
    """`_Quantise` for sides of any length, rounded to levels of −128 to 127."""
    height, width = planes.shape[-2:]
    whole = F.pad(planes, (0, -width % 8, 0, -height % 8), mode="replicate")
    decoded: Tensor = _Quantise.apply(whole, table)  # type: ignore[no-untyped-call]
    decoded = decoded[..., :height, :width]
    return round_straight_through(decoded).clamp(-128, 127)


def _floor_by_turns(chroma: Tensor, even: float, odd: float) -> Tensor:
    """floor(chroma + `even`) in columns 0, 2, … and floor(chroma + `odd`) in the others, straight through."""
    turns = torch.tensor([even, odd]).to(chroma).repeat(chroma.shape[-1] // 2)
    return chroma + (torch.floor(chroma + turns) - chroma).detach()


def _halve(chroma: Tensor) -> Tensor:
    """The mean of each 2 × 2 pixels, of rows padded to 16 pixels; ties are rounded down and up in alternate columns."""
    height, width = chroma.shape[-2:]
    padded = F.pad(chroma, (0, -width % 16, 0, height % 2), mode="replicate")
    return _floor_by_turns(F.avg_pool2d(padded, 2), 1 / 4, 1 / 2)


def _double(chroma: Tensor) -> Tensor:
    """Interpolates with the weights 9/16, 3/16, 3/16 and 1/16; ties are rounded up and down in alternate columns."""
    return _floor_by_turns(F.interpolate(chroma, scale_factor=2, mode="bilinear"), 8 / 16, 7 / 16)


@dataclass(frozen=True)
class JPEG(Transform):
    """Compresses and decompresses. Rounding to levels passes the gradient of the identity (straight through).

    Attributes:
        quality: 1 to 100, on libjpeg's scale.
        subsampling: the chroma subsampling: "4:2:0", which platforms use, or "4:4:4", which `recessive.photos` uses.
    """

    word = "jpeg"
    number = int
    bounds = 1, 100
    figure = r"([1-9][0-9]?|100)(:4:(4:4|2:0))?"
    takes = "a quality of 1 to 100, and optionally a chroma subsampling of 4:2:0 or 4:4:4"
    examples = ("jpeg:90", "jpeg:75", "jpeg:50")

    quality: int = 75
    subsampling: str = "4:2:0"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.subsampling not in _SUBSAMPLINGS:
            raise ValueError(f"jpeg takes a chroma subsampling of {' or '.join(_SUBSAMPLINGS)}: {self.subsampling}")

    @classmethod
    def parse(cls, figure: str) -> JPEG:
        """See `Transform`."""
        quality, _, subsampling = figure.partition(":")
        return cls(int(quality), subsampling or "4:2:0")

    @property
    def name(self) -> str:
        """Such as jpeg:75, or jpeg:90:4:4:4 without subsampling."""
        return f"jpeg:{self.quality}" + ("" if self.subsampling == "4:2:0" else f":{self.subsampling}")

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) in [0, 1] to the same shape."""
        height, width = photos.shape[-2:]
        levels = round_straight_through(photos * 255)
        ycc = torch.einsum("dc,nchw->ndhw", _TO_YCC.to(photos), levels)
        luma = round_straight_through(ycc[:, :1]) - 128
        chroma = ycc[:, 1:] + (torch.ceil(ycc[:, 1:] - 0.5) - ycc[:, 1:]).detach()  # halves down, as libjpeg
        tables = quantisation_tables(self.quality)
        luma = _quantise(luma, tables[0])
        if self.subsampling == "4:2:0":
            small = _quantise(_halve(chroma), tables[1])[..., : (width + 1) // 2]
            chroma = _double(small)[..., :height, :width]
        else:
            chroma = _quantise(chroma, tables[1])
        rgb = torch.einsum("cd,ndhw->nchw", _FROM_YCC.to(photos), torch.cat([luma + 128, chroma], dim=1))
        return round_straight_through(rgb).clamp(0, 255) / 255

    def real(self, photos: Tensor) -> Tensor:
        """libjpeg's compression and decompression."""
        decoded = []
        for photo in to_bytes(photos):
            stored = io.BytesIO()
            options = {"quality": self.quality, "subsampling": _SUBSAMPLINGS[self.subsampling]}
            Image.fromarray(photo).save(stored, "JPEG", **options)
            decoded.append(np.asarray(Image.open(stored)))
        return from_bytes(decoded)
