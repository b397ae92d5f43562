"""Every method that works on codes, compared in one loop under equal conditions.

    python benchmarks/methods.py --root DATA [--all] [--photos 500] [--out DIR] [--plot DIR] [--json]

DATA holds CIFAR-10; the encoder is the committed HashNet with 48 bits. Methods with gradients have a budget of 8/255
and their own number of steps, at most `--at-most` (vanish runs with 20, and with 100 as CWDM does); obfuscations have
their own budget of 255. `methods_protocol.py` describes who searches for what, `methods_run.py` what is counted. With
`--out`, finished methods are kept, and skipped by the next run with the same settings; choose another folder after the
code has changed. Without `--json`, the result is a table ordered by E_s at the threshold of the best precision; `+`
marks a lower bound: no attack photo returned a private one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import os
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from methods_plots import TRACED, plot_convergence, plot_exposure
from methods_protocol import ENCODER, SAMPLE, TUNING, Setting, judge, prepare
from methods_run import measure

from recessive import __version__
from recessive.datasets import DataError
from recessive.devices import pick_device
from recessive.errors import SettingsError
from recessive.files import write_whole
from recessive.protection.methods import METHODS, defaults
from recessive.protection.targets import ANCHORS

BUDGET = 8.0  # of all methods with gradients, in 1/255
CWDM_SHOWN = (
    *("cwdm", "cwdm-sign", "cwdm-dbscan", "cwdm-tanh", "cwdm-exponential", "cwdm-squared", "cwdm-signed"),
    *("cwdm-straight-through", "cwdm-straight-through-signed"),
)
OURS = (20, 100)  # steps of vanish: few, and as many as of CWDM
COLUMNS = (
    *("steps", "steps_mean", "passes", "es_f1", "es_precision", "ew_f1", "ew_precision"),
    *("map_after", "psnr", "ssim", "linf", "seconds"),
)


@dataclass(frozen=True)
class Plan:
    """A method to run, with its steps and budget."""

    name: str
    steps: int
    budget: float

    def settings(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Everything that decides the outcome."""
        return {
            "version": __version__,
            "encoder": ENCODER,
            "method": self.name,
            "constants": defaults(METHODS[self.name]),
            "steps": self.steps,
            "budget": self.budget,
            **{key: getattr(arguments, key) for key in ("photos", "seed", "batch", "device")},
        }


def usable(chosen: list[str] | None, *, everyone: bool) -> list[str]:
    """The methods to measure: those named, or one of each family, or all of them."""
    if chosen:
        unknown = [name for name in chosen if name not in METHODS]
        unfit = [name for name in chosen if name not in unknown and "logits" not in METHODS[name].accepts]
        if unknown:
            sys.exit(f"unknown method {unknown[0]!r}; choose from {', '.join(METHODS)}")
        if unfit:
            sys.exit(f"{unfit[0]} does not work on codes")
        return list(dict.fromkeys(chosen))
    return [
        name
        for name, method in METHODS.items()
        if "logits" in method.accepts and (everyone or not name.startswith("cwdm") or name in CWDM_SHOWN)
    ]


def planned(names: list[str], steps: int | None, at_most: int) -> list[Plan]:
    """The methods to run, the longest first, so that no process is left with a long one at the end."""
    plans = []
    for name in names:
        if name == "vanish" and steps is None:
            plans += [Plan(name, min(own, at_most), BUDGET) for own in OURS]
            continue
        method = METHODS[name]
        if "gradients" in method.needs:
            plans.append(Plan(name, min(method.steps if steps is None else steps, at_most), BUDGET))
        else:
            plans.append(Plan(name, method.steps, method.budget))
    return sorted(plans, key=lambda plan: -plan.steps)


_given: list[Setting] = []  # of a worker process


def _begin(setting: Setting) -> None:
    torch.set_num_threads(1)
    _given.append(setting)


def _work(plan: Plan, batch: int, device: str) -> dict[str, Any]:
    told = time.perf_counter()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.perf_counter() - told > 20 and done < total:
            told = time.perf_counter()
            print(f"  {plan.name}: {done}/{total} photos", file=sys.stderr, flush=True)

    return measure(
        _given[0], plan.name, budget=plan.budget, steps=plan.steps, batch=batch, device=device, progress=progress
    )


