"""Who must not find a photo for it to be passed on."""

from types import SimpleNamespace

import pytest

from recessive.workflows.passing import passes


@pytest.mark.parametrize(
    ("hidden", "hidden_unseen", "seen", "everybody"),
    [
        (True, True, True, True),
        (True, False, True, False),
        (False, True, False, False),
        (False, False, False, False),
        (True, None, True, True),
        (False, None, False, False),
        (None, True, True, True),  # the method is optimised against nobody: all are asked
        (None, False, False, False),
        (None, None, False, False),  # nobody was asked
    ],
)
def test_a_photo_passes_when_those_that_count_do_not_find_it(hidden, hidden_unseen, seen, everybody):
    report = SimpleNamespace(hidden=hidden, hidden_unseen=hidden_unseen)
    assert (passes(report, "seen"), passes(report, "all")) == (seen, everybody)
