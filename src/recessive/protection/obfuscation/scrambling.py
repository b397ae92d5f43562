"""Scrambling: blocks change places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.blocks import block_side
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised


def scramble(photo: Tensor, side: int, seed: int) -> Tensor:
    """A photo (3, H, W) whose blocks of side × side pixels have moved around one random cycle.

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
    """A part (3, a·h, b·w) that blocks of h × w pixels fill, with its blocks moved around one random cycle."""
    height, width = block
    down, across = part.shape[1] // height, part.shape[2] // width
    blocks = part.reshape(-1, down, height, across, width).permute(1, 3, 0, 2, 4).flatten(0, 1)
    cycle = torch.randperm(len(blocks), generator=generator, device="cpu").to(part.device)
    moved = torch.empty_like(blocks)
    moved[cycle] = blocks[cycle.roll(1)]
    grid = moved.view(down, across, -1, height, width)
    return grid.permute(2, 0, 3, 1, 4).reshape(part.shape)


@dataclass(frozen=True)
class Scrambling:
    """Blocks of pixels change places at random; see `scramble`.

    Attributes:
        block: side of a block as a share of the photo's shorter side.
    """

    name: str = "scrambling"
    summary: str = "moves blocks of pixels to other places"
    paper: str = "named by Huang et al., Machines 2022, section 1"
    departures: str = "the paper only names it: blocks, their size and the order are ours"
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    block: float = 1 / 8

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        side = block_side(photos, self.block)
        moved = [scramble(photo, side, seed) for photo, seed in zip(photos, run.seeds, strict=True)]
        return finish(torch.stack(moved), photos, run)
