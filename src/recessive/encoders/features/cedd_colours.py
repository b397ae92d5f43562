"""The colours of CEDD: hue, saturation and value of blocks, and their fuzzy membership of 24 named colours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

COLOURS = 24  # white, grey, black; then light, pure and dark red, orange, yellow, green, cyan, blue, magenta

# A fuzzy set begins where the one before it ends: each pair is where the next set rises from 0 to 1.
_HUES = ((5, 10), (35, 50), (70, 85), (150, 165), (195, 205), (265, 280), (315, 330))  # the eighth is red again
_SATURATIONS = ((10, 75),)  # low, high
_VALUES = ((10, 75), (180, 220))  # dark, middling, bright
_TONES = ((68, 188),)  # low, high; of saturation and of value


def hue_saturation_value(colours: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """HSV as CEDD has it, before it is truncated to whole numbers.

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
    """Of K + 1 fuzzy sets, (...) to (..., K + 1): trapezoids that sum to 1 everywhere."""
    starts, ends = amounts.new_tensor(rises).unbind(dim=1)
    risen = ((amounts[..., None] - starts) / (ends - starts)).clamp(0, 1)
    whole = torch.ones_like(amounts)[..., None]
    return torch.cat([whole, risen], dim=-1) - torch.cat([risen, torch.zeros_like(whole)], dim=-1)


def fuzzy_colours(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """How much of each of 24 colours a block has: (...) each to (..., 24). Rows need not sum to 1.

    First ten colours, by 48 rules, one for each set of H (8), S (2) and V (3): a rule gives its colour the minimum
    of its three memberships. Dark is black, low S with middling V is grey and with bright V white, and all else has
    the colour of its hue set (the eighth, like the first, is red). Then each of the seven hues is multiplied by
    three tones, with new sets of S and V: light min(S low, V high), pure min(S high, V high), and dark
    min(S low, V low) + min(S high, V low).

    Chatzichristofis, Boutalis, "CEDD: color and edge directivity descriptor", 2008, sections 2 and 3, with the sets of
    the released code (LIRE).
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
