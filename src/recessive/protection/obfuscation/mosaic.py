"""Mosaic, also called pixelation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.blocks import block_side
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised


def pixelate(photos: Tensor, side: int) -> Tensor:
    """Photos (N, 3, H, W), each block of side × side pixels by its mean; blocks at the far border may be smaller."""
    height, width = photos.shape[-2:]
    # Rows before columns: float32 sums of side numbers round less than sums of side².
    means = F.avg_pool2d(photos, (side, 1), ceil_mode=True, count_include_pad=False)
    means = F.avg_pool2d(means, (1, side), ceil_mode=True, count_include_pad=False)
    wide = means.repeat_interleave(side, dim=-1)[..., :width]
    return wide.repeat_interleave(side, dim=-2)[..., :height, :]


@dataclass(frozen=True)
class Mosaic:
    """Each block of pixels becomes its mean; see `pixelate`.

    Attributes:
        block: side of a block as a share of the photo's shorter side.
    """

    name: str = "mosaic"
    summary: str = "replaces each block of pixels by its mean"
    paper: str = "Huang et al., Machines 2022, Fig. 3b; Zhang et al., Recessive Social Networking, section V"
    departures: str = (
        "the papers give no size of blocks: an eighth of the shorter side gives 16.3 and 18.2 dB on two photos of "
        "427 × 640 pixels, Fig. 3b has 16.66 dB"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    block: float = 1 / 8

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        return finish(pixelate(photos, block_side(photos, self.block)), photos, run)
