"""What an encoder is: a trunk that sees, and a head that says what it saw.

An encoder maps photos (N, 3, H, W), RGB in [0, 1], to (N, D): a *descriptor* (dense, L2-normalised) or
*logits* whose sign is a code of ±1 bits. Everything that it needs, resizing and normalising included, is inside
and differentiable, so a gradient always reaches the photo's own pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.errors import RecessiveError

Outputs = Literal["descriptor", "logits"]
Features = Tensor | tuple[Tensor, ...]


class Describer(Protocol):
    """The half of an encoder that those without gradients have, too: a name, and what it gives for photos.

    `CEDD` and `GIST` are such; every `Encoder` is one. A bag of words is not: it gives no vector, see `BagOfWords`.
    """

    name: str
    dim: int

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) in [0, 1] to (N, dim)."""
        ...


class EncoderError(RecessiveError):
    """An encoder cannot be loaded or used; the message says what to do."""


class Trunk(nn.Module):
    """Resize, normalise, backbone: photos to a feature map.

    The photo is squeezed to `size` × `size` (antialiased bilinear), so photos of any size and shape work and
    cost the same: z = backbone((resize(x) − mean) / std).

    Args:
        backbone: (N, 3, size, size) to a feature map (N, C, h, w), or a tuple of them.
        size: side in pixels of what the backbone sees.
        mean: of each channel, subtracted after resizing.
        std: of each channel, divided by.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        size: int,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.25, 0.25, 0.25),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, photos: Tensor) -> Features:
        """Photos (N, 3, H, W) in [0, 1] to one feature map (N, C, h, w), or several."""
        if photos.ndim != 4 or photos.shape[1] != 3:
            raise ValueError(f"an encoder takes photos of shape (N, 3, H, W), not {tuple(photos.shape)}")
        features: Features = self.backbone((self.preprocess(photos) - self.mean) / self.std)
        return features

    def preprocess(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to what the backbone sees before normalisation, (N, 3, size, size)."""
        if photos.shape[-2:] == (self.size, self.size):
            return photos
        return F.interpolate(photos, (self.size, self.size), mode="bilinear", antialias=True)


class Encoder(nn.Module):
    """A trunk and a head under a name.

    Encoders that share a trunk (a network with a descriptor and a code) cost one pass through it: see `encode`.

    Args:
        name: what people call it by, on the command line and in reports.
        trunk: photos (N, 3, H, W) to features, whatever the head takes.
        head: features to (N, dim).
        dim: length of a descriptor, or bits of a code.
        outputs: "descriptor" when rows are L2-normalised, "logits" when their sign is a code.
    """

    def __init__(self, name: str, trunk: nn.Module, head: nn.Module, dim: int, outputs: Outputs) -> None:
        super().__init__()
        self.name = name
        self.trunk = trunk
        self.head = head
        self.dim = dim
        self.outputs: Outputs = outputs

    def forward(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) in [0, 1] to descriptors or logits (N, dim)."""
        outputs: Tensor = self.head(self.trunk(photos))
        return outputs


def encode(encoders: Sequence[Encoder], photos: Tensor) -> list[Tensor]:
    """Outputs of several encoders for the same photos, each shared trunk run once.

    Args:
        encoders: any number of encoders.
        photos: (N, 3, H, W) in [0, 1].

    Returns:
        One (N, dim) tensor an encoder, in their order.
    """
    features: dict[int, Features] = {}
    outputs = []
    for encoder in encoders:
        key = id(encoder.trunk)
        if key not in features:
            features[key] = encoder.trunk(photos)
        outputs.append(encoder.head(features[key]))
    return outputs
