"""The cost of describing a photo by visual words, compared with SIFT alone.

    python benchmarks/indexing.py [--photos 200] [--words 20000] [--root DATA] [--threads 1] [--json]

For each photo of 640 × 480 pixels, two things are timed one after the other, in alternating order: (a) OpenCV's SIFT
detectAndCompute on the grey 8-bit photo, and (b) `BagOfWords.describe` on the photo as a tensor: grey levels, the same
SIFT, RootSIFT, the nearest of `--words` words, the signature. `ratio` is the median of (b)/(a) over photos.

Photos are dead leaves (Lee, Mumford, Huang, "Occlusion models for natural images", 2001): 4,000 ellipses of random
colours that occlude each other, with radii r from 7 to 200 pixels of density r^-3, slightly blurred; they have about
1,500 keypoints. With `--root`, they are query photos of DATA/photos-instances.tar (348 pixels), enlarged. The words are
descriptors drawn from other such photos; the choice of words does not affect the time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from recessive.encoders import SIFT, BagOfWords, Vocabulary, grey_levels, training_descriptors
from recessive.encoders.features.sift import LENGTH
from recessive.encoders.features.vocabulary import BITS, orthogonal_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

WIDTH, HEIGHT = 640, 480
LEAVES, SMALLEST, LARGEST = 4000, 7.0, 200.0
WARM_UP = 3  # photos


def dead_leaves() -> Iterator[Tensor]:
    """Yield photos of ellipses, one per seed from 0 on."""
    for seed in itertools.count():
        generator = np.random.default_rng(seed)
        levels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        # the inverse of the distribution function of r, at uniform numbers
        radii = (SMALLEST**-2 - generator.random(LEAVES) * (SMALLEST**-2 - LARGEST**-2)) ** -0.5
        centres = generator.integers(0, (WIDTH, HEIGHT), (LEAVES, 2))
        axes = np.rint(radii[:, None] * generator.uniform(0.4, 1, (LEAVES, 2))).astype(int)
        angles = generator.integers(0, 180, LEAVES)
        colours = np.clip(generator.normal(128, 50, (LEAVES, 1)) + generator.normal(0, 20, (LEAVES, 3)), 0, 255)
        for leaf in zip(centres.tolist(), axes.tolist(), angles.tolist(), colours.tolist(), strict=True):
            centre, axis, angle, colour = leaf
            cv2.ellipse(levels, centre, axis, angle, 0, 360, colour, thickness=-1)
        yield as_photo(cv2.GaussianBlur(levels, (0, 0), 0.8))


def real_photos(root: Path) -> Iterator[Tensor]:
    """Yield query photos of the archive in random order, enlarged."""
    archive = root / "photos-instances.tar"
    if not archive.is_file():
        sys.exit(f"{archive} is missing; --root must be the folder that holds the photo archives")
    with tarfile.open(archive) as photos:
        members = [member for member in photos.getmembers() if "/query/" in member.name and member.isfile()]
        for place in np.random.default_rng(0).permutation(len(members)):
            content = photos.extractfile(members[place])
            assert content is not None  # noqa: S101 - a file, as asked above
            levels = cv2.imdecode(np.frombuffer(content.read(), np.uint8), cv2.IMREAD_COLOR)
            enlarged = cv2.resize(levels, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            yield as_photo(cv2.cvtColor(enlarged, cv2.COLOR_BGR2RGB))


def as_photo(levels: np.ndarray) -> Tensor:
    """Convert levels (H, W, 3) from 0 to 255 to a photo (3, H, W) in [0, 1]."""
    return torch.from_numpy(levels.round().astype(np.uint8)).permute(2, 0, 1).contiguous().float() / 255


def some_vocabulary(photos: Iterator[Tensor], words: int) -> Vocabulary:
    """Draw words from the descriptors of as many photos as needed; all words share the median thresholds."""

    def enough() -> Iterator[Tensor]:
        found = 0
        while found < 2 * words:
            photo = next(photos, None)
            if photo is None:
                sys.exit(f"too few photos for {words} words; use fewer --words")
            found += len(SIFT().features(photo))
            yield photo

    descriptors = training_descriptors(enough(), SIFT(), most=words, seed=0)
    projection = orthogonal_rows(BITS, LENGTH, 0)
    return Vocabulary(descriptors, projection, np.tile(np.median(descriptors @ projection.T, axis=0), (words, 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--root", type=Path, help="folder with photos-instances.tar, to use real photos")
    parser.add_argument("--threads", type=int, default=1, help="threads of OpenCV and torch")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    torch.set_num_threads(arguments.threads)

    photos = dead_leaves() if arguments.root is None else real_photos(arguments.root)
    bag = BagOfWords(some_vocabulary(photos, arguments.words))
    sift = cv2.SIFT.create()

    def bare(photo: Tensor) -> float:
        grey = grey_levels(photo)
        begin = time.perf_counter()
        sift.detectAndCompute(grey, None)
        return time.perf_counter() - begin

    def ours(photo: Tensor) -> float:
        begin = time.perf_counter()
        bag.describe(photo)
        return time.perf_counter() - begin

    keypoints, timed = [], []
    for number in range(WARM_UP + arguments.photos):
        photo = next(photos, None)
        if photo is None:
            sys.exit(f"too few photos; use at most --photos {len(timed)}")
        if number % 2:
            mine, theirs = ours(photo), bare(photo)
        else:
            theirs, mine = bare(photo), ours(photo)
        if number >= WARM_UP:
            timed.append((mine, theirs))
            keypoints.append(len(bag.describe(photo)))
    ratios = [mine / theirs for mine, theirs in timed]
    result = {
        "ratio": round(statistics.median(ratios), 4),
        "ratio_quartiles": [round(quartile, 4) for quartile in statistics.quantiles(ratios, n=4)[::2]],
        "sift_seconds": round(statistics.median(theirs for _, theirs in timed), 4),
        "describe_seconds": round(statistics.median(mine for mine, _ in timed), 4),
        "photos": len(timed),
        "kind": "dead leaves" if arguments.root is None else "photos-instances, enlarged",
        "keypoints_mean": round(statistics.mean(keypoints)),
        "words": arguments.words,
        "threads": arguments.threads,
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{key}: {value}" for key, value in result.items()))


if __name__ == "__main__":
    main()
