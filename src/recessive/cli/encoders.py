"""recessive encoders."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from recessive.cli.output import print_json


def encoders(*, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """List the encoders there are.

    Parameters
    ----------
    json
        One JSON object an encoder on stdout, with how it was trained and what it reaches.
    """
    from recessive.encoders import bundled_encoders

    listed = bundled_encoders().values()
    if json:
        for entry in listed:
            print_json(entry)
        return 0
    print(f"{'name':18}{'gives':>20}{'optimised against':>19}{'mAP instances':>15}{'mAP scenes':>12}")
    for entry in listed:
        kind = f"{entry.dim} bits" if entry.outputs == "logits" else f"{entry.dim}-D descriptor"
        measured = next((f for f in entry.card["figures"]["encoders"] if f["name"] == entry.name), None)
        figures = (measured["map_instances"], measured["map_scenes"]) if measured else (float("nan"),) * 2
        seen = "by default" if entry.seen else "never by default"
        print(f"{entry.name:18}{kind:>20}{seen:>19}{figures[0]:>15.3f}{figures[1]:>12.3f}")
    return 0
