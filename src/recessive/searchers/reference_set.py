"""A small reference set of pictures that every installation has, and thresholds found on photos.

A searcher without stored outputs of other photos needs a gallery, a sample and a threshold from somewhere. Photos of
one's own (`--gallery DIR`, `--sample DIR`) are best. Without them this set stands in: windows of the two sample photos
that scikit-learn ships, and pictures drawn from a seed. It contains no photo of anybody, so ranks and thresholds on it
are stand-ins and are labelled so. What a searcher gives for the set is kept in a cache by the searcher's digest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from recessive.galleries.index_file import IndexFile, IndexFileError, read_index, write_index
from recessive.galleries.thresholds import best_f1
from recessive.searchers.describer import SearchEncoder
from recessive.transforms import JPEG, Resize

VERSION = 1  # of the set: a change makes what is cached useless
SIDE = 160  # pixels
DRAWN = 140  # pictures
MOST_FOR_A_THRESHOLD = 48  # photos
_MOST_CANDIDATES = 400  # thresholds that are tried
_FEWEST = 20  # photos; with fewer the reference set joins them


@dataclass(frozen=True)
class ReferenceItems:
    """What a searcher gives for the reference set.

    Attributes:
        items: one item a picture, as galleries of its kind take them.
        threshold: T of best F1, see `find_threshold`.
    """

    items: Any
    threshold: float

    def sample(self) -> Any:  # noqa: ANN401 - codes, descriptors or visual words
        """The half that methods may learn from."""
        return self.items[0::2]

    def gallery(self) -> Any:  # noqa: ANN401 - codes, descriptors or visual words
        """The other half, which audits search and no method sees."""
        return self.items[1::2]


@cache
def reference_photos() -> Tensor:
    """The reference set, (200, 3, 160, 160): the same on every machine."""
    return torch.cat([_windows(), _drawn()]).clamp(0, 1)


def _windows() -> Tensor:
    """60 windows of scikit-learn's two sample photos, at two scales."""
    from sklearn.datasets import load_sample_image  # noqa: PLC0415 - slow to import, and rarely needed

    parts = []
    for name in ("china.jpg", "flower.jpg"):
        photo = torch.from_numpy(np.array(load_sample_image(name))).permute(2, 0, 1)[None] / 255
        for rows, columns in ((2, 3), (4, 6)):
            for band in photo.tensor_split(rows, 2):
                parts += [
                    F.interpolate(window, (SIDE, SIDE), mode="bilinear", antialias=True)
                    for window in band.tensor_split(columns, 3)
                ]
    return torch.cat(parts)


def _drawn() -> Tensor:
    """Pictures of soft grounds, shapes and grain, each from its own seed."""
    return torch.stack([torch.from_numpy(_draw(seed)).permute(2, 0, 1) for seed in range(DRAWN)])


def _draw(seed: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    cells = int(generator.integers(2, 7))
    ground = Image.fromarray(generator.integers(0, 256, (cells, cells, 3), np.uint8))
    picture = ground.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(generator.integers(2, 10))):
        colour = tuple(int(value) for value in generator.integers(0, 256, 3))
        centre, size = generator.uniform(0, SIDE, 2), generator.uniform(8, 60, 2)
        box = (*(centre - size), *(centre + size))
        match int(generator.integers(0, 4)):
            case 0:
                draw.ellipse(box, fill=colour)
            case 1:
                draw.rectangle(box, fill=colour)
            case 2:
                draw.polygon([tuple(point) for point in generator.uniform(0, SIDE, (3, 2))], fill=colour)
            case _:
                for x in np.arange(box[0], box[2], float(generator.uniform(4, 12))):
                    draw.line((x, box[1], x, box[3]), fill=colour, width=2)
    soft = picture.filter(ImageFilter.GaussianBlur(float(generator.uniform(0.3, 1.5))))
    grain = generator.normal(0, generator.uniform(0.5, 8), (SIDE, SIDE, 1))
    return (np.clip(np.asarray(soft, np.float32) + grain, 0, 255).round() / 255).astype(np.float32)


def views(photo: Tensor) -> list[Tensor]:
    """Other pictures of the same motif, as a search has to recognise them: (3, h, w) each.

    The photo mirrored; its upper left 80%, brightened; its lower right 85% at half the size, after JPEG of quality 60.
    """
    height, width = photo.shape[1:]
    upper = photo[:, : max(1, round(0.8 * height)), : max(1, round(0.8 * width))] ** 0.8
    lower = photo[:, round(0.15 * height) :, round(0.15 * width) :][None]
    return [photo.flip(-1), upper, JPEG(60)(Resize(0.5)(lower))[0].clamp(0, 1)]


def find_threshold(searcher: SearchEncoder, photos: Iterable[Tensor]) -> float:
    """T of best F1 when searching among photos with other `views` of them.

    Args:
        searcher: describes photos and views.
        photos: (3, H, W) each, of different motifs; the first `MOST_FOR_A_THRESHOLD` are taken. With fewer than twenty
            the reference set joins them.
    """
    some = [photo for photo, _ in zip(photos, range(MOST_FOR_A_THRESHOLD), strict=False)]
    if len(some) < _FEWEST:
        some += list(reference_photos()[:MOST_FOR_A_THRESHOLD])
    gallery = searcher.gallery()
    gallery.add(searcher.kind.batch([searcher.describe(photo) for photo in some]))
    seen = [views(photo) for photo in some]
    queries = searcher.kind.batch([searcher.describe(view) for own in seen for view in own])
    distances = torch.cat([chunk for _, chunk in gallery.distances(queries)]).float()
    motif = torch.arange(len(some)).repeat_interleave(len(seen[0]))
    relevant = motif[:, None] == torch.arange(len(some))
    steps = distances.unique()
    candidates = steps if len(steps) <= _MOST_CANDIDATES else steps[:: len(steps) // _MOST_CANDIDATES]
    return best_f1(distances, relevant, candidates).threshold


def reference_items(searcher: SearchEncoder) -> ReferenceItems:
    """What a searcher gives for the reference set, from the cache or computed anew."""
    path = cache_folder() / f"reference-{VERSION}-{searcher.digest[:32]}.index"
    with contextlib.suppress(IndexFileError, KeyError, ValueError, TypeError):
        stored = read_index(path)
        if stored.card["digest"] == searcher.digest:
            items = searcher.kind.batch(searcher.kind.items(stored.gallery))
            return ReferenceItems(items, float(stored.card["threshold"]))
    photos = reference_photos()
    described = [searcher.describe(photo) for photo in photos]
    threshold = find_threshold(searcher, photos[:: len(photos) // MOST_FOR_A_THRESHOLD])
    card = {"digest": searcher.digest, "threshold": threshold, "searcher": str(searcher.settings)}
    names = tuple(f"{number:03}" for number in range(len(photos)))
    stamps = np.zeros((len(photos), 2), np.int64)
    with contextlib.suppress(IndexFileError, OSError):  # without a cache it is computed again
        path.parent.mkdir(parents=True, exist_ok=True)
        write_index(path, IndexFile(card, names, stamps, searcher.kind.arrays(described)))
    return ReferenceItems(searcher.kind.batch(described), threshold)


def cache_folder() -> Path:
    """RECESSIVE_CACHE, or the folder `recessive` of the user's caches."""
    named = os.environ.get("RECESSIVE_CACHE")
    if named:
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(caches) if caches else Path.home() / ".cache") / "recessive"
