"""Methods that take the code of a target, or walk to another anchor code (Tanh-P2P and -P2S, RNM, NAG).

An anchor is one code that stands for a photo's targets: point to point (P2P) the code of the first target, point to set
(P2S) the code that several targets vote for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import Count, NotNegative, Whole
from recessive.protection.method import (
    GRADIENTS,
    LOGITS,
    Budget,
    Method,
    Need,
    Run,
    Surrogate,
    descend,
    original_outputs,
    target_outputs,
)
from recessive.protection.objectives import BinaryPenalty, MeanAgreement
from recessive.protection.optimise import Evaluation, Minimised, Objective, PerPhoto, PhotoLoss, StopWhen
from recessive.protection.steps import Sign, UnitGradient

_MACHINES = "Huang, Zhan, Hu, Shi, Machines 2022"
_RNM = (
    "the agreement with the anchor is not divided by K, the number of bits: with both weights 1/K, as printed, a wrong "
    "bit comes to rest at a logit of 0.5 on its side and does not flip; the gradient of the penalty is 2a (C − sign C) "
    "bit by bit, where Algorithm 1 prints a norm; a step is the gradient at length 1, as in DHTA's code, where the "
    "paper says PGD and a learning rate of 1; stops once every bit is the anchor's, where the paper spends all steps: "
    "the code is the same, the margin smaller; a budget of 0.032 is of photos in [0, 1], as the PSNR of Fig. 3 asks for"
)
_VOTE = "all targets vote, nine in the paper, and a tie among an even number gives +1"


def vote(codes: Tensor) -> Tensor:
    """Component voting: h_k = sign(Σ_i c_ik) of codes (A, m); the code (m,) with the least mean Hamming distance.

    Of an odd number no vote is a tie; a tie gives +1. Bai et al., "Targeted attack for deep hashing based retrieval",
    ECCV 2020, Algorithm 1 and Theorem 1.
    """
    return sign(codes.sum(0))


def anchor_codes(surrogate: Surrogate, run: Run, device: torch.device, voters: int | None = None) -> Tensor:
    """Return the code that each photo's targets agree on, as a surrogate sees them: ±1 (N, m).

    Args:
        surrogate: one that gives logits.
        run: one that has targets.
        device: the device of the photos.
        voters: the largest number of a photo's targets that vote, the first ones; None for all.
    """
    if run.targets is not None:
        run = replace(run, targets=[own[:voters] for own in run.targets])
    return torch.stack([vote(sign(outputs)) for outputs in target_outputs(surrogate, run, device)])


@dataclass(frozen=True)
class AnchorMethod(Method):
    """Walks to an anchor code in steps of a fixed length, until every bit is the anchor's.

    Attributes:
        length: the length of a step; see `UnitGradient`.
    """

    accepts: frozenset[Outputs] = LOGITS
    budget: Budget = 8.16  # 0.032 · 255
    steps: Whole = 2000
    length: NotNegative = 1.0

    def approach(
        self, photos: Tensor, surrogates: Sequence[Surrogate], objectives: Sequence[Objective], run: Run
    ) -> Minimised:
        """Minimise objectives whose score is the Hamming distance to the anchor."""
        return descend(
            photos,
            surrogates,
            objectives,
            run,
            step=UnitGradient(self.length),
            wrap=lambda loss: StopWhen(loss, lambda distance: distance == 0),
        )


@dataclass(frozen=True)
class Tanh(AnchorMethod):
    """Take the code of a target (P2P), or the one that several targets vote for (P2S); see `MeanAgreement`.

    Attributes:
        voters: how many of a photo's targets vote, the first ones; None for all.
    """

    name: str = "tanh-p2p"
    summary: str = "takes the code of the first target, the sign softened to tanh"
    paper: str = f"{_MACHINES}, Eq. 2; Bai et al., ECCV 2020 (DHTA)"
    departures: str = (
        "stops once every bit is the anchor's, where the papers spend all steps: the code is theirs, the margin "
        "smaller; a budget of 0.032 and a step of 1 are of photos in [0, 1], as the PSNR of RNM's Fig. 3 asks for: in "
        "DHTA's code both are of normalised photos, 1.8/255 and a step of 0.23; α as in DHTA's code and RNM's section "
        "5.2, not as in its section 3.2"
    )
    needs: frozenset[Need] = GRADIENTS | {"target"}
    voters: Count | None = 1

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        anchors = [anchor_codes(surrogate, run, photos.device, self.voters) for surrogate in surrogates]
        objectives = [MeanAgreement(codes, towards=True, sharpen=True) for codes in anchors]
        return self.approach(photos, surrogates, objectives, run)


TANH_P2S = Tanh(
    name="tanh-p2s",
    summary="takes the code that its targets vote for, the sign softened to tanh",
    departures=f"as tanh-p2p; {_VOTE}",
    voters=None,
)


@dataclass(frozen=True)
class RNM(AnchorMethod):
    """The relaxation norm method, away from the photo's own code: the anchor is its opposite; see `BinaryPenalty`."""

    name: str = "rnm"
    summary: str = "flips the bits of the photo's own code, logits drawn to ±1"
    paper: str = f"{_MACHINES}, Eq. 12 and Algorithm 1; section 5.5"
    departures: str = f"the anchor is the opposite of the own code, where the paper draws one of another class; {_RNM}"

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = [BinaryPenalty(-sign(outputs)) for outputs in original_outputs(photos, surrogates)]
        return self.approach(photos, surrogates, objectives, run)


