"""Encoders: photos (N, 3, H, W) to descriptors, or to the logits of a code, (N, D).

An encoder is a *trunk* and a *head*. The trunk resizes and normalises photos and runs a backbone, which gives a feature
map; the head pools it and projects it to a descriptor of unit length, or to logits whose signs are the bits of a code.
All of it is differentiable, so that a gradient reaches the pixels of the photo. `encoder` defines this and is the file
to read first; `heads` holds poolings and heads.

    make_backbone("resnet-50", pretrained=True)     a backbone, to train a hash network on
    make_hash_network("mine", backbone, bits=48)    Trunk + HashLayer; save_checkpoint, load_checkpoint
    load_encoder("conv-gem")                        an encoder that ships with the package
    library_encoder("timm:resnet50")                any pretrained network of timm or torchvision
    encoder_from_weights(path)                      a well-known network, recognised by a file of its weights
    make_retrieval_network("resnet-50", "gem")      descriptors at the photo's own size; load_retrieval_network

The families lie in `networks` (architectures and pretrained weights), `hash_network` (codes and checkpoints),
`retrieval` (descriptors at the photo's own size), `features` (SIFT and bags of words, CEDD, GIST: no network), and
`bundle` (what ships with the package). Whatever cannot be loaded is an `EncoderError` that says what to do.
"""

from recessive.encoders.bundle import (
    BundledEncoder,
    bundled_encoders,
    descriptor_gallery,
    descriptor_sample,
    descriptor_thresholds,
    load_encoder,
    owners_sample,
    reference_gallery,
    words_gallery,
)
from recessive.encoders.encoder import (
    Describer,
    Encoder,
    EncoderError,
    Features,
    Outputs,
    Precision,
    Trunk,
    accelerate,
    encode,
)
from recessive.encoders.features.cedd import CEDD, soft_cedd, soft_levels
from recessive.encoders.features.gist import GIST
from recessive.encoders.features.sift import SIFT, LocalFeatures, by_scale, describe_at, grey_levels
from recessive.encoders.features.vocabulary import BagOfWords, Vocabulary, bundled_vocabulary, training_descriptors
from recessive.encoders.hash_network import (
    Checkpoint,
    HashNetwork,
    committed_checkpoints,
    load_checkpoint,
    load_committed,
    make_hash_network,
    read_card,
    save_checkpoint,
)
from recessive.encoders.heads import MAC, RMAC, DescriptorHead, GeM, HashLayer, SPoC
from recessive.encoders.networks.backbones import BACKBONES, Backbone, make_backbone
from recessive.encoders.networks.pretrained import encoder_from_weights, library_encoder
from recessive.encoders.retrieval.files import load_retrieval_network
from recessive.encoders.retrieval.network import Pooling, RetrievalNetwork, make_retrieval_network
from recessive.encoders.retrieval.whitening import Whitening, learn_whitening, pca_whitening

__all__ = [
    "BACKBONES",
    "CEDD",
    "GIST",
    "MAC",
    "RMAC",
    "SIFT",
    "Backbone",
    "BagOfWords",
    "BundledEncoder",
    "Checkpoint",
    "Describer",
    "DescriptorHead",
    "Encoder",
    "EncoderError",
    "Features",
    "GeM",
    "HashLayer",
    "HashNetwork",
    "LocalFeatures",
    "Outputs",
    "Pooling",
    "Precision",
    "RetrievalNetwork",
    "SPoC",
    "Trunk",
    "Vocabulary",
    "Whitening",
    "accelerate",
    "bundled_encoders",
    "bundled_vocabulary",
    "by_scale",
    "committed_checkpoints",
    "describe_at",
    "descriptor_gallery",
    "descriptor_sample",
    "descriptor_thresholds",
    "encode",
    "encoder_from_weights",
    "grey_levels",
    "learn_whitening",
    "library_encoder",
    "load_checkpoint",
    "load_committed",
    "load_encoder",
    "load_retrieval_network",
    "make_backbone",
    "make_hash_network",
    "make_retrieval_network",
    "owners_sample",
    "pca_whitening",
    "read_card",
    "reference_gallery",
    "save_checkpoint",
    "soft_cedd",
    "soft_levels",
    "training_descriptors",
    "words_gallery",
]
