"""recessive methods."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from recessive.cli.output import print_json


def methods(*, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """List the methods there are.

    Parameters
    ----------
    json
        One JSON object a method on stdout, with its paper, what it needs, its constants, and where it departs from it.
    """
    from recessive.protection.methods import METHODS, defaults

    for method in METHODS.values():
        if json:
            print_json(
                {
                    "name": method.name,
                    "summary": method.summary,
                    "paper": method.paper,
                    "departures": method.departures,
                    "accepts": sorted(method.accepts),
                    "needs": sorted(method.needs),
                    "defaults": defaults(method),
                }
            )
        else:
            accepts = " and ".join(
                "codes" if outputs == "logits" else "descriptors" for outputs in sorted(method.accepts)
            )
            print(f"{method.name:12} {method.summary}")
            print(f"{'':12} {method.paper}; for {accepts}; budget {method.budget:g}/255, {method.steps} steps")
    return 0
