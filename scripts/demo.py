"""Protect three photos that scikit-learn and matplotlib carry, and draw what a search finds before and after.

    python scripts/demo.py --out demo

Writes `photos/`, `protected/` and `contact_sheet.png` into the folder. The search in the picture is over a small
gallery made of parts of the three photos, so that its results can be shown; the verdicts are about the bundled
reference gallery, which holds descriptors and codes only.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import cbook

from recessive.encoders import load_encoder
from recessive.galleries import DenseGallery
from recessive.options import ProtectOptions
from recessive.photos import read_photo
from recessive.workflows import Failure, Protector, ProtectReport, protect_photos

mpl.use("Agg")
from matplotlib import pyplot as plt

SEARCHER = "conv-gem"
RESULTS = 5
RED, GREY = "#d62728", "#bbbbbb"


def sample_photos(folder: Path) -> list[Path]:
    """Copy the three photos."""
    import sklearn.datasets

    folder.mkdir(parents=True, exist_ok=True)
    carried = Path(sklearn.datasets.__file__).parent / "images"
    sources = [
        carried / "china.jpg",
        carried / "flower.jpg",
        cbook.get_sample_data("grace_hopper.jpg", asfileobj=False),
    ]
    return [Path(shutil.copyfile(source, folder / Path(source).name)) for source in sources]


def parts(pixels: torch.Tensor) -> list[torch.Tensor]:
    """What a searcher may hold of the same place or person: nine overlapping parts, and the photo mirrored."""
    _, height, width = pixels.shape
    tall, wide = int(height * 0.6), int(width * 0.6)
    places = [(top, left) for top in (0, 0.5, 1) for left in (0, 0.5, 1)]
    corners = [(int(top * (height - tall)), int(left * (width - wide))) for top, left in places]
    return [pixels.flip(-1), *(pixels[:, top : top + tall, left : left + wide] for top, left in corners)]


def draw(reports: list[ProtectReport], path: Path) -> None:
    """The contact sheet: before, after, their difference, and the search results before and after."""
    encoder = load_encoder(SEARCHER)
    originals = [read_photo(report.input).pixels for report in reports]
    uploads = [read_photo(report.output).pixels for report in reports]
    held = [part for pixels in originals for part in parts(pixels)]
    with torch.no_grad():
        stored = torch.cat([encoder(part[None]) for part in held])

    columns = 3 + RESULTS
    figure, axes = plt.subplots(2 * len(reports), columns, figsize=(2.1 * columns, 3.7 * len(reports)))
    grid = axes[0, 0].get_gridspec()
    for axis in axes.flat:
        axis.axis("off")
    for row, report in enumerate(reports):
        original, upload = originals[row], uploads[row]
        difference = (0.5 + 8 * (upload - original)).clamp(0, 1)
        titles = ("before", f"after: SSIM {report.ssim:.3f}", "difference × 8")
        for column, (pixels, title) in enumerate(zip((original, upload, difference), titles, strict=True)):
            axis = figure.add_subplot(grid[2 * row : 2 * row + 2, column])
            axis.imshow(pixels.permute(1, 2, 0).numpy())
            axis.set_title(title, fontsize=9)
            axis.axis("off")
        for half, posted in enumerate((original, upload)):
            with torch.no_grad():
                query, item = encoder(original[None]), encoder(posted[None])
            gallery = DenseGallery(encoder.dim)
            gallery.add(torch.cat([item, stored]))
            order = gallery.search(query, len(gallery)).indices[0].tolist()
            rank = order.index(0) + 1
            for place, index in enumerate(order[:RESULTS]):
                axis = axes[2 * row + half, 3 + place]
                axis.axis("on")
                axis.imshow((posted if index == 0 else held[index - 1]).permute(1, 2, 0).numpy(), aspect="equal")
                axis.set_xticks([])
                axis.set_yticks([])
                for spine in axis.spines.values():
                    spine.set(color=RED if index == 0 else GREY, linewidth=4 if index == 0 else 1)
                axis.set_title("the upload: FOUND" if index == 0 else f"result {place + 1}", fontsize=8)
            word = "unprotected" if half == 0 else "protected"
            axes[2 * row + half, 3].set_ylabel(f"{word}\nrank {rank} of {len(gallery)}", fontsize=9)
    figure.suptitle(
        f"Searching with the original: what {SEARCHER} returns when the upload is unprotected (upper rows) and "
        "protected (lower rows); a red frame is the upload",
        fontsize=11,
    )
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for photos and contact sheet")
    out: Path = parser.parse_args().out
    inputs = sample_photos(out / "photos")
    reports: list[ProtectReport] = []
    for result in protect_photos(inputs, out / "protected", Protector(ProtectOptions()), overwrite=True):
        if isinstance(result, Failure):
            print(result.error, file=sys.stderr)
            return 1
        reports.append(result)
        when = "done before" if result.skipped else f"{result.seconds:.1f} s"
        print(f"{result.output} ({when}): {result.verdict}", flush=True)
    draw(reports, out / "contact_sheet.png")
    print(f"{out / 'contact_sheet.png'}: before, after, difference, and what a search finds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
