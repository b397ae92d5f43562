"""recessive methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def methods(name: str = "", /, *, json: bool = False) -> int:
    """List the methods of changing photos, by purpose, or describe one of them.

    Each line of the list has the name of the method, for --method; the kind of encoders that it works on (descriptors
    or codes); and what it needs. For methods that need a sample, photos to learn from, one comes with the program;
    --sample names your own. The description of a method also has its paper, where it departs from it, and its
    constants, which --set changes:

      recessive methods cwdm
      recessive protect beach.jpg --method cwdm --set clusters=200

    Args:
        name: Describe this method.
        json: Print one JSON object per method on stdout.
    """
    from recessive.errors import SettingsError
    from recessive.protection.methods import METHODS

    if name and name not in METHODS:
        raise SettingsError(f"no method is called {name!r}; there are {', '.join(METHODS)}")
    if json:
        for method in [METHODS[name]] if name else METHODS.values():
            described = _described(method)
            print_json(described if name else {key: value for key, value in described.items() if key != "constants"})
    elif name:
        _print_one(METHODS[name])
    else:
        _print(list(METHODS.values()))
    return 0


def _described(method: Method) -> dict[str, Any]:
    """Return the JSON object of a method."""
    from recessive.protection.method import constants
    from recessive.protection.methods import defaults

    values = defaults(method)
    return {
        "name": method.name,
        "summary": method.summary,
        "paper": method.paper,
        "departures": method.departures,
        "accepts": sorted(method.accepts),
        "needs": sorted(method.needs),
        "defaults": values,
        "constants": [
            {"name": each.name, "type": each.type, "default": values[each.name], "explanation": each.explanation}
            for each in constants(method)
        ],
    }


def _print_one(method: Method) -> None:
    """Print what a person reads about one method."""
    described = _described(method)
    needs = ", ".join(sorted(method.needs - {"gradients"})) or "nothing"
    print(f"{method.name}: {method.summary}\nPaper: {method.paper}\nDepartures: {method.departures}")
    print(f"Works on {_works_on(method)}; needs {needs}; --budget {method.budget:g}, --steps {method.steps} by default")
    if described["constants"]:
        print("\nConstants (--set NAME=VALUE):")
    for constant in described["constants"]:
        print(f"  {constant['name']}: {constant['type']}, by default {constant['default']}")
        if constant["explanation"]:
            print(f"      {constant['explanation']}")


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
    print("The paper and the constants of a method: recessive methods METHOD. All of them: recessive methods --json")


def _works_on(method: Method) -> str:
    """Return the kind of encoders that a method works on."""
    if len(method.accepts) > 1:
        return "both"
    return "codes" if "logits" in method.accepts else "descriptors"
