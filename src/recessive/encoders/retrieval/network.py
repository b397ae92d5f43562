"""Global descriptors at a photo's own shape and resolution: a backbone, a global pooling, whitening, several scales.

Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from recessive.encoders.encoder import Encoder, EncoderError
from recessive.encoders.gem import GeM
from recessive.encoders.networks.backbones import Backbone, make_backbone
from recessive.encoders.networks.pretrained import recognised_backbone
from recessive.encoders.retrieval.cnnimageretrieval import holds_meta, read_cnnimageretrieval
from recessive.encoders.retrieval.parts import LARGEST_EXPONENT, LONGEST_SIDE, RetrievalHead, RetrievalTrunk
from recessive.encoders.retrieval.pooling import MAC, RMAC, RegionalPooling, SPoC
from recessive.photos import part_within

Pooling = Literal["gem", "mac", "spoc", "r-mac"]
THREE_SCALES = (1.0, 2**-0.5, 0.5)  # the paper's
_POOLINGS: dict[Pooling, type[nn.Module]] = {"gem": GeM, "mac": MAC, "spoc": SPoC, "r-mac": RMAC}


class RetrievalNetwork(Encoder):
    """An encoder that sees photos at their own shape and resolution: head(trunk(x)), L2-normalised.

    Photos of one batch have one shape; `describe` takes them one by one, and a part of a photo as a query.

    Args:
        name: what people call it by.
        trunk: photos to a feature map of each scale.
        head: these to descriptors.
    """

    trunk: RetrievalTrunk

    def __init__(self, name: str, trunk: RetrievalTrunk, head: RetrievalHead) -> None:
        super().__init__(name, trunk, head, head.dim, "descriptor")

    def describe(self, photo: Tensor, box: tuple[float, float, float, float] | None = None) -> Tensor:
        """The descriptor of a photo, or of what a box shows.

        The box is cut out first, and what it shows is then shrunk as much as the whole photo would be: its longer
        side is at most longest_side · max(sides of the box) / max(sides of the photo).

        Args:
            photo: (3, H, W) in [0, 1].
            box: left, top, right, bottom in pixels, rounded, right and bottom not included; the part outside the
                photo is left out. The whole photo when None.

        Returns:
            (dim,), of unit length.

        Raises:
            ValueError: a photo of another shape, or a box without a pixel of the photo.
        """
        if photo.ndim != 3:
            raise ValueError(f"a photo to describe has shape (3, H, W), not {tuple(photo.shape)}")
        part = photo if box is None else _cut_out(photo, box)
        limit = self.trunk.longest_side * max(part.shape[1:]) / max(*photo.shape[1:], 1)
        descriptors: Tensor = self.head(self.trunk(part[None], limit))
        return descriptors[0]


def _cut_out(photo: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    part = part_within(photo, box)
    if part.numel():
        return part
    height, width = photo.shape[1:]
    raise ValueError(f"the box {box} (left, top, right, bottom) shows nothing of a photo {width} wide, {height} high")


def make_retrieval_network(
    backbone: str,
    pooling: Pooling = "gem",
    *,
    weights: Path | None = None,
    pretrained: bool = False,
    scales: Sequence[float] = (1.0,),
    p: float = 3.0,
    longest_side: int = LONGEST_SIDE,
) -> RetrievalNetwork:
    """A retrieval network without whitening, in evaluation mode and with frozen weights, named `backbone-pooling`.

    Args:
        backbone: a key of `BACKBONES`; its weights are random unless one of the next two is given.
        pooling: of the backbone's last map.
        weights: a file of the backbone's weights, see `make_backbone`.
        pretrained: the backbone's own weights, bundled or downloaded, see `make_backbone`.
        scales: factors of the sides: (1.0,), or `THREE_SCALES`.
        p: GeM's exponent, in 1 (the mean) to 6; without meaning for other poolings.
        longest_side: to which larger photos are shrunk, in pixels.

    Raises:
        EncoderError: an unknown backbone or pooling, scales, exponent or limit that cannot be, or weights that are
            missing or do not fit.
    """
    _check_pooling(pooling, p)
    made = make_backbone(backbone, weights=weights, pretrained=pretrained)
    return _pooled(f"{backbone}-{pooling}", made, pooling, scales=scales, p=p, longest_side=longest_side)


def load_retrieval_network(
    path: Path,
    pooling: Pooling = "gem",
    *,
    scales: Sequence[float] = (1.0,),
    longest_side: int = LONGEST_SIDE,
) -> RetrievalNetwork:
    """A retrieval network from a file: a checkpoint of cnnimageretrieval, or the weights of a well-known network.

    Args:
        path: a checkpoint, see `load_cnnimageretrieval`, or a file of weights, see `recognised_backbone`.
        pooling: of the last feature map, which must be the checkpoint's own; GeM with p = 3 for a file of weights.
        scales: the factors of the sides: (1.0,), or `THREE_SCALES`.
        longest_side: the side in pixels to which larger photos are shrunk.

    Returns:
        A network named after the file, in evaluation mode and with frozen weights.

    Raises:
        EncoderError: if the file cannot be read or is neither, if the checkpoint has another pooling, if a library is
            not installed, or if the scales or the limit are impossible.
    """
    _check_pooling(pooling)
    if not holds_meta(path):
        return _pooled(path.stem, recognised_backbone(path), pooling, scales=scales, longest_side=longest_side)
    network = load_cnnimageretrieval(path, scales=scales, longest_side=longest_side)
    pool = network.head.pool
    kind = type(pool.rpool if isinstance(pool, RegionalPooling) else pool)
    own = next(name for name, one in _POOLINGS.items() if one is kind)
    if own != pooling:
        raise EncoderError(f"pools by {own}, not by {pooling}; use {own}:{path}", path)
    return network


def _check_pooling(pooling: str, p: float = 3.0) -> None:
    if pooling not in get_args(Pooling):
        raise EncoderError(f"no pooling is called {pooling!r}; there are {', '.join(get_args(Pooling))}")
    if not 1 <= p <= LARGEST_EXPONENT:
        raise EncoderError(f"GeM's exponent lies in 1 to {LARGEST_EXPONENT:g}, not {p}")


def _pooled(
    name: str,
    backbone: Backbone,
    pooling: Pooling,
    *,
    scales: Sequence[float],
    longest_side: int,
    p: float = 3.0,
) -> RetrievalNetwork:
    trunk = RetrievalTrunk(
        backbone.module, backbone.smallest, backbone.mean, backbone.std, longest_side=longest_side, scales=scales
    )
    head = RetrievalHead(backbone.channels, GeM(p) if pooling == "gem" else _POOLINGS[pooling]())
    return RetrievalNetwork(name, trunk, head).eval().requires_grad_(requires_grad=False)


def load_cnnimageretrieval(
    path: Path,
    *,
    scales: Sequence[float] = (1.0,),
    longest_side: int = LONGEST_SIDE,
    whitening: str | None = None,
) -> RetrievalNetwork:
    """A network of the public checkpoints, named after its file, in evaluation mode and with frozen weights.

    The exponent of GeM and a whitening layer are those that were trained with the network. Needs the extra
    `pretrained`.

    Args:
        path: a checkpoint of cnnimageretrieval, see `read_cnnimageretrieval`.
        scales: factors of the sides: (1.0,), or `THREE_SCALES`.
        longest_side: to which larger photos are shrunk, in pixels.
        whitening: the data that a whitening was learned from after the network, such as "retrieval-SfM-120k", for it
            to be applied; none when None. Checkpoints hold one for a single scale and one for several.

    Raises:
        EncoderError: torchvision is not installed; the file is missing, damaged, not such a checkpoint, of an
            architecture or pooling that is not known, or without that whitening; its weights do not fit; or scales or
            a limit that cannot be.
    """
    stored = read_cnnimageretrieval(path, whitening, "ms" if len(scales) > 1 else "ss")
    trunk = RetrievalTrunk(
        stored.features, stored.smallest, stored.mean, stored.std, longest_side=longest_side, scales=scales
    )
    head = RetrievalHead(
        stored.channels, stored.pool, local=stored.local, linear=stored.linear, whitening=stored.whitening
    )
    return RetrievalNetwork(path.stem, trunk, head).eval().requires_grad_(requires_grad=False)
