"""Objectives: what a method asks of an encoder's outputs, one file each."""

from recessive.protection.objectives.cluster_curves import ClusterCurves, fit_curves
from recessive.protection.objectives.code_agreement import CodeAgreement
from recessive.protection.objectives.descriptor_distance import DescriptorDistance
from recessive.protection.objectives.soft_count import SoftCount

__all__ = ["ClusterCurves", "CodeAgreement", "DescriptorDistance", "SoftCount", "fit_curves"]
