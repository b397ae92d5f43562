"""Searchers: whatever describes photos and searches for them, in one registry.

A searcher is a way to describe a photo (an encoder's descriptor or code, visual words of local features, a histogram)
together with the gallery that compares such descriptions. An `Entry` says what is known before anything is loaded: the
outputs and their length, whether a gradient reaches the photo, whether protection optimises against it by default, and
which threshold, sample and gallery ship with it. Workflows ask for what they need: protecting asks for gradients, an
audit for a gallery, indexing for neither.

    entry = find("gem:resnet-50")          # or conv-gem, hashnet-48-cifar-10, timm:resnet50, bovw-he, h.safetensors
    describer = entry.describer()          # loads weights
    describer.describe(photo)              # (3, H, W) to a descriptor, a code, or visual words

Where a searcher comes without a threshold, sample or gallery, they are made from the owner's photos, or from the
reference set (`reference_set`). Families of searchers lie in one file each: `bundled`, `checkpoints`, `retrieval`,
`library` and `features`. A new family is a file and its line in `registry.FAMILIES`.
"""

from recessive.searchers.describer import EncoderSettings, SearchEncoder, items
from recessive.searchers.entry import Entry, Family, SearcherError, Stored
from recessive.searchers.features import HANDCRAFTED
from recessive.searchers.reference_set import ReferenceItems, find_threshold, reference_items, reference_photos
from recessive.searchers.registry import (
    FAMILIES,
    default_surrogates,
    encoder_settings,
    entries,
    find,
    find_differentiable,
    load_describer,
    unseen,
)
from recessive.searchers.searcher import Searcher, default_searchers, searchers

__all__ = [
    "FAMILIES",
    "HANDCRAFTED",
    "EncoderSettings",
    "Entry",
    "Family",
    "ReferenceItems",
    "SearchEncoder",
    "Searcher",
    "SearcherError",
    "Stored",
    "default_searchers",
    "default_surrogates",
    "encoder_settings",
    "entries",
    "find",
    "find_differentiable",
    "find_threshold",
    "items",
    "load_describer",
    "reference_items",
    "reference_photos",
    "searchers",
    "unseen",
]