@dataclass(frozen=True)
class TargetedRNM(AnchorMethod):
    """The relaxation norm method towards a target (P2P), or the code that several targets vote for (P2S).

    Attributes:
        voters: how many of a photo's targets vote, the first ones; None for all.
    """

    name: str = "rnm-p2p"
    summary: str = "takes the code of the first target, logits drawn to ±1"
    paper: str = f"{_MACHINES}, Eq. 12 and Algorithm 1"
    departures: str = _RNM
    needs: frozenset[Need] = GRADIENTS | {"target"}
    voters: Count | None = 1

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        anchors = [anchor_codes(surrogate, run, photos.device, self.voters) for surrogate in surrogates]
        return self.approach(photos, surrogates, [BinaryPenalty(codes) for codes in anchors], run)


RNM_P2S = TargetedRNM(
    name="rnm-p2s",
    summary="takes the code that its targets vote for, logits drawn to ±1",
    departures=f"as rnm-p2p; {_VOTE}",
    voters=None,
)


@dataclass(frozen=True)
class WithNoise(PhotoLoss):
    """loss(x) + weight · loss(clip(x + n)), n ~ U(−noise, noise)/255 anew in each step; the score is that of x.

    The noise depends on the photo's seed and the step alone, so that photos that leave the batch change it for none.

    Attributes:
        loss: the loss that is wrapped.
        seeds: one seed per photo.
        steps: the number of steps of the whole run; progress · steps is the number of the step.
        noise: the largest value of n in 1/255.
        weight: λ.
    """

    loss: PerPhoto[PhotoLoss]
    seeds: PerPhoto[Sequence[int]]
    steps: int
    noise: float
    weight: float

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        clean = self.loss(photos, progress)
        number, shape = round(progress * self.steps), photos.shape[1:]
        generators = [torch.Generator().manual_seed((1000 * seed + number) % 2**63) for seed in self.seeds]
        drawn = torch.stack([torch.rand(shape, generator=generator, device="cpu") for generator in generators])
        shifts = self.noise / 255 * (2 * drawn.to(photos) - 1)
        noisy = self.loss((photos + shifts).clamp(0, 1), progress)
        return replace(clean, loss=clean.loss + self.weight * noisy.loss)


@dataclass(frozen=True)
class NAG(Method):
    """Noise-induced adversarial generation: come near to the target's code and stay there under noise.

    See `MeanAgreement` and `WithNoise`.

    Attributes:
        size: the size of a step in 1/255.
        noise: the largest value of n in 1/255.
        weight: λ, the weight of the noisy photo's loss.
    """

    name: str = "nag"
    summary: str = "noise-induced: takes the target's code and keeps it under random noise, for other encoders too"
    paper: str = "Xiao, Wang, CVPR 2021 (You see what I want you to see), NAG; constants of the released code"
    departures: str = (
        "several targets are taken together, each bit by majority, where the released code has one photo's code; a "
        "noisy photo is clipped to [0, 1] as photos are, which the released code does to the clean one alone"
    )
    accepts: frozenset[Outputs] = LOGITS
    needs: frozenset[Need] = GRADIENTS | {"target"}
    budget: Budget = 32.0
    steps: Whole = 32
    size: NotNegative = 1.0
    noise: NotNegative = 32.0
    weight: NotNegative = 1.0

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        anchors = [anchor_codes(surrogate, run, photos.device) for surrogate in surrogates]
        return descend(
            photos,
            surrogates,
            [MeanAgreement(codes, towards=True, constant=1.0) for codes in anchors],
            run,
            step=Sign(self.size),
            wrap=lambda loss: WithNoise(loss, run.seeds, run.steps, self.noise, self.weight),
        )
