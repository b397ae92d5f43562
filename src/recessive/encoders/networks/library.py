"""Backbones of torchvision: architectures, and the weights that were trained on ImageNet. Needs the extra `pretrained`.

Nothing is downloaded unless `downloaded` is called.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recessive.encoders.encoder import EncoderError
from recessive.encoders.networks.torchvision_guard import guard
from recessive.encoders.weight_files import first_line

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSIFIERS = ("fc.", "classifier.")  # what their names begin with
PATIENCE = 10.0  # seconds without an answer until a download is given up


def _models() -> Any:  # noqa: ANN401 - a module that is imported when needed
    guard()
    try:
        from torchvision import models  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise EncoderError('this backbone needs torchvision: pip install "recessive[pretrained]"') from error
    return models


def residual(model: str) -> nn.Module:
    """A ResNet or ResNeXt without pooling and classifier: photos (N, 3, H, W) to (N, C, H/32, W/32).

    Args:
        model: torchvision's name.

    Raises:
        EncoderError: torchvision is not installed.
    """
    network = _models().get_model(model, weights=None)
    kept = ((name, layer) for name, layer in network.named_children() if name not in ("avgpool", "fc"))
    return nn.Sequential(OrderedDict(kept))


def convolutional_part(model: str) -> nn.Module:
    """The convolutions of AlexNet or VGG: photos (N, 3, H, W) to (N, C, H/32, W/32).

    Papers hash the output of their second fully connected layer, fc7. Here GeM pooling of the last feature map
    takes its place: 93% of AlexNet's weights lie in the fully connected layers, which also fix the photo's size.

    Args:
        model: torchvision's name.

    Raises:
        EncoderError: torchvision is not installed.
    """
    network = _models().get_model(model, weights=None, num_classes=1)
    return nn.Sequential(OrderedDict(features=network.features))


def downloaded(model: str) -> Path:
    """The file of a model's first ImageNet weights, which the papers' figures rest on; downloaded unless it is there.

    Args:
        model: torchvision's name.

    Raises:
        EncoderError: torchvision is not installed, or the file is not there and cannot be downloaded.
    """
    url: str = _models().get_model_weights(model).IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if path.is_file():
        return path
    expected = path.stem.rsplit("-", 1)[1]  # the name ends with the first digits of the SHA-256
    try:
        if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
            raise OSError("HF_HUB_OFFLINE is set")  # noqa: TRY301 - told like a download that fails
        path.parent.mkdir(parents=True, exist_ok=True)
        with _patience(PATIENCE):
            torch.hub.download_url_to_file(url, str(path), expected, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:  # URLError and time-outs are OSErrors; a wrong digest is the other
        raise EncoderError(
            f"cannot download the weights of {model} ({first_line(error)}): "
            f"place {url} at {path}, or name a file that holds them"
        ) from error
    return path


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Let sockets wait so long, as torch.hub sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
