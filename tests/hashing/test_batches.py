import os
import signal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.datasets import DataError, RetrievalData
from recessive.hashing import TrainingError, training_data
from recessive.hashing.batches import (
    VALIDATION,
    Views,
    augment,
    batch_order,
    draw_views,
    mixed_seed,
    read_batches,
    to_network,
)


def noise(count, size, seed=0):
    return torch.randint(0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


@given(st.integers(2, 60), st.integers(2, 20), st.integers(0, 3), st.sampled_from([1, 2]))
def test_an_epoch_shows_each_photo_at_most_once(photos, batch, epoch, share):
    batches = batch_order(photos, batch, 7, epoch, share)
    rows = torch.cat(batches)
    assert len(rows.unique()) == len(rows)
    assert 0 <= int(rows.min()) <= int(rows.max()) < photos
    assert {len(some) for some in batches} == {min(batch, photos) // share * share}
    assert photos - len(rows) < max(batch, share)
    assert all(torch.equal(a, b) for a, b in zip(batches, batch_order(photos, batch, 7, epoch, share), strict=True))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [torch.cat(batch_order(50, 50, seed, epoch)).tolist() for seed in range(3) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 9
    assert mixed_seed(0, 1) != mixed_seed(1, 0)


def test_shifted_photos_are_those_of_a_loop():
    size, photos = 32, noise(12, 32)
    views = draw_views(12, size, torch.Generator().manual_seed(1), mirror=True)
    assert views.kind == "shift"
    assert 0 < int(views.mirror.sum()) < 12
    assert views.place.abs().max() <= 4
    made = augment(photos, views)
    for photo, (down, right), mirror, found in zip(
        photos.numpy(), views.place.numpy(), views.mirror, made, strict=True
    ):
        whole = np.pad(photo, ((0, 0), (4, 4), (4, 4)), mode="reflect")
        part = whole[:, 4 + down : 4 + down + size, 4 + right : 4 + right + size]
        np.testing.assert_allclose(found.numpy() * 255, part[:, :, ::-1] if mirror else part, atol=1e-4)
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_cropped_photos_are_enlarged_parts():
    size = 80
    ramp = torch.arange(size, dtype=torch.float32) * 2
    photos = ramp.expand(2, 3, size, size).to(torch.uint8)
    place = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 0.5]])
    made = augment(photos, Views("crop", place, torch.tensor([False, True]))) * 255
    torch.testing.assert_close(made[0], photos[0].float(), atol=1e-3, rtol=0)
    # the second: the right half, mirrored; pixel centres of the result lie a quarter of a pixel apart from the photo's
    across = (torch.arange(size) + 0.5) / size
    wanted = 2 * ((1 - 0.5 * across) * size - 0.5).clamp(max=size - 1)
    torch.testing.assert_close(made[1, 0, 40], wanted, atol=1e-3, rtol=0)


def test_drawn_crops_lie_inside_and_keep_their_share_of_the_area():
    views = draw_views(500, 224, torch.Generator().manual_seed(0), mirror=True)
    centres, sides = views.place[:, :2], views.place[:, 2:]
    assert bool((centres.abs() + sides <= 1 + 1e-6).all())
    area = sides.prod(dim=1)
    assert 0.25 < float(area.min()) < 0.35
    assert 0.9 < float(area.max()) <= 1
    assert float((sides[:, 0] / sides[:, 1]).max()) <= 4 / 3 + 1e-6


def test_digits_are_not_mirrored():
    assert not draw_views(100, 32, torch.Generator().manual_seed(0), mirror=False).mirror.any()


def test_parts_of_a_batch_are_varied_as_in_the_whole():
    photos = noise(8, 32)
    views = draw_views(8, 32, torch.Generator().manual_seed(2), mirror=True)
    parts = [augment(photos[some], views.part(some)) for some in (slice(0, 4), slice(4, 8))]
    assert torch.equal(torch.cat(parts), augment(photos, views))


def test_a_network_gets_photos_between_0_and_1_with_the_channels_last():
    photos = noise(2, 8)
    given_ = to_network(photos)
    assert torch.equal(given_, photos.float() / 255)
    assert given_.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_read_in_order_from_the_one_asked_for(tiny, workers):
    photos = tiny.Blobs()
    batches = torch.arange(70).flip(0).split(16)
    before = torch.get_rng_state()
    read = dict(read_batches(photos, batches, tiny.SIZE, first=2, workers=workers))
    assert torch.equal(torch.get_rng_state(), before)
    assert list(read) == [2, 3, 4]
    assert all(torch.equal(read[number], photos.pixels[batches[number]]) for number in read)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_photo_is_named_on_one_line(tiny, workers):
    class Broken(tiny.Blobs):
        def batch(self, indices, size):  # noqa: ARG002
            raise DataError("beach/3.jpg is damaged")

    with pytest.raises(DataError) as caught:
        list(read_batches(Broken(), [torch.arange(2)], tiny.SIZE, workers=workers))
    assert str(caught.value) == "beach/3.jpg is damaged"


def test_a_reading_process_that_is_killed_ends_the_training(tiny):
    class Deadly(tiny.Blobs):
        def batch(self, indices, size):  # noqa: ARG002
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(TrainingError, match="fewer --workers"):
        list(read_batches(Deadly(), [torch.arange(2)], tiny.SIZE, workers=1))


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
    assert len(made.validation) == VALIDATION
    assert len(made.train) == 3000 - VALIDATION


def test_bad_shares_and_empty_splits_are_refused(tiny):
    with pytest.raises(TrainingError, match=r"0\.9"):
        training_data(data(tiny), 0.9, 0)
    with pytest.raises(TrainingError, match="1 photos to train on"):
        training_data(data(tiny, photos=1), 0, 0)
    assert torch.initial_seed() is not None
