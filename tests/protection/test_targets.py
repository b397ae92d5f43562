"""Targets drawn for studies."""

import pytest
import torch

from recessive.protection.targets import ANCHORS, draw_targets

POOL = torch.arange(60) % 4  # 15 photos of each of four classes


def test_targets_are_of_one_class_that_is_not_the_photos_own():
    labels = torch.arange(40) % 4
    drawn = draw_targets(labels, POOL, range(40))
    assert ANCHORS == 9
    assert drawn.rows.shape == (40, 9)
    assert drawn.classes.dtype == drawn.rows.dtype == torch.int64
    assert torch.equal(POOL[drawn.rows], drawn.classes[:, None].expand(-1, 9))
    assert (drawn.classes != labels).all()
    assert all(len(set(rows)) == 9 for rows in drawn.rows.tolist())


def test_each_other_class_and_each_of_its_photos_has_the_same_chance():
    drawn = draw_targets(torch.zeros(3000, dtype=torch.int64), POOL, range(3000), count=3)
    classes = torch.bincount(drawn.classes, minlength=4)
    assert classes[0] == 0
    assert (classes[1:] - 1000).abs().max() < 120  # 26 is one standard deviation
    first = torch.bincount(drawn.rows[:, 0], minlength=60)[POOL > 0]
    assert (first - 3000 / 45).abs().max() < 45  # 8 is one


def test_a_draw_depends_on_the_photos_own_seed_alone():
    labels, seeds = torch.tensor([0, 1, 2]), [5, 6, 7]
    together = draw_targets(labels, POOL, seeds)
    torch.rand(3)
    for row in range(3):
        alone = draw_targets(labels[row : row + 1], POOL, seeds[row : row + 1])
        assert torch.equal(alone.rows[0], together.rows[row])
        assert alone.classes[0] == together.classes[row]
    assert not torch.equal(draw_targets(labels, POOL, [8, 9, 10]).rows, together.rows)


def test_a_class_needs_more_photos_than_are_drawn():
    pool = torch.tensor([0] * 5 + [1] * 3 + [2] * 4)
    drawn = draw_targets(torch.zeros(200, dtype=torch.int64), pool, range(200), count=3)
    assert set(drawn.classes.tolist()) == {2}
    with pytest.raises(ValueError, match="photo 0: no class that it is not of has more than 4 photos"):
        draw_targets(torch.zeros(1, dtype=torch.int64), pool, [0], count=4)


def test_with_several_labels_targets_have_none_in_common_with_the_photo():
    generator = torch.Generator().manual_seed(0)
    pool = torch.rand(400, 6, generator=generator) < 0.25
    labels = torch.rand(30, 6, generator=generator) < 0.3
    drawn = draw_targets(labels, pool, range(30), count=5)
    for own, target, rows in zip(labels, drawn.classes, drawn.rows, strict=True):
        assert not own[target]
        assert pool[rows, target].all()
        assert not (pool[rows] & own).any()


def test_photos_of_no_class_are_never_drawn():
    pool = torch.zeros(30, 2, dtype=torch.bool)
    pool[:10, 1] = True
    drawn = draw_targets(torch.tensor([[True, False]]), pool, [0])
    assert drawn.classes.tolist() == [1]
    assert drawn.rows.max() < 10


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": 0}, "each photo needs at least one target, not 0"),
        ({"seeds": [1]}, "each photo needs one seed: there are 1 for 2 photos"),
        ({"pool_labels": torch.ones(60, 4, dtype=torch.bool)}, "the same for queries and gallery"),
        ({"pool_labels": torch.empty(0, dtype=torch.int64)}, "no class that it is not of"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        draw_targets(**({"labels": torch.tensor([0, 1]), "pool_labels": POOL, "seeds": [1, 2]} | changes))
