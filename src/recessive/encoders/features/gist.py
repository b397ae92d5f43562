"""GIST: the energy of each scale and orientation in each of 4 × 4 blocks of a photo.

Sources: Oliva, Torralba, "Modeling the shape of the scene: a holistic representation of the spatial envelope", 2001,
with the constants of their released code (LMgist); for the colour variant, Douze et al., "Evaluation of GIST
descriptors for web-scale image search", 2009 (the Lear port).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

_BLOCKS = 4  # a side
_CUT_OFF = 4.0  # cycles per image, below which the prefilter removes frequencies
_PREFILTER_BORDER, _BORDER = 5, 32  # pixels
_CHUNK = 2**18  # complex values that are transformed at once; more do not fit into the cache


class GIST(nn.Module):
    """Energies of Gabor filters in blocks: 512-D for a grey photo, 960-D for a coloured one. Differentiable.

    1. The centre square of the photo is resized to `size` (antialiased bilinear; LMgist resizes first and then crops,
       which differs at the borders only). Grey: the mean I of the channels, stretched linearly to 0..255, but by no
       more than a range of one 8-bit level, so that a constant photo is 0. Colour: the levels 0..255 of each channel.
    2. Prefilter: with x = log(1 + I), mirrored by 5 pixels, and G = exp(−(fx² + fy²) ln 2 / 4²) of frequencies in
       cycles per image,

           y = x − IFFT(G FFT(x)),    z = y / (0.2 + √|IFFT(G FFT(y²))|),    cropped by 5.

       Colour channels share the denominator, which is that of their mean y.
    3. z, in grey mirrored by 32 pixels, so that its side is n, passes the filters of `gabor_transfer`, and
       |IFFT(G FFT(z))|, cropped again, is averaged over 4 × 4 blocks with edges ⌊size k / 4⌋.

    Scaling: filters peak at 1, and the inverse FFT is the one with 1/n², so z = cos(2π f·x) with f at a filter's
    peak gives ½. Values are ordered by channel, scale, orientation, row of blocks, column of blocks, the last fastest.
    Descriptors are compared by `euclidean_distances`. A constant photo gives 0, as far as rounding allows, and finite
    gradients.

    Args:
        size: the side in pixels of the square that is described; even, at least 8. The colour variant is often used at
            32.
        colour: whether to apply 20 filters (8, 8 and 4 orientations) to each channel, without the border of 32 pixels,
            instead of 32 filters (8 orientations at 4 scales) to the mean of the channels.

    Raises:
        ValueError: if the size is odd or too small.
    """

    bank: Tensor
    lowpass: Tensor
    pool: Tensor

    def __init__(self, size: int = 256, *, colour: bool = False) -> None:
        if size < 8 or size % 2:
            raise ValueError(f"GIST takes an even size of at least 8 pixels: {size}")
        super().__init__()
        self.name = "gist-colour" if colour else "gist"
        self.colour = colour
        self.size = size
        orientations = (8, 8, 4) if colour else (8, 8, 8, 8)
        self.dim = sum(orientations) * _BLOCKS**2 * (3 if colour else 1)
        self.border = 0 if colour else _BORDER
        square = _frequencies(size + 2 * _PREFILTER_BORDER).square()
        lowpass = torch.exp(-(square[:, None] + square) * math.log(2) / _CUT_OFF**2)
        self.register_buffer("bank", gabor_transfer(size + 2 * self.border, orientations).float(), persistent=False)
        self.register_buffer("lowpass", lowpass[:, : len(square) // 2 + 1].float(), persistent=False)
        edges = [size * k // _BLOCKS for k in range(_BLOCKS + 1)]
        pool = torch.zeros(size + 2 * self.border, _BLOCKS)
        for block, (start, end) in enumerate(itertools.pairwise(edges)):
            pool[self.border + start : self.border + end, block] = 1 / (end - start)
        self.register_buffer("pool", pool, persistent=False)

    def forward(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) in [0, 1], of any size, to energies (N, dim), at least 0.

        Raises:
            ValueError: if photos have another shape or type, or values that are not finite.
        """
        if photos.ndim != 4 or photos.shape[1] != 3 or not photos.is_floating_point() or 0 in photos.shape[2:]:
            given = f"{photos.dtype} of {tuple(photos.shape)}"
            raise ValueError(f"GIST takes photos of shape (N, 3, H, W), floats in [0, 1], not {given}")
        # Descent along a gradient keeps photos finite, and on a GPU should not wait for the answer.
        if not photos.requires_grad and not bool(torch.isfinite(photos.sum())):  # far faster than each value by itself
            raise ValueError("GIST takes photos of finite values; there are NaNs or infinities")
        photos = photos.to(self.bank.dtype)
        if not len(photos):
            return photos.new_zeros(0, self.dim)  # MKL does not transform empty batches
        levels = self._levels(photos) if self.colour else self._stretched_grey(photos)
        filtered = _mirrored(self._prefiltered(levels), self.border)
        return self._energies(filtered.flatten(0, 1)).view(len(photos), self.dim)

    def _levels(self, photos: Tensor) -> Tensor:
        return 255 * _centre_square(photos, self.size).clamp(min=0)  # negative values have no logarithm

    def _stretched_grey(self, photos: Tensor) -> Tensor:
        grey = _centre_square(photos.mean(dim=1, keepdim=True), self.size)
        least, most = grey.amin(dim=(2, 3), keepdim=True), grey.amax(dim=(2, 3), keepdim=True)
        return 255 * (grey - least) / (most - least).clamp(min=1 / 255)

    def _prefiltered(self, levels: Tensor) -> Tensor:
        """Levels (N, C, size, size) without low frequencies, and with the local contrast equalised."""
        logs = _mirrored(levels.log1p(), _PREFILTER_BORDER)
        detail = logs - self._low_pass(logs)
        local = self._low_pass(detail.mean(dim=1, keepdim=True).square()).abs()
        inner = slice(_PREFILTER_BORDER, -_PREFILTER_BORDER)
        return (detail / (0.2 + local.clamp(min=1e-12).sqrt()))[..., inner, inner]  # a root has no gradient at 0

    def _low_pass(self, values: Tensor) -> Tensor:
        """IFFT(G FFT(values)): G is even, so that half of the frequencies are enough."""
        low: Tensor = torch.fft.irfft2(torch.fft.rfft2(values) * self.lowpass, s=values.shape[-2:])
        return low

    def _energies(self, maps: Tensor) -> Tensor:
        """Mean magnitudes of all filters in all blocks: (M, n, n) to (M, filters, 4, 4)."""
        chunks = maps.split(max(1, _CHUNK // maps.shape[-1] ** 2))
        energies = [_BlockEnergies.apply(torch.fft.fft2(c), self.bank, self.pool) for c in chunks]  # type: ignore[no-untyped-call]
        return torch.cat(energies)


class _BlockEnergies(torch.autograd.Function):
    """Pᵀ |IFFT(G S)| P for each filter G: spectra S (M, n, n), bank (K, n, n) and P (n, 4) to (M, K, 4, 4).

    Backward recomputes the responses from S, which is as fast as keeping them: they take 40 MB per photo of 256 pixels.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, spectra: Tensor, bank: Tensor, pool: Tensor) -> Tensor:
        ctx.save_for_backward(spectra, bank, pool)
        blocks = []
        for transfer in bank:
            response = torch.fft.ifft2(spectra * transfer)
            blocks.append(pool.T @ (_power(response).sqrt_() @ pool))
        return torch.stack(blocks, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 - as torch declares it
        """∂|R| is R / |R|, and 0 at 0; the adjoint of the inverse FFT is the FFT with 1/n²."""
        spectra, bank, pool = ctx.saved_tensors
        total = torch.zeros_like(spectra)
        for index, transfer in enumerate(bank):
            response = torch.fft.ifft2(spectra * transfer)
            weights = pool @ gradients[0][:, index] @ pool.T
            response *= weights * _power(response).add_(1e-30).rsqrt_()
            total.addcmul_(torch.fft.fft2(response, norm="forward"), transfer)
        return total, None, None


def _power(response: Tensor) -> Tensor:
    return response.real.square().addcmul_(response.imag, response.imag)


def gabor_transfer(side: int, orientations: tuple[int, ...]) -> Tensor:
    """Transfer functions of GIST's filters, in the order of FFT's frequencies: (filters, side, side), float64.

    At frequency (fx, fy) in cycles per image, with f = √(fx² + fy²), filter j of n at scale i is

        G = exp(−3.5 (f / (side f_i) − 1)² − 2π b t²),    f_i = 0.3 / 1.85^i,    b = 16 n² / 32²,

    and t the angle of (fx, fy) plus π j / n, wrapped to [−π, π]: it peaks at 1, where f = side f_i at the
    angle −π j / n, and passes only one of two opposite frequencies.

    Args:
        side: the side of the image in pixels, even.
        orientations: the number n of orientations at each scale i.
    """
    frequencies = _frequencies(side)
    across, down = frequencies[None, :], frequencies[:, None]
    radius, angle = torch.hypot(across, down), torch.atan2(down, across)
    bank = []
    for scale, number in enumerate(orientations):
        radial = -3.5 * (radius / side / (0.3 / 1.85**scale) - 1).square()
        for orientation in range(number):
            turned = angle + math.pi * orientation / number
            turned = torch.where(turned > math.pi, turned - 2 * math.pi, turned)
            bank.append(torch.exp(radial - 2 * math.pi * (16 * number**2 / 32**2) * turned.square()))
    return torch.stack(bank)


def _frequencies(side: int) -> Tensor:
    """0, 1, .., side/2 − 1, −side/2, .., −1: cycles per image, in the order of the FFT."""
    frequencies: Tensor = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64)
    return frequencies.round()


def _centre_square(values: Tensor, size: int) -> Tensor:
    """The largest square in the middle, resized: (N, C, H, W) to (N, C, size, size)."""
    height, width = values.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = values[..., top : top + side, left : left + side]
    return square if side == size else F.interpolate(square, (size, size), mode="bilinear", antialias=True)


def _mirrored(values: Tensor, border: int) -> Tensor:
    """Pad symmetrically by a border, repeating the pixels at the rim; a wide border mirrors several times."""
    side = values.shape[-1]
    places = torch.arange(-border, side + border, device=values.device) % (2 * side)
    places = torch.where(places < side, places, 2 * side - 1 - places)
    return values[..., places[:, None], places] if border else values
