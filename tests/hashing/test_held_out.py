import pytest
import torch

from recessive.datasets import RetrievalData
from recessive.hashing import TrainingError, training_data
from recessive.hashing.held_out import MOST


def data(tiny, photos=70):
    return RetrievalData(
        name="blobs",
        protocol="one",
        classes=("red", "green", "blue"),
        query=tiny.split(photos=9, prefix="query"),
        gallery=tiny.split(photos=photos),
        train=tiny.split(photos=photos),
        note="",
    )


def keys(split):
    return {split.photos.key(index) for index in range(len(split))}


def test_what_is_held_out_does_not_train_and_is_no_query(tiny):
    whole = data(tiny)
    made = training_data(whole, 0.1, 0)
    assert (len(made.train), len(made.validation), len(made.sample)) == (63, 7, 63)
    assert keys(made.train).isdisjoint(keys(made.validation))
    assert keys(made.train) | keys(made.validation) == keys(whole.train)
    assert keys(made.sample) <= keys(made.train)
    assert keys(made.validation).isdisjoint(keys(whole.query))
    labels = {f"train/{index}": index % 3 for index in range(70)}
    for split in (made.train, made.validation, made.sample):
        assert split.labels.tolist() == [labels[split.photos.key(index)] for index in range(len(split))]


def test_the_choice_is_the_seeds(tiny):
    first, again, other = (keys(training_data(data(tiny), 0.2, seed).validation) for seed in (0, 0, 1))
    assert first == again != other


def test_without_a_share_all_train(tiny):
    made = training_data(data(tiny), 0, 0, mirror=False)
    assert len(made.train) == 70
    assert (made.validation, made.sample, made.mirror) == (None, None, False)


def test_a_thousand_are_enough(tiny):
    made = training_data(data(tiny, photos=3000), 0.5, 0)
    assert len(made.validation) == MOST
    assert len(made.train) == 3000 - MOST


def test_bad_shares_and_empty_splits_are_refused(tiny):
    with pytest.raises(TrainingError, match=r"0\.9"):
        training_data(data(tiny), 0.9, 0)
    with pytest.raises(TrainingError, match="1 photos to train on"):
        training_data(data(tiny, photos=1), 0, 0)
    assert torch.initial_seed() is not None
