"""recessive methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def methods(*, json: bool = False) -> int:
    """List the methods of changing photos, by purpose.

    Each line has the name of the method, for --method; the kind of encoders that it works on (descriptors or codes);
    and what it needs. For methods that need a sample, photos to learn from, one comes with the program; --sample names
    your own.

    Args:
        json: Print one JSON object per method on stdout, with its paper, its needs, its constants and its departures
            from the paper.
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
    """Return the heading that a method is listed under."""
    if "target" in method.needs:
        return "target"
    if "gradients" not in method.needs:
        return "keypoints" if method.against else "plain"
    return "labels" if "labels" in method.needs else "hide"


def _print(listed: list[Method]) -> None:
    """Print what a person reads: one line per method, under headings."""
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
    """Return the kind of encoders that a method works on."""
    if len(method.accepts) > 1:
        return "both"
    return "codes" if "logits" in method.accepts else "descriptors"
