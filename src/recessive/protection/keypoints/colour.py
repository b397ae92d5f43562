"""Colours for a photo whose grey levels were modified: x with w·x = the modified level, w the weights of grey.

Pixels whose level did not change stay as they are. Both ways end on the 8-bit grid, where a detector that converts
with the same weights and rounds sees exactly the modified levels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # the weights of R, G and B in OpenCV, and so in the detector
DARK = 1.0  # grey level below which a pixel has no colour to speak of
SCRATCH_PIXELS = 1 << 20  # at once


def recover_colour(
    photo: Tensor, before: NDArray[Any], after: NDArray[Any], weights: tuple[float, float, float] = GREY
) -> Tensor:
    """x' = α x with α = modified level / w·x, the same for the three channels of a pixel.

    Liu, Zhao, Larson, "Who's afraid of adversarial queries?", ICMR 2019, section 6.1.2, where w = (0.30, 0.59, 0.11);
    here w are the detector's own weights, so that it sees what was made for it. The paper leaves two cases open: a
    pixel with w·x < 1 becomes grey, and what would exceed 255 goes evenly to the channels below, so that w·x' holds.

    Args:
        photo: x (3, H, W) in [0, 1].
        before: the grey levels (H, W) of the photo.
        after: the grey levels (H, W) that the result is to have, 0 to 255.
        weights: w, of sum 1.

    Returns:
        (3, H, W), its changed pixels on the 8-bit grid.

    Raises:
        ValueError: if the sizes differ.
    """

    def scaled(colours: Tensor, w: Tensor, level: Tensor) -> Tensor:
        grey = (w * colours).sum(0)
        found = torch.where(grey < DARK, level, colours * (level / grey.clamp(min=DARK)))
        for _ in range(2):  # the first channel to be full may fill a second one
            free = found < 255
            found = found.clamp(max=255)
            excess = (level - (w * found).sum(0)).clamp(min=0)
            found = found + free * excess / (w * free).sum(0).clamp(min=min(weights))
        return found

    return _recoloured(photo, before, after, weights, scaled)


def least_change(
    photo: Tensor, before: NDArray[Any], after: NDArray[Any], weights: tuple[float, float, float] = GREY
) -> Tensor:
    """The nearest colours: min ‖x' − x‖² subject to w·x' = modified level and 0 ≤ x' ≤ 255.

    x' = x + λ w, clipped; λ grows as channels reach the end of the range, and stays (level − w·x) / w·w where none
    does. This is how the authors of RDG colour their results. Arguments, result and errors as in `recover_colour`.
    """

    def moved(colours: Tensor, w: Tensor, level: Tensor) -> Tensor:
        found, free = colours, torch.ones_like(colours, dtype=torch.bool)
        for _ in range(3):
            missing = level - (w * found).sum(0)
            found = found + free * w * missing / (w.square() * free).sum(0).clamp(min=min(weights) ** 2)
            free = (found > 0) & (found < 255)
            found = found.clamp(0, 255)
        return found

    return _recoloured(photo, before, after, weights, moved)


def _recoloured(
    photo: Tensor,
    before: NDArray[Any],
    after: NDArray[Any],
    weights: tuple[float, float, float],
    recolour: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """Apply `recolour` to the pixels whose level changed: colours (3, P), w (3, 1) and levels (P) to colours (3, P)."""
    if not photo.shape[1:] == before.shape == after.shape:
        raise ValueError(f"grey levels {before.shape} and {after.shape} do not fit a photo {tuple(photo.shape)}")
    pixels = photo.flatten(1).clone()
    levels = torch.from_numpy(after).flatten()
    w = photo.new_tensor(weights)[:, None]
    for some in torch.from_numpy(before != after).flatten().nonzero()[:, 0].split(SCRATCH_PIXELS):
        level = levels[some].to(photo)
        chosen = some.to(photo.device)
        colours = recolour(255 * pixels[:, chosen], w, level)
        rounded = colours.round().clamp(0, 255)
        # Where all three were rounded the same way, the level is nearly half a step off: green turns back.
        off = (w * rounded).sum(0) - level
        rounded[1] -= off.sign() * (off.abs() > 0.45)
        pixels[:, chosen] = rounded / 255
    return pixels.view_as(photo)
