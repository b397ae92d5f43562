"""What every obfuscation ends with."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recessive.protection.method import Run
from recessive.protection.optimise import Minimised


def finish(obfuscated: Tensor, photos: Tensor, run: Run) -> Minimised:
    """Obfuscated photos (N, 3, H, W), brought into the run's ball around the photos and onto the 8-bit grid.

    Nothing was minimised: no step was taken, the losses are 0, and every photo is done.
    """
    found = Minimised.before(run.ball.to_grid(run.ball.project(obfuscated, photos), photos))
    return replace(found, done=torch.ones_like(found.done))
