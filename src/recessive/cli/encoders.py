"""recessive encoders."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from recessive.cli.output import FAILED, complain, print_json

_DESCRIPTORS = {
    "bovw-he": "SIFT keypoints as visual words of a vocabulary of 10,000, with Hamming Embedding",
    "cedd": "colours and edge directions, a histogram of 144",
    "gist": "scales and orientations in 4 x 4 parts, 512-D",
}


def encoders(*, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """List the encoders there are.

    First those that `recessive protect` and `recessive audit` use, with their mean average precision (mAP) on photos of
    single things and of scenes, and the local and global searches that they ask besides. Then trained hash networks,
    with the mAP on the data that they were trained for: `recessive train` can measure them again and begin with their
    weights. `recessive index` takes all of these, and more.

    Parameters
    ----------
    json
        One JSON object an encoder on stdout, with how it was trained and what it reaches.
    """
    from recessive.encoders import EncoderError, bundled_encoders, committed_checkpoints, descriptor_thresholds

    listed = bundled_encoders().values()
    try:
        cards = committed_checkpoints()
    except EncoderError as error:
        complain(error)
        return FAILED
    if json:
        for entry in listed:
            print_json(entry)
        for name, threshold in descriptor_thresholds().items():
            print_json({"name": name, "summary": _DESCRIPTORS[name], "threshold": threshold})
        for name, card in cards.items():
            print_json({"name": name, "outputs": "logits", "dim": card["bits"], **card})
        return 0
    print(f"{'name':18}{'gives':>20}{'optimised against':>19}{'mAP instances':>15}{'mAP scenes':>12}")
    for entry in listed:
        kind = f"{entry.dim} bits" if entry.outputs == "logits" else f"{entry.dim}-D descriptor"
        measured = next((f for f in entry.card["figures"]["encoders"] if f["name"] == entry.name), None)
        instances, scenes = (f"{measured[key]:.3f}" if measured else "-" for key in ("map_instances", "map_scenes"))
        seen = "by default" if entry.seen else "never by default"
        print(f"{entry.name:18}{kind:>20}{seen:>19}{instances:>15}{scenes:>12}")
    print("\nlocal and global search, which every audit asks and only `joint` and keypoint methods work against")
    for name, summary in _DESCRIPTORS.items():
        print(f"{name:18}{summary}")
    width = max(28, *(len(name) + 1 for name in cards)) if cards else 0
    if cards:
        print(f"\n{'hash network':{width}}{'backbone':>18}{'gives':>10}{'loss':>14}{'trained on':>20}{'mAP':>9}")
    for name, card in cards.items():
        loss, data = str(card.get("loss", "-")), str(card.get("data", "-"))
        measured = f"{card['map']:.3f}" if isinstance(card.get("map"), float) else "-"
        print(f"{name:{width}}{card['backbone']:>18}{card['bits']:>5} bits{loss:>14}{data:>20}{measured:>9}")
    return 0
