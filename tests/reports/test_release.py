"""Who must not find a photo for it to be passed on."""

import pytest

from recessive.exposure import EncoderAudit
from recessive.reports.release import passes


def found(*, seen, hidden, survives=()):
    rank = 50 if hidden else 1
    return EncoderAudit("any", seen, 0.0, 0.5, 1, rank, 3, 0, 0.4, 100, hidden, dict(survives))


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
    entries = [found(seen=True, hidden=hidden)] if hidden is not None else []
    entries += [found(seen=False, hidden=hidden_unseen)] if hidden_unseen is not None else []
    assert (passes(entries, "seen"), passes(entries, "all")) == (seen, everybody)


def test_one_that_finds_it_is_enough():
    entries = [found(seen=True, hidden=True), found(seen=True, hidden=False)]
    assert not passes(entries, "seen")
    assert not passes(entries, "all")


def test_it_must_stay_hidden_after_each_transform_that_was_asked_for():
    kept = found(seen=True, hidden=True, survives={"jpeg:75": True, "blur:1": True})
    lost = found(seen=True, hidden=True, survives={"jpeg:75": True, "blur:1": False})
    lost_by_another = found(seen=False, hidden=True, survives={"jpeg:75": False})
    assert passes([kept], "seen")
    assert not passes([lost], "seen")
    assert passes([kept, lost_by_another], "seen")
    assert not passes([kept, lost_by_another], "all")
