"""Objectives: what a method asks of an encoder's outputs, one file each."""

from recessive.protection.objectives.binary_penalty import BinaryPenalty
from recessive.protection.objectives.class_margin import ClassMargin
from recessive.protection.objectives.cluster_curves import ClusterCurves, fit_curves
from recessive.protection.objectives.code_agreement import CodeAgreement, CodeDistance
from recessive.protection.objectives.code_product import CodeProduct
from recessive.protection.objectives.descriptor_distance import DescriptorDistance
from recessive.protection.objectives.masked_agreement import MaskedAgreement
from recessive.protection.objectives.soft_count import SoftCount
from recessive.protection.objectives.target_agreement import TargetAgreement
from recessive.protection.objectives.target_code import TargetCode
from recessive.protection.objectives.target_cosine import TargetCosine
from recessive.protection.objectives.unturned_bits import UnturnedBits

__all__ = [
    "BinaryPenalty",
    "ClassMargin",
    "ClusterCurves",
    "CodeAgreement",
    "CodeDistance",
    "CodeProduct",
    "DescriptorDistance",
    "MaskedAgreement",
    "SoftCount",
    "TargetAgreement",
    "TargetCode",
    "TargetCosine",
    "UnturnedBits",
    "fit_curves",
]
