"""Occlusion: a rectangle covers the motif."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised


def cover(photos: Tensor, share: float, level: float) -> Tensor:
    """Photos (N, 3, H, W) with `level` in a central rectangle of share · H by share · W pixels, rounded, at least 1."""
    covered = photos.clone()
    sides = [max(1, round(share * length)) for length in photos.shape[-2:]]
    top, left = ((length - side) // 2 for length, side in zip(photos.shape[-2:], sides, strict=True))
    covered[..., top : top + sides[0], left : left + sides[1]] = level
    return covered


@dataclass(frozen=True)
class Occlusion:
    """A black rectangle in the middle, where the motif mostly is; see `cover`.

    Attributes:
        share: of each side that is covered.
        level: what covers it, 0 black to 1 white.
    """

    name: str = "occlusion"
    summary: str = "covers the middle of the photo with black"
    paper: str = (
        "named by Xiao, Wang, Gao, CVPR 2020, section 1, and by Zhang et al., Recessive Social Networking, section V"
    )
    departures: str = "the papers only name it, on faces: the middle, and half of each side, are ours"
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    share: float = 0.5
    level: float = 0.0

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        return finish(cover(photos, self.share, self.level), photos, run)


OCCLUSION_WHITE = Occlusion(name="occlusion-white", summary="covers the middle of the photo with white", level=1.0)
