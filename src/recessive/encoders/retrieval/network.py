"""A retrieval network: a trunk that sees a photo at several scales, and a head that pools, combines and whitens.

Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018, section 3, and the
public code beside it, cnnimageretrieval, from which the constants are taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.encoders.encoder import Encoder, EncoderError, Features
from recessive.encoders.heads import MAC, RMAC, GeM, SPoC, unit
from recessive.encoders.networks.backbones import Backbone, make_backbone
from recessive.encoders.retrieval.whitening import Whitening
from recessive.photos import part_within

Pooling = Literal["gem", "mac", "spoc", "r-mac"]
POOLINGS: dict[Pooling, type[nn.Module]] = {"gem": GeM, "mac": MAC, "spoc": SPoC, "r-mac": RMAC}
THREE_SCALES = (1.0, 2**-0.5, 0.5)
"""The scales of the paper."""

LONGEST_SIDE = 1024
LARGEST_EXPONENT = 6.0
"""The largest p of GeM: float32 holds no higher power of its floor, 1e-6."""


class RetrievalTrunk(nn.Module):
    """Shrink, normalise, backbone, at each scale: photos to one feature map per scale.

    A photo whose longer side exceeds the limit is shrunk to it, in proportion (antialiased bilinear); none is
    enlarged. Scale s is that photo resized to ⌊s H⌋ × ⌊s W⌋ (bilinear). A side shorter than the backbone's smallest is
    stretched to it, and the other side left alone, so that even a photo of one pixel has a descriptor.

    Args:
        backbone: normalised photos (N, 3, H, W) of any sides ≥ `smallest` to a feature map (N, C, h, w).
        smallest: the shortest side in pixels that the backbone can see.
        mean: the mean of each channel.
        std: the standard deviation of each channel.
        longest_side: the limit in pixels.
        scales: the factors s of the sides.

    Raises:
        EncoderError: if there are no scales or one is not positive, or if the limit is below the smallest side.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        smallest: int,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        longest_side: int = LONGEST_SIDE,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        super().__init__()
        if not scales or not all(math.isfinite(scale) and scale > 0 for scale in scales):
            raise EncoderError(f"scales are positive factors, such as (1.0, 0.5), not {tuple(scales)}")
        if longest_side < smallest:
            raise EncoderError(f"the backbone sees sides of at least {smallest} pixels, the limit is {longest_side}")
        self.backbone = backbone
        self.smallest = smallest
        self.longest_side = longest_side
        self.scales = tuple(scales)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, photos: Tensor, limit: float | None = None) -> tuple[Tensor, ...]:
        """Photos (N, 3, H, W) in [0, 1] to a feature map (N, C, h, w) per scale; limit None is `longest_side`."""
        if photos.ndim != 4 or photos.shape[1] != 3 or 0 in photos.shape[2:]:
            raise ValueError(f"an encoder takes photos of shape (N, 3, H, W), not {tuple(photos.shape)}")
        height, width = photos.shape[2:]
        shrunk = min(1.0, (self.longest_side if limit is None else limit) / max(height, width))
        sides = round(height * shrunk), round(width * shrunk)
        photos = self._resized(photos, sides, antialias=True)
        maps = []
        for scale in self.scales:
            scaled = self._resized(photos, (int(sides[0] * scale), int(sides[1] * scale)), antialias=False)
            maps.append(self.backbone((scaled - self.mean) / self.std))
        return tuple(maps)

    def _resized(self, photos: Tensor, sides: tuple[int, int], *, antialias: bool) -> Tensor:
        height, width = (max(side, self.smallest) for side in sides)
        if photos.shape[2:] == (height, width):
            return photos
        return F.interpolate(photos, (height, width), mode="bilinear", antialias=antialias)


class RetrievalHead(nn.Module):
    """Feature maps of several scales to one descriptor of unit length.

    For each scale s, v_s = unit(pool(local(z_s))), or unit(W unit(pool(local(z_s))) + b) with a whitening layer. Then
    v = L2((mean_s v_s^q)^(1/q)), where q = p for GeM pooling without such a layer and q = 1 otherwise, and finally the
    `whitening` of v. Maps of zeros have no direction: MAC, SPoC and R-MAC give zeros for them, GeM equal values.

    Args:
        channels: C of the maps.
        pool: (N, C, h, w) to (N, C).
        local: W and b applied at each place before pooling, if any.
        linear: the whitening layer that was trained with the network, if any.
        whitening: a whitening that is applied to the combined descriptor, if any.

    Raises:
        ValueError: if the whitening takes vectors of another length.
    """

    def __init__(
        self,
        channels: int,
        pool: nn.Module,
        *,
        local: nn.Linear | None = None,
        linear: nn.Linear | None = None,
        whitening: Whitening | None = None,
    ) -> None:
        super().__init__()
        dim = channels if linear is None else linear.out_features
        if whitening is not None and len(whitening.mean) != dim:
            raise ValueError(f"the whitening takes vectors of {len(whitening.mean)} values, the network gives {dim}")
        self.dim = dim if whitening is None else whitening.dim
        self.pool = pool
        self.local = local
        self.linear = linear
        self.whitening = whitening

    def forward(self, features: Features) -> Tensor:
        """A map (N, C, h, w), or one per scale, to descriptors (N, dim)."""
        maps = (features,) if isinstance(features, Tensor) else features
        each = torch.stack([self._of_one_scale(one) for one in maps])
        if len(each) > 1 and self.linear is None and isinstance(self.pool, GeM):
            # Sums of exponentials, as the powers themselves may be too small for float32; GeM's values are positive.
            # The number of scales, a factor of all values, cancels below.
            power = self.pool.p
            combined = ((each.log() * power).logsumexp(dim=0) / power).exp()
        else:
            combined = each.mean(dim=0)
        descriptors = F.normalize(combined, dim=1)
        return descriptors if self.whitening is None else self.whitening(descriptors)

    def _of_one_scale(self, features: Tensor) -> Tensor:
        if self.local is not None:
            features = self.local(features.movedim(1, -1)).movedim(-1, 1)
        vectors = unit(self.pool(features))
        return vectors if self.linear is None else unit(self.linear(vectors))


