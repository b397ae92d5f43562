"""CEDD, the colour and edge directivity descriptor, and a differentiable stand-in for it.

Chatzichristofis, Boutalis, "CEDD: color and edge directivity descriptor. A compact descriptor for image indexing
and retrieval", 2008; block geometry, truncations and constants are those of the released code (LIRE).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

COLOURS = 24
"""White, grey, black; then light, pure and dark red, orange, yellow, green, cyan, blue, magenta."""

REGIONS = 6  # no edge, non-directional, horizontal, vertical, 45 degrees, 135 degrees
_DIM = REGIONS * COLOURS

_MASKS = ((2, -2, -2, 2), (1, 1, -1, -1), (1, -1, 1, -1), (1, 0, 0, -1), (0, 1, -1, 0))  # of TL, TR, BL, BR
_GAINS = (1, 1, 1, 2**0.5, 2**0.5)
_SHARES = (0.68, 0.98, 0.98, 0.98, 0.98)  # shares of the strongest response, above which a block belongs to a region
_NO_EDGE = 14  # grey levels; a block whose strongest response is lower has no edge

_LEVELS = (
    (0.000180197, 0.0237300, 0.0614572, 0.113919, 0.179122, 0.260980, 0.341796, 0.554730),  # no edge
    (0.000209252, 0.0224906, 0.0602509, 0.120706, 0.181128, 0.234132, 0.325661, 0.520702),  # non-directional
    (0.000405464, 0.00487798, 0.0108822, 0.0181672, 0.0270434, 0.0381294, 0.0526752, 0.0795554),  # along the axes
    (0.000968885, 0.0107252, 0.0241612, 0.0415559, 0.0628956, 0.0930663, 0.136976, 0.262898),  # diagonal
)
_LEVELS_OF_REGION = (0, 1, 2, 2, 3, 3)

# A fuzzy set begins where the one before it ends: each pair is where the next set rises from 0 to 1.
_HUES = ((5, 10), (35, 50), (70, 85), (150, 165), (195, 205), (265, 280), (315, 330))  # the eighth is red again
_SATURATIONS = ((10, 75),)  # low, high
_VALUES = ((10, 75), (180, 220))  # dark, middling, bright
_TONES = ((68, 188),)  # low, high; of saturation and of value


@dataclass(frozen=True)
class CEDD:
    """A histogram of colours × kinds of edges over blocks: 144 values of 0 to 7, at index 24 region + colour.

    1. Photos are rounded to 8-bit levels and cut into blocks. With s the shorter side in pixels, there are 40 × 40
       blocks if s ≥ 80 and 20 × 20 if 40 ≤ s < 80, with height and width rounded down to even numbers, and
       blocks of 2 × 2 pixels if s < 40. The remainder at the right and bottom is ignored. A photo with a side
       of 1 pixel has no block: its descriptor is 0, which `tanimoto_distances` takes for an empty histogram.
    2. Texture: the means a₁..a₄ of 0.299 R + 0.587 G + 0.114 B over a block's quadrants (top left, top right, bottom
       left, bottom right), truncated, give the responses |2a₁ − 2a₂ − 2a₃ + 2a₄| (non-directional), |a₁ + a₂ − a₃ − a₄|
       (horizontal), |a₁ − a₂ + a₃ − a₄| (vertical), √2 |a₁ − a₄| (45°) and √2 |a₂ − a₃| (135°). If the strongest
       is below 14 the block has no edge; otherwise it belongs to every region whose response exceeds 0.68
       (non-directional) or 0.98 (others) of the strongest.
    3. Colour: the block's mean colour and its hue, saturation and value, each truncated, give 24 memberships
       (`fuzzy_colours`), which are added to the block's regions.
    4. The histogram is divided by its sum, and each value replaced by the nearest of 8 levels of its region, as 0..7.

    Truncation to whole numbers is computed exactly. No gradient passes; `soft_cedd` passes one. Descriptors are
    compared by `tanimoto_distances`. The descriptor of a photo does not depend on the rest of its batch.
    """

    name = "cedd"
    dim = _DIM

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) in [0, 1] to whole numbers of 0 to 7, (N, 144) float32.

        Raises:
            ValueError: if photos have another shape or type, or values that are not finite.
        """
        _check(photos)
        levels = (photos.detach().float().clamp(0, 1) * 255).round_()
        sums, area = _quadrants(levels)
        sums = sums.double()
        regions = _regions((_luma(sums) / (1000 * area)).floor())
        hsv = hue_saturation_value((sums.sum(dim=-1) / (4 * area)).floor())
        histogram = _normalised(regions, fuzzy_colours(*(part.floor() for part in hsv)))
        levels_of_region = histogram.new_tensor(_LEVELS)[list(_LEVELS_OF_REGION)]
        between = (levels_of_region[:, 1:] + levels_of_region[:, :-1]) / 2
        return (histogram[..., None] > between[:, None]).sum(dim=-1).flatten(1).float()

    @staticmethod
    def pack(descriptors: Tensor) -> Tensor:
        """Descriptors (N, 144) to bytes (N, 54), uint8: 3 bits per value, the highest first.

        Raises:
            ValueError: if rows have another length, or values that are not whole numbers of 0 to 7.
        """
        if descriptors.ndim != 2 or descriptors.shape[1] != _DIM:
            raise ValueError(f"CEDD packs descriptors of shape (N, {_DIM}), not {tuple(descriptors.shape)}")
        whole = descriptors.detach().cpu().numpy()
        if not np.isin(whole, np.arange(8)).all():
            raise ValueError("CEDD packs whole numbers of 0 to 7, as its descriptors consist of")
        bits = whole.astype(np.uint8)[..., None] >> np.arange(2, -1, -1, dtype=np.uint8) & 1
        return torch.from_numpy(np.packbits(bits.reshape(len(whole), -1), axis=1))

    @staticmethod
    def unpack(packed: Tensor) -> Tensor:
        """Bytes (N, 54), uint8, to descriptors (N, 144), float32.

        Raises:
            ValueError: if there are not 54 bytes per row.
        """
        if packed.ndim != 2 or packed.shape[1] != _DIM * 3 // 8 or packed.dtype != torch.uint8:
            raise ValueError(f"CEDD unpacks bytes of shape (N, {_DIM * 3 // 8}), not {tuple(packed.shape)}")
        bits = np.unpackbits(packed.cpu().numpy(), axis=1).reshape(len(packed), _DIM, 3)
        return torch.from_numpy(bits @ np.array([4, 2, 1], dtype=np.float32))


