from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.exposure import expected_queries


def test_it_is_the_attack_photos_over_the_mean_number_of_hits():
    found = expected_queries(torch.tensor([3, 0, 1]), 1000)
    assert found.queries == pytest.approx(1000 / (4 / 3))
    assert (found.at_least, found.hits, found.attack_photos, found.photos) == (False, 4, 1000, 3)


def test_it_is_a_ratio_of_averages_not_an_average_of_ratios():
    assert expected_queries(torch.tensor([10, 90]), 100).queries == pytest.approx(2)


def test_without_any_hit_it_is_a_lower_bound():
    found = expected_queries(torch.zeros(20, dtype=torch.int64), 9500)
    assert found.queries == 9500 * 20
    assert found.at_least
    assert found.hits == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(1, 50))
def test_it_falls_with_each_hit_and_never_passes_the_bound(hits, extra):
    before = expected_queries(torch.tensor(hits), 1000)
    more = expected_queries(torch.tensor([*hits[:-1], hits[-1] + extra]), 1000)
    assert more.queries <= before.queries <= 1000 * len(hits)
    assert not more.at_least
    assert before.at_least == (sum(hits) == 0)


@pytest.mark.parametrize(("hits", "attack_photos"), [([], 10), ([1], 0)])
def test_nothing_to_count_is_refused(hits, attack_photos):
    with pytest.raises(ValueError, match="at least one"):
        expected_queries(torch.tensor(hits), attack_photos)
