"""The figure of `descriptors.py`: the share of the mAP that remains for each family, against SSIM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

TITLES = {"local": "local (SIFT words)", "global": "global (CEDD, GIST)", "neural": "neural (GeM)"}


def plot(result: dict[str, Any], folder: Path) -> None:
    """Plot descriptors.png: one panel per family, one point per method."""
    folder.mkdir(parents=True, exist_ok=True)
    similar = {cell["method"]: cell["ssim"] for cell in result["cells"]}
    figure, panels = plt.subplots(1, 3, figsize=(12, 4.2), sharey=True, layout="constrained")
    for panel, (family, title) in zip(panels, TITLES.items(), strict=True):
        panel.axhline(1, color="0.7", linewidth=1)
        panel.axhline(0.5, color="0.7", linewidth=1, linestyle=":")
        chance = result["chance_left"][family]
        panel.axhline(chance, color="tab:green", linewidth=1, linestyle="--")
        panel.text(0.99, chance + 0.01, "chance", transform=panel.get_yaxis_transform(), ha="right", color="tab:green")
        for method, left in result["families"].items():
            if method == "none":
                continue
            colour = "tab:red" if method == "joint" else "tab:blue"
            panel.plot(similar[method], left[family], "o", color=colour)
            place = (similar[method], left[family])
            crowded = similar[method] > 0.9 and left[family] > 0.75
            below = crowded and "+" not in method  # single and combined ones lie side by side
            offset, turn = ((-2, -6), -60) if below else ((2, 5), 60 if crowded else 0)
            panel.annotate(
                method,
                place,
                offset,
                textcoords="offset points",
                fontsize=8,
                rotation=turn,
                verticalalignment="top" if below else "bottom",
                rotation_mode="anchor" if crowded else "default",
            )
        panel.set_title(title)
        panel.set_xlabel("SSIM")
        panel.margins(x=0.15)
        panel.set_ylim(0, 1.2)
    panels[0].set_ylabel("mAP after / before")
    figure.suptitle(f"{result['data']}: {result['queries']} protected queries, database of {result['database']}")
    figure.savefig(folder / "descriptors.png", dpi=120)
    plt.close(figure)