def soft_cedd(photos: Tensor, *, temperature: float = 0.2) -> Tensor:
    """CEDD's histogram before its levels are quantised, with a gradient.

    Blocks, responses r_k and fuzzy colours are those of `CEDD`, but nothing is rounded or truncated. With m = max r_k,
    the membership of a block in the region of no edge is e = σ((1 − m/14) / τ), and in the region of response k it is
    (1 − e) σ((r_k/m − t_k) / τ), where t_k is 0.68 or 0.98. As τ → 0 this becomes CEDD's histogram, except for the
    truncations. Gradients are finite for every photo, and 0 for one with a side of 1 pixel.

    Args:
        photos: (N, 3, H, W) in [0, 1].
        temperature: τ, the share of the thresholds over which memberships change. Larger values show an optimiser more:
            30 sign steps within 8/255 took the real descriptor to a Tanimoto distance of 0.27 at τ = 0.005, 0.34 at
            0.05 and 0.48 at 0.2 (means of 8 photos).

    Returns:
        (N, 144), rows of sum 1, or 0 if a photo has no block.

    Raises:
        ValueError: if the temperature is not positive, or photos have another shape or type, or values that are not
            finite.
    """
    if not temperature > 0:
        raise ValueError(f"soft_cedd takes a positive temperature: {temperature}")
    _check(photos)
    sums, area = _quadrants(photos * 255)
    regions = _soft_regions(_luma(sums) / (1000 * area), temperature)
    colours = fuzzy_colours(*hue_saturation_value(sums.sum(dim=-1) / (4 * area)))
    return _normalised(regions, colours).flatten(1)


