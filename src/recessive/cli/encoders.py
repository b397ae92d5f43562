"""recessive encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recessive.cli.output import print_json

if TYPE_CHECKING:
    from recessive.searchers import Entry


def encoders(*, json: bool = False) -> int:
    """List the encoders that photos can be protected against, audited by, and indexed with.

    The first table has the bundled encoders, which protection and every audit use, with their mean average precision
    (mAP) on photos of single objects and of scenes. The second has search by local features and global descriptors,
    which no network computes. The third has trained hash networks, with the mAP on the data that they were trained for.
    The end tells how to name other encoders: checkpoints that `recessive train` has written, and pretrained networks.

    Args:
        json: Print one JSON object per encoder on stdout: what it returns, whether methods can optimise against it,
            where its threshold, sample and gallery come from, how it was trained, and its results.
    """
    from recessive.searchers import FAMILIES, entries

    listed = entries().values()
    if json:
        for entry in listed:
            card = entry.card if entry.family == "checkpoint" else {"card": entry.card} if entry.card else {}
            known = {**entry.capabilities(), "network": entry.network}
            print_json({**known, **{name: value for name, value in card.items() if name not in known}})
        return 0
    _print_bundled([entry for entry in listed if entry.seen is not None])
    print("\nlocal and global search, which every audit asks and only `joint` and keypoint methods attack")
    for entry in listed:
        if not entry.gradients:
            print(f"{entry.name:18}{entry.summary}")
    _print_checkpoints([entry for entry in listed if entry.family == "checkpoint"])
    print("\nother encoders, by what you type")
    for family in FAMILIES:
        if family.usage:
            print(f"{family.usage}\n    {family.summary}")
    return 0


def _print_bundled(listed: list[Entry]) -> None:
    print(f"{'name':18}{'gives':>20}{'optimised against':>19}{'mAP instances':>15}{'mAP scenes':>12}")
    for entry in listed:
        kind = f"{entry.dim} bits" if entry.outputs == "logits" else f"{entry.dim}-D descriptor"
        measured = next((f for f in entry.card["figures"]["encoders"] if f["name"] == entry.name), None)
        instances, scenes = (f"{measured[key]:.3f}" if measured else "-" for key in ("map_instances", "map_scenes"))
        seen = "by default" if entry.seen else "never by default"
        print(f"{entry.name:18}{kind:>20}{seen:>19}{instances:>15}{scenes:>12}")


def _print_checkpoints(listed: list[Entry]) -> None:
    if not listed:
        return
    width = max(28, *(len(entry.name) + 1 for entry in listed))
    print(f"\n{'hash network':{width}}{'backbone':>18}{'gives':>10}{'loss':>14}{'trained on':>20}{'mAP':>9}")
    for entry in listed:
        card = entry.card
        loss, data = str(card.get("loss", "-")), str(card.get("data", "-"))
        measured = f"{card['map']:.3f}" if isinstance(card.get("map"), float) else "-"
        print(f"{entry.name:{width}}{card['backbone']:>18}{card['bits']:>5} bits{loss:>14}{data:>20}{measured:>9}")
