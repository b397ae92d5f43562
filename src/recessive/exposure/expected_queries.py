"""How many queries a searcher needs, on average, until a protected photo is returned.

Xiao, Wang, Gao, CVPR 2020, section 5: E = N / (mean number of attack photos that return the protected photo).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ExpectedQueries:
    """E_s (all attack photos count) or E_w (only those of the photo's own class count).

    Attributes:
        queries: N·P / hits, or N·P when there is no hit.
        at_least: there was no hit, so that `queries` is a lower bound.
        hits: over all protected photos.
        attack_photos: N, the whole attack set in both cases.
        photos: P.
    """

    queries: float
    at_least: bool
    hits: int
    attack_photos: int
    photos: int


def expected_queries(hits: Tensor, attack_photos: int) -> ExpectedQueries:
    """E = N / mean(hits), the ratio of averages; without any hit at least N·P.

    Args:
        hits: of each of P protected photos, how many attack photos return it within T (P,).
        attack_photos: N.

    Raises:
        ValueError: no photo, or no attack photo.
    """
    photos, total = len(hits), int(hits.sum())
    if photos == 0 or attack_photos < 1:
        raise ValueError("expected queries need at least one protected photo and one attack photo")
    return ExpectedQueries(attack_photos * photos / max(total, 1), total == 0, total, attack_photos, photos)
