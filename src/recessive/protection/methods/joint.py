"""joint: our own method against neural, local and global search at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from recessive.encoders import GIST, SIFT, Outputs, descriptor_sample, soft_cedd, soft_levels
from recessive.protection.constants import Whole
from recessive.protection.drift import GlobalDrift, LocalDrift
from recessive.protection.keypoints import KEYPOINT_METHODS
from recessive.protection.losses import KeepSimilar, Objective, OverTransforms, Together
from recessive.protection.method import GRADIENTS, Budget, Method, Need, Run, Surrogate, descend
from recessive.protection.methods.vanish import neighbours, soft_counts
from recessive.protection.obfuscation import draw_normal
from recessive.protection.objectives import SoftCount
from recessive.protection.objectives.soft_count import SAFE
from recessive.protection.optimise import Minimised, PhotoLoss
from recessive.protection.steps import L2

PATH = 160.0  # levels, root-mean-square: all steps together
STEP = 12.0  # at most, the first one, root-mean-square
MOMENTUM = 0.85
START = 1.0  # standard deviation in 1/255
SSIM_FLOOR = 0.88
SSIM_WEIGHT = 600.0
NEURAL_WEIGHT = 1.0  # of what vanish minimises, mean of the encoders
LOCAL_WEIGHT = 25.0
LOCAL_ENOUGH = 0.5  # cosine
GIST_WEIGHT = 40.0
CEDD_WEIGHT = 30.0
TEMPERATURE = 0.1  # share of the mean distance of other photos
OWN_VIEWS = 8  # the photo, its mirror image, and six views
_REMOVAL = {method.name: method for method in KEYPOINT_METHODS}["rmd+ls"]


@dataclass(frozen=True)
class UntilSafe:
    """An objective that asks for nothing more below −margin, so that the change goes to others. An `Objective`."""

    objective: SoftCount
    margin: float

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        return self.objective(outputs, progress).clamp(min=-self.margin)

    def score(self, outputs: Tensor) -> Tensor:
        """See `Objective`."""
        return self(outputs, 1.0)

    def of(self, rows: Tensor) -> UntilSafe:
        """See `Objective`."""
        return replace(self, objective=self.objective.of(rows))


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
class Joint(Method):
    """Keypoints removed, then vanish, and at once away from the photo's own SIFT descriptors, GIST and CEDD.

    loss(x') = w_n mean_e max(−margin, vanish_e(x')) + w_l LocalDrift(x') + w_g GlobalDrift_GIST(x')
               + w_c GlobalDrift_CEDD(x') + w_s max(0, floor − SSIM(x', x)),   begun at rmd+ls of x

    Each family stops asking when it has enough. Local search looks where there is contrast, and there SSIM forgives
    most: the budget of a single value is wide, and SSIM is what bounds the change.
    """

    name: str = "joint"
    summary: str = "hides from neural, local (SIFT) and global (CEDD, GIST) search at once, at a price in SSIM"
    paper: str = "ours; docs/design.md"
    departures: str = "none: it is ours; the sample of CEDD and GIST is the bundled one"
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = GRADIENTS | {"sample"}
    budget: Budget = 32.0
    steps: Whole = 40
    against: tuple[str, ...] = ("bovw-he", "cedd", "gist")

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives: list[Objective] = [
            UntilSafe(objective, SAFE) for objective in soft_counts(self.name, photos, surrogates, run)
        ]
        beside = Together(self._drifts(photos, run), (LOCAL_WEIGHT, GIST_WEIGHT, CEDD_WEIGHT))

        def wrap(neural: PhotoLoss) -> PhotoLoss:
            others = OverTransforms(beside, [run.saving])
            together = Together([neural, others], (NEURAL_WEIGHT / len(surrogates), 1.0))
            return KeepSimilar(together, photos, SSIM_FLOOR, SSIM_WEIGHT)

        # a photo without keypoints to remove is still itself, where nothing tells drift which way to go
        noise = draw_normal(photos, run.seeds)
        start = run.ball.project(_REMOVAL(photos, surrogates, run).photos + START / 255 * noise, photos)
        first = min(STEP, run.steps, 2 * PATH / max(run.steps, 1))
        return descend(
            photos, surrogates, objectives, run, step=L2(first, MOMENTUM), wrap=wrap, start=start, keep_best=True
        )

    @staticmethod
    def _drifts(photos: Tensor, run: Run) -> list[PhotoLoss]:
        """Away from the photos' local descriptors, GIST and CEDD."""
        keypoints = [torch.from_numpy(SIFT().features(photo).keypoints).to(photo) for photo in photos]
        own = neighbours(photos, run.seeds, OWN_VIEWS)
        of_gist, of_cedd = descriptor_sample("gist").to(photos), descriptor_sample("cedd").to(photos)
        return [
            LocalDrift.of_originals(photos, keypoints, LOCAL_ENOUGH),
            GlobalDrift.of_views(_gist().to(photos.device), euclidean, of_gist, own, TEMPERATURE),
            GlobalDrift.of_views(soft_cedd_levels, tanimoto, of_cedd, own, TEMPERATURE),
        ]
