"""The overhead of the training loop over a bare loop with the same network, batches and augmentation.

    python benchmarks/training_throughput.py [--batches 12] [--rounds 5] [--json]

Both loops train the same backbone with the loss of HashNet on random photos of 32 × 32 pixels in memory. The bare loop
is the least that trains: read, augment, forward, loss, backward, step. Ours adds the schedule, seeds for each batch,
the check of the loss, the log, reports, and a snapshot on the disk. Rounds alternate, so that a machine that slows down
slows both. The ratio, our images/s over those of the bare loop, is the median over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from recessive.datasets import ArrayPhotos, Split
from recessive.encoders import make_backbone, make_hash_network
from recessive.hashing import (
    FROM_SCRATCH,
    LossContext,
    TrainingData,
    TrainingSettings,
    augment,
    batch_order,
    draw_views,
    make_loss,
    train,
)
from recessive.hashing.training import make_optimiser

SIZE, BITS, CLASSES = 32, 48, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=12, help="batches per epoch; a round is one epoch of each loop")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backbone", default="small-resnet")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()

    photos = arguments.batches * arguments.batch
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (photos, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (photos,), generator=generator)
    split = Split(ArrayPhotos(pixels, (("train", photos),)), labels)
    recipe = FROM_SCRATCH["hashnet"]

    def made() -> tuple[torch.nn.Module, torch.nn.Module]:
        torch.manual_seed(0)
        context = LossContext(bits=BITS, classes=CLASSES, photos=photos, labels=labels, seed=0, multi_label=False)
        network = make_hash_network("benchmark", make_backbone(arguments.backbone, size=SIZE), BITS)
        return network.to(memory_format=torch.channels_last), make_loss("hashnet", context)

    def bare() -> float:
        network, loss = made()
        optimiser = make_optimiser(network.train(), loss, recipe)
        drawn = torch.Generator().manual_seed(0)
        begin = time.perf_counter()
        for number, rows in enumerate(batch_order(photos, arguments.batch, 0, 0)):
            views = draw_views(len(rows), SIZE, drawn, mirror=True)
            inputs = augment(split.photos.batch(rows, SIZE), views)
            with torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bfloat16"):
                logits = network(inputs)
            value = loss(logits.float(), labels[rows], rows, number / arguments.batches)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
        return time.perf_counter() - begin

    def ours() -> float:
        network, loss = made()
        with tempfile.TemporaryDirectory() as folder:
            settings = TrainingSettings(
                recipe=replace(recipe, epochs=1, batch=arguments.batch),
                size=SIZE,
                precision=arguments.precision,
                snapshot=Path(folder) / "benchmark.snapshot",
            )
            begin = time.perf_counter()
            train(network, loss, TrainingData(split), settings, on_batch=lambda _: None, on_epoch=lambda _: None)
            return time.perf_counter() - begin

    bare(), ours()  # warm up
    rounds = [(ours(), bare()) for _ in range(arguments.rounds)]
    ratios = [theirs / mine for mine, theirs in rounds]
    result = {
        "ratio": round(statistics.median(ratios), 4),
        "ratio_min": round(min(ratios), 4),
        "ratio_max": round(max(ratios), 4),
        "images_per_second": round(photos / statistics.median(mine for mine, _ in rounds), 1),
        "bare_images_per_second": round(photos / statistics.median(theirs for _, theirs in rounds), 1),
        "backbone": arguments.backbone,
        "batch": arguments.batch,
        "batches": arguments.batches,
        "precision": arguments.precision,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
