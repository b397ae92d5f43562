"""Figures of `benchmarks/methods.py`: exposure against fidelity, and convergence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from sklearn.isotonic import IsotonicRegression

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

# the default; two per row, with the loss for methods with a target
TRACED = (
    "vanish",
    "hdm",
    "cwdm",
    "cwdm-straight-through",
    "mainstay",
    "hag",
    "tanh-p2s",
    "rnm-p2s",
    "tanh-p2p",
    "rnm-p2p",
)
KINDS = {  # colour and marker
    "ours": ("#d62728", "*"),
    "untargeted": ("#1f77b4", "o"),
    "targeted": ("#ff7f0e", "D"),
    "obfuscation": ("#2ca02c", "s"),
    "none": ("#000000", "X"),
}
SHIFT = 1.005  # SSIM is drawn as −log(SHIFT − SSIM), which spreads values near 1
SSIM_TICKS = (0.4, 0.6, 0.8, 0.9, 0.95, 0.97, 0.99, 1.0)
LABEL_GAP = 0.165  # inches between labels


def kind_of(entry: dict[str, Any]) -> str:
    if entry["name"] in ("none", "vanish"):
        return "none" if entry["name"] == "none" else "ours"
    if entry["obfuscation"]:
        return "obfuscation"
    return "targeted" if "target" in entry["needs"] else "untargeted"


def label(entry: dict[str, Any], entries: Sequence[dict[str, Any]]) -> str:
    """The name of an entry, with its steps if the method has several entries."""
    several = sum(other["name"] == entry["name"] for other in entries) > 1
    return f"{entry['name']} ({entry['steps']} steps)" if several else str(entry["name"])


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Ascending places in [0, 1], at least `gap` apart if there is room, closest to the wanted ones (least squares)."""
    count = len(wanted)
    gap = min(gap, 1 / max(1, count - 1))
    below = [number * gap for number in range(count)]
    pressed = IsotonicRegression(y_min=0, y_max=max(0.0, 1 - gap * (count - 1))).fit_transform(
        range(count), [place - offset for place, offset in zip(wanted, below, strict=True)]
    )
    return [float(place + offset) for place, offset in zip(pressed, below, strict=True)]


def _exposure(axes: Axes, entries: list[dict[str, Any]], threshold: str, height: float) -> None:
    key = f"es_{threshold}"
    ordered = sorted(entries, key=lambda entry: entry[key])
    margin = 1.2 * (ordered[-1][key] / ordered[0][key]) ** 0.04
    low, high = ordered[0][key] / margin, ordered[-1][key] * margin
    axes.set(yscale="log", ylim=(low, high), ylabel="expected queries $E_s$")
    axes.yaxis.set_major_locator(
        LogLocator(subs=range(1, 10) if high < 20 * low else (1, 2, 5) if high < 2000 * low else (1,))
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("SSIM of the saved photo (stretched towards 1)")
    axes.set_xscale("function", functions=(lambda x: -np.log(SHIFT - x), lambda z: SHIFT - np.exp(-z)))
    lowest = min(entry["ssim"] for entry in entries)
    axes.set_xlim(SHIFT - 1.15 * (SHIFT - lowest), 1.0015)
    axes.set_xticks([tick for tick in SSIM_TICKS if tick >= lowest])
    axes.grid(visible=True, which="major", alpha=0.3)
    heights = [math.log(entry[key] / low) / math.log(high / low) for entry in ordered]
    for entry, place in zip(ordered, spread(heights, LABEL_GAP / height), strict=True):
        colour, marker = KINDS[kind_of(entry)]
        bound = key in entry["at_least"]
        size = 110 if marker == "*" else 34
        axes.scatter(entry["ssim"], entry[key], s=size, c=colour, marker=marker, zorder=3, clip_on=False)
        axes.annotate(
            f"{label(entry, entries)}  {'≥ ' if bound else ''}{entry[key]:,.{0 if entry[key] >= 100 else 1}f}",
            (entry["ssim"], entry[key]),
            xytext=(1.04, place),
            textcoords="axes fraction",
            va="center",
            fontsize=7.5,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.4, "lw": 0.7, "shrinkA": 1, "shrinkB": 3}
            | {"relpos": (0, 0.5)},
        )


def plot_exposure(entries: list[dict[str, Any]], path: Path, attack_photos: int, photos: int) -> None:
    """Plot E_s (log) against SSIM at both thresholds; labels are in the order of E_s."""
    height = max(5.0, min(10.0, 2 + 0.25 * len(entries)))
    figure, both = plt.subplots(1, 2, figsize=(16, height), layout="constrained")
    for axes, threshold, words in zip(both, ("f1", "precision"), ("best F1", "best precision"), strict=True):
        _exposure(axes, entries, threshold, height)
        axes.set_title(f"threshold of the {words}")
    for kind in (kind for kind in KINDS if kind in map(kind_of, entries)):
        colour, marker = KINDS[kind]
        both[0].scatter([], [], c=colour, marker=marker, label=kind)
    both[0].legend(loc="best", fontsize=8)
    figure.suptitle(f"{photos} private photos, {attack_photos:,} attack photos; ≥ where none of them found one")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def plot_convergence(entries: list[dict[str, Any]], names: Sequence[str], path: Path, threshold: float) -> None:
    """Plot the distances to classes, and the loss of methods with a target, against steps."""
    by_name = {entry["name"]: entry for entry in sorted(entries, key=lambda one: one["steps"]) if entry.get("curves")}
    panels = []
    for name in (name for name in names if name in by_name):
        panels.append((name, "distance"))
        if "target" in by_name[name]["needs"]:
            panels.append((name, "loss"))
    if not panels:
        return
    columns = min(3, len(panels)) if len(panels) in (3, 5, 6, 9) else min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(3.6 * columns, 3 * rows), squeeze=False, layout="constrained")
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, what) in zip(grid.flat, panels, strict=False):
        curves = by_name[name]["curves"]
        axes.set_xlabel("step")
        axes.grid(visible=True, alpha=0.3)
        if what == "loss":
            axes.plot(curves["step"], [math.nan if v is None else v for v in curves["loss"]], c="#555555")
            axes.set_title(f"{name}: loss", fontsize=10)
            continue
        for key, words, colour in (
            ("own", "own class", "#d62728"),
            ("nearest", "nearest class", "#1f77b4"),
            ("mean", "mean over classes", "#2ca02c"),
        ):
            axes.plot(curves["step"], [math.nan if v is None else v for v in curves[key]], c=colour, label=words)
        axes.axhline(threshold, c="black", lw=0.8, ls=":", label=f"T = {threshold:.0f} (best F1)")
        axes.set_title(name, fontsize=10)
        axes.set(ylim=(0, 38), ylabel="Hamming distance")
    handles, words = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(path, dpi=130)
    plt.close(figure)