class RetrievalNetwork(Encoder):
    """An encoder that sees photos at their own shape and resolution: head(trunk(x)), of unit length.

    The photos of one batch have one shape; `describe` takes a single photo, or a part of it as a query.

    Args:
        name: the name in reports.
        trunk: photos to a feature map per scale.
        head: feature maps to descriptors.
    """

    trunk: RetrievalTrunk

    def __init__(self, name: str, trunk: RetrievalTrunk, head: RetrievalHead) -> None:
        super().__init__(name, trunk, head, head.dim, "descriptor")

    def describe(self, photo: Tensor, box: tuple[float, float, float, float] | None = None) -> Tensor:
        """Return the descriptor of a photo, or of what a box shows.

        The box is cut out first, and what it shows is then shrunk as much as the whole photo would be: its longer
        side is at most longest_side · max(sides of the box) / max(sides of the photo).

        Args:
            photo: (3, H, W) in [0, 1].
            box: left, top, right, bottom in pixels, rounded, with right and bottom excluded; what lies outside the
                photo is left out. The whole photo if None.

        Returns:
            (dim,), of unit length.

        Raises:
            ValueError: if the photo has another shape, or no pixel of it lies in the box.
        """
        if photo.ndim != 3:
            raise ValueError(f"a photo to describe has shape (3, H, W), not {tuple(photo.shape)}")
        part = photo if box is None else part_within(photo, box)
        height, width = photo.shape[1:]
        if box is not None and not part.numel():
            raise ValueError(
                f"the box {box} (left, top, right, bottom) shows nothing of a photo {width} wide, {height} high"
            )
        limit = self.trunk.longest_side * max(part.shape[1:]) / max(height, width, 1)
        descriptors: Tensor = self.head(self.trunk(part[None], limit))
        return descriptors[0]


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
    """Build a retrieval network without whitening, in evaluation mode and with frozen weights: `backbone-pooling`.

    Args:
        backbone: a key of `BACKBONES`; its weights are random unless one of the next two is given.
        pooling: the pooling of the backbone's last map.
        weights: a file of the backbone's weights, see `make_backbone`.
        pretrained: take the backbone's own weights, bundled or downloaded, see `make_backbone`.
        scales: the factors of the sides: (1.0,), or `THREE_SCALES`.
        p: GeM's exponent, from 1 (the mean) to 6; without meaning for other poolings.
        longest_side: the side in pixels to which larger photos are shrunk.

    Raises:
        EncoderError: if the backbone or pooling is unknown, the scales, exponent or limit are impossible, or the
            weights are missing or do not fit.
    """
    check_pooling(pooling)
    if not 1 <= p <= LARGEST_EXPONENT:
        raise EncoderError(f"GeM's exponent lies in 1 to {LARGEST_EXPONENT:g}, not {p}")
    pool = GeM(p) if pooling == "gem" else POOLINGS[pooling]()
    built = make_backbone(backbone, weights=weights, pretrained=pretrained)
    return pooled_network(f"{backbone}-{pooling}", built, pool, scales=scales, longest_side=longest_side)


def check_pooling(pooling: str) -> None:
    """Raise EncoderError unless there is a pooling of that name."""
    if pooling not in get_args(Pooling):
        raise EncoderError(f"no pooling is called {pooling!r}; there are {', '.join(get_args(Pooling))}")


def pooled_network(
    name: str, backbone: Backbone, pool: nn.Module, *, scales: Sequence[float], longest_side: int
) -> RetrievalNetwork:
    """A backbone and a pooling as a retrieval network, in evaluation mode and with frozen weights."""
    trunk = RetrievalTrunk(
        backbone.module, backbone.smallest, backbone.mean, backbone.std, longest_side=longest_side, scales=scales
    )
    network = RetrievalNetwork(name, trunk, RetrievalHead(backbone.channels, pool))
    return network.eval().requires_grad_(requires_grad=False)
