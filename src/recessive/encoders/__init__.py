"""Encoders: photos (N, 3, H, W) to descriptors or to the logits of a code (N, D)."""

from recessive.encoders.bundled import (
    BundledEncoder,
    bundled_encoders,
    load_encoder,
    owners_sample,
    reference_gallery,
)
from recessive.encoders.encoder import Encoder, EncoderError, Outputs, Trunk, encode
from recessive.encoders.gem import DescriptorHead, GeM
from recessive.encoders.hash_network import HashLayer, HashNetwork

__all__ = [
    "BundledEncoder",
    "DescriptorHead",
    "Encoder",
    "EncoderError",
    "GeM",
    "HashLayer",
    "HashNetwork",
    "Outputs",
    "Trunk",
    "bundled_encoders",
    "encode",
    "load_encoder",
    "owners_sample",
    "reference_gallery",
]
