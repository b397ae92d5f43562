"""One method of `benchmarks/methods.py`: run, counted and timed, and judged by `methods_protocol.py`."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch
from methods_protocol import ENCODER, Setting, judge, load_encoder
from torch import Tensor, nn

from recessive.balls import LInf
from recessive.encoders import Encoder
from recessive.protection.methods import METHODS, Run, Surrogate
from recessive.protection.traces import Trace
from recessive.transforms import BitDepth

if TYPE_CHECKING:
    from collections.abc import Callable

    from recessive.protection.methods import Method
    from recessive.protection.optimise import Minimised

CURVE_POINTS = 61


class Counted(nn.Module):
    """A trunk that counts the photos that pass it with a gradient (`passes`) and without (`looks`)."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.passes = self.looks = 0

    def forward(self, photos: Tensor) -> Tensor:
        """The features of the trunk."""
        if photos.requires_grad and torch.is_grad_enabled():
            self.passes += len(photos)
        else:
            self.looks += len(photos)
        features: Tensor = self.trunk(photos)
        return features


def counted_encoder(device: str) -> tuple[Encoder, Counted]:
    """The encoder of the benchmark, and its trunk."""
    network = load_encoder(device)
    trunk = Counted(network.trunk)
    encoder = Encoder(network.name, trunk, network.head, network.dim, network.outputs)
    return encoder.eval(), trunk


def _curves(traces: list[Trace], steps: int) -> dict[str, list[float | None]] | None:
    """Means over photos; a photo that has left the batch keeps its last values."""
    parts = [trace.curves(ENCODER) for trace in traces if ENCODER in trace.encoders]
    if not parts:
        return None
    longest = max(parts, key=lambda part: len(part.progress))
    rows = len(longest.progress)
    shown = torch.linspace(0, rows - 1, min(rows, CURVE_POINTS)).round().long()
    found = {"step": (longest.progress * steps)[shown]}
    for key in ("own", "nearest", "mean", "loss"):
        photos = []
        for part in parts:
            values = getattr(part, key)
            values = torch.cat([values, values.new_full((rows - len(values), values.shape[1]), torch.nan)])
            for row in range(1, rows):
                values[row] = torch.where(values[row].isnan(), values[row - 1], values[row])
            photos.append(values)
        found[key] = torch.cat(photos, dim=1).nanmean(1)[shown]
    return {k: [round(v, 4) if math.isfinite(v) else None for v in values.tolist()] for k, values in found.items()}


def _run(method: Method, setting: Setting, rows: slice, budget: float, steps: int, trace: Trace, device: str) -> Run:
    chosen = setting.targets[rows].float() / 255
    kept = 1 if "p2p" in method.name else chosen.shape[1]  # point to point: one target
    return Run(
        LInf(budget),
        steps,
        setting.seeds[rows],
        saving=BitDepth(8),
        labels=setting.labels[rows].to(device),
        targets=[list(own[:kept].to(device)) for own in chosen],
        trace=trace if "gradients" in method.needs else None,
    )


def measure(
    setting: Setting,
    name: str,
    *,
    budget: float,
    steps: int,
    batch: int,
    device: str,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Run one method on all private photos, and return its figures and costs.

    `passes` counts photos that pass the encoder forward and backward; `passes_alone` is the number that the photos
    would need one by one, with one pass per step, so that both are equal if finished photos leave the batch; `looks`
    counts passes without a gradient. `seconds` is the time of protection without judging, `cpu_seconds` its processor
    time, which other programs do not lengthen.
    """
    method = METHODS[name]
    encoder, trunk = counted_encoder(device)
    sample, labels = setting.sample.to(device), setting.sample_labels.to(device)
    surrogates = [Surrogate(encoder, sample, setting.f1.threshold, labels)]
    outcomes: list[Minimised] = []
    traces, total, seconds, cpu_seconds = [], len(setting.photos), 0.0, 0.0
    for first in range(0, total, batch):
        rows = slice(first, min(first + batch, total))
        traces.append(Trace())
        run = _run(method, setting, rows, budget, steps, traces[-1], device)
        photos = setting.photos[rows].to(device)
        begin, cpu_begin = time.perf_counter(), time.process_time()
        found = method(photos, surrogates, run)
        found.photos.cpu()  # waits for the device
        seconds += time.perf_counter() - begin
        cpu_seconds += time.process_time() - cpu_begin
        outcomes.append(found)
        progress(rows.stop, total)
    taken, done, broken = (torch.cat([getattr(f, key).cpu() for f in outcomes]) for key in ("steps", "done", "broken"))
    return {
        "name": name,
        "obfuscation": "gradients" not in method.needs,
        "needs": sorted(method.needs),
        "steps": steps,
        "steps_paper": method.steps,
        "steps_mean": round(float(taken.float().mean()), 2),
        "done": round(float(done.float().mean()), 4),
        "broken": int(broken.sum()),
        "budget": budget,
        "passes": trunk.passes,
        "passes_alone": int((taken + (done | broken).long()).clamp(max=steps).sum()),
        "looks": trunk.looks,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        **judge(setting, torch.cat([found.photos.cpu() for found in outcomes]), device),
        "curves": _curves(traces, steps),
    }