def soft_levels(histograms: Tensor) -> Tensor:
    """CEDD's 8 levels without steps: a value half-way between levels k and k + 1 of its region becomes k + ½.

    Rounded, this is what `CEDD` gives for the same histogram. Gradients pass between the levels; below the first and
    above the last they are 0.

    Args:
        histograms: (N, 144), see `soft_cedd`.

    Returns:
        (N, 144) in [0, 7].
    """
    levels = torch.tensor(_LEVELS, device="cpu").to(histograms)[list(_LEVELS_OF_REGION)].repeat_interleave(COLOURS, 0)
    rises = (histograms[..., None] - levels[:, :-1]) / (levels[:, 1:] - levels[:, :-1])
    return rises.clamp(0, 1).sum(dim=-1)


def _check(photos: Tensor) -> None:
    if photos.ndim != 4 or photos.shape[1] != 3 or not photos.is_floating_point():
        raise ValueError(
            f"CEDD takes photos of shape (N, 3, H, W), floats in [0, 1], not {photos.dtype} of {tuple(photos.shape)}"
        )
    # Descent along a gradient keeps photos finite, and on a GPU should not wait for the answer.
    if not photos.requires_grad and not bool(torch.isfinite(photos.sum())):  # far faster than each value by itself
        raise ValueError("CEDD takes photos of finite values; there are NaNs or infinities")


def _quadrants(levels: Tensor) -> tuple[Tensor, int]:
    """Sums over the quadrants of blocks, (N, blocks, 3, 4), and the number of pixels in a quadrant.

    Everything else follows from them. In float32, sums of whole levels are exact up to 65,793 pixels per quadrant, as
    in photos of 421 megapixels.
    """
    height, width = levels.shape[-2:]
    if min(height, width) < 40:
        rows, columns, half_height, half_width = height // 2, width // 2, 1, 1
    else:
        rows = columns = 40 if min(height, width) >= 80 else 20
        half_height, half_width = height // rows // 2, width // columns // 2
    used = levels[..., : rows * 2 * half_height, : columns * 2 * half_width]
    if rows and columns:
        used = F.avg_pool2d(used, (half_height, half_width), divisor_override=1)
    quadrants = used.unflatten(-1, (columns, 2)).unflatten(-3, (rows, 2))  # (N, 3, rows, 2, columns, 2)
    return quadrants.permute(0, 2, 4, 1, 3, 5).reshape(len(levels), rows * columns, 3, 4), half_height * half_width


def _luma(sums: Tensor) -> Tensor:
    """1000 (0.299 R + 0.587 G + 0.114 B), which is whole where R, G and B are: (..., 3, 4) to (..., 4)."""
    return 299 * sums[..., 0, :] + 587 * sums[..., 1, :] + 114 * sums[..., 2, :]


def _responses(means: Tensor) -> tuple[Tensor, Tensor]:
    """The responses of the five masks (..., 5), and the strongest (..., 1), in grey levels."""
    responses = (means @ means.new_tensor(_MASKS).T).abs() * means.new_tensor(_GAINS)
    return responses, responses.amax(dim=-1, keepdim=True)


def _regions(means: Tensor) -> Tensor:
    """The regions that each block belongs to: means of quadrants (..., 4) to 0 or 1, (..., 6)."""
    responses, strongest = _responses(means)
    edge = strongest >= _NO_EDGE
    within = responses / strongest.clamp(min=1) > responses.new_tensor(_SHARES)
    return torch.cat([~edge, within & edge], dim=-1).to(means)


def _soft_regions(means: Tensor, temperature: float) -> Tensor:
    responses, strongest = _responses(means)
    edge = torch.sigmoid((strongest / _NO_EDGE - 1) / temperature)
    shares = responses / strongest.clamp(min=1)  # one grey level, far below an edge
    within = torch.sigmoid((shares - responses.new_tensor(_SHARES)) / temperature)
    return torch.cat([1 - edge, edge * within], dim=-1)


