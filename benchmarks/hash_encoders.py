"""The committed checkpoints, measured again: the mAP on the data and by the protocol of each card.

    python benchmarks/hash_encoders.py --root DIR [--json]

DIR holds the data sets; each is read once. Queries search the whole gallery with codes of the float16 weights in the
package. The mAP is over all results; ties are ordered by gallery index.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recessive.datasets import DataError, load_data
from recessive.devices import pick_device
from recessive.encoders import committed_checkpoints, load_committed
from recessive.hashing import evaluate

if TYPE_CHECKING:
    from recessive.datasets import RetrievalData


def measured(name: str, data: RetrievalData, device: str | None) -> dict[str, Any]:
    checkpoint = load_committed(name)
    card, chosen = checkpoint.card, pick_device(device)
    figures = evaluate(checkpoint.network.to(chosen), data, card["size"], device=chosen)
    return {
        "name": name,
        "data": card["data"],
        "note": data.note,
        "protocol": data.protocol,
        "bits": card["bits"],
        "map": round(figures.map, 4),
        "map_card": round(card["map"], 4),
        "map_chance": round(figures.chance_map, 4),
        "precision_radius_2": round(figures.precision_radius_2, 4),
        "queries": figures.queries,
        "gallery": figures.gallery,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--device", help="such as cpu or cuda; by default a GPU if there is one")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()

    cards = committed_checkpoints()

    def asks(name: str) -> tuple[str, str]:
        return cards[name]["data"], cards[name]["protocol"]

    found = []
    for (data, protocol), names in groupby(sorted(cards, key=asks), key=asks):
        try:
            read = load_data(data, arguments.root, protocol=protocol)
        except DataError as error:
            print(f"{data}: {error}", file=sys.stderr)
            return 1
        for name in names:
            print(f"measuring {name} ({len(found) + 1}/{len(cards)})", file=sys.stderr)
            found.append(measured(name, read, arguments.device))
            if not arguments.json:
                print("  ".join(f"{key} {value}" for key, value in found[-1].items()), flush=True)
    if arguments.json:
        print(json.dumps({"checkpoints": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
