"""A hash network: any backbone, and a layer whose signs are the bits of a code."""

from __future__ import annotations

from torch import Tensor, nn

from recessive.encoders.encoder import Encoder, EncoderError, Trunk
from recessive.encoders.gem import GeM
from recessive.encoders.networks.backbones import Backbone


class HashLayer(nn.Module):
    """Pooled features to logits: u = norm(W f + b), whose sign is the code.

    The batch normalisation without scale keeps each bit's mean near 0 over the training photos, so that each
    splits them in halves (Hoe et al., "One loss for all: deep hashing with a single cosine similarity based
    learning objective", 2021, section 3.3). In evaluation mode it is one fixed linear map.

    Args:
        channels: C of the features.
        bits: length of the code.
    """

    def __init__(self, channels: int, bits: int) -> None:
        super().__init__()
        self.pool = GeM()
        self.linear = nn.Linear(channels, bits)
        self.norm = nn.BatchNorm1d(bits, affine=False)

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps (N, C, h, w), or pooled features (N, C), to logits (N, bits)."""
        pooled = self.pool(features) if features.ndim == 4 else features
        logits: Tensor = self.norm(self.linear(pooled))
        return logits


class HashNetwork(Encoder):
    """An encoder whose outputs are the logits of a code: sign(HashLayer(trunk(x))).

    Args:
        name: what people call it by.
        trunk: photos (N, 3, H, W) to a feature map (N, C, h, w) or features (N, C).
        channels: C.
        bits: length of the code.
    """

    def __init__(self, name: str, trunk: nn.Module, channels: int, bits: int) -> None:
        super().__init__(name, trunk, HashLayer(channels, bits), bits, "logits")


def make_hash_network(name: str, backbone: Backbone, bits: int) -> HashNetwork:
    """A backbone with its trunk and a hash layer, whose weights are random (of torch's global generator).

    Args:
        name: what people call it by.
        backbone: shared, not copied.
        bits: length of the code.

    Raises:
        EncoderError: bits < 1.
    """
    if bits < 1:
        raise EncoderError(f"a code has at least one bit: {bits}")
    trunk = Trunk(backbone.module, backbone.size, backbone.mean, backbone.std)
    return HashNetwork(name, trunk, backbone.channels, bits)
