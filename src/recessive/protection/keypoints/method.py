"""Methods that remove or forge SIFT keypoints: each photo on its own, and no encoder is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from recessive.encoders.features.sift import grey_levels
from recessive.protection.keypoints.colour import recover_colour
from recessive.protection.method import check
from recessive.protection.obfuscation.finish import finish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from recessive.encoders import Outputs
    from recessive.protection.method import Need, Run, Surrogate
    from recessive.protection.optimise import Minimised

    Stage = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class KeypointMethod:
    """The photo's grey levels through one stage after another, then its colours back; see `recover_colour`.

    A photo without keypoints that a stage could change comes back as it was, and a grey one stays grey. The run's
    budget cuts what the stages did; they do not plan for it.

    Attributes:
        stages: each makes grey levels (H, W) of grey levels.
    """

    name: str
    summary: str
    paper: str
    departures: str
    stages: tuple[Stage, ...]
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        return finish(torch.stack([self._protect(photo) for photo in photos]), photos, run)

    def _protect(self, photo: Tensor) -> Tensor:
        before = after = grey_levels(photo)
        for stage in self.stages:
            after = stage(after)
        return recover_colour(photo, before, after)
