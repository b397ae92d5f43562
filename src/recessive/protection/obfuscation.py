"""Obfuscations: how photos were hidden before there were gradients. No encoder is consulted.

Most papers only name these baselines or show them in a figure. Where a figure gives a PSNR, the strength is chosen to
match it; the departures of each method say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from scipy.optimize import brentq
from torch import Tensor

from recessive.balls import LInf
from recessive.protection.constants import Bounds, NotNegative, Positive, Share
from recessive.protection.method import GradientFree, Method, MethodError
from recessive.quality import ssim
from recessive.transforms import BitDepth, Blur

WEAKEST_BLUR = 0.1  # pixels, of `Blur`
COARSE = 8.0  # pixels; where σ is at least twice this, a coarser grid holds all that is left
SIGMAS = (0.25, 512.0)  # in 1/255: what the grid swallows, and what leaves little but black and white
PRECISION = 1e-3  # of log₂ σ; the SSIM is then within about 3e-4
_FIGURE_3 = "Huang et al., Machines 2022, Fig. 3"
_SOCIAL = "Zhang et al., Recessive Social Networking, section V"
_NAMED = f"named by Xiao, Wang, Gao, CVPR 2020, section 1, and by {_SOCIAL}"


def block_side(photos: Tensor, share: float) -> int:
    """Return the side of square blocks in pixels: a share of the photos' shorter side, rounded, at least 2.

    A share makes one constant hide as much at every photo size; blocks of 1 pixel would hide nothing.
    """
    return max(2, round(share * min(photos.shape[-2:])))


def pixelate(photos: Tensor, side: int) -> Tensor:
    """Replace each block of side × side pixels of photos (N, 3, H, W) by its mean.

    Blocks at the far borders may be smaller.
    """
    height, width = photos.shape[-2:]
    # Rows before columns: float32 sums of side numbers round less than sums of side².
    means = F.avg_pool2d(photos, (side, 1), ceil_mode=True, count_include_pad=False)
    means = F.avg_pool2d(means, (1, side), ceil_mode=True, count_include_pad=False)
    wide = means.repeat_interleave(side, dim=-1)[..., :width]
    return wide.repeat_interleave(side, dim=-2)[..., :height, :]


@dataclass(frozen=True)
class Mosaic(GradientFree):
    """Each block of pixels becomes its mean; see `pixelate`.

    Attributes:
        block: the side of a block as a share of the photo's shorter side.
    """

    name: str = "mosaic"
    summary: str = "replaces each block of pixels by its mean"
    paper: str = f"{_FIGURE_3}b; {_SOCIAL}"
    departures: str = (
        "the papers do not give the size of the blocks; an eighth of the shorter side results in 16.3 and 18.2 dB on "
        "two photos of 427 × 640 pixels, where Fig. 3b has 16.66 dB"
    )
    block: Positive = 1 / 8

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:  # noqa: ARG002 - nothing is random
        """See `GradientFree`."""
        return pixelate(photos, block_side(photos, self.block))


def scramble(photo: Tensor, side: int, seed: int) -> Tensor:
    """Move the blocks of side × side pixels of a photo (3, H, W) around one random cycle.

    No block keeps its place unless it is the only one of its size: blocks that the far borders cut change places
    among themselves. So the result is a permutation of the photo's pixels, whatever its size.
    """
    generator = torch.Generator().manual_seed(seed)
    scrambled = torch.empty_like(photo)
    cuts = [(slice(0, length - length % side), slice(length - length % side, length)) for length in photo.shape[1:]]
    for rows in cuts[0]:
        for columns in cuts[1]:
            part = photo[:, rows, columns]
            if part.numel():
                block = tuple(min(side, length) for length in part.shape[1:])
                scrambled[:, rows, columns] = _moved(part, block, generator)
    return scrambled


def _moved(part: Tensor, block: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Move the blocks of h × w pixels that fill a part (3, a·h, b·w) around one random cycle."""
    height, width = block
    down, across = part.shape[1] // height, part.shape[2] // width
    blocks = part.reshape(-1, down, height, across, width).permute(1, 3, 0, 2, 4).flatten(0, 1)
    cycle = torch.randperm(len(blocks), generator=generator, device="cpu").to(part.device)
    moved = torch.empty_like(blocks)
    moved[cycle] = blocks[cycle.roll(1)]
    grid = moved.view(down, across, -1, height, width)
    return grid.permute(2, 0, 3, 1, 4).reshape(part.shape)


@dataclass(frozen=True)
class Scrambling(GradientFree):
    """Blocks of pixels change places at random; see `scramble`.

    Attributes:
        block: the side of a block as a share of the photo's shorter side.
    """

    name: str = "scrambling"
    summary: str = "moves blocks of pixels to other places"
    paper: str = "named by Huang et al., Machines 2022, section 1"
    departures: str = "the paper only names it; the blocks, their size and their order are ours"
    block: Positive = 1 / 8

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:
        """See `GradientFree`."""
        side = block_side(photos, self.block)
        return torch.stack([scramble(photo, side, seed) for photo, seed in zip(photos, seeds, strict=True)])


