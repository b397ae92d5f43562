"""Encoders: photos (N, 3, H, W) to descriptors or to the logits of a code (N, D)."""

from recessive.encoders.backbones import BACKBONES, Backbone, BackboneEntry, make_backbone
from recessive.encoders.bundled import (
    BundledEncoder,
    bundled_encoders,
    load_encoder,
    owners_sample,
    reference_gallery,
)
from recessive.encoders.checkpoint import (
    Checkpoint,
    committed_checkpoints,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from recessive.encoders.encoder import Describer, Encoder, EncoderError, Outputs, Trunk, encode
from recessive.encoders.gem import DescriptorHead, GeM
from recessive.encoders.hash_network import HashLayer, HashNetwork, make_hash_network
from recessive.encoders.hasten import Precision, hasten

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneEntry",
    "BundledEncoder",
    "Checkpoint",
    "Describer",
    "DescriptorHead",
    "Encoder",
    "EncoderError",
    "GeM",
    "HashLayer",
    "HashNetwork",
    "Outputs",
    "Precision",
    "Trunk",
    "bundled_encoders",
    "committed_checkpoints",
    "encode",
    "hasten",
    "load_checkpoint",
    "load_encoder",
    "make_backbone",
    "make_hash_network",
    "owners_sample",
    "read_card",
    "reference_gallery",
    "save_checkpoint",
]
