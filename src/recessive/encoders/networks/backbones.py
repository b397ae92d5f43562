"""Backbones by name, to be trained below a hash layer: normalised photos (N, 3, size, size) to a map (N, C, h, w) ≥ 0.

There are small ones of the project for photos of 28 to 64 pixels, the networks of the bundled encoders, and those of
torchvision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from recessive.encoders.encoder import EncoderError
from recessive.encoders.networks.compact import (
    Convolutional,
    Depthwise,
    SmallDepthwise,
    SmallPlain,
    SmallResidual,
    Transformer,
)
from recessive.encoders.networks.library import (
    CLASSIFIERS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    downloaded,
    torchvision_backbone,
)
from recessive.encoders.weight_files import load_weights, read_weights

BUNDLE = Path(__file__).parents[1] / "weights"
"""The folder of the weights that ship with the package."""

_IN_NETWORK = "trunk.backbone."  # where bundled encoders and checkpoints have their backbone
_IN_LAST_MAP = "network."


@dataclass(frozen=True)
class Backbone:
    """A network ready to be trained below a hash layer, or pooled.

    Attributes:
        name: the key of `BACKBONES`, or the library's name.
        channels: C of its feature map.
        size: the side in pixels of the photos that it is to see.
        mean: the mean of each channel, subtracted from photos in [0, 1].
        std: the standard deviation of each channel.
        module: normalised photos (N, 3, size, size) to features (N, C, h, w).
        smallest: the side in pixels of the smallest photos that it can see.
    """

    name: str
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    module: nn.Module
    smallest: int


@dataclass(frozen=True)
class BackboneEntry:
    """What is known of a backbone before it is built.

    Attributes:
        summary: a description in one line.
        channels: C of its feature map.
        size: the usual side of photos in pixels.
        smallest: the side in pixels of the smallest photos that it can see.
        build: makes it with random weights.
        pretrained: returns the file of its pretrained weights; None if there are none.
        mean: the mean of each channel, subtracted from photos in [0, 1].
        std: the standard deviation of each channel.
    """

    summary: str
    channels: int
    size: int
    smallest: int
    build: Callable[[], nn.Module]
    pretrained: Callable[[], Path] | None = None
    mean: tuple[float, ...] = field(default=(0.5, 0.5, 0.5))
    std: tuple[float, ...] = field(default=(0.25, 0.25, 0.25))


class _LastMap(nn.Module):
    """The last of the maps that a bundled network gives."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor) -> Tensor:
        """Normalised photos (N, 3, H, W) to features (N, C, H/16, W/16)."""
        last: Tensor = self.network(photos)[-1]
        return last


def library_entry(summary: str, model: str, channels: int, smallest: int = 32) -> BackboneEntry:
    """The entry of a torchvision model without its classifier; arguments as for `BackboneEntry`."""
    return BackboneEntry(
        f"{summary}, torchvision's; pretrained on ImageNet-1K",
        channels,
        224,
        smallest,
        partial(torchvision_backbone, model),
        partial(downloaded, model),
        IMAGENET_MEAN,
        IMAGENET_STD,
    )


def _bundled(name: str, build: Callable[[], nn.Module]) -> BackboneEntry:
    summary = f"the network of the bundled encoders {name}-gem and {name}-hash; pretrained as they are"
    return BackboneEntry(summary, 512, 160, 16, lambda: _LastMap(build()), lambda: BUNDLE / f"{name}.safetensors")


BACKBONES: dict[str, BackboneEntry] = {
    "small-resnet": BackboneEntry("for small photos: residual blocks", 128, 32, 4, SmallResidual),
    "small-plain": BackboneEntry("for small photos: convolutions without shortcuts", 128, 32, 4, SmallPlain),
    "small-depthwise": BackboneEntry("for small photos: depthwise convolutions", 128, 32, 4, SmallDepthwise),
    "conv": _bundled("conv", Convolutional),
    "depthwise": _bundled("depthwise", Depthwise),
    "transformer": _bundled("transformer", Transformer),
    "alexnet": library_entry("AlexNet without its fully connected layers", "alexnet", 256, 63),
    "vgg-11": library_entry("VGG-11 without its fully connected layers", "vgg11", 512),
    "resnet-18": library_entry("ResNet-18", "resnet18", 512),
    "resnet-34": library_entry("ResNet-34", "resnet34", 512),
    "resnet-50": library_entry("ResNet-50", "resnet50", 2048),
    "resnet-101": library_entry("ResNet-101", "resnet101", 2048),
    "resnet-152": library_entry("ResNet-152", "resnet152", 2048),
    "resnext-101": library_entry("ResNeXt-101 32x8d", "resnext101_32x8d", 2048),
}


def backbone_entry(name: str) -> BackboneEntry:
    """Return what is known of a backbone.

    Raises:
        EncoderError: if no backbone has that name; the message lists all names.
    """
    if name not in BACKBONES:
        raise EncoderError(f"no backbone is called {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def make_backbone(
    name: str, *, size: int | None = None, weights: Path | None = None, pretrained: bool = False
) -> Backbone:
    """Build a backbone with random weights (of torch's global generator), with those of a file, or pretrained.

    Args:
        name: a key of `BACKBONES`.
        size: the side in pixels of the photos that it is to see; the usual one if None.
        weights: a file of weights in the network's own names (torchvision's for its networks), as safetensors or as
            torch saves a state dict; a classifier in it is left out. A checkpoint of `recessive train` with this
            backbone will do.
        pretrained: take the bundled weights, or torchvision's, which are downloaded unless they are in its cache.

    Raises:
        EncoderError: if the name is unknown, the size too small, torchvision not installed, or if the weights are
            missing or do not fit.
    """
    entry = backbone_entry(name)
    size = entry.size if size is None else size
    if size < entry.smallest:
        raise EncoderError(f"{name} sees photos of at least {entry.smallest} pixels a side, not {size}")
    if weights is not None and pretrained:
        raise EncoderError("weights come from a file or pretrained, not both")
    if pretrained:
        if entry.pretrained is None:
            known = ", ".join(name for name, entry in BACKBONES.items() if entry.pretrained is not None)
            raise EncoderError(f"{name} has no pretrained weights; those that have are {known}")
        weights = entry.pretrained()
    module = entry.build()
    if weights is not None:
        _load(module, name, weights)
    return Backbone(name, entry.channels, size, entry.mean, entry.std, module, entry.smallest)


def _load(module: nn.Module, name: str, path: Path) -> None:
    stored = read_weights(path)
    for prefix in (_IN_NETWORK, _IN_LAST_MAP):
        inside = {key.removeprefix(prefix): stored[key] for key in stored if key.startswith(prefix)}
        stored = inside or stored
    stored = {key: tensor for key, tensor in stored.items() if not key.startswith(CLASSIFIERS)}
    load_weights(module.network if isinstance(module, _LastMap) else module, stored, path, name)
