"""recessive data."""

from __future__ import annotations

from recessive.cli.output import print_json


def data(*, json: bool = False) -> int:
    """List the data sets for training, with what to download for each and where to put it.

    `recessive train --data NAME --root FOLDER` reads them. A protocol defines which photos are queries, which form the
    gallery that they search, and which the network is trained on. The first one listed is the default.

    Args:
        json: Print one JSON object per data set on stdout.
    """
    from recessive.datasets import DATASETS, FOLDER_PROTOCOLS

    for dataset in DATASETS.values():
        if json:
            print_json(
                {
                    "name": dataset.name,
                    "summary": dataset.summary,
                    "protocols": dataset.protocols,
                    "size": dataset.size,
                    "source": dataset.source,
                    "place": dataset.place,
                    "licence": dataset.licence,
                    "downloads": [file.url for file in dataset.downloads],
                }
            )
            continue
        print(f"{dataset.name:14} {dataset.summary}")
        for name, description in dataset.protocols.items():
            print(f"{'':14} protocol {name}: {description}")
        print(f"{'':14} get {dataset.source}" + ("; or let --download fetch it" if dataset.downloads else ""))
        print(f"{'':14} put into the root: {dataset.place}")
        print(f"{'':14} licence: {dataset.licence}")
    if not json:
        print(f"{'(a folder)':14} your own photos: --data FOLDER, in which each class has a folder of photos")
        for name, description in FOLDER_PROTOCOLS.items():
            print(f"{'':14} protocol {name}: {description}")
    return 0