def _normalised(regions: Tensor, colours: Tensor) -> Tensor:
    """Blocks' regions (N, B, 6) and colours (N, B, 24) to a histogram (N, 6, 24) of sum 1, or 0 without blocks."""
    histogram = regions.transpose(1, 2) @ colours
    return histogram / histogram.sum(dim=(1, 2), keepdim=True).clamp(min=1e-12)


def hue_saturation_value(colours: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """HSV as CEDD defines it, before it is truncated to whole numbers.

    V = max, S = 255 (max − min) / max, and with d = max − min, by the (first) channel that is the maximum:

        red    H = 60 (G − B) / d where G ≥ B, else 359 + 60 (G − B) / d
        green  H = 119 + 60 (B − R) / d
        blue   H = 239 + 60 (R − G) / d

    Hence H = 0 where d = 0. Divisors are at least 1, which changes nothing for whole levels and keeps gradients finite.

    Args:
        colours: (..., 3), RGB in levels of 0 to 255.

    Returns:
        H in degrees, S and V in 0 to 255, each (...).
    """
    red, green, blue = colours.unbind(dim=-1)
    value, least = colours.amax(dim=-1), colours.amin(dim=-1)
    spread = value - least
    saturation = 255 * spread / value.clamp(min=1)
    divisor = spread.clamp(min=1)
    from_red = 60 * (green - blue) / divisor
    from_red = torch.where(green >= blue, from_red, 359 + from_red)
    from_green = 119 + 60 * (blue - red) / divisor
    from_blue = 239 + 60 * (red - green) / divisor
    hue = torch.where(red == value, from_red, torch.where(green == value, from_green, from_blue))
    return hue, saturation, value


def _memberships(amounts: Tensor, rises: Sequence[tuple[int, int]]) -> Tensor:
    """Memberships in K + 1 fuzzy sets, (...) to (..., K + 1): trapezoids that sum to 1 everywhere."""
    starts, ends = amounts.new_tensor(rises).unbind(dim=1)
    risen = ((amounts[..., None] - starts) / (ends - starts)).clamp(0, 1)
    whole = torch.ones_like(amounts)[..., None]
    return torch.cat([whole, risen], dim=-1) - torch.cat([risen, torch.zeros_like(whole)], dim=-1)


def fuzzy_colours(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Memberships of a block in 24 colours: (...) each to (..., 24). Rows need not sum to 1.

    First come ten colours, by 48 rules, one for each set of H (8), S (2) and V (3): a rule gives its colour the minimum
    of its three memberships. Dark V is black, low S is grey with middle V and white with bright V, and all else has the
    colour of its hue set (the eighth, like the first, is red). Then each of the seven hues is multiplied by three
    tones, with new sets of S and V: light min(S low, V high), pure min(S high, V high), and dark
    min(S low, V low) + min(S high, V low). This is sections 2 and 3 of the paper, with the sets of the released code.
    """
    hues = _memberships(hue, _HUES)
    shades = torch.minimum(
        _memberships(saturation, _SATURATIONS)[..., :, None], _memberships(value, _VALUES)[..., None, :]
    )
    rules = torch.minimum(hues[..., :, None, None], shades[..., None, :, :])  # (..., H, S, V)
    fired = rules.sum(dim=-3)
    black = fired[..., 0, 0] + fired[..., 1, 0]
    neutral = torch.stack([fired[..., 0, 2], fired[..., 0, 1], black], dim=-1)
    hued = rules[..., 1, 1] + rules[..., 1, 2]
    hued = torch.cat([hued[..., :1] + hued[..., 7:], hued[..., 1:7]], dim=-1)
    low_s, high_s = _memberships(saturation, _TONES).unbind(dim=-1)
    low_v, high_v = _memberships(value, _TONES).unbind(dim=-1)
    light, pure = torch.minimum(low_s, high_v), torch.minimum(high_s, high_v)
    dark = torch.minimum(low_s, low_v) + torch.minimum(high_s, low_v)
    tones = torch.stack([light, pure, dark], dim=-1)
    return torch.cat([neutral, (hued[..., :, None] * tones[..., None, :]).flatten(-2)], dim=-1)
