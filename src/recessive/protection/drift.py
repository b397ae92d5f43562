"""Losses that move a photo away from its own local and global descriptors, whatever vocabulary a searcher has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from recessive.encoders import by_scale, describe_at
from recessive.encoders.features.sift import ByScale
from recessive.protection.optimise import Evaluation


def _evaluation(loss: Tensor) -> Evaluation:
    return Evaluation(loss, loss.detach(), torch.zeros_like(loss, dtype=torch.bool))


@dataclass(frozen=True)
class LocalDrift:
    """loss(x') = mean_k max(0, f_k(x')·f_k(x) − enough), f_k the SIFT descriptor at keypoint k of the original x.

    A searcher's word is the nearest of thousands, and a signature the side of 64 planes on which a descriptor lies:
    both change where the descriptor moves, whatever vocabulary it is. Keypoints need not vanish. A `PhotoLoss`.

    Attributes:
        keypoints: of each photo; see `by_scale`. A photo without any has loss 0.
        descriptors: f_k(x), (K_n, 128) of each photo.
        enough: cosine below which a descriptor is left alone, so that the change goes to the others.
    """

    keypoints: Sequence[ByScale]
    descriptors: Sequence[Tensor]
    enough: float

    @classmethod
    def of_originals(cls, photos: Tensor, keypoints: Sequence[Tensor], enough: float) -> LocalDrift:
        """Away from photos (N, 3, H, W) as they are, at keypoints (K_n, 4) of each."""
        groups = [by_scale(places) for places in keypoints]
        with torch.no_grad():
            described = [describe_at(photo[None], places) for photo, places in zip(photos, groups, strict=True)]
        return cls(groups, described, enough)

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:  # noqa: ARG002 - constant throughout
        """See `PhotoLoss`."""
        losses = []
        for photo, places, before in zip(photos, self.keypoints, self.descriptors, strict=True):
            near = (describe_at(photo[None], places) * before).sum(dim=1)
            losses.append((near - self.enough).clamp(min=0).sum() / max(1, len(before)))
        return _evaluation(torch.stack(losses))

    def of(self, rows: Tensor) -> LocalDrift:
        """See `PhotoLoss`."""
        chosen = rows.tolist()
        return replace(
            self, keypoints=[self.keypoints[n] for n in chosen], descriptors=[self.descriptors[n] for n in chosen]
        )


@dataclass(frozen=True)
class GlobalDrift:
    """loss(x') = τ mean_j softplus((D(f(x'), s_j) − mean_v D(f(x'), o_v)) / (τ scale)), f one descriptor of a photo.

    Whether a photo of the same motif is found depends on how many others come before it. So each photo s_j of the
    sample asks to be nearer than the photo's own neighbours o_v, the original and views of it, until it is. Moving far
    away from the original alone would leave the order to chance. Implements `PhotoLoss`.

    Attributes:
        describe: f, photos (N, 3, H, W) to (N, D), differentiable.
        distances: D, of (N, D) and (M, D), differentiable: (N, M).
        sample: s_j, of other photos, (S, D).
        own: o_v of each photo, (N, V, D).
        temperature: τ as a share of the scale.
        scale: what distances are divided by: the mean distance of the sample's photos from the original's, (N,).
    """

    describe: Callable[[Tensor], Tensor]
    distances: Callable[[Tensor, Tensor], Tensor]
    sample: Tensor
    own: Tensor
    temperature: float
    scale: Tensor

    @classmethod
    def of_views(
        cls,
        describe: Callable[[Tensor], Tensor],
        distances: Callable[[Tensor, Tensor], Tensor],
        sample: Tensor,
        views: Sequence[Tensor],
        temperature: float,
    ) -> GlobalDrift:
        """Away from views of the photos, of which the first are the photos (N, 3, H, W) themselves."""
        with torch.no_grad():
            own = torch.stack([describe(view) for view in views], dim=1)
            scale = distances(own[:, 0], sample).mean(dim=1).clamp(min=1e-6)
        return cls(describe, distances, sample, own, temperature, scale)

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:  # noqa: ARG002 - constant throughout
        """See `PhotoLoss`."""
        found = self.describe(photos)
        near = torch.stack([self.distances(x[None], own).mean() for x, own in zip(found, self.own, strict=True)])
        behind = (self.distances(found, self.sample) - near[:, None]) / self.scale[:, None]
        return _evaluation(self.temperature * F.softplus(behind / self.temperature).mean(dim=1))

    def of(self, rows: Tensor) -> GlobalDrift:
        """See `PhotoLoss`."""
        return replace(self, own=self.own[rows], scale=self.scale[rows])
