"""What a loss may be made from."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from recessive.hashing.errors import TrainingError
from recessive.hashing.losses import LossContext


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": 0, "labels": torch.zeros(0, dtype=torch.int64)}, "0 training photos.* at least one of each"),
        ({"bits": 0}, "0 bits: at least one"),
        ({"labels": torch.zeros(23, dtype=torch.int64)}, r"labels must be int64 \(24,\), these are int64 \(23,\)"),
        ({"labels": torch.zeros(24)}, "labels must be int64 .* these are float32"),
        ({"labels": torch.full((24,), 4)}, "labels must lie in 0 to 3, these are 4 to 4"),
        ({"labels": torch.full((24,), -1)}, "labels must lie in 0 to 3, these are -1 to -1"),
        ({"multi_label": True}, r"labels must be bool \(24, 4\), these are int64 \(24,\)"),
    ],
)
def test_a_context_that_fits_nothing_is_refused(make_context, change, message):
    made = make_context()
    with pytest.raises(TrainingError, match=message):
        dataclasses.replace(made, **change)


def test_contexts_of_both_kinds_fit(make_context):
    assert make_context().labels.dtype == torch.int64
    assert isinstance(make_context(multi_label=True), LossContext)
