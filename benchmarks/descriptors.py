"""Local, global and neural search before and after protection: the mAP, as in Tables 6 to 8 of PIRE.

    python benchmarks/descriptors.py --root DATA [--data NAME] [--photos 20] [--work DIR] [--plot DIR] [--json]

DATA holds photos-instances.tar, photos-train.tar.gz and weights/mobilenetv2_100-imagenet.safetensors. `--data` may also
be oxford5k, paris6k, roxford5k or rparis6k in DATA; queries are then cut out by their boxes before they are protected,
and judged by good, ok and junk photos.

`--photos` queries, drawn with seed 0, are protected, saved as PNG and read again; the database stays as it is. The mAP
uses the trapezoidal rule, as that of Oxford5k. The descriptors are bovw and bovw-he with the bundled vocabulary, cedd,
gist, and gem: GeM of MobileNetV2 at 224 pixels. pire (T = 200 unless --pire-steps says otherwise) works against gem,
joint against the bundled surrogates and gem; `witness` is a network that no method knows. noise has the same SSIM on
each photo as pire. `seconds` is the mean time to protect one photo on one core. With --work, protected photos are kept
and an interrupted run continues. It takes about ten minutes on two cores; the published figures are those of --photos
40 --all-queries.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from descriptors_plot import plot
from descriptors_protocol import (
    DESCRIPTORS,
    FAMILIES,
    METHOD_NAMES,
    SAMPLE,
    WITNESS,
    Sight,
    begin,
    gem_sample,
    protect,
)
from PIL import Image

from recessive.datasets import load_data
from recessive.encoders import bundled_vocabulary
from recessive.exposure.keypoints import keypoint_report
from recessive.galleries import Judgement, judged_map, trapezoid_average_precision
from recessive.parallel import ordered_map
from recessive.photos import read_photo
from recessive.quality import ssim

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from recessive.datasets import RetrievalData
    from recessive.galleries import Gallery

SEED = 0
INSTANCES = "photos-instances"
KEYPOINT_METHODS = ("rmd", "rmd+ls", "fmd", "ls+fmd", "rdg", "joint")


def unpack(archive: Path, folder: Path) -> None:
    """Extract photos to files."""
    if not archive.is_file():
        sys.exit(f"{archive} is missing; --root must be the folder that holds the archives")
    with tarfile.open(archive) as photos:
        photos.extractall(folder, filter="data")


def say(text: str) -> None:
    """Print progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def judgements(data: RetrievalData, rows: Sequence[int]) -> list[Judgement]:
    """What some of the queries should find, by the judgement of people or by class."""
    return [Judgement(data.truth[row].positive, data.truth[row].junk) for row in rows]


def describe(sight: Sight, photos: Iterable[Tensor], what: str) -> list[Any]:
    """What a descriptor gives for photos, on all cores."""
    items = []
    for item in ordered_map(sight.items, photos):
        if len(items) % 200 == 0:
            say(f"{sight.name}: {what} {len(items)}")
        items.append(item)
    return items


def mean_ap(gallery: Gallery[Any], queries: Sequence[Any], truth: Sequence[Judgement]) -> float:
    """The mAP of queries, searched one by one."""
    return fmean(judged_map(gallery, item, [one]).map for item, one in zip(queries, truth, strict=True))


