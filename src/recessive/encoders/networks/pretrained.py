"""Pretrained encoders of timm and torchvision, by name or recognised from a file of weights.

`library_encoder` takes a name such as `timm:resnet50` and sees a photo exactly as the library evaluates the network:
resized, cropped and normalised by the library's own constants. `recognised_backbone` takes a file of weights alone and
finds out by the names and shapes of its tensors which well-known network it belongs to.

A network that ends in a feature map is pooled by GeM with p = 3. One that does not, such as a vision transformer, gives
the features that the library itself passes to the classifier: the class token, or the mean of the patches. Both are
brought to unit length.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.encoders.encoder import Encoder, EncoderError, Trunk
from recessive.encoders.heads import DescriptorHead
from recessive.encoders.networks.backbones import BACKBONES, Backbone, BackboneEntry, library_entry
from recessive.encoders.networks.library import (
    CLASSIFIERS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    downloaded,
    downloaded_timm,
    import_library,
    torchvision_backbone,
    without_classifier,
)
from recessive.encoders.weight_files import UNREADABLE, first_line, load_weights, read_weights, shapes

LIBRARIES = ("timm", "torchvision")
_LONGEST = 4  # sides of a photo, at most as 1 to 4: what is beyond lies outside any centre crop


class LibraryTrunk(Trunk):
    """Preprocess as the library does, then the backbone: z = backbone((crop(resize(x)) − mean) / std).

    The shorter side is resized to `resized` pixels (antialiased), or both sides to it when `squash` is set, and the
    centre square of `size` pixels is cropped.

    Args:
        backbone: (N, 3, size, size) to a feature map (N, C, h, w) or to features (N, C).
        size: the side in pixels of what the backbone sees.
        mean: the mean of each channel.
        std: the standard deviation of each channel.
        resized: the side in pixels before cropping.
        mode: "bilinear" or "bicubic".
        squash: whether the whole photo is resized to a square, whatever its shape.
    """

    def __init__(
        self,
        backbone: nn.Module,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        resized: int,
        mode: str = "bilinear",
        squash: bool = False,
    ) -> None:
        super().__init__(backbone, size, mean, std)
        self.resized = resized
        self.mode = mode
        self.squash = squash

    def preprocess(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to what the backbone sees before normalisation, (N, 3, size, size)."""
        shorter = min(photos.shape[-2:])
        photos = _centre(photos, *(min(side, _LONGEST * shorter) for side in photos.shape[-2:]))
        sides = [self.resized if self.squash else int(self.resized * side / shorter) for side in photos.shape[-2:]]
        if photos.shape[-2:] != tuple(sides):
            photos = F.interpolate(photos, sides, mode=self.mode, antialias=True)
            photos = photos.clamp(0, 1)  # as levels of 8 bits are: cubic interpolation overshoots
        return _centre(photos, self.size, self.size)


def _centre(photos: Tensor, height: int, width: int) -> Tensor:
    top, left = (round((side - kept) / 2) for side, kept in zip(photos.shape[-2:], (height, width), strict=True))
    return photos[..., top : top + height, left : left + width]


