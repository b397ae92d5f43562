import numpy as np
import pytest
import torch

from recessive.datasets import ArrayPhotos, DataError, GroundTruth, RetrievalData, Split
from recessive.datasets.splits import draw, draw_per_class, others, random_source

LABELS = torch.arange(60) % 3
ROWS = np.arange(60)


def photos(count):
    return ArrayPhotos(torch.zeros(count, 3, 2, 2, dtype=torch.uint8), (("train", count),))


def split(labels):
    return Split(photos(len(labels)), labels)


def test_draws_are_the_same_for_ever():
    # Written down once: a change here changes every figure that was ever reported with a seed.
    assert draw(np.arange(100), 5, random_source(0), "x").tolist() == [2, 26, 55, 75, 86]
    assert draw(np.arange(100), 5, random_source(1), "x").tolist() == [33, 80, 81, 84, 93]


def test_draws_come_from_the_rows_given():
    rows = np.array([3, 5, 8, 13])
    assert draw(rows, 4, random_source(0), "x").tolist() == rows.tolist()
    assert set(draw(rows, 2, random_source(0), "x").tolist()) < set(rows.tolist())
    with pytest.raises(DataError, match="queries: 5 photos are needed, but there are 4"):
        draw(rows, 5, random_source(0), "queries")


def test_each_class_gives_as_many():
    drawn = draw_per_class(LABELS, ROWS[10:], 4, random_source(0), classes="abc", what="x")
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    assert drawn.min() >= 10
    assert LABELS[drawn].bincount().tolist() == [4, 4, 4]
    with pytest.raises(DataError, match="x, class b: 21 photos are needed, but there are 20"):
        draw_per_class(torch.cat([LABELS, torch.zeros(5, dtype=torch.int64)]), np.arange(65), 21, random_source(0),
                       classes="abc", what="x")  # fmt: skip


def test_shared_labels_are_drawn_once():
    # All photos bear class 0; two of class 1 and three of class 2 must not be used up by it.
    labels = torch.zeros(10, 3, dtype=torch.bool)
    labels[:, 0] = True
    labels[:2, 1] = True
    labels[2:5, 2] = True
    for seed in range(20):
        drawn = draw_per_class(labels, np.arange(10), 2, random_source(seed), classes="abc", what="x")
        assert len(set(drawn.tolist())) == 6
        assert {0, 1} <= set(drawn.tolist())
        assert labels[drawn].sum(dim=0)[2] >= 2
    with pytest.raises(DataError, match="x, class b: 3 photos are needed, but there are 2"):
        draw_per_class(labels, np.arange(10), 3, random_source(0), classes="abc", what="x")


def test_others_are_all_the_rest():
    assert others(6, np.array([1, 4]), np.array([5])).tolist() == [0, 2, 3]


def test_subsets_keep_photos_and_labels_together():
    part = split(LABELS).subset([7, 2]).subset(torch.tensor([1, 0, 1]))
    assert len(part) == 3
    assert part.labels.tolist() == [2, 1, 2]
    assert [part.photos.key(i) for i in range(3)] == ["train/2", "train/7", "train/2"]


def test_labels_must_fit():
    with pytest.raises(DataError, match="60 photos have 59 labels"):
        Split(photos(60), LABELS[1:])
    with pytest.raises(DataError, match="labels must be int64"):
        split(LABELS.int())
    with pytest.raises(DataError, match="labels must be int64"):
        split(torch.ones(4, 3))


def test_empty_splits_are_refused():
    full, empty = split(LABELS), split(LABELS[:0])
    assert len(RetrievalData("x", "p", tuple("abc"), full, full, empty).train) == 0
    with pytest.raises(DataError, match="x: the query split is empty"):
        RetrievalData("x", "p", tuple("abc"), empty, full, full)
    with pytest.raises(DataError, match="x: the gallery split is empty"):
        RetrievalData("x", "p", tuple("abc"), full, empty, full)


def test_labels_of_a_data_set_must_agree():
    single, several = split(LABELS), split(torch.ones(4, 3, dtype=torch.bool))
    assert not RetrievalData("x", "p", tuple("abc"), single, single, single).multi_label
    assert RetrievalData("x", "p", tuple("abc"), several, several, several).multi_label
    with pytest.raises(DataError, match="the gallery split has labels of another kind"):
        RetrievalData("x", "p", tuple("abc"), single, several, single)
    for part in (single, several):
        with pytest.raises(DataError, match="has 3 classes, but 2 names"):
            RetrievalData("x", "p", tuple("ab"), part, part, part)


def test_what_is_to_be_found_is_good_or_ok_once():
    query = GroundTruth("keble_1", 3, (0, 0, 1, 1), (3, 1), (2, 1), (7, 0))
    assert query.positive == (3, 1, 2)
    assert GroundTruth("milk/1.jpg", None, None, (), (), (4,)).positive == ()


@pytest.mark.parametrize(("good", "ok"), [((1, 5), ()), ((), (5, 9)), ((5,), (5,))])
def test_a_photo_is_not_to_be_found_and_junk(good, ok):
    with pytest.raises(DataError, match="keble_1: gallery photo 5 is judged both as relevant and as junk"):
        GroundTruth("keble_1", None, None, good, ok, (5, 8))


def test_there_is_one_judgement_a_query():
    whole, truth = split(LABELS), GroundTruth("x", 0, None, (1,), (), ())
    assert len(RetrievalData("x", "p", tuple("abc"), whole, whole, whole, truth=(truth,) * 60).truth) == 60
    with pytest.raises(DataError, match="x: 60 queries have 1 judgements"):
        RetrievalData("x", "p", tuple("abc"), whole, whole, whole, truth=(truth,))
