"""Encoders: photos (N, 3, H, W) to descriptors or to the logits of a code (N, D)."""

from recessive.encoders.bundle.features import (
    descriptor_gallery,
    descriptor_sample,
    descriptor_thresholds,
    words_gallery,
)
from recessive.encoders.bundle.networks import (
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
from recessive.encoders.features.bag_of_words import BagOfWords, bundled_vocabulary
from recessive.encoders.features.cedd import CEDD, soft_cedd, soft_levels
from recessive.encoders.features.gist import GIST
from recessive.encoders.features.sift import SIFT, LocalFeatures, grey_levels
from recessive.encoders.features.smooth_sift import by_scale, describe_at
from recessive.encoders.features.vocabulary import Vocabulary
from recessive.encoders.gem import DescriptorHead, GeM
from recessive.encoders.hash_network import HashLayer, HashNetwork, make_hash_network
from recessive.encoders.hasten import Precision, hasten
from recessive.encoders.networks.backbones import BACKBONES, Backbone, BackboneEntry, make_backbone
from recessive.encoders.networks.pretrained import encoder_from_weights, library_encoder, recognised_backbone
from recessive.encoders.retrieval.network import (
    RetrievalNetwork,
    load_cnnimageretrieval,
    load_retrieval_network,
    make_retrieval_network,
)
from recessive.encoders.retrieval.pooling import MAC, RMAC, SPoC
from recessive.encoders.retrieval.whitening import Whitening, learn_whitening, pca_whitening

__all__ = [
    "BACKBONES",
    "CEDD",
    "GIST",
    "MAC",
    "RMAC",
    "SIFT",
    "Backbone",
    "BackboneEntry",
    "BagOfWords",
    "BundledEncoder",
    "Checkpoint",
    "Describer",
    "DescriptorHead",
    "Encoder",
    "EncoderError",
    "GeM",
    "HashLayer",
    "HashNetwork",
    "LocalFeatures",
    "Outputs",
    "Precision",
    "RetrievalNetwork",
    "SPoC",
    "Trunk",
    "Vocabulary",
    "Whitening",
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
    "hasten",
    "learn_whitening",
    "library_encoder",
    "load_checkpoint",
    "load_cnnimageretrieval",
    "load_encoder",
    "load_retrieval_network",
    "make_backbone",
    "make_hash_network",
    "make_retrieval_network",
    "owners_sample",
    "pca_whitening",
    "read_card",
    "recognised_backbone",
    "reference_gallery",
    "save_checkpoint",
    "soft_cedd",
    "soft_levels",
    "words_gallery",
]
