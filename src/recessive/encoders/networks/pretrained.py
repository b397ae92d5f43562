"""Encoders from pretrained backbones whose weights lie in a file. Needs the extra `pretrained`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from recessive.encoders.encoder import Encoder, EncoderError, Trunk
from recessive.encoders.gem import DescriptorHead
from recessive.encoders.networks.torchvision_guard import guard
from recessive.encoders.weight_files import fit, read_weights


class _Features(nn.Module):
    """The feature map of a timm network, without its classifier."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor) -> Tensor:
        """Normalised photos (N, 3, H, W) to features (N, C, h, w)."""
        features: Tensor = self.network.forward_features(photos)  # type: ignore[operator]
        return features


def mobilenet_v2(weights: Path, size: int = 224) -> Encoder:
    """MobileNetV2 1.0 with GeM pooling, p = 3: 1,280-D descriptors.

    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018; the variant with padding
    "same" and inputs (x − 0.5) / 0.5.

    Args:
        weights: a safetensors file in timm's names.
        size: side in pixels to which photos are resized.

    Raises:
        EncoderError: timm is not installed, or the file is missing or does not fit.
    """
    guard()
    try:
        import timm  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise EncoderError('MobileNetV2 needs timm: pip install "recessive[pretrained]"') from error
    if not weights.is_file():
        raise EncoderError(f"no weights at {weights}: place mobilenetv2_100 there, as safetensors in timm's names")
    network = timm.create_model("mobilenetv2_100", pad_type="same", pretrained=False)
    fit(network, read_weights(weights), weights, "mobilenetv2_100")
    trunk = Trunk(_Features(network), size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    encoder = Encoder("mobilenetv2-gem", trunk, DescriptorHead(1280), 1280, "descriptor")
    return encoder.eval().requires_grad_(requires_grad=False).to(torch.float32)