def save(photo: Tensor, path: Path) -> None:
    """Save a photo (3, H, W) on the 8-bit grid as PNG, atomically."""
    levels = (photo * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    temporary = path.with_suffix(".tmp")
    Image.fromarray(levels).save(temporary, format="PNG")
    temporary.replace(path)


def protect_all(
    photos: dict[int, Tensor], work: Path, pool: ProcessPoolExecutor
) -> tuple[dict[str, list[Tensor]], dict[str, float]]:
    """Protect every photo by every method, save and read it; and return the seconds per photo."""
    seconds: dict[str, dict[str, float]] = {}
    kept = work / "seconds.json"
    if kept.is_file():
        seconds = json.loads(kept.read_text(encoding="utf-8"))
    found: dict[str, list[Tensor]] = {}
    for method in sorted(METHOD_NAMES, key=lambda name: name == "noise"):  # noise needs pire's photos
        folder = work / method
        folder.mkdir(parents=True, exist_ok=True)
        mine = seconds.setdefault(method, {})
        missing = [row for row in photos if not (folder / f"{row}.png").is_file()]
        before = [read_photo(work / "pire" / f"{row}.png").pixels if method == "noise" else None for row in missing]
        asked = (pool.submit(protect, method, photos[row], pire) for row, pire in zip(missing, before, strict=True))
        for number, (row, waiting) in enumerate(zip(missing, list(asked), strict=True)):
            if number % 10 == 0:
                say(f"{method}: {number}/{len(missing)}")
            protected, mine[str(row)] = waiting.result()
            save(protected, folder / f"{row}.png")
            kept.write_text(json.dumps(seconds), encoding="utf-8")
        found[method] = [read_photo(folder / f"{row}.png").pixels for row in photos]
    return found, {method: fmean(seconds[method].values()) for method in found}


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Compute all figures."""
    if arguments.data == INSTANCES:
        unpack(arguments.root / "photos-instances.tar", folder)
        data = load_data(str(folder / "instances"), None)
    else:
        data = load_data(arguments.data, arguments.root)
    unpack(arguments.root / "photos-train.tar.gz", folder)
    training = random.Random(SEED).sample(sorted((folder / "train").rglob("*.jpg")), SAMPLE)
    rows = sorted(random.Random(SEED).sample(range(len(data.query)), min(arguments.photos, len(data.query))))
    photos = {row: data.query.photos.photo(row) for row in rows}
    truth, everything = judgements(data, rows), range(len(data.query))

    say("gem: the owner's sample")
    worker = (arguments.root, *gem_sample(arguments.root, training), arguments.pire_steps)
    workers = arguments.workers or cpu_count() or 1
    with ProcessPoolExecutor(workers, get_context("spawn"), begin, worker) as pool:
        protected, seconds = protect_all(photos, arguments.work or folder / "work", pool)
    similar = {
        method: fmean(float(ssim(after[None], photos[row][None])) for row, after in zip(rows, those, strict=True))
        for method, those in protected.items()
    }
    cells, undefended = [], {}
    of_words: dict[str, list[Any]] = {}  # both bags of words see the same
    for name in (*DESCRIPTORS, WITNESS):
        sight = Sight(name, arguments.root)
        described = of_words if name == "bovw-he" else {}
        if not described:
            described["database"] = describe(
                sight, map(data.gallery.photos.photo, range(len(data.gallery))), "database"
            )
            for method in METHOD_NAMES:
                described[method] = describe(sight, protected[method], method)
            if arguments.all_queries:
                described["all"] = describe(sight, map(data.query.photos.photo, everything), "all queries")
        if name == "bovw":
            of_words = described
        gallery = sight.empty()
        for item in described["database"]:
            gallery.add(item)
        if arguments.all_queries:
            undefended[name] = round(mean_ap(gallery, described["all"], judgements(data, everything)), 4)
        for method in METHOD_NAMES:
            cells.append(
                {
                    "descriptor": name,
                    "method": method,
                    "map": round(mean_ap(gallery, described[method], truth), 4),
                    "ssim": round(similar[method], 4),
                    "seconds": round(seconds[method], 2),
                }
            )
            say(f"{name}, {method}: mAP {cells[-1]['map']:.4f}")
    keypoints = {
        method: [
            asdict(keypoint_report(photos[row], after)) for row, after in zip(rows, protected[method], strict=True)
        ]
        for method in KEYPOINT_METHODS
    }
    chance = chance_map(len(data.gallery), truth)
    maps = {cell["descriptor"]: cell["map"] for cell in cells if cell["method"] == "none"}
    return {
        "cells": [cell for cell in cells if cell["descriptor"] != WITNESS],
        "witness": [cell for cell in cells if cell["descriptor"] == WITNESS],
        "families": families(cells),
        "keypoints": {
            method: {key: round(fmean(one[key] for one in those), 4) for key in those[0]}
            for method, those in keypoints.items()
        },
        "undefended_all_queries": undefended,
        "chance": round(chance, 4),
        "chance_left": {
            family: round(chance * len(names) / sum(maps[name] for name in names), 4)
            for family, names in FAMILIES.items()
        },
        "data": data.name,
        "queries": len(rows),
        "database": len(data.gallery),
        "words": len(bundled_vocabulary()),
        "pire_steps": arguments.pire_steps,
        "seed": SEED,
    }


def chance_map(size: int, truth: Sequence[Judgement]) -> float:
    """The mAP of random orders, a hundred per query."""
    source = torch.Generator().manual_seed(SEED)
    orders = torch.stack([torch.randperm(size, generator=source) for _ in range(100)]).float()
    return fmean(float(trapezoid_average_precision(orders, [one] * len(orders)).mean()) for one in truth)


def families(cells: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The share of the mAP that each method leaves each family: the mean over its descriptors after / before."""
    maps = {(cell["descriptor"], cell["method"]): cell["map"] for cell in cells}
    return {
        method: {
            family: round(sum(maps[name, method] for name in names) / sum(maps[name, "none"] for name in names), 4)
            for family, names in FAMILIES.items()
        }
        for method in METHOD_NAMES
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with the archives and weights")
    parser.add_argument("--data", default=INSTANCES, help="photos-instances, or a data set in --root")
    parser.add_argument("--photos", type=int, default=20, help="number of queries to protect")
    parser.add_argument("--pire-steps", type=int, default=200)
    parser.add_argument("--workers", type=int, help="processes that protect photos; by default one per core")
    parser.add_argument("--all-queries", action="store_true", help="also search with every query, unprotected")
    parser.add_argument(
        "--work", type=Path, help="folder that keeps protected photos, so that an interrupted run continues"
    )
    parser.add_argument("--plot", type=Path, help="folder for a figure")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()
    start = time.perf_counter()
    torch.set_grad_enabled(False)
    with tempfile.TemporaryDirectory() as name:
        result = measure(arguments, Path(name))
    result["total_seconds"] = round(time.perf_counter() - start, 1)
    if arguments.plot is not None:
        plot(result, arguments.plot)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'method':10}{'SSIM':>8}{'seconds':>9}" + "".join(f"{name:>15}" for name in (*DESCRIPTORS, WITNESS)))
    cells = [*result["cells"], *result["witness"]]
    for method in METHOD_NAMES:
        row = [cell for cell in cells if cell["method"] == method]
        maps = "".join(f"{cell['map']:>15.3f}" for cell in row)
        print(f"{method:10}{row[0]['ssim']:>8.3f}{row[0]['seconds']:>9.2f}{maps}")


if __name__ == "__main__":
    main()
