"""Train the bundled vocabulary, and describe the photos of the bundled samples and galleries of bovw, CEDD and GIST.

    python scripts/train_vocabulary.py --root DATA [--words 10000] [--out src/recessive/encoders/weights]

DATA holds photos-train.tar.gz. Of its photos, drawn with seed 0, 1,000 become the reference gallery and 400 others the
owner's sample. The photos themselves are not stored, only their descriptions: visual words with signatures, CEDD and
GIST. The vocabulary is learned from local descriptors of all photos. Thresholds T are those of the best F1 when the
1,000 photos are searched for with another view of each: another distance, angle and light (`views` of vanish).

This takes about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from recessive.encoders import CEDD, GIST, SIFT, BagOfWords, Vocabulary, training_descriptors
from recessive.galleries import DenseGallery, Gallery, InvertedFile, euclidean_distances, tanimoto_distances
from recessive.photos import read_photo
from recessive.protection.methods.vanish import views

SEED = 0
GALLERY, SAMPLE = 1000, 400
DESCRIPTORS_A_WORD = 40
LEVELS = 255  # the largest stored value of GIST


def shown(files: Sequence[Path], what: str) -> Iterator[Tensor]:
    """Yield photos (3, H, W), printing progress."""
    for number, file in enumerate(files):
        if number % 500 == 0:
            print(f"{what}: {number}/{len(files)}", file=sys.stderr, flush=True)
        yield read_photo(file).pixels


def best_threshold(gallery: Gallery[Any], queries: Any) -> tuple[float, float]:  # noqa: ANN401
    """Return T of the best F1 when query i searches for photo i alone, and that F1."""
    distances = torch.cat([some for _, some in gallery.distances(queries)])
    own = distances.diagonal().sort().values
    others = distances[~torch.eye(len(own), dtype=torch.bool)].sort().values
    found = torch.arange(1, len(own) + 1)
    wrong = torch.searchsorted(others, own, right=True)
    f1 = 2 * found / (found + wrong + len(own))
    best = int(f1.argmax())
    return float(own[best]), float(f1[best])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with photos-train.tar.gz")
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("src/recessive/encoders/weights"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(arguments.root / "photos-train.tar.gz") as photos:
            photos.extractall(name, filter="data")
        make(sorted(Path(name).rglob("*.jpg")), arguments.words, arguments.out)


def make(files: Sequence[Path], words: int, out: Path) -> None:
    """Write all files, given the photos."""
    most = DESCRIPTORS_A_WORD * words
    descriptors = training_descriptors(shown(files, "local features"), SIFT(), most=most, seed=SEED)
    print(f"k-means: {len(descriptors)} descriptors, {words} words", file=sys.stderr, flush=True)
    vocabulary = Vocabulary.train(descriptors, words, seed=SEED)
    vocabulary.save(out / "vocabulary.safetensors")

    drawn = random.Random(SEED).sample(list(files), GALLERY + SAMPLE)
    photos = list(shown(drawn, "describing"))
    cedd, gist, bag = CEDD(), GIST(), BagOfWords(vocabulary)
    of_words = [bag.describe(photo) for photo in photos[:GALLERY]]
    of_cedd = torch.cat([cedd(photo[None]) for photo in photos])
    with torch.no_grad():
        of_gist = torch.cat([gist(photo[None]) for photo in photos])
    unit = of_gist.amax(dim=0) / LEVELS
    stored = {
        "counts": torch.tensor([len(photo) for photo in of_words], dtype=torch.int32),
        "words": torch.from_numpy(np.concatenate([photo.words for photo in of_words]).astype(np.uint16)),
        "signatures": torch.from_numpy(np.concatenate([photo.signatures for photo in of_words])),
        "cedd": CEDD.pack(of_cedd),
        "gist": (of_gist / unit).round().to(torch.uint8),
        "gist_unit": unit,
    }
    save_file(stored, out / "descriptors-gallery.safetensors")

    seen = [views(photo[None], [SEED], 1)[0] for photo in photos[:GALLERY]]
    inverted = InvertedFile(words)
    inverted.add(of_words)
    globals_ = {"cedd": (cedd, of_cedd, tanimoto_distances), "gist": (gist, of_gist, euclidean_distances)}
    figures = {"bovw-he": best_threshold(inverted, [bag.describe(view[0]) for view in seen])}
    for name, (describer, items, measure) in globals_.items():
        gallery = DenseGallery(describer.dim, measure)
        gallery.add(items[:GALLERY])
        with torch.no_grad():
            figures[name] = best_threshold(gallery, torch.cat([describer(view) for view in seen]))
    card = {
        "words": words,
        "trained_on": "photos-train (Imagenette train, Clothing; 128 to 192 pixels), RootSIFT",
        "photos": len(files),
        "descriptors": len(descriptors),
        "seed": SEED,
        "gallery": GALLERY,
        "sample": SAMPLE,
        "thresholds": {name: threshold for name, (threshold, _) in figures.items()},
        "best_f1": {name: round(f1, 4) for name, (_, f1) in figures.items()},
    }
    (out / "descriptors.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card))


if __name__ == "__main__":
    main()