def blur(photos: Tensor, sigma: float) -> Tensor:
    """Convolve photos (N, 3, H, W) with a Gaussian of σ = sigma pixels, at least 0.1, repeating the border.

    From twice `COARSE` pixels on, this happens on a grid of means, on which σ is `COARSE` to twice that, followed by
    interpolation. This increases σ by 0.2 %, and the time no longer grows with σ.
    """
    times = int(sigma / COARSE)
    if times <= 1:
        return Blur(max(WEAKEST_BLUR, sigma))(photos)
    height, width = photos.shape[-2:]
    margin = times * math.ceil(4 * sigma / times)  # the border is repeated before it is made coarse
    below, right = (margin + -length % times for length in (height, width))
    small = F.avg_pool2d(F.pad(photos, (margin, right, margin, below), mode="replicate"), times)
    wide = F.interpolate(Blur(sigma / times)(small), scale_factor=times, mode="bilinear")
    return wide[..., margin : margin + height, margin : margin + width]


@dataclass(frozen=True)
class Blurring(GradientFree):
    """Convolution with a Gaussian; see `blur`.

    Attributes:
        sigma: σ as a share of the photo's shorter side.
    """

    name: str = "blur"
    summary: str = "blurs the photo"
    paper: str = _NAMED
    departures: str = "the papers only name it; the strength is ours, 7 pixels in a photo of 224"
    sigma: NotNegative = 1 / 32

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:  # noqa: ARG002 - nothing is random
        """See `GradientFree`."""
        return blur(photos, self.sigma * min(photos.shape[-2:]))


@dataclass(frozen=True)
class Brightness(GradientFree):
    """x' = min(1, gain · x).

    Attributes:
        gain: the factor; above 1 it brightens, below 1 it darkens.
    """

    name: str = "brightness"
    summary: str = "brightens the photo until its light parts are white"
    paper: str = f"{_FIGURE_3}c"
    departures: str = (
        "the paper gives no formula; twice the values result in 12.7 and 13.1 dB on two photos of 427 × 640 pixels, "
        "where Fig. 3c has 13.02 dB"
    )
    gain: NotNegative = 2.0

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:  # noqa: ARG002 - nothing is random
        """See `GradientFree`."""
        return self.gain * photos


DARKENING = Brightness(
    name="darkening",
    summary="darkens the photo",
    paper=_NAMED,
    departures="the papers only name it; half the values is ours",
    gain=0.5,
)


@dataclass(frozen=True)
class Transparency(GradientFree):
    """x' = (1 − share) x + share: the photo in front of white.

    Attributes:
        share: the share of white.
    """

    name: str = "transparency"
    summary: str = "blends the photo with white"
    paper: str = f"{_FIGURE_3}d"
    departures: str = (
        "the paper gives neither the share nor the background; a fifth of white results in 19.1 and 16.0 dB on two "
        "photos of 427 × 640 pixels, where Fig. 3d has 18.28 dB"
    )
    share: Share = 0.2

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:  # noqa: ARG002 - nothing is random
        """See `GradientFree`."""
        return (1 - self.share) * photos + self.share


def cover(photos: Tensor, share: float, level: float) -> Tensor:
    """Cover a central rectangle of share · H by share · W pixels, rounded, at least 1, of photos (N, 3, H, W)."""
    covered = photos.clone()
    sides = [max(1, round(share * length)) for length in photos.shape[-2:]]
    top, left = ((length - side) // 2 for length, side in zip(photos.shape[-2:], sides, strict=True))
    covered[..., top : top + sides[0], left : left + sides[1]] = level
    return covered


@dataclass(frozen=True)
class Occlusion(GradientFree):
    """A rectangle of one colour in the middle, where the motif mostly is; see `cover`.

    Attributes:
        share: the share of each side that is covered.
        level: the level that covers it, from 0 (black) to 1 (white).
    """

    name: str = "occlusion"
    summary: str = "covers the middle of the photo with black"
    paper: str = _NAMED
    departures: str = "the papers only name it, on faces; the middle, and half of each side, are ours"
    share: Share = 0.5
    level: Share = 0.0

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:  # noqa: ARG002 - nothing is random
        """See `GradientFree`."""
        return cover(photos, self.share, self.level)


OCCLUSION_WHITE = Occlusion(name="occlusion-white", summary="covers the middle of the photo with white", level=1.0)


@dataclass(frozen=True)
class UniformNoise(GradientFree):
    """x' = x + u, clamped to [0, 1], each value of u uniform in ± amplitude/255: a random point of an L∞ ball.

    Attributes:
        amplitude: the largest change in 1/255.
    """

    name: str = "uniform-noise"
    summary: str = "adds noise, every strength up to a limit equally likely"
    paper: str = f"{_FIGURE_3}e"
    departures: str = (
        "the paper gives neither distribution nor strength; this one results in 24.4 and 24.6 dB on two photos of "
        "427 × 640 pixels, where Fig. 3e has 24.53 dB; the seed is fixed"
    )
    amplitude: NotNegative = 28.0

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:
        """See `GradientFree`."""
        return LInf(self.amplitude).random_start(photos, seeds)


def draw_normal(photos: Tensor, seeds: Sequence[int]) -> Tensor:
    """Draw standard normal values for photos (N, 3, H, W), each photo from its own seed, the same on every device."""
    draws = [
        torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed), device="cpu")
        for photo, seed in zip(photos, seeds, strict=True)
    ]
    return torch.stack(draws).to(photos)


