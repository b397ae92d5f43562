"""vanish: our own method, the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from recessive.codes import sign
from recessive.protection.methods.method import Run, Surrogate, check, descend, original_outputs
from recessive.protection.objectives import SoftCount
from recessive.protection.steps import MomentumSign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from recessive.encoders import Outputs
    from recessive.protection.optimise import Minimised

CODE_TEMPERATURE = 3.0  # bits
COSINE_TEMPERATURE = 0.05
STEP = 2.0


def neighbours(photos: Tensor) -> list[Tensor]:
    """What a searcher may hold of the same motif: the photo, mirrored, and its middle."""
    height, width = photos.shape[-2:]
    top, left = height // 8, width // 8
    middle = photos[..., top : height - top, left : width - left]
    return [photos, photos.flip(-1), middle]


@dataclass(frozen=True)
class Vanish:
    """Minimise the number of gallery photos that return the photo, softened; see `SoftCount`."""

    name: str = "vanish"
    summary: str = "minimises how many photos of a gallery would return yours (default)"
    source: str = "ours; docs/design.md"
    departures: str = "none: it is ours"
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    budget: float = 8.0
    steps: int = 60

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        views = [original_outputs(view, surrogates) for view in neighbours(photos)]
        objectives = []
        for surrogate, *own in zip(surrogates, *views, strict=True):
            is_code = surrogate.encoder.outputs == "logits"
            items = torch.stack([sign(part) if is_code else F.normalize(part) for part in own], dim=1)
            temperature = CODE_TEMPERATURE if is_code else COSINE_TEMPERATURE
            objectives.append(
                SoftCount(surrogate.sample, items, surrogate.threshold, temperature, surrogate.encoder.outputs)
            )
        return descend(photos, surrogates, objectives, run, step=MomentumSign(STEP), keep_best=True)
