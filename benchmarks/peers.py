"""Our loop against the PGD of torchattacks: equal photos after each step, and the time that each takes.

    python benchmarks/peers.py [--steps 100] [--rounds 7] [--batch 16] [--json]

Both move photos away from their own codes of a committed hash network, by signs of the gradient, within a ball around
each photo. To torchattacks, the network is a classifier whose first class is "has the code of the original". Photos and
step sizes are multiples of 1/256 and the batch is a power of two, so that all sums are exact and two correct programs
agree to the last bit. They are compared after each of the first steps and at the end, without and with the random start
of torchattacks. Ours evaluates the last photos once more, which is part of its time. Rounds alternate, so that a
machine that slows down slows both. The ratio is our time over theirs, the median over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
import torchattacks
from torch import Tensor, nn

from recessive.balls import LInf
from recessive.codes import sign
from recessive.encoders import load_committed
from recessive.protection.optimise import Ensemble, minimise
from recessive.protection.steps import Sign

if TYPE_CHECKING:
    from collections.abc import Callable

LEVEL = 255 / 256  # a step of 1/256, in units of 1/255
BUDGET = 8 * LEVEL
COMPARED = 10  # first steps


def classes(outputs: Tensor, codes: Tensor) -> Tensor:
    """Class scores (N, 2) from logits (N, m) and the codes of the originals: the similarity, and 0."""
    similarity = (outputs.tanh() * codes).mean(1)
    return torch.stack([similarity, torch.zeros_like(similarity)], dim=1)


@dataclass(frozen=True)
class LikeTheOriginal:
    """loss(x') = −cross-entropy of `classes` with the first class."""

    codes: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """The losses (N,) of logits (N, m)."""
        scores = classes(outputs, self.codes)
        return -F.cross_entropy(scores, scores.new_zeros(len(scores), dtype=torch.int64), reduction="none")

    def score(self, outputs: Tensor) -> Tensor:
        """The loss itself."""
        return self(outputs, 1.0)

    def of(self, rows: Tensor) -> LikeTheOriginal:
        """The loss of some photos of the batch."""
        return LikeTheOriginal(self.codes[rows])


class Classifier(nn.Module):
    """The network as the classifier that torchattacks expects."""

    def __init__(self, network: nn.Module, codes: Tensor) -> None:
        super().__init__()
        self.network = network
        self.codes = codes

    def forward(self, photos: Tensor) -> Tensor:
        """The class scores (N, 2) of photos (N, 3, H, W)."""
        return classes(self.network(photos), self.codes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=16, help="photos per batch, a power of two")
    parser.add_argument("--encoder", default="hashnet-48-cifar-10", help="a committed checkpoint")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()

    network = load_committed(arguments.encoder).network
    generator = torch.Generator().manual_seed(0)
    size = network.trunk.size
    photos = torch.randint(64, 193, (arguments.batch, 3, size, size), generator=generator) / 256
    with torch.no_grad():
        codes = sign(network(photos))
    classifier, loss = Classifier(network, codes).eval(), Ensemble([network], [LikeTheOriginal(codes)])
    first = torch.zeros(arguments.batch, dtype=torch.int64)

    def theirs(steps: int, *, random_start: bool = False) -> Tensor:
        torch.manual_seed(1)
        attack = torchattacks.PGD(classifier, BUDGET / 255, LEVEL / 255, steps, random_start)
        return attack(photos, first)

    def ours(steps: int, start: Tensor | None = None) -> Tensor:
        return minimise(loss, photos, step=Sign(LEVEL), ball=LInf(BUDGET), steps=steps, start=start).photos

    def seconds(run: Callable[[int], Tensor]) -> float:
        begin = time.perf_counter()
        run(arguments.steps)
        return time.perf_counter() - begin

    compared = [*range(1, min(COMPARED, arguments.steps) + 1), arguments.steps]
    start = theirs(0, random_start=True)
    plain = max(float((ours(steps) - theirs(steps)).abs().max()) for steps in compared)
    random = max(float((ours(steps, start) - theirs(steps, random_start=True)).abs().max()) for steps in compared)
    moved = float((ours(arguments.steps) - photos).abs().mean()) * 255

    rounds = []
    for number in range(arguments.rounds):
        order = (ours, theirs) if number % 2 == 0 else (theirs, ours)
        taken = {run: seconds(run) for run in order}
        rounds.append((taken[ours], taken[theirs]))
    ratios = [mine / other for mine, other in rounds]
    result = {
        "max_abs_difference": plain,
        "max_abs_difference_random_start": random,
        "mean_change_levels": round(moved, 3),
        "time_ratio": round(statistics.median(ratios), 4),
        "time_ratio_min": round(min(ratios), 4),
        "time_ratio_max": round(max(ratios), 4),
        "ours_seconds": round(statistics.median(mine for mine, _ in rounds), 3),
        "torchattacks_seconds": round(statistics.median(other for _, other in rounds), 3),
        "torchattacks": torchattacks.__version__,
        "steps": arguments.steps,
        "batch": arguments.batch,
        "size": size,
        "encoder": arguments.encoder,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
