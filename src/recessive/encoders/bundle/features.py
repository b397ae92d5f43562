"""What local and global search give for bundled photos: a reference gallery, and an owner's sample for methods.

The photos are training photos, described and not stored; how they were drawn stands in the card beside the weights.
`scripts/train_vocabulary.py` makes the files.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

from safetensors.torch import load_file
from torch import Tensor

from recessive.encoders.features.cedd import CEDD
from recessive.encoders.networks.backbones import BUNDLE
from recessive.visual_words import VisualWords


@cache
def _card() -> dict[str, Any]:
    card: dict[str, Any] = json.loads((BUNDLE / "descriptors.json").read_text(encoding="utf-8"))
    return card


@cache
def _stored() -> dict[str, Tensor]:
    stored: dict[str, Tensor] = load_file(BUNDLE / "descriptors-gallery.safetensors")
    stored["cedd"] = CEDD.unpack(stored["cedd"])
    stored["gist"] = stored["gist"].float() * stored["gist_unit"]
    return stored


def descriptor_thresholds() -> dict[str, float]:
    """T within which `bovw-he`, `cedd` and `gist` return a photo: best F1 when searching with another view of it."""
    return {name: float(threshold) for name, threshold in _card()["thresholds"].items()}


def descriptor_gallery(name: Literal["cedd", "gist"]) -> Tensor:
    """The reference gallery of CEDD or GIST, never shown to a method: (1000, D)."""
    return _stored()[name][: _card()["gallery"]]


def descriptor_sample(name: Literal["cedd", "gist"]) -> Tensor:
    """Descriptors of other photos than those of the gallery, which methods may use: (400, D)."""
    return _stored()[name][_card()["gallery"] :]


def words_gallery() -> list[VisualWords]:
    """The reference gallery by the words of `bundled_vocabulary`, one entry a photo."""
    stored = _stored()
    counts: list[int] = stored["counts"].tolist()
    words = stored["words"].int().split(counts)
    signatures = stored["signatures"].split(counts)
    return [VisualWords(w.numpy(), s.numpy()) for w, s in zip(words, signatures, strict=True)]