@dataclass(frozen=True)
class GaussianNoise(GradientFree):
    """x' = x + sigma/255 · n, clamped to [0, 1], n standard normal.

    Attributes:
        sigma: the standard deviation in 1/255.
    """

    name: str = "gaussian-noise"
    summary: str = "adds Gaussian noise"
    paper: str = f"{_FIGURE_3}e; {_SOCIAL}"
    departures: str = (
        "the papers give neither distribution nor strength; this one results in 24.6 and 24.7 dB on two photos of "
        "427 × 640 pixels, where Fig. 3e has 24.53 dB; the seed is fixed"
    )
    sigma: NotNegative = 16.0

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:
        """See `GradientFree`."""
        return photos + self.sigma / 255 * draw_normal(photos, seeds)


def noise_of_ssim(photo: Tensor, noise: Tensor, target: float) -> Tensor:
    """Return y = round₈(clamp(x + σ n)) with σ such that SSIM(y, x) = target.

    SSIM falls as σ grows, and in log σ almost evenly, so that Brent's search needs few evaluations. The noise n stays.

    Args:
        photo: x (3, H, W).
        noise: n (3, H, W).
        target: SSIM.

    Returns:
        y (3, H, W) on the 8-bit grid.

    Raises:
        ValueError: if the photo is smaller than SSIM's window, or no σ in `SIGMAS` has the target.
    """

    def noisy(exponent: float) -> Tensor:
        return BitDepth(8).real(photo + 2**exponent / 255 * noise)

    def above(exponent: float) -> float:
        return float(ssim(noisy(exponent)[None], photo[None])) - target

    weakest, strongest = (math.log2(sigma) for sigma in SIGMAS)
    known = {exponent: above(exponent) for exponent in (weakest, strongest)}
    if not known[strongest] <= 0 <= known[weakest]:
        lowest, highest = known[strongest] + target, known[weakest] + target
        raise ValueError(f"noise results in an SSIM from {lowest:.3f} to {highest:.3f}, never in {target:g}")
    found = brentq(lambda exponent: known.get(exponent) or above(exponent), weakest, strongest, xtol=PRECISION)
    return noisy(found)


@dataclass(frozen=True)
class GaussianNoiseSSIM(GradientFree):
    """x' = x + σ n, clamped to [0, 1], n standard normal, σ for each photo so that SSIM(x', x) = target.

    SSIM is that of the photo on the 8-bit grid before the run's ball clips it; see `noise_of_ssim`. This is PIRE's
    baseline.

    Attributes:
        target: the SSIM that each photo is brought to.
    """

    name: str = "gaussian-noise-ssim"
    summary: str = "adds Gaussian noise, to each photo as much as brings its SSIM to one figure"
    paper: str = "Liu, Zhao, Larson, ICMR 2019, section 6.2 (Table 8)"
    departures: str = (
        "the paper tunes the noise of each photo to the SSIM of PIRE on it, on average 0.652 (Oxford5k) and 0.708 "
        "(Paris6k); here one target in the middle, so that no other method has to run first; the seed is fixed"
    )
    target: Annotated[float, Bounds(-1, 1)] = 0.68

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:
        """See `GradientFree`.

        Raises:
            MethodError: if a photo is smaller than SSIM's window, or no noise brings its SSIM to the target.
        """
        noise = draw_normal(photos, seeds)
        try:
            found = [noise_of_ssim(*pair, self.target) for pair in zip(photos, noise, strict=True)]
        except ValueError as error:
            raise MethodError(f"{self.name}: {error}; gaussian-noise needs no SSIM") from error
        return torch.stack(found)


OBFUSCATIONS: tuple[Method, ...] = (
    Mosaic(),
    Brightness(),
    Transparency(),
    UniformNoise(),
    GaussianNoise(),
    GaussianNoiseSSIM(),
    Blurring(),
    DARKENING,
    Occlusion(),
    OCCLUSION_WHITE,
    Scrambling(),
)
