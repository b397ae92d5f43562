"""The encoders that ship with the package, with the outputs of other photos that make them ready to use."""

from __future__ import annotations

from functools import partial

from recessive.encoders import (
    BundledEncoder,
    Vocabulary,
    bundled_encoders,
    load_encoder,
    owners_sample,
    reference_gallery,
)
from recessive.searchers.describer import EncoderSettings, SearchEncoder, describe_by_network
from recessive.searchers.entry import Entry, Family, Stored


def _load(settings: EncoderSettings, _: Vocabulary | None) -> SearchEncoder:
    return describe_by_network(settings, load_encoder(settings.encoder))


def _entry(encoder: BundledEncoder) -> Entry:
    name = encoder.name
    gives = f"codes of {encoder.dim} bits" if encoder.outputs == "logits" else f"{encoder.dim}-D descriptors"
    return Entry(
        name=name,
        family="bundled",
        summary=f"{gives} of the bundled network {encoder.network}",
        outputs=encoder.outputs,
        dim=encoder.dim,
        load=_load,
        network=encoder.network,
        seen=encoder.seen,
        stored=Stored(encoder.threshold, partial(reference_gallery, name), partial(owners_sample, name)),
        card=encoder.card,
    )


BUNDLED = Family("", lambda: {name: _entry(encoder) for name, encoder in bundled_encoders().items()})
