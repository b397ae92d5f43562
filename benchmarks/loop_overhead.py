"""The overhead of `minimise` over a bare loop of forward and backward passes.

    python benchmarks/loop_overhead.py [--steps 30] [--rounds 5] [--json]

Both loops have the same encoder, photos, number of steps and sum-of-squares loss. The bare loop only computes
gradients: no step, no projection, no bookkeeping. Rounds alternate, so that a machine that slows down slows both. The
ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch

from recessive.balls import LInf
from recessive.encoders import load_encoder
from recessive.protection.objectives import DescriptorDistance
from recessive.protection.optimise import Ensemble, minimise
from recessive.protection.steps import MomentumSign


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224, help="height and width of the photos in pixels")
    parser.add_argument("--encoder", default="conv-gem")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()

    encoder = load_encoder(arguments.encoder)
    generator = torch.Generator().manual_seed(0)
    photos = torch.rand(arguments.batch, 3, arguments.size, arguments.size, generator=generator)
    start = (photos + 0.01 * torch.rand(photos.shape, generator=generator)).clamp(0, 1)
    with torch.no_grad():
        original = encoder(photos)

    def bare() -> float:
        begin = time.perf_counter()
        for _ in range(arguments.steps):
            now = start.detach().requires_grad_()
            torch.autograd.grad(-(encoder(now) - original).square().sum(), now)
        return time.perf_counter() - begin

    def ours() -> float:
        loss = Ensemble([encoder], [DescriptorDistance(original)])
        begin = time.perf_counter()
        minimise(loss, photos, step=MomentumSign(1.0), ball=LInf(8), steps=arguments.steps, start=start)
        return time.perf_counter() - begin

    bare(), ours()  # warm up
    rounds = [(ours(), bare()) for _ in range(arguments.rounds)]
    ratios = [mine / theirs for mine, theirs in rounds]
    result = {
        "ratio": round(statistics.median(ratios), 4),
        "ratio_min": round(min(ratios), 4),
        "ratio_max": round(max(ratios), 4),
        "minimise_seconds": round(statistics.median(mine for mine, _ in rounds), 3),
        "bare_seconds": round(statistics.median(theirs for _, theirs in rounds), 3),
        "steps": arguments.steps,
        "batch": arguments.batch,
        "size": arguments.size,
        "encoder": arguments.encoder,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
