"""The protocol of `benchmarks/methods.py`: the owner, the searcher, and how a method is judged.

The owner has P private photos of the test split of CIFAR-10. The searcher has the other N, all of which count in both
E_w and E_s, and tunes thresholds on them: the first 1,000 are queries, the others are searched. The owner's sample and
the target photos are training photos. Each method protects the private photos; each is saved as a PNG file, and all
figures are those of the file as read again.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from recessive.class_labels import relevant
from recessive.codes import hamming, sign
from recessive.datasets import load_data
from recessive.encoders import load_committed
from recessive.exposure import expected_queries
from recessive.galleries import HammingGallery, mean_average_precision
from recessive.galleries.thresholds import Threshold, best_f1, best_precision, hamming_candidates
from recessive.photos import read_photo
from recessive.protection.targets import draw_targets
from recessive.quality import linf, psnr, ssim
from recessive.transforms.transform import to_bytes

if TYPE_CHECKING:
    from recessive.datasets import RetrievalData, Split
    from recessive.encoders import Encoder

ENCODER = "hashnet-48-cifar-10"
SIZE = 32  # height and width in pixels
SAMPLE = 4_000
TUNING = 1_000  # attack photos that serve as queries to tune thresholds
_ENCODED = 250  # photos at a time


def load_encoder(device: str) -> Encoder:
    """The encoder of the benchmark."""
    return load_committed(ENCODER).network.to(device)


@torch.no_grad()
def codes_of(encoder: Encoder, photos: Tensor, device: str) -> Tensor:
    """The codes of ±1 (N, bits), on the CPU, of photos in [0, 1] or uint8."""
    scale = 1 if photos.is_floating_point() else 255
    return torch.cat([sign(encoder(part.to(device) / scale)).cpu() for part in photos.split(_ENCODED)])


@dataclass(frozen=True)
class Setting:
    """What all methods are given and judged by; all tensors are on the CPU.

    Attributes:
        note: what a reader of figures must know about the data.
        photos: the private photos (P, 3, 32, 32) in [0, 1].
        labels: their classes (P,).
        seeds: one seed per private photo.
        attack: the codes of the attack photos (N, bits).
        attack_labels: their classes (N,).
        sample: the codes of the owner's sample (S, bits).
        sample_labels: their classes (S,).
        targets: photos of another class for each private photo (P, 9, 3, 32, 32), uint8.
        target_labels: these classes (P,).
        f1: the threshold of the best F1.
        precision: the threshold of the best precision.
    """

    note: str
    photos: Tensor
    labels: Tensor
    seeds: list[int]
    attack: Tensor
    attack_labels: Tensor
    sample: Tensor
    sample_labels: Tensor
    targets: Tensor
    target_labels: Tensor
    f1: Threshold
    precision: Threshold


def _drawn(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def _all_of(split: Split, rows: Tensor) -> tuple[Tensor, Tensor]:
    return split.photos.batch(rows, SIZE), split.labels[rows]


def prepare(root: Path, photos: int, seed: int, device: str) -> Setting:
    """Draw and encode photos, and tune the thresholds.

    Raises:
        DataError: if CIFAR-10 is not in `root`, or is damaged.
    """
    data: RetrievalData = load_data("cifar-10", root, protocol="II")
    order = _drawn(len(data.query), seed)
    private, labels = _all_of(data.query, order[:photos])
    others, attack_labels = _all_of(data.query, order[photos:])
    own, sample_labels = _all_of(data.train, _drawn(len(data.train), seed)[:SAMPLE])
    seeds = [10_000 * seed + number for number in range(photos)]
    drawn = draw_targets(labels, data.train.labels, seeds)
    targets = torch.stack([data.train.photos.batch(rows, SIZE) for rows in drawn.rows])

    encoder = load_encoder(device)
    attack = codes_of(encoder, others, device)
    distances = hamming(attack[:TUNING], attack[TUNING:])
    same = relevant(attack_labels[:TUNING], attack_labels[TUNING:])
    return Setting(
        note=data.note,
        photos=private.float() / 255,
        labels=labels,
        seeds=seeds,
        attack=attack,
        attack_labels=attack_labels,
        sample=codes_of(encoder, own, device),
        sample_labels=sample_labels,
        targets=targets,
        target_labels=drawn.classes,
        f1=best_f1(distances, same, hamming_candidates(encoder.dim)),
        precision=best_precision(distances, same, hamming_candidates(encoder.dim)),
    )


def as_saved(photos: Tensor) -> Tensor:
    """Photos (N, 3, H, W), saved as PNG files and read again."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.png" for number in range(len(photos))]
        for file, pixels in zip(files, to_bytes(photos), strict=True):
            Image.fromarray(pixels).save(file, compress_level=1)
        return torch.stack([read_photo(file).pixels for file in files])


def judge(setting: Setting, protected: Tensor, device: str) -> dict[str, Any]:
    """All figures of protected photos, after saving and reading them.

    `es_*` and `ew_*` are E_s and E_w at both thresholds; `at_least` names those without any hit, which are lower
    bounds. `hits_*` counts the hits of all private photos, `found_*` is the share of these that any attack photo
    returns. `map_target` is the mAP as if each photo had the class of its target. PSNR is the mean in dB over the
    photos that changed.
    """
    saved = as_saved(protected)
    encoder = load_encoder(device)
    codes, attack_photos = codes_of(encoder, saved, device), len(setting.attack)
    distances, same = hamming(codes, setting.attack), relevant(setting.labels, setting.attack_labels)
    figures: dict[str, Any] = {}
    at_least = []
    for name, limit in (("f1", setting.f1.threshold), ("precision", setting.precision.threshold)):
        returned = distances <= limit
        for key, counts in (("es", returned), ("ew", returned & same)):
            expected = expected_queries(counts.sum(1), attack_photos)
            figures[f"{key}_{name}"] = round(expected.queries, 2)
            if expected.at_least:
                at_least.append(f"{key}_{name}")
        figures[f"hits_{name}"] = int(returned.sum())
        figures[f"found_{name}"] = round(float(returned.any(1).float().mean()), 4)
    gallery = HammingGallery(encoder.dim)
    gallery.add(setting.attack)
    for key, labels in (("map_after", setting.labels), ("map_target", setting.target_labels)):
        figures[key] = round(mean_average_precision(gallery, codes, labels, setting.attack_labels).map, 4)
    noise, change = psnr(setting.photos, saved), 255 * linf(setting.photos, saved)
    finite = noise[noise.isfinite()]
    return figures | {
        "at_least": at_least,
        "psnr": round(float(finite.mean()), 3) if len(finite) else None,
        "ssim": round(float(ssim(setting.photos, saved).mean()), 5),
        "linf": round(float(change.max()), 3),
        "unchanged": len(noise) - len(finite),
    }
