"""The time and memory that mAP takes, and its agreement with naive loops.

    python benchmarks/map_speed.py [--queries 1000] [--codes 59000] [--bits 48] [--json]

Codes are random, of ten classes, each near the code of its class; many distances are equal. `seconds` and `peak_mib`
are for the sizes in the options, `large_*` for 10,000 queries and 60,000 codes. Each is measured in its own process:
`peak_mib` is the peak memory of that process, PyTorch included, and `growth_mib` the part that the computation added.
`peer` is a plain loop in torch (matrix product, stable argsort, cumulative sum) over the same codes, `naive` a loop in
Python over a few of the queries. Both must give the same average precision.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from torch import Tensor

from recessive.codes import sign
from recessive.galleries import HammingGallery, mean_average_precision

CLASSES = 10
TOLERANCE = 1e-9


def draw(count: int, bits: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw codes and their labels."""
    centres = torch.randn(CLASSES, bits, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    return sign(centres[labels] + 1.5 * torch.randn(count, bits, generator=generator)), labels


def peak_mib() -> float:
    """The peak memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes or KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def ours(queries: int, codes: int, bits: int) -> dict[str, float]:
    (asked, asked_labels), (held, held_labels) = draw(queries, bits, 1), draw(codes, bits, 2)
    gallery = HammingGallery(bits)
    gallery.add(held)
    before, begin = peak_mib(), time.perf_counter()
    report = mean_average_precision(gallery, asked, asked_labels, held_labels)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "map": report.map, "peak_mib": peak_mib(), "growth_mib": peak_mib() - before}


def peer(queries: int, codes: int, bits: int) -> dict[str, float]:
    """The obvious implementation in torch, one query at a time."""
    (asked, asked_labels), (held, held_labels) = draw(queries, bits, 1), draw(codes, bits, 2)
    total, begin = 0.0, time.perf_counter()
    for code, label in zip(asked, asked_labels, strict=True):
        order = torch.argsort(0.5 * (bits - held @ code), stable=True)
        hits = (held_labels[order] == label).double()
        precision = hits.cumsum(0) / torch.arange(1, codes + 1)
        total += float((precision * hits).sum() / hits.sum())
    return {"seconds": time.perf_counter() - begin, "map": total / queries, "peak_mib": peak_mib()}


def equal_to_naive(queries: int, codes: int, bits: int) -> bool:
    """Whether our result equals that of sorting and adding up in Python, query by query."""
    (asked, asked_labels), (held, held_labels) = draw(queries, bits, 1), draw(codes, bits, 2)
    gallery = HammingGallery(bits)
    gallery.add(held)
    labels = held_labels.tolist()
    for code, label in zip(asked, asked_labels, strict=True):
        distances = (held != code).sum(1).tolist()
        hits, total = 0, 0.0
        for place, item in enumerate(sorted(range(codes), key=lambda i: (distances[i], i)), 1):
            if labels[item] == int(label):
                hits += 1
                total += hits / place
        found = mean_average_precision(gallery, code[None], label[None], held_labels).map
        if abs(found - total / hits) > TOLERANCE:
            return False
    return True


def apart(which: str, queries: int, codes: int, bits: int) -> dict[str, float]:
    """Measure ours or the peer in its own process."""
    command = [sys.executable, __file__, "--alone", which]
    command += ["--queries", str(queries), "--codes", str(codes), "--bits", str(bits)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--codes", type=int, default=59_000)
    parser.add_argument("--bits", type=int, default=48)
    parser.add_argument("--naive-queries", type=int, default=10)
    parser.add_argument("--alone", choices=["ours", "peer"], help="take one measurement in this process")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()
    size = (arguments.queries, arguments.codes, arguments.bits)
    if arguments.alone:
        print(json.dumps({"ours": ours, "peer": peer}[arguments.alone](*size)))
        return

    mine, theirs = apart("ours", *size), apart("peer", *size)
    large = apart("ours", 10_000, 60_000, arguments.bits)
    same = equal_to_naive(arguments.naive_queries, *size[1:]) and abs(mine["map"] - theirs["map"]) < TOLERANCE
    result = {
        "seconds": round(mine["seconds"], 3),
        "peak_mib": round(mine["peak_mib"]),
        "growth_mib": round(mine["growth_mib"]),
        "equal_to_naive": same,
        "map": round(mine["map"], 6),
        "peer_seconds": round(theirs["seconds"], 3),
        "ratio_to_peer": round(mine["seconds"] / theirs["seconds"], 4),
        "large_seconds": round(large["seconds"], 3),
        "large_peak_mib": round(large["peak_mib"]),
        "large_growth_mib": round(large["growth_mib"]),
        "queries": arguments.queries,
        "codes": arguments.codes,
        "bits": arguments.bits,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
