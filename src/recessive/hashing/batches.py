"""Photos for training: which are trained on, their order, how they are read and how they are augmented.

Every random choice is a function of (seed, epoch, batch number): a training that is resumed in the middle of an epoch,
or that is spread over several processes, sees the same photos with the same augmentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recessive.datasets import DataError, Photos, RetrievalData, Split
from recessive.hashing.settings import TrainingError

VALIDATION = 1000  # photos held out at most, however large the share: mAP of a thousand queries is accurate enough
VALIDATION_GALLERY = 5000  # training photos that the photos held out search

SMALL = 64  # pixels: photos of at most this size are shifted, larger ones are cropped and enlarged
SHIFT = 1 / 8  # of the side: 4 pixels of 32
SMALLEST_CROP = 0.3  # of the area
STRETCH = 4 / 3  # the largest ratio of a crop's sides


@dataclass(frozen=True)
class TrainingData:
    """The photos of a training.

    Attributes:
        train: the photos to train on; the rows that a loss is given are indices into them.
        validation: photos held out of the training split; None if there are none.
        sample: the training photos that the validation photos search.
        mirror: whether a mirrored photo still shows the same thing; a mirrored digit does not.
    """

    train: Split
    validation: Split | None = None
    sample: Split | None = None
    mirror: bool = True


def training_data(data: RetrievalData, share: float, seed: int, *, mirror: bool = True) -> TrainingData:
    """Hold a random share of the training split out for validation, at most 1,000 photos.

    Args:
        data: the data set; its query split stays untouched until the final evaluation.
        share: the share of the training photos to hold out; 0 for none.
        seed: the seed of the choice.
        mirror: see `TrainingData`.

    Raises:
        TrainingError: if the share is not in [0, 0.5], or the training split has fewer than 2 photos.
    """
    if not 0 <= share <= 0.5:
        raise TrainingError(f"the validation share must lie between 0 and 0.5, not be {share}")
    photos = len(data.train)
    if photos < 2:
        raise TrainingError(f"{data.name}: {photos} photos to train on; at least 2 are needed")
    count = min(round(share * photos), VALIDATION)
    if count == 0:
        return TrainingData(data.train, mirror=mirror)

    def shuffled(length: int, draw: int) -> Tensor:
        return torch.randperm(length, generator=torch.Generator().manual_seed(mixed_seed(seed, draw)))

    order = shuffled(photos, 1)
    validation, train = (data.train.subset(rows.sort().values) for rows in (order[:count], order[count:]))
    sample = train.subset(shuffled(len(train), 2)[:VALIDATION_GALLERY].sort().values)
    return TrainingData(train, validation, sample, mirror=mirror)


def mixed_seed(*parts: int) -> int:
    """Hash several numbers to one seed of 63 bits, so that neighbours such as (0, 1) and (1, 0) are unrelated."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def batch_order(photos: int, batch: int, seed: int, epoch: int, share: int = 1) -> tuple[Tensor, ...]:
    """Shuffle the photos of an epoch into batches; photos that do not fill a last batch are left out in that epoch.

    If there are fewer photos than a batch holds, all of them make one batch.

    Args:
        photos: the number of photos.
        batch: the number of photos per batch.
        seed: the seed of the training.
        epoch: the epoch, counted from 0.
        share: the number of processes; the size of a batch is a multiple of it.

    Returns:
        The rows of each batch: a tensor (batch,), int64, per batch. No row occurs twice.
    """
    generator = torch.Generator().manual_seed(mixed_seed(seed, epoch))
    size = min(batch, photos) // share * share
    order = torch.randperm(photos, generator=generator)
    batches: tuple[Tensor, ...] = order[: photos // size * size].split(size)
    return batches


@dataclass(frozen=True)
class Views:
    """How each photo of a batch is augmented.

    Attributes:
        kind: "shift" moves a photo by whole pixels and mirrors its border inwards; "crop" enlarges a part of it.
        place: for "shift", (N, 2): the offset down and right, in pixels. For "crop", (N, 4): the centre (y, x) of the
            part in [−1, 1], and its height and width relative to the photo's.
        mirror: (N,), bool: whether left and right change places.
    """

    kind: Literal["shift", "crop"]
    place: Tensor
    mirror: Tensor

    def part(self, some: slice) -> Views:
        """The augmentation of a slice of the photos."""
        return Views(self.kind, self.place[some], self.mirror[some])


def draw_views(count: int, size: int, generator: torch.Generator, *, mirror: bool) -> Views:
    """Draw the augmentation of `count` photos of `size` × `size` pixels.

    Small photos are shifted by up to an eighth of their side, the usual 4 pixels of 32 (He et al., "Deep residual
    learning for image recognition", 2016, section 4.2). Of larger photos, a part of 30 to 100% of the area is enlarged
    to the full size (Szegedy et al., "Going deeper with convolutions", 2015, section 6, who use 8 to 100% with far more
    photos).

    Args:
        count: N, the number of photos.
        size: the height and width of the photos in pixels.
        generator: the source of random numbers.
        mirror: whether half of the photos are mirrored; digits must not be.
    """
    flips = torch.rand(count, generator=generator) < (0.5 if mirror else 0.0)
    if size <= SMALL:
        reach = round(size * SHIFT)
        return Views("shift", torch.randint(-reach, reach + 1, (count, 2), generator=generator), flips)
    drawn = torch.rand(count, 4, generator=generator)
    area = SMALLEST_CROP + (1 - SMALLEST_CROP) * drawn[:, 0]
    stretch = STRETCH ** (drawn[:, 1] - 0.5)
    sides = torch.stack([area.sqrt() * stretch, area.sqrt() / stretch], dim=1).clamp(max=1)
    centres = (2 * drawn[:, 2:] - 1) * (1 - sides)
    return Views("crop", torch.cat([centres, sides], dim=1), flips)


def augment(photos: Tensor, views: Views) -> Tensor:
    """Apply `views` to photos (N, 3, S, S), uint8: (N, 3, S, S), float32 in [0, 1], in channels-last memory format."""
    device, size = photos.device, photos.shape[-1]
    place, mirror = views.place.to(device), views.mirror.to(device)
    if views.kind == "shift":
        across = torch.arange(size, device=device)
        columns = torch.where(mirror[:, None], size - 1 - across, across)
        rows, columns = _reflect(across + place[:, :1], size), _reflect(columns + place[:, 1:], size)
        nth = torch.arange(len(photos), device=device)[:, None, None]
        moved = photos.permute(0, 2, 3, 1)[nth, rows[:, :, None], columns[:, None, :]]
        return moved.permute(0, 3, 1, 2) / 255
    transform = torch.zeros(len(photos), 2, 3, device=device)
    transform[:, 0, 0] = torch.where(mirror, -place[:, 3], place[:, 3])
    transform[:, 1, 1] = place[:, 2]
    transform[:, 0, 2], transform[:, 1, 2] = place[:, 1], place[:, 0]
    grid = F.affine_grid(transform, list(photos.shape), align_corners=False)
    return F.grid_sample(to_network(photos), grid, padding_mode="border", align_corners=False)


def _reflect(places: Tensor, size: int) -> Tensor:
    """Mirror indices outside of 0 … size − 1 inwards, without repeating the border itself."""
    return size - 1 - (size - 1 - places.abs()).abs()


def to_network(photos: Tensor) -> Tensor:
    """Convert photos (N, 3, S, S), uint8, to a network's input: float32 in [0, 1], in channels-last memory format."""
    return photos.contiguous(memory_format=torch.channels_last) / 255


class _Batches(Dataset["np.ndarray[Any, Any] | str"]):
    """Batches of photos for the processes of a loader; the message of an error stands for a batch with a broken photo.

    Batches are NumPy arrays, which are sent through a pipe. Tensors would be sent through shared memory, of which
    containers have little, and a loader waits forever for a batch that did not fit.
    """

    def __init__(self, photos: Photos, batches: Sequence[Tensor], size: int) -> None:
        self.photos, self.batches, self.size = photos, batches, size

    def __getitem__(self, number: int) -> np.ndarray[Any, Any] | str:
        try:
            return self.photos.batch(self.batches[number], self.size).numpy()
        except DataError as error:
            return str(error)


def _unchanged(read: Any) -> Any:  # noqa: ANN401 - by default a loader converts arrays to tensors
    return read


def read_batches(
    photos: Photos, batches: Sequence[Tensor], size: int, *, first: int = 0, workers: int = 0
) -> Iterator[tuple[int, Tensor]]:
    """Read batches in order, and yield the number of each with its photos (N, 3, size, size), uint8.

    Args:
        photos: the photos to read from.
        batches: the rows of each batch.
        size: the height and width in pixels to resize to.
        first: the number of the batch to begin with.
        workers: the number of processes that read ahead; with 0, this process reads each batch when it is needed.

    Raises:
        DataError: if a photo cannot be read; the message names it.
        TrainingError: if a process that reads photos was killed.
    """
    numbers = range(first, len(batches))
    if not workers or not numbers:
        for number in numbers:
            yield number, photos.batch(batches[number], size)
        return
    # A generator of its own: a loader draws a seed when it starts, and must not draw it from the training's.
    loader = DataLoader(
        _Batches(photos, batches, size),
        batch_size=None,
        sampler=numbers,
        collate_fn=_unchanged,
        num_workers=workers,
        generator=torch.Generator(),
    )
    reading = iter(loader)
    try:
        for number in numbers:
            try:
                read: np.ndarray[Any, Any] | str = next(reading)
            except RuntimeError as error:
                raise TrainingError(
                    "a process that reads photos was killed, perhaps for lack of memory; use fewer --workers"
                ) from error
            if isinstance(read, str):
                raise DataError(read)
            yield number, torch.from_numpy(read)
    finally:
        del reading  # ends the processes now; the traceback of an error would keep them alive
