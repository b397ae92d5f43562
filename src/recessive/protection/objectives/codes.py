"""Objectives of codes: how far the bits of a photo agree with a code c of ±1, its own or another.

The bits of logits u are softened to h' = tanh(α u), so that a gradient passes; the agreement of bit j is s_j = h'_j c_j
in (−1, 1). All of these objectives are functions of the agreements; they lead away from c or towards it. The score is
always a hard count, the bits that agree with c, or those that differ from it where the objective leads towards c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from recessive.codes import sign, sign_straight_through
from recessive.protection.optimise import Objective, PerPhoto

ALPHAS = (0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # one per tenth of the run
TURNED = -0.5  # the agreement below which a bit is left alone


def sharpness(progress: float) -> float:
    """Return α in tanh(α · logit): 0.1 for half of the run, then 0.2, 0.3, 0.5, 0.7 and 1.0 for a tenth each.

    Huang et al., "A fast method for protecting users' privacy in image hash retrieval system", Machines 2022,
    section 5.2: 1000 of 2000 steps and 200 each. Their section 3.2 prints 0.2, 0.5, 0.7, 0.9, 1; the released code
    of DHTA has the former.

    Args:
        progress: the share of the run that is over, in [0, 1].
    """
    return ALPHAS[min(int(len(ALPHAS) * progress), len(ALPHAS) - 1)]


@dataclass(frozen=True)
class CodeObjective(Objective):
    """An objective that leads away from a code, or towards it.

    Attributes:
        codes: c of each photo, ±1 (N, m).
        towards: whether the objective leads towards c.
        sharpen: whether α follows `sharpness`; otherwise it is 1.
    """

    codes: PerPhoto[Tensor]
    towards: bool = False
    sharpen: bool = False

    def agreement(self, outputs: Tensor, progress: float) -> Tensor:
        """Logits (N, m) to s = tanh(α · logits) · c, bit by bit (N, m)."""
        return ((sharpness(progress) * outputs if self.sharpen else outputs).tanh()) * self.codes

    def score(self, outputs: Tensor) -> Tensor:
        """Bits that agree with c (N,); those that differ, the Hamming distance, where the objective leads towards c."""
        bits = sign(outputs)
        return ((bits != self.codes) if self.towards else (bits == self.codes)).sum(1).float()


@dataclass(frozen=True)
class MeanAgreement(CodeObjective):
    """loss(x') = constant + mean_j s_j, or constant − mean_j s_j where the objective leads towards c.

    As |h'| ≤ 1, |h'_j − c_j| = 1 − s_j, so that this is also the loss of papers that print a distance:

        HDM, released code (Xiao, Wang, Gao, CVPR 2020):     −mean_j |h'_j − c_j| = mean s − 1
        centre code (CgAT; Wang, Lin, Li, WWW 2023):         h'·c / m = mean s
        NAG (Xiao, Wang, CVPR 2021, first term):             mean_j |h'_j − c_j| = 1 − mean s
        DHTA (Bai et al., ECCV 2020), Tanh-P2P and -P2S (Huang et al., Machines 2022, Eq. 2), with sharpening:
                                                             −h'·c / m = −mean s

    Attributes:
        constant: what the paper's loss has beside the mean; the gradient does not depend on it.
    """

    constant: float = 0.0

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Logits (N, m) to losses (N,)."""
        mean = self.agreement(outputs, progress).mean(1)
        return self.constant - mean if self.towards else self.constant + mean


@dataclass(frozen=True)
class SquaredAgreement(CodeObjective):
    """loss(x') = (mean_j s_j + 1)²: 4 at the code, 0 when every bit is flipped.

    Xiao, Wang, Gao, "Evade deep image retrieval by stashing private images in the hash space", CVPR 2020, Eq. 3.
    With the photo's own code as c the gradient at x' = x is not zero, because |tanh| < 1.
    """

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Logits (N, m) to losses (N,)."""
        return (self.agreement(outputs, progress).mean(1) + 1).square()


@dataclass(frozen=True)
class MaskedAgreement(CodeObjective):
    """loss(x') = ( Σ_{j in M} s_j / |M| + 1 )² + ( Σ_{j in M} h'_j / m )²,  M = {j : |h'_j − c_j| < 1 + t}.

    M holds the bits that are not yet flipped by a margin t; the others rest. The second term keeps +1 and −1 in
    balance among them. An empty M gives 1 and no gradient.

    Yang et al., "Adversarial examples for Hamming space search", IEEE Transactions on Cybernetics 2020 (HAG).

    Attributes:
        margin: t.
    """

    sharpen: bool = True
    margin: float = 0.5

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Logits (N, m) to losses (N,)."""
        soft = (sharpness(progress) * outputs).tanh()
        mask = ((soft - self.codes).abs() < 1 + self.margin).to(soft)
        masked = mask * soft
        agreement = (masked * self.codes).sum(1) / mask.sum(1).clamp(min=1)
        return (agreement + 1).square() + masked.mean(1).square()


@dataclass(frozen=True)
class UnturnedBits(CodeObjective):
    """loss(x') = Σ_j t_j (t_j + 2) / m,  t = max(s, −½).

    The slope 2 (s + 1) is the steeper the more a bit agrees with c, and 0 for bits that are turned, s ≤ −½. Yuan,
    Zhang, Wang, Wu, "Semantic-aware adversarial training for reliable deep hashing retrieval", IEEE TIFS 2023, in the
    form that its released code has beside the plain mean of s. There the mean is over the unturned bits of the whole
    batch; a constant −¾ for each turned bit gives each photo's gradient the same direction, keeps photos apart, and has
    no 0/0 when all bits are turned.
    """

    sharpen: bool = True

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Logits (N, m) to losses (N,)."""
        agreement = self.agreement(outputs, progress).clamp(min=TURNED)
        return (agreement * (agreement + 2)).mean(1)


@dataclass(frozen=True)
class BinaryPenalty(CodeObjective):
    """loss(x') = a ||u − sign(u)||₂² − sign(u) · c, with the gradient 2a (u − sign(u)) − c in each logit u.

    Within the norm sign(u) is a constant; in the product it passes the gradient as if it were u. A bit that is wrong,
    with u = −c_j v for v > 0, has the slope −c_j (1 + 2a (v − 1)): it flips whatever v where a < 1/2, and for a > 1/2
    comes to rest at v = 1 − 1/(2a).

    Huang et al., "A fast method for protecting users' privacy in image hash retrieval system", Machines 2022, Eq. 12
    and Algorithm 1, whose product has a weight of 1/m: their a is ours over m.

    Attributes:
        weight: a; 1/m when None.
    """

    towards: bool = True
    weight: float | None = None

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Logits (N, m) to losses (N,)."""
        weight = 1 / self.codes.shape[1] if self.weight is None else self.weight
        penalty = (outputs - sign(outputs)).square().sum(1)
        return weight * penalty - (sign_straight_through(outputs, math.inf) * self.codes).sum(1)
