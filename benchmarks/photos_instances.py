"""Retrieval and protection of real photos: packages in grocery stores, and scenes.

    python benchmarks/photos_instances.py --root DATA [--photos 100] [--json]

DATA holds photos-instances.tar (31 products, `instances/{database,query}/<product>/*.jpg`), photos-scenes.tar (10
classes) and weights/mobilenetv2_100-imagenet.safetensors, the teacher of the bundled encoders.

The mAP is that of every query photo against the database for instances, and leave-one-out for scenes. Then `--photos`
query photos, drawn with seed 0, are protected with the default method, encoders and budget, saved as PNG and read
again. A photo is hidden from an encoder if no photo of the same product is among the first 10 results in the database.
By chance, that holds for 72% of random rankings; `undefended_share` is the share for unprotected photos.
`hidden_from_original` is the share of protected photos that a search with the original does not return among its first
10 results.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from recessive.codes import sign
from recessive.encoders import bundled_encoders, encode, encoder_from_weights, load_encoder
from recessive.galleries import DenseGallery, HammingGallery, mean_average_precision
from recessive.options import ProtectOptions
from recessive.photos import read_photo
from recessive.workflows import Protector, protect_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from recessive.encoders import Encoder
    from recessive.galleries import Gallery

FIRST_RESULTS = 10
SEED = 0


def unpack(root: Path, folder: Path) -> None:
    """Extract the photos to files."""
    for archive in ("photos-instances.tar", "photos-scenes.tar"):
        if not (root / archive).is_file():
            sys.exit(f"{root / archive} is missing; --root must be the folder that holds the photo archives")
        with tarfile.open(root / archive) as photos:
            photos.extractall(folder, filter="data")


def labels(files: Sequence[Path]) -> Tensor:
    """The number of the class of each photo, which is its folder."""
    names = sorted({file.parent.name for file in files})
    return torch.tensor([names.index(file.parent.name) for file in files])


@torch.no_grad()
def items(encoders: Sequence[Encoder], files: Sequence[Path], what: str) -> list[Tensor]:
    """The codes or descriptors of photos: one (N, D) per encoder."""
    found: list[list[Tensor]] = [[] for _ in encoders]
    for number, file in enumerate(files):
        if number % 200 == 0:
            print(f"{what}: {number}/{len(files)}", file=sys.stderr)
        for kept, outputs in zip(found, encode(encoders, read_photo(file).pixels[None]), strict=True):
            kept.append(outputs)
    stacked = [torch.cat(kept) for kept in found]
    return [sign(o) if e.outputs == "logits" else o for e, o in zip(encoders, stacked, strict=True)]


def gallery_of(encoder: Encoder, stored: Tensor) -> Gallery[Tensor]:
    """A gallery of these items."""
    gallery: Gallery[Tensor] = HammingGallery(encoder.dim) if encoder.outputs == "logits" else DenseGallery(encoder.dim)
    gallery.add(stored)
    return gallery


def missed(gallery: Gallery[Tensor], queries: Tensor, query_labels: Tensor, gallery_labels: Tensor) -> float:
    """The share of queries without a photo of their class among the first results."""
    hits = gallery.search(queries, FIRST_RESULTS)
    return float((gallery_labels[hits.indices] != query_labels[:, None]).all(dim=1).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with the photo archives")
    parser.add_argument("--photos", type=int, default=100, help="number of query photos to protect; 0 for none")
    parser.add_argument("--method", default="vanish")
    parser.add_argument("--budget", type=float)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(arguments.root, folder)
        result = measure(arguments, folder)
    result["seconds"] = round(time.perf_counter() - start, 1)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'encoder':18}{'seen':>6}{'hidden':>10}{'before':>10}{'original':>10}{'mAP inst.':>11}{'scenes':>8}")
    for entry in (*result["encoders"], result["teacher"]):
        shares = [entry.get(key) for key in ("hidden_share", "undefended_share", "hidden_from_original")]
        shown = [("-" if share is None else f"{share:.2f}").rjust(10) for share in shares]
        maps = f"{entry['map_instances']:>11.3f}{entry['map_scenes']:>8.3f}"
        print(f"{entry['name']:18}{entry.get('seen', '')!s:>6}{''.join(shown)}{maps}")
    print(f"{result['photos']} photos, SSIM {result['ssim_mean']}, largest change {result['linf_max']}/255")


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All results but the time."""
    encoders = [load_encoder(name) for name in bundled_encoders()]
    parts = ("instances/database", "instances/query", "scenes")
    teacher = encoder_from_weights(arguments.root / "weights" / "mobilenetv2_100-imagenet.safetensors")
    everyone = [*encoders, teacher]
    files = {part: sorted(folder.glob(f"{part}/*/*.jpg")) for part in parts}
    database, queries, scenes = (items(everyone, those, part) for part, those in files.items())
    database_labels, query_labels, scene_labels = (labels(those) for those in files.values())

    entries = []
    galleries = [gallery_of(encoder, stored) for encoder, stored in zip(everyone, database, strict=True)]
    for number, encoder in enumerate(everyone):
        instances = mean_average_precision(galleries[number], queries[number], query_labels, database_labels)
        among = gallery_of(encoder, scenes[number])
        by_scene = mean_average_precision(among, scenes[number], scene_labels, scene_labels, leave_one_out=True)
        entry: dict[str, object] = {"name": encoder.name, "map_instances": round(instances.map, 4)}
        entries.append(entry | {"map_scenes": round(by_scene.map, 4)})

    chosen = sorted(random.Random(SEED).sample(range(len(files["instances/query"])), arguments.photos))
    reports, protected = [], []
    if chosen:
        settings = ProtectOptions(method=arguments.method, budget=arguments.budget, format="png")
        protector = Protector(settings)
        (folder / "protected").mkdir()
        for number, index in enumerate(chosen):
            if number % 10 == 0:
                print(f"protecting: {number}/{len(chosen)}", file=sys.stderr)
            output = folder / "protected" / f"{index}.png"
            reports.append(protect_file(files["instances/query"][index], output, protector))
            protected.append(output)
        after = items(encoders, protected, "protected")
        picked = torch.tensor(chosen)
        for number, encoder in enumerate(encoders):
            search = (query_labels[picked], database_labels)
            judged = [e.hidden for report in reports for e in report.per_encoder if e.name == encoder.name]
            entries[number] |= {
                "seen": encoder.name in protector.names,
                "hidden_share": round(missed(galleries[number], after[number], *search), 4),
                "undefended_share": round(missed(galleries[number], queries[number][picked], *search), 4),
                "hidden_from_original": round(sum(judged) / len(judged), 4) if judged else None,
            }
    return {
        "encoders": entries[:-1],
        "teacher": entries[-1],
        "method": arguments.method,
        "budget": reports[0].budget if reports else None,
        "photos": len(chosen),
        "ssim_mean": round(sum(r.ssim or 0 for r in reports) / len(reports), 4) if reports else None,
        "linf_max": max((r.linf for r in reports), default=None),
        "photo_seconds_mean": round(sum(r.seconds for r in reports) / len(reports), 2) if reports else None,
    }


if __name__ == "__main__":
    main()