def shown(value: object, *, bound: bool) -> str:
    """A cell of the table."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value) or value >= 1000:
        return f"{value:,.0f}" + "+" * bound
    return f"{value:.4g}" + "+" * bound


def row(entry: dict[str, Any]) -> str:
    """A line of the table."""
    cells = (shown(entry.get(column), bound=column in entry["at_least"]) for column in COLUMNS)
    return f"{entry['name']:24}" + "".join(cell.rjust(13) for cell in cells)


def header() -> str:
    return f"{'method':24}" + "".join(column.rjust(13) for column in COLUMNS)


def kept(out: Path | None, settings: dict[str, Any]) -> Path | None:
    """The file that keeps a method with these settings."""
    if out is None:
        return None
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    return out / f"{settings['method']}-{digest}.json"


def keep(file: Path | None, settings: dict[str, Any], entry: dict[str, Any]) -> None:
    """Keep a finished method; the file is written atomically."""
    if file is not None:
        write_whole(file, (json.dumps({"settings": settings, "entry": entry}, indent=1) + "\n").encode())


def run_all(plans: list[Plan], setting: Setting, arguments: argparse.Namespace) -> tuple[list[Any], list[Any]]:
    """Run all methods, and return their entries and the failures; each is printed and kept when it finishes."""
    entries: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    left: list[Plan] = []
    files = {plan: kept(arguments.out, plan.settings(arguments)) for plan in plans}
    for plan in plans:
        file = files[plan]
        if file is not None and file.is_file():
            entries.append(json.loads(file.read_text())["entry"])
            print(f"{row(entries[-1])}  (kept)", file=sys.stderr)
        else:
            left.append(plan)
    if not left:
        return entries, failed
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # of the worker processes
    with ProcessPoolExecutor(
        min(arguments.jobs, len(left)), multiprocessing.get_context("spawn"), _begin, (setting,)
    ) as pool:
        asked: dict[Future[dict[str, Any]], Plan] = {
            pool.submit(_work, plan, arguments.batch, arguments.device): plan for plan in left
        }
        try:
            for number, future in enumerate(as_completed(asked), start=1):
                plan = asked[future]
                error = future.exception()
                if isinstance(error, Exception):  # the failure of one method must not cost the hours of the others
                    failed.append({"name": plan.name, "error": f"{type(error).__name__}: {error}"})
                    print(f"{plan.name}: {failed[-1]['error']}", file=sys.stderr, flush=True)
                    continue
                entry = future.result()
                entries.append(entry)
                print(f"{row(entry)}  ({number}/{len(left)})", file=sys.stderr, flush=True)
                keep(files[plan], plan.settings(arguments), entry)
        except BaseException:  # Ctrl-C
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return entries, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder that holds CIFAR-10")
    parser.add_argument("--method", nargs="+", metavar="NAME", help="only these methods; by default one of each family")
    parser.add_argument("--all", action="store_true", help="every method that works on codes")
    parser.add_argument("--photos", type=int, default=500, help="number of private photos")
    parser.add_argument("--steps", type=int, help="steps of all methods with gradients, instead of their own")
    parser.add_argument("--at-most", type=int, default=200, help="largest number of steps of any method")
    parser.add_argument("--batch", type=int, default=100, help="photos per batch")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    parser.add_argument("--device", help="such as cpu or cuda; by default a GPU if there is one")
    parser.add_argument(
        "--jobs", type=int, help="processes of one thread each; by default one per core, or one on a GPU"
    )
    parser.add_argument("--out", type=Path, help="folder that keeps finished methods")
    parser.add_argument("--plot", type=Path, help="folder for the figures")
    parser.add_argument(
        "--trace", nargs="+", metavar="NAME", default=TRACED, help="methods whose convergence is plotted"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()
    if not 1 <= arguments.photos <= 10_000 - 2 * TUNING:
        parser.error(f"--photos must be 1 to {10_000 - 2 * TUNING}; the other photos of the test split search for them")
    if any(number is not None and number < 1 for number in (arguments.batch, arguments.jobs, arguments.steps)):
        parser.error("--batch, --jobs and --steps must be at least 1")
    start = time.perf_counter()
    try:
        arguments.device = str(pick_device(arguments.device))
    except SettingsError as error:
        parser.error(str(error))
    on_cpu = arguments.device == "cpu"
    arguments.jobs = arguments.jobs or (multiprocessing.cpu_count() if on_cpu else 1)
    plans = planned(usable(arguments.method, everyone=arguments.all), arguments.steps, arguments.at_most)
    for folder in filter(None, (arguments.out, arguments.plot)):
        folder.mkdir(parents=True, exist_ok=True)

    print("reading and encoding photos", file=sys.stderr, flush=True)
    try:
        setting = prepare(arguments.root, arguments.photos, arguments.seed, arguments.device)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    undefended = {"name": "none", "steps": 0, "passes": 0, "needs": [], "obfuscation": False, "seconds": 0.0}
    undefended |= judge(setting, setting.photos, arguments.device)
    print(f"{header()}\n{row(undefended)}", file=sys.stderr, flush=True)
    entries, failed = run_all(plans, setting, arguments)
    entries = sorted([undefended, *entries], key=lambda entry: -entry["es_precision"])
    if arguments.plot:
        plot_exposure(entries, arguments.plot / "exposure.png", len(setting.attack), len(setting.photos))
        plot_convergence(entries, arguments.trace, arguments.plot / "convergence.png", setting.f1.threshold)

    result = {
        "encoder": ENCODER,
        "data": "cifar-10",
        "note": setting.note,
        "n": len(setting.attack),
        "p": len(setting.photos),
        "sample": SAMPLE,
        "targets": ANCHORS,
        "seed": arguments.seed,
        "budget": BUDGET,
        "steps": arguments.steps,
        "at_most": arguments.at_most,
        "batch": arguments.batch,
        "jobs": arguments.jobs,
        "device": arguments.device,
        "thresholds": {"f1": setting.f1.threshold, "precision": setting.precision.threshold},
        "searcher": {
            key: {"precision": round(found.precision, 4), "recall": round(found.recall, 4), "f1": round(found.f1, 4)}
            for key, found in (("f1", setting.f1), ("precision", setting.precision))
        },
        "map_before": undefended["map_after"],
        "seconds": round(time.perf_counter() - start, 1),
        "failed": failed,
        "methods": [{key: value for key, value in entry.items() if key != "curves"} for entry in entries],
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print(header(), *map(row, entries), sep="\n")
        limits = result["thresholds"]
        print(f"N = {result['n']}, P = {result['p']}, T = {limits} bits, at most {arguments.at_most} steps; {ENCODER}")
        print(f"{setting.note}; {result['seconds']} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
