"""The architectures of the bundled encoders: clearly different ones, so that one can judge for another."""

from recessive.encoders.networks.convolutional import Convolutional
from recessive.encoders.networks.depthwise import Depthwise
from recessive.encoders.networks.transformer import Transformer

__all__ = ["Convolutional", "Depthwise", "Transformer"]
