"""Keypoint methods: they remove SIFT keypoints from a photo, or forge new ones, against searches by local features."""

from __future__ import annotations

from recessive.protection.keypoints.fmd import FMD
from recessive.protection.keypoints.ls import LS
from recessive.protection.keypoints.method import KeypointMethod
from recessive.protection.keypoints.rdg.method import RDG
from recessive.protection.keypoints.rmd import RMD
from recessive.protection.method import Method

_PAPER = (
    "Do et al., Deluding Image Recognition in SIFT-based CBIR Systems, 2010; Liu, Zhao, Larson, ICMR 2019, section 6.1"
)
_COMMON = (
    "constants that the papers leave open are tuned on photos; grey is 0.299 R + 0.587 G + 0.114 B as the detector has "
    "it, not 0.30, 0.59, 0.11; pixels below grey level 1 become grey, and what colour recovery would put beyond 255 "
    "goes to the other channels, so that the detector sees just the levels that were made for it"
)
_RMD = "d_plus is 5 grey levels and a pass adds half of each patch, since neighbouring patches add up"
_LS = "half a scale around each keypoint is smoothed in up to ten passes with soft edges, not a whole window once"
_FMD = "d_minus is 2.5 grey levels, and each of three passes adds three quarters of each patch"

KEYPOINT_METHODS: tuple[Method, ...] = (
    KeypointMethod("rmd", "lowers the contrast of weak SIFT keypoints", _PAPER, f"{_RMD}; {_COMMON}", (RMD(),)),
    KeypointMethod("ls", "smooths what surrounds SIFT keypoints", _PAPER, f"{_LS}; {_COMMON}", (LS(),)),
    KeypointMethod("fmd", "forges SIFT keypoints", _PAPER, f"{_FMD}; {_COMMON}", (FMD(),)),
    KeypointMethod(
        "rmd+ls",
        "lowers the contrast of weak SIFT keypoints and smooths the others",
        _PAPER,
        f"{_RMD}; {_LS}; {_COMMON}",
        (RMD(), LS()),
    ),
    KeypointMethod(
        "ls+fmd",
        "smooths what surrounds SIFT keypoints, then forges others",
        _PAPER,
        f"{_LS}; {_FMD}; {_COMMON}",
        (LS(), FMD()),
    ),
    RDG(),
)

__all__ = ["FMD", "KEYPOINT_METHODS", "LS", "RDG", "RMD", "KeypointMethod"]
