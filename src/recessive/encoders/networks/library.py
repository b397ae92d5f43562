"""timm and torchvision: how they are imported, their networks without a classifier, and their pretrained weights.

Both libraries come with the extra `pretrained`, and no other module of the project imports them. Nothing is downloaded
unless `downloaded` or `downloaded_timm` is called. Both look into the library's own cache first, give up after
`PATIENCE` seconds without an answer, and do not try at all where HF_HUB_OFFLINE is set.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import socket
import sys
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recessive.encoders.encoder import EncoderError
from recessive.encoders.weight_files import first_line

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSIFIERS = ("fc.", "classifier.")
"""Prefixes of the names of a classifier's weights."""

PATIENCE = 10.0
"""Seconds without an answer after which a download is given up."""

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # in the order in which timm looks for them
_declared: torch.library.Library | None = None  # kept: the operators vanish with it


def guard() -> None:
    """Make torchvision, and timm, which imports it, importable beside a CPU build of torch.

    PyPI's torchvision wheel is built against CUDA libraries. Beside a CPU build of torch its compiled part does not
    load, and `import torchvision` fails because the operators that it describes do not exist. Declaring these two
    operators is enough for models; `torchvision.io` and `ops.nms` stay unusable. Call this before anything imports
    torchvision, in each process.
    """
    global _declared  # noqa: PLW0603 - one declaration a process
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or _declared is not None:
        return
    try:
        torch.ops.load_library(Path(found.origin).parent / "_C.so")
    except OSError:
        _declared = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def import_library(name: str) -> Any:  # noqa: ANN401 - a module
    """Import `timm` or `torchvision.models`, which are slow to import, when they are needed.

    Raises:
        EncoderError: if the library is not installed.
    """
    guard()
    try:
        return importlib.import_module(name)
    except ImportError as error:
        library = name.partition(".")[0]
        raise EncoderError(f'this network needs {library}: pip install "recessive[pretrained]"') from error


def torchvision_backbone(model: str) -> nn.Module:
    """Build a torchvision model without its classifier, see `without_classifier`, with random weights.

    Papers that hash the features of AlexNet and VGG take the output of the second fully connected layer, fc7. Here the
    last feature map takes its place, as 93% of AlexNet's weights lie in the fully connected layers, which also fix the
    size of the photo.

    Raises:
        EncoderError: if torchvision is not installed.
    """
    return without_classifier(import_library("torchvision.models").get_model(model, weights=None))


def without_classifier(network: nn.Module) -> nn.Module:
    """A torchvision classifier up to its last feature map (N, C, h, w), or else up to its pooled features (N, C).

    The latter holds for vision transformers (ViT: class token; Swin: mean of the patches), and for GoogLeNet and
    Inception, whose forward pass is more than their layers in a row. Weights keep torchvision's names.
    """
    children = OrderedDict(network.named_children())
    if "features" in children and "classifier" in children:
        kept = OrderedDict(features=children["features"])
        if type(network).__name__ == "DenseNet":
            kept["relu"] = nn.ReLU()
        return nn.Sequential(kept)
    if "layers" in children and "classifier" in children:  # MNASNet
        return nn.Sequential(OrderedDict(layers=children["layers"]))
    if "fc" in children and not hasattr(network, "transform_input"):
        return nn.Sequential(OrderedDict((k, v) for k, v in children.items() if k not in ("avgpool", "fc")))
    for classifier in ("heads", "head", "classifier", "fc"):
        if classifier in children:
            setattr(network, classifier, nn.Identity())
    return network


def downloaded(model: str, weights: str = "IMAGENET1K_V1") -> Path:
    """Return the file of a torchvision model's weights, which is downloaded unless it is in torch's cache.

    Args:
        model: torchvision's name of the model.
        weights: torchvision's name of the weights. The default are the first ones, on which the figures of papers rest.

    Raises:
        EncoderError: if torchvision is not installed, or the file is not in the cache and cannot be downloaded.
    """
    url: str = getattr(import_library("torchvision.models").get_model_weights(model), weights).url
    return _downloaded_url(model, url)


def downloaded_timm(model: str, config: Any) -> Path:  # noqa: ANN401 - of a library without types
    """Return the file of a timm model's weights, which is downloaded unless it is in a cache.

    Args:
        model: the model's name, for messages.
        config: timm's `PretrainedCfg` of the model.

    Raises:
        EncoderError: if the model has no pretrained weights, or they are in no cache and cannot be downloaded.
    """
    if config is None or not (config.hf_hub_id or config.url):
        raise EncoderError(f"timm has no pretrained weights of {model}; give a file of weights")
    if not config.hf_hub_id:
        return _downloaded_url(model, config.url)
    import huggingface_hub  # noqa: PLC0415 - slow to import

    repository, _, revision = config.hf_hub_id.partition("@")
    for name in _HUB_FILES:
        cached = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    page = f"{huggingface_hub.constants.ENDPOINT}/{repository}"
    try:
        _check_online(page)  # the hub's own client would retry for most of a minute
        safe, pickled = _HUB_FILES
        try:
            return Path(huggingface_hub.hf_hub_download(repository, safe, revision=revision or None))
        except huggingface_hub.errors.EntryNotFoundError:
            return Path(huggingface_hub.hf_hub_download(repository, pickled, revision=revision or None))
    except Exception as error:  # whatever the client's HTTP library raises
        raise EncoderError(
            f"cannot download the weights of {model} ({first_line(error)}): "
            f"run `hf download {repository}` where there is a network, or give a file of weights"
        ) from error


def _check_online(page: str) -> None:
    """Raise OSError unless a server answers within `PATIENCE`, whatever it says."""
    _check_allowed()
    request = urllib.request.Request(page, method="HEAD")  # noqa: S310 - https, see the hub's ENDPOINT
    try:
        urllib.request.urlopen(request, timeout=PATIENCE).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()


def _check_allowed() -> None:
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        raise OSError("HF_HUB_OFFLINE is set")


def _downloaded_url(model: str, url: str) -> Path:
    """The file behind an address, in torch's cache; the first digits of its SHA-256 end its name."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if path.is_file():
        return path
    expected = re.search(r"-([0-9a-f]{8,})\.", path.name)
    try:
        _check_allowed()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _patience(PATIENCE):
            digits = None if expected is None else expected[1]
            torch.hub.download_url_to_file(url, str(path), digits, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:  # URLError and time-outs are OSErrors; a wrong digest is the other
        raise EncoderError(
            f"cannot download the weights of {model} ({first_line(error)}): "
            f"place {url} at {path}, or give a file of weights"
        ) from error
    return path


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Limit how long sockets wait, as torch.hub sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
