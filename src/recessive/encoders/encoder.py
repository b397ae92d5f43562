"""What an encoder is: a trunk and a head under a name.

An encoder f maps photos (N, 3, H, W), RGB in [0, 1], to (N, D): a *descriptor*, dense and of unit length, or *logits*
whose signs are a code of ±1 bits. Everything that it needs, resizing and normalising included, is part of it and
differentiable, so that a gradient always reaches the pixels of the photo itself:

    f(x) = head(trunk(x)),    trunk(x) = backbone((resize(x) − mean) / std).

The trunk gives a feature map (N, C, h, w), several of them, or features (N, C). The head pools and projects them.
Several heads can share one trunk, which `encode` then runs once.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.errors import RecessiveError

Outputs = Literal["descriptor", "logits"]
Precision = Literal["float32", "bfloat16"]
Features = Tensor | tuple[Tensor, ...]


class EncoderError(RecessiveError):
    """An encoder cannot be loaded or used. The message says what to do."""


class Describer(Protocol):
    """Anything that has a name and gives a vector for a photo, with or without gradients.

    Every `Encoder` is one, and so are `CEDD` and `GIST`. A `BagOfWords` is not, as it gives no vector.
    """

    name: str
    dim: int

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) in [0, 1] to (N, dim)."""
        ...


class Trunk(nn.Module):
    """Resize, normalise, backbone: z = backbone((resize(x) − mean) / std).

    Photos are squeezed to `size` × `size` (antialiased bilinear), so that photos of any size and shape work and cost
    the same.

    Args:
        backbone: (N, 3, size, size) to a feature map (N, C, h, w), or a tuple of them.
        size: the side in pixels of what the backbone sees.
        mean: the mean of each channel, subtracted after resizing.
        std: the standard deviation of each channel.
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
    """A trunk and a head under a name: f(x) = head(trunk(x)).

    Args:
        name: the name on the command line and in reports.
        trunk: photos (N, 3, H, W) to features, whatever the head takes.
        head: features to (N, dim).
        dim: the length of a descriptor, or the bits of a code.
        outputs: "descriptor" if rows are of unit length, "logits" if their signs are a code.
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
    """Return the outputs of several encoders for the same photos, running each shared trunk once.

    Args:
        encoders: any number of encoders.
        photos: (N, 3, H, W) in [0, 1].

    Returns:
        One (N, dim) tensor per encoder, in their order.
    """
    features: dict[int, Features] = {}
    outputs = []
    for encoder in encoders:
        key = id(encoder.trunk)
        if key not in features:
            features[key] = encoder.trunk(photos)
        outputs.append(encoder.head(features[key]))
    return outputs


class HalfPrecision(nn.Module):
    """A trunk whose convolutions and products are computed in bfloat16; photos, features and gradients are float32.

    Args:
        trunk: photos (N, 3, H, W) to features.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, photos: Tensor) -> Features:
        """The trunk's features, accurate to about three digits."""
        with torch.autocast(photos.device.type, dtype=torch.bfloat16):
            features: Features = self.trunk(photos)
        return features.float() if isinstance(features, Tensor) else tuple(part.float() for part in features)


def accelerate(
    encoders: Sequence[Encoder], device: torch.device | str = "cpu", precision: Precision = "float32"
) -> list[Encoder]:
    """Copy encoders to a device, channels last in memory; those that share a trunk still share one.

    Forward and backward of the committed CIFAR-10 network with 100 photos, on one core of a processor with AVX-512
    BF16: 1.13 times as fast with channels last, 1.57 times in bfloat16, 1.94 times with both. `torch.compile` took 44 s
    and was slower there (0.88).

    Args:
        encoders: the encoders, which are not changed.
        device: the device of the copies.
        precision: the precision of the trunks; heads, which turn features into bits, stay float32.
    """
    copies = copy.deepcopy(list(encoders))  # together, so that what is shared stays so
    halves: dict[int, nn.Module] = {}
    accelerated = []
    for encoder in copies:
        encoder.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        trunk = encoder.trunk
        if precision == "bfloat16":
            trunk = halves.setdefault(id(trunk), HalfPrecision(trunk))
        accelerated.append(Encoder(encoder.name, trunk, encoder.head, encoder.dim, encoder.outputs).eval())
    return accelerated
