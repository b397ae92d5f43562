"""The architectures that are ours: those of the bundled encoders, and small ones for small photos.

Clearly different ones, so that one can judge for another.
"""

from recessive.encoders.networks.convolutional import Convolutional
from recessive.encoders.networks.depthwise import Depthwise
from recessive.encoders.networks.small import SmallDepthwise, SmallPlain, SmallResidual
from recessive.encoders.networks.transformer import Transformer

__all__ = ["Convolutional", "Depthwise", "SmallDepthwise", "SmallPlain", "SmallResidual", "Transformer"]
