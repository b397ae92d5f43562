"""Exposure: what searchers find of a photo.

Everything here compares two photos, the original and the protected one, whoever protected it and however.

- `audit` searches the gallery of each searcher with the original: does the protected photo come among the first ten
  results, and does that change after what platforms do to photos? Start here. `describe` gives a photo in the terms of
  each searcher, and `expected_queries` summarizes many audits.
- `keypoint_report` counts which SIFT keypoints of the original are still found in the protected photo.
- `heat_maps` show where in a photo an encoder recognises a motif.

Searchers, encoders with their galleries, come from `recessive.searchers`; what is told of the findings is in
`recessive.reports`.
"""

from recessive.exposure.audit import (
    FIRST_RESULTS,
    Audit,
    EncoderAudit,
    ExpectedQueries,
    audit,
    describe,
    expected_queries,
    rank_at,
)
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
    "rank_at",
]
