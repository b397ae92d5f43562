"""Exposure: what a searcher finds. It compares photos, whoever protected them."""

from recessive.exposure.audit import FIRST_RESULTS, Audit, EncoderAudit, audit, describe
from recessive.exposure.expected_queries import ExpectedQueries, expected_queries
from recessive.exposure.heat_map import heat_maps
from recessive.exposure.keypoints import KeypointReport, keypoint_report

__all__ = [
    "FIRST_RESULTS",
    "Audit",
    "EncoderAudit",
    "ExpectedQueries",
    "KeypointReport",
    "audit",
    "describe",
    "expected_queries",
    "heat_maps",
    "keypoint_report",
]
