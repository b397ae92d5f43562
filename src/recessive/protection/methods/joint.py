"""joint: our own method against neural, local and global search at once.

A searcher without a network compares SIFT keypoints, GIST or CEDD. `LocalDrift` and `GlobalDrift` move a photo away
from its own local and global descriptors, whatever vocabulary a searcher has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from recessive.encoders import GIST, SIFT, by_scale, describe_at, descriptor_sample, soft_cedd, soft_levels
from recessive.encoders.features.sift import ByScale
from recessive.protection.constants import Bounds, Count, NotNegative, Positive, Share, Whole
from recessive.protection.keypoints import KEYPOINT_METHODS
from recessive.protection.method import Budget, Run, Surrogate, descend
from recessive.protection.methods.vanish import SAFE, SoftCount, Vanish, neighbours
from recessive.protection.obfuscation import draw_normal
from recessive.protection.optimise import (
    Evaluation,
    KeepSimilar,
    Minimised,
    Objective,
    OverTransforms,
    PerPhoto,
    PhotoLoss,
    Together,
)

_REMOVAL = {method.name: method for method in KEYPOINT_METHODS}["rmd+ls"]


@dataclass(frozen=True)
class UntilSafe(Objective):
    """An objective that requires nothing more below −margin, so that the change goes to others."""

    objective: PerPhoto[SoftCount]
    margin: float

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        return self.objective(outputs, progress).clamp(min=-self.margin)


@dataclass(frozen=True)
class LocalDrift(PhotoLoss):
    """loss(x') = mean_k max(0, f_k(x')·f_k(x) − enough), f_k the SIFT descriptor at keypoint k of the original x.

    A searcher's word is the nearest of thousands, and a signature the side of 64 planes on which a descriptor lies:
    both change where the descriptor moves, whatever the vocabulary. Keypoints need not vanish.

    Attributes:
        keypoints: the keypoints of each photo; see `by_scale`. A photo without any has the loss 0.
        descriptors: f_k(x), (K_n, 128) of each photo.
        enough: the cosine below which a descriptor is left alone, so that the change goes to the others.
    """

    keypoints: PerPhoto[Sequence[ByScale]]
    descriptors: PerPhoto[Sequence[Tensor]]
    enough: float

    @classmethod
    def of_originals(cls, photos: Tensor, keypoints: Sequence[Tensor], enough: float) -> LocalDrift:
        """Build the loss that leads away from photos (N, 3, H, W) as they are, at keypoints (K_n, 4) of each."""
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
        return Evaluation.of_loss(torch.stack(losses))


@dataclass(frozen=True)
class GlobalDrift(PhotoLoss):
    """loss(x') = τ mean_j softplus((D(f(x'), s_j) − mean_v D(f(x'), o_v)) / (τ scale)), f one descriptor of a photo.

    Whether a photo of the same motif is found depends on how many others come before it. So each photo s_j of the
    sample asks to be nearer than the photo's own neighbours o_v, the original and views of it, until it is. Moving far
    away from the original alone would leave the order to chance.

    Attributes:
        describe: f, photos (N, 3, H, W) to (N, D), differentiable.
        distances: D, of (N, D) and (M, D), differentiable: (N, M).
        sample: s_j, the descriptors of other photos, (S, D).
        own: o_v, the descriptors of each photo's neighbours, (N, V, D).
        temperature: τ as a share of the scale.
        scale: the divisor of distances, the mean distance of the sample's photos from the original, (N,).
    """

    describe: Callable[[Tensor], Tensor]
    distances: Callable[[Tensor, Tensor], Tensor]
    sample: Tensor
    own: PerPhoto[Tensor]
    temperature: float
    scale: PerPhoto[Tensor]

    @classmethod
    def of_views(
        cls,
        describe: Callable[[Tensor], Tensor],
        distances: Callable[[Tensor, Tensor], Tensor],
        sample: Tensor,
        views: Sequence[Tensor],
        temperature: float,
    ) -> GlobalDrift:
        """Build the loss that leads away from views of the photos; the first view is the photos themselves."""
        with torch.no_grad():
            own = torch.stack([describe(view) for view in views], dim=1)
            scale = distances(own[:, 0], sample).mean(dim=1).clamp(min=1e-6)
        return cls(describe, distances, sample, own, temperature, scale)

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:  # noqa: ARG002 - constant throughout
        """See `PhotoLoss`."""
        found = self.describe(photos)
        near = torch.stack([self.distances(x[None], own).mean() for x, own in zip(found, self.own, strict=True)])
        behind = (self.distances(found, self.sample) - near[:, None]) / self.scale[:, None]
        return Evaluation.of_loss(self.temperature * F.softplus(behind / self.temperature).mean(dim=1))


@cache
def _gist() -> GIST:
    with torch.device("cpu"):
        return GIST()


def soft_cedd_levels(photos: Tensor) -> Tensor:
    """CEDD with a gradient: (N, 3, H, W) to (N, 144), nearly whole numbers of 0 to 7."""
    return soft_levels(soft_cedd(photos))


def euclidean(first: Tensor, second: Tensor) -> Tensor:
    """||x_i − y_j||, with a finite gradient where they are equal: (N, D) and (M, D) to (N, M)."""
    squares = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1) - 2 * first @ second.T
    return squares.clamp(min=1e-12).sqrt()


def tanimoto(first: Tensor, second: Tensor) -> Tensor:
    """1 − x·y / (x·x + y·y − x·y) of histograms brought to a sum of 1: (N, D) and (M, D) to (N, M)."""
    x, y = (items / items.sum(dim=1, keepdim=True).clamp(min=1e-9) for items in (first, second))
    shared = x @ y.T
    return 1 - shared / (x.square().sum(dim=1)[:, None] + y.square().sum(dim=1) - shared).clamp(min=1e-9)


@dataclass(frozen=True)
class Joint(Vanish):
    """Keypoints removed, then vanish, and at once away from the photo's own SIFT descriptors, GIST and CEDD.

    loss(x') = w_n mean_e max(−margin, vanish_e(x')) + w_l LocalDrift(x') + w_g GlobalDrift_GIST(x')
               + w_c GlobalDrift_CEDD(x') + w_s max(0, floor − SSIM(x', x)),   begun at rmd+ls of x

    Each family stops asking when it has enough. Local search looks where there is contrast, and there SSIM forgives
    most: the budget of a single value is wide, and SSIM is what bounds the change.

    Attributes:
        start: the standard deviation of the noise at the start, in 1/255.
        neural_weight: w_n, the weight of what vanish minimises, the mean over the encoders.
        local_weight: w_l, the weight of the SIFT descriptors.
        local_enough: the cosine below which a SIFT descriptor is left alone.
        gist_weight: w_g, the weight of GIST.
        cedd_weight: w_c, the weight of CEDD.
        drift_temperature: τ of GIST and CEDD, as a share of the mean distance of other photos.
        drift_neighbours: the number of own neighbours for GIST and CEDD.
    """

    name: str = "joint"
    summary: str = "hides from neural, local (SIFT) and global (CEDD, GIST) search at once, at a price in SSIM"
    departures: str = "none: it is ours; the sample of CEDD and GIST is the bundled one"
    budget: Budget = 32.0
    steps: Whole = 40
    against: tuple[str, ...] = ("bovw-he", "cedd", "gist")
    path: NotNegative = 160.0
    ssim_floor: Share = 0.88
    start: NotNegative = 1.0
    neural_weight: NotNegative = 1.0
    local_weight: NotNegative = 25.0
    local_enough: Annotated[float, Bounds(-1, 1)] = 0.5
    gist_weight: NotNegative = 40.0
    cedd_weight: NotNegative = 30.0
    drift_temperature: Positive = 0.1
    drift_neighbours: Count = 8

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        weights = (self.local_weight, self.gist_weight, self.cedd_weight)
        drifts = OverTransforms(Together(self._drifts(photos, run), weights), [run.saving])

        def wrap(neural: PhotoLoss) -> PhotoLoss:
            together = Together([neural, drifts], (self.neural_weight / len(surrogates), 1.0))
            return KeepSimilar(together, photos, self.ssim_floor, self.ssim_weight)

        # a photo without keypoints to remove is still itself, where nothing tells drift which way to go
        noise = self.start / 255 * draw_normal(photos, run.seeds)
        return descend(
            photos,
            surrogates,
            [UntilSafe(objective, SAFE) for objective in self.soft_counts(photos, surrogates, run)],
            run,
            step=self.step(run.steps),
            wrap=wrap,
            start=run.ball.project(_REMOVAL(photos, surrogates, run).photos + noise, photos),
            keep_best=True,
        )

    def _drifts(self, photos: Tensor, run: Run) -> list[PhotoLoss]:
        """Away from the photos' local descriptors, GIST and CEDD."""
        keypoints = [torch.from_numpy(SIFT().features(photo).keypoints).to(photo) for photo in photos]
        own = neighbours(photos, run.seeds, self.drift_neighbours)
        of_gist, of_cedd = descriptor_sample("gist").to(photos), descriptor_sample("cedd").to(photos)
        tau = self.drift_temperature
        return [
            LocalDrift.of_originals(photos, keypoints, self.local_enough),
            GlobalDrift.of_views(_gist().to(photos.device), euclidean, of_gist, own, tau),
            GlobalDrift.of_views(soft_cedd_levels, tanimoto, of_cedd, own, tau),
        ]
