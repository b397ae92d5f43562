"""Keypoint methods: they remove SIFT keypoints from a photo, or forge new ones, against searches by local features.

All of them change the grey levels, which are what the detector sees, and recover the colours afterwards (`colour`).
RMD, LS and FMD work with the searcher's own detector (`sift`) and are combined freely (`methods`); RDG solves a convex
program for each keypoint in the scale space of VLFeat (`rdg`).
"""

from recessive.protection.keypoints.methods import FMD, LS, RMD, STAGED_METHODS, KeypointMethod
from recessive.protection.keypoints.rdg.method import RDG
from recessive.protection.method import Method

KEYPOINT_METHODS: tuple[Method, ...] = (*STAGED_METHODS, RDG())

__all__ = ["FMD", "KEYPOINT_METHODS", "LS", "RDG", "RMD", "KeypointMethod"]