class FeatureMap(nn.Module):
    """The last feature map of a timm network: normalised photos (N, 3, H, W) to (N, C, h, w).

    Args:
        network: made by timm.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor) -> Tensor:
        """Normalised photos (N, 3, H, W) to features (N, C, h, w)."""
        features: Tensor = self.network.forward_features(photos)  # type: ignore[operator]
        return features


def library_encoder(name: str, *, weights: Path | None = None) -> Encoder:
    """A pretrained network of timm or torchvision as an encoder, with the library's own preprocessing.

    Args:
        name: `timm:MODEL` or `torchvision:MODEL`, where the library's name of the model may be followed by that of its
            weights: `timm:resnet50`, `timm:resnet50.tv_in1k`, `torchvision:resnet50.IMAGENET1K_V1`. Without one the
            library's default weights are taken.
        weights: a file of weights in the library's own names, to be taken instead of downloading; a classifier in it is
            left out.

    Returns:
        An encoder under that name, in evaluation mode and with frozen weights, that gives descriptors of unit length.

    Raises:
        EncoderError: if the library is not installed or has no such model, or if the weights cannot be downloaded, read
            or do not fit.
    """
    library, _, model = name.partition(":")
    if library not in LIBRARIES or not model:
        raise EncoderError(f"{name!r} names no network of a library; write timm:MODEL or torchvision:MODEL")
    with torch.random.fork_rng(devices=[]):
        trunk = (_timm_trunk if library == "timm" else _torchvision_trunk)(name, model, weights)
    trunk.eval().requires_grad_(requires_grad=False)
    features = trunk(torch.zeros(1, 3, trunk.size, trunk.size))
    assert isinstance(features, Tensor)  # noqa: S101 - of one map
    channels = features.shape[1]
    return Encoder(name, trunk, DescriptorHead(channels), channels, "descriptor").eval().requires_grad_(False)  # noqa: FBT003


def _timm_trunk(name: str, model: str, weights: Path | None) -> LibraryTrunk:
    timm = import_library("timm")
    if not timm.is_model(model):
        raise _unknown(name, model, timm.list_models())
    try:
        config = timm.models.get_pretrained_cfg(model)
        if weights is None:
            given = {"file": str(downloaded_timm(model, config))}
            network = timm.create_model(model, pretrained=True, num_classes=0, pretrained_cfg_overlay=given)
        else:
            network = timm.create_model(model, pretrained=False, num_classes=0)
    except UNREADABLE as error:  # an unknown tag, or a file in the cache that is damaged
        raise EncoderError(f"{name} cannot be loaded: {first_line(error)}") from error
    if weights is not None:
        classifiers = config.classifier if config is not None else ()
        prefixes = tuple(f"{one}." for one in ([classifiers] if isinstance(classifiers, str) else classifiers or ()))
        _load_part(network, weights, model, lambda key: not key.startswith(prefixes or CLASSIFIERS))
    data = timm.data.resolve_model_data_config(network)
    _, size, width = data["input_size"]
    if size != width or data["crop_mode"] not in ("center", "squash"):
        way = f"{size} x {width} pixels, crop mode {data['crop_mode']}"
        raise EncoderError(f"{name} takes photos in a way that is not supported: {way}")
    network.eval()
    with torch.no_grad():
        last = network.forward_features(torch.zeros(1, 3, size, size))
    is_map = getattr(last, "ndim", 0) == 4 and last.shape[1] == network.num_features
    is_map = is_map and getattr(network, "output_fmt", "NCHW") == "NCHW"
    return LibraryTrunk(
        FeatureMap(network) if is_map else network,
        size,
        data["mean"],
        data["std"],
        resized=int(size / data["crop_pct"]),
        mode=data["interpolation"],
        squash=data["crop_mode"] == "squash",
    )


def _torchvision_trunk(name: str, model: str, weights: Path | None) -> LibraryTrunk:
    models = import_library("torchvision.models")
    architecture, _, tag = model.partition(".")
    known = models.list_models(module=models)
    if architecture not in known:
        raise _unknown(name, architecture, known)
    entries = models.get_model_weights(architecture)
    tag = tag or entries.DEFAULT.name
    if tag not in entries.__members__:
        raise EncoderError(f"{architecture} has no weights called {tag!r}; there are {', '.join(entries.__members__)}")
    if weights is None:
        downloaded(architecture, tag)  # so that the library finds them, and errors are EncoderErrors
        try:
            backbone = without_classifier(models.get_model(architecture, weights=entries[tag], progress=False))
        except UNREADABLE as error:
            raise EncoderError(f"{name} cannot be loaded: {first_line(error)}") from error
    else:
        backbone = torchvision_backbone(architecture)
        parts = {key.partition(".")[0] for key in backbone.state_dict()}
        _load_part(backbone, weights, architecture, lambda key: key.partition(".")[0] in parts)
    data = entries[tag].transforms()
    (size,), (resized,) = data.crop_size, data.resize_size
    return LibraryTrunk(backbone, size, data.mean, data.std, resized=resized, mode=data.interpolation.value)


def _unknown(name: str, model: str, known: Iterable[str]) -> EncoderError:
    similar = ", ".join(difflib.get_close_matches(model, known))
    hint = f"; similar names are {similar}" if similar else ""
    return EncoderError(f"{name}: the library has no such model{hint}")


def _load_part(network: nn.Module, path: Path, name: str, belongs: Callable[[str], bool]) -> None:
    load_weights(network, {key: tensor for key, tensor in read_weights(path).items() if belongs(key)}, path, name)


def _timm_entry(summary: str, model: str, channels: int, *, tensorflow: bool) -> BackboneEntry:
    """The entry of a timm model; `tensorflow` for weights that were trained with padding "same" and inputs in ±1."""
    options = {"pad_type": "same"} if tensorflow else {}
    mean, std = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)) if tensorflow else (IMAGENET_MEAN, IMAGENET_STD)

    def build() -> nn.Module:
        return FeatureMap(import_library("timm").create_model(model, pretrained=False, num_classes=0, **options))

    return BackboneEntry(summary, channels, 224, 32, build, mean=mean, std=std)


RECOGNISED = {
    "mobilenetv2_100": _timm_entry("MobileNetV2; Sandler et al., 2018", "mobilenetv2_100", 1280, tensorflow=True),
    "mobilenetv1_100": _timm_entry("MobileNetV1; Howard et al., 2017", "mobilenetv1_100", 1024, tensorflow=True),
    "tf_efficientnet_lite0": _timm_entry("EfficientNet-Lite0", "tf_efficientnet_lite0", 1280, tensorflow=False),
    "squeezenet1_1": library_entry("SqueezeNet 1.1", "squeezenet1_1", 512),
    **{name: entry for name, entry in BACKBONES.items() if entry.mean == IMAGENET_MEAN},
}
"""Networks that are recognised by a file of their weights alone."""


def recognised_backbone(weights: Mapping[str, Tensor], path: Path) -> Backbone:
    """The network that weights belong to, found by the names and shapes of its tensors, with these weights.

    The networks of `RECOGNISED` are tried, in timm's or torchvision's own names, with or without a classifier.

    Args:
        weights: the tensors by name, see `weight_files.read_weights`.
        path: the file that they were read from, for messages.

    Raises:
        EncoderError: if no such network has these weights, some are not finite, or the library of that network is not
            installed.
    """
    kept = {key: tensor for key, tensor in weights.items() if not key.startswith(CLASSIFIERS)}
    found = shapes(kept)
    for name, entry in RECOGNISED.items():
        with torch.device("meta"):
            matches = shapes(_named(entry.build()).state_dict()) == found
        if matches:
            with torch.random.fork_rng(devices=[]):
                module = entry.build()
            load_weights(_named(module), kept, path, name)
            return Backbone(name, entry.channels, entry.size, entry.mean, entry.std, module.eval(), entry.smallest)
    raise EncoderError(
        f"holds the weights of no network that is recognised: {', '.join(RECOGNISED)}, in the names of timm or "
        "torchvision",
        path,
    )


def _named(module: nn.Module) -> nn.Module:
    """The part of a backbone whose weights have the library's names."""
    return module.network if isinstance(module, FeatureMap) else module


def encoder_from_weights(path: Path, *, size: int = 224) -> Encoder:
    """An encoder from a file of weights alone, see `recognised_backbone`: GeM pooling, p = 3, of the last feature map.

    Args:
        path: the file.
        size: the side in pixels to which photos are resized.

    Returns:
        An encoder named after the file, in evaluation mode and with frozen weights, that gives descriptors of unit
        length.

    Raises:
        EncoderError: if the file cannot be read, or as `recognised_backbone`.
    """
    backbone = recognised_backbone(read_weights(path), path)
    trunk = Trunk(backbone.module, size, backbone.mean, backbone.std)
    encoder = Encoder(path.stem, trunk, DescriptorHead(backbone.channels), backbone.channels, "descriptor")
    return encoder.eval().requires_grad_(requires_grad=False)
