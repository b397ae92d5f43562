"""The two halves of a retrieval network: a trunk that sees a photo at several scales, and a head that pools.

Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018, section 3, and the
public code beside it, cnnimageretrieval, whose constants these are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.encoders.encoder import EncoderError, Features
from recessive.encoders.gem import GeM
from recessive.encoders.retrieval.pooling import unit
from recessive.encoders.retrieval.whitening import Whitening

LONGEST_SIDE = 1024
LARGEST_EXPONENT = 6.0  # of GeM's floor, 1e-6, float32 holds no higher power


class RetrievalTrunk(nn.Module):
    """Shrink, normalise, backbone, at each scale: photos to one feature map a scale.

    A photo whose longer side exceeds the limit is shrunk to it, in proportion (antialiased bilinear); none is
    enlarged. Scale s is that photo resized to ⌊s H⌋ × ⌊s W⌋ (bilinear). A side shorter than the backbone's smallest is
    stretched to it, the other side left alone, so that a photo of one pixel has a descriptor, too.

    Args:
        backbone: normalised photos (N, 3, H, W) of any sides ≥ smallest to a feature map (N, C, h, w).
        smallest: the shortest side that the backbone can see, in pixels.
        mean: of each channel, subtracted.
        std: of each channel, divided by.
        longest_side: the limit, in pixels.
        scales: factors s of the sides.

    Raises:
        EncoderError: no scales or one that is not positive, or a limit below the smallest side.
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
        """Photos (N, 3, H, W) in [0, 1] to a feature map (N, C, h, w) of each scale; limit None is `longest_side`."""
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

    Of each scale s, v_s = unit(pool(local(z_s))), or unit(W unit(pool(local(z_s))) + b) with a whitening layer. Then
    v = L2((mean_s v_s^q)^(1/q)), where q = p of GeM pooling without such a layer, and q = 1 otherwise; at last the
    `whitening` of v. Maps of zeros have no direction: MAC, SPoC and R-MAC give zeros for them, GeM equal values.

    Args:
        channels: C of the maps.
        pool: (N, C, h, w) to (N, C).
        local: W and b applied at each place before pooling; none when None.
        linear: the whitening layer that was trained with the network; none when None.
        whitening: applied to the combined descriptor; none when None.

    Raises:
        ValueError: the whitening takes vectors of another length.
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
        """A map (N, C, h, w), or one of each scale, to descriptors (N, dim)."""
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
        if self.whitening is not None:
            descriptors = self.whitening(descriptors)
        return descriptors

    def _of_one_scale(self, features: Tensor) -> Tensor:
        if self.local is not None:
            features = self.local(features.movedim(1, -1)).movedim(-1, 1)
        vectors = unit(self.pool(features))
        return vectors if self.linear is None else unit(self.linear(vectors))
