"""Objectives: what a method asks of an encoder's outputs, one number per photo that is to become small.

`codes` holds those that compare the bits of a code with another code, `clusters` that of CWDM, and `descriptors` those
that compare descriptors. An objective that belongs to one method alone stands beside it, such as `SoftCount` in
`recessive.protection.methods.vanish`. The contract is `recessive.protection.optimise.Objective`.
"""

from recessive.protection.objectives.clusters import ClusterCurves, fit_curves
from recessive.protection.objectives.codes import (
    BinaryPenalty,
    MaskedAgreement,
    MeanAgreement,
    SquaredAgreement,
    UnturnedBits,
)
from recessive.protection.objectives.descriptors import DescriptorDistance, TargetCosine

__all__ = [
    "BinaryPenalty",
    "ClusterCurves",
    "DescriptorDistance",
    "MaskedAgreement",
    "MeanAgreement",
    "SquaredAgreement",
    "TargetCosine",
    "UnturnedBits",
    "fit_curves",
]
