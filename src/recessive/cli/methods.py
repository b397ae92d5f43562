"""recessive methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import print_json

if TYPE_CHECKING:
    from recessive.protection.methods import Method

_HEADINGS = {
    "hide": "Hide photos from encoders",
    "labels": "Hide photos, knowing what they show (--sample DIR with one folder a class, --label NAME)",
    "target": "Let photos be taken for others (--target PHOTO...)",
    "keypoints": "Hide photos from local search (SIFT keypoints)",
    "plain": "Change photos without asking an encoder",
}


def methods(*, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """List the methods there are.

    By what they are for: a name to give as --method, what kind of encoders it works on (descriptors, codes), and what
    it needs. A sample, photos that the method learns from, is bundled: give --sample for one of your own.

    Parameters
    ----------
    json
        One JSON object a method on stdout, with its paper, what it needs, its constants, and where it departs from it.
    """
    from recessive.protection.methods import METHODS, defaults

    if json:
        for method in METHODS.values():
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
        return 0
    _print(list(METHODS.values()))
    return 0


def _group(method: Method) -> str:
    """Which heading it stands under."""
    if "target" in method.needs:
        return "target"
    if "gradients" not in method.needs:
        return "keypoints" if method.against else "plain"
    return "labels" if "labels" in method.needs else "hide"


def _print(listed: list[Method]) -> None:
    """What a person reads: a line a method, under headings."""
    width = 2 + max(len(method.name) for method in listed)
    for group, heading in _HEADINGS.items():
        those = [method for method in listed if _group(method) == group]
        if not those:
            continue
        print(f"{heading}\n  {'method':{width}}{'works on':13}{'needs':24}what it does")
        for method in those:
            needs = ", ".join(sorted(method.needs - {"gradients"})) or "-"
            print(f"  {method.name:{width}}{_works_on(method):13}{needs:24}{method.summary}")
        print()
    print("Papers, constants, and where a method departs from its paper: recessive methods --json")


def _works_on(method: Method) -> str:
    """What kind of encoders."""
    if len(method.accepts) > 1:
        return "both"
    return "codes" if "logits" in method.accepts else "descriptors"
