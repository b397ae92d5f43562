"""Batches of training photos: their order, how they are read, and how they are varied.

All randomness is a function of (seed, epoch, batch number): a training that starts again in the middle of an epoch, or
that is spread over processes, sees the same photos in the same variations.
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

from recessive.datasets import DataError, Photos
from recessive.hashing.errors import TrainingError

SMALL = 64  # pixels; up to here photos are shifted, above they are cropped and enlarged
SHIFT = 1 / 8  # of the side: 4 pixels of 32
SMALLEST_CROP = 0.3  # of the area
STRETCH = 4 / 3  # the crop's sides differ by at most so much


def mixed_seed(*parts: int) -> int:
    """One seed of 63 bits made of several numbers, so that neighbours such as (0, 1) and (1, 0) share nothing."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def batch_order(photos: int, batch: int, seed: int, epoch: int, share: int = 1) -> tuple[Tensor, ...]:
    """The rows of an epoch's batches, each photo at most once; what does not fill a batch is left out that epoch.

    Where there are fewer photos than a batch holds, all of them are one batch.

    Args:
        photos: how many there are.
        batch: photos a batch.
        seed: of the whole training.
        epoch: counted from 0.
        share: the batch must be a multiple of it: the number of processes.

    Returns:
        Rows (batch,), int64, one tensor a batch.
    """
    generator = torch.Generator().manual_seed(mixed_seed(seed, epoch))
    size = min(batch, photos) // share * share
    order = torch.randperm(photos, generator=generator)
    batches: tuple[Tensor, ...] = order[: photos // size * size].split(size)
    return batches


@dataclass(frozen=True)
class Views:
    """How the photos of a batch are varied, one entry a photo.

    Attributes:
        kind: "shift" moves the photo by whole pixels, mirroring its border inwards; "crop" enlarges a part of it.
        place: "shift": (N, 2), how far down and right, in pixels. "crop": (N, 4), the part's centre (y, x) in [−1, 1]
            and its height and width as shares of the photo's.
        mirror: (N,), bool: left and right change places.
    """

    kind: Literal["shift", "crop"]
    place: Tensor
    mirror: Tensor

    def part(self, some: slice) -> Views:
        """Those of some photos."""
        return Views(self.kind, self.place[some], self.mirror[some])


def draw_views(count: int, size: int, generator: torch.Generator, *, mirror: bool) -> Views:
    """Random variations of `count` photos of `size` × `size` pixels.

    Small photos are shifted by up to an eighth of their side, the usual 4 pixels of 32 (He et al., "Deep residual
    learning for image recognition", 2016, section 4.2). Of larger ones a part of 30 to 100% of the area is enlarged
    to the full size (Szegedy et al., "Going deeper with convolutions", 2015, section 6; theirs are of 8 to 100%, for
    far more photos).

    Args:
        count: N.
        size: pixels a side.
        generator: drawn from.
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
    """Photos (N, 3, S, S), uint8, varied: float32 in [0, 1], with the channels last in memory."""
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
    """Places outside of 0 … size − 1 mirrored inwards, the border itself not repeated."""
    return size - 1 - (size - 1 - places.abs()).abs()


def to_network(photos: Tensor) -> Tensor:
    """Photos (N, 3, S, S), uint8, as a network takes them: float32 in [0, 1], with the channels last in memory."""
    return photos.contiguous(memory_format=torch.channels_last) / 255


class _Batches(Dataset["np.ndarray[Any, Any] | str"]):
    """Batches of photos for a loader's processes; a broken photo is handed over as its message, on one line.

    They are arrays, which go through a pipe: tensors would go through shared memory, of which containers have little,
    and a loader waits for ever for what did not fit.
    """

    def __init__(self, photos: Photos, batches: Sequence[Tensor], size: int) -> None:
        self.photos, self.batches, self.size = photos, batches, size

    def __getitem__(self, number: int) -> np.ndarray[Any, Any] | str:
        try:
            return self.photos.batch(self.batches[number], self.size).numpy()
        except DataError as error:
            return str(error)


def _as_it_is(read: Any) -> Any:  # noqa: ANN401 - a loader would make tensors of arrays
    return read


def read_batches(
    photos: Photos, batches: Sequence[Tensor], size: int, *, first: int = 0, workers: int = 0
) -> Iterator[tuple[int, Tensor]]:
    """Read batches in order: their number, and photos (N, 3, size, size), uint8.

    Args:
        photos: what is read from.
        batches: rows of each batch.
        size: pixels a side.
        first: the batch to begin with.
        workers: processes that read ahead; 0 reads when asked.

    Raises:
        DataError: a photo cannot be read; the message names it.
        TrainingError: a process that reads was killed.
    """
    numbers = range(first, len(batches))
    if not workers or not numbers:
        for number in numbers:
            yield number, photos.batch(batches[number], size)
        return
    # Its own generator: a loader draws a seed when it starts, and must not draw it from the training's.
    loader = DataLoader(
        _Batches(photos, batches, size),
        batch_size=None,
        sampler=numbers,
        collate_fn=_as_it_is,
        num_workers=workers,
        generator=torch.Generator(),
    )
    reading = iter(loader)
    try:
        for number in numbers:
            read = _next(reading)
            if isinstance(read, str):
                raise DataError(read)
            yield number, torch.from_numpy(read)
    finally:
        del reading  # ends the processes now; an error's traceback would keep them


def _next(reading: Iterator[Any]) -> np.ndarray[Any, Any] | str:
    try:
        read: np.ndarray[Any, Any] | str = next(reading)
    except RuntimeError as error:
        raise TrainingError(
            "a process that reads photos was killed, perhaps for want of memory: use fewer --workers"
        ) from error
    return read
