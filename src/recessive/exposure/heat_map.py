"""Heat maps: where in a photo an encoder finds what other photos of the same motif show, too.

Sources: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", 2017,
Eq. 1 and 2; Sattarzadeh et al., "Integrated Grad-CAM: sensitivity-aware visual explanation of deep convolutional
networks via integrated gradient-based scoring", 2021, for the path.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from recessive.encoders import Encoder
from recessive.encoders.encoder import Features

_STEPS = 4  # of the path; with 8 the maps are the same to the eye
_NOTHING = 1e-7  # of the score, at one place: rounding


def heat_maps(encoder: Encoder, photos: Tensor, views: Tensor) -> Tensor:
    """Grad-CAM of how well photos match views of a motif, at the last map A of the encoder's trunk.

        s(A) = ½ max(0, cos(head(A), v))²,  v = mean_i views_i / ‖views_i‖₂
        α_c = mean_{t, xy} ∂s/∂A_cxy at A(t) = B + t (A − B),  L_xy = max(0, Σ_c α_c (A_cxy − B_cxy)),

    where B is the map of a photo that has the photo's mean colour everywhere, and t goes from 0 to 1. The mean of L for
    the photo and, turned back, for its mirror image is divided by the largest value that any of the photos has: one
    that the encoder recognises less is darker.

    Grad-CAM takes α at A itself, and A for A − B. But the gradient of a cosine has no part along the descriptor, so
    what makes the photo what it is would hardly count: for `conv-gem`, greying out the three tenths of largest L takes
    0.059 of the mean cosine with other photos of the same product then (40 photos), with the path 0.086, any three
    tenths 0.022. For `depthwise-gem` it is 0.073 and 0.092; for `transformer-gem` 0.079 and 0.060, but 3 of 10 maps of
    other photos were empty then. B takes away what the borders of a map show of any photo. With the cosine in place of
    its square the map of a protected photo, which matches nothing, was about as bright as before. The photo itself is
    no view, for its cosine is 1 whatever is in it; taking similarity to a gallery off the score made maps worse.

    Args:
        encoder: whose head is asked; other maps of its trunk than the last stay as they are.
        photos: of one size, (N, 3, H, W) in [0, 1], such as a photo before and after.
        views: what the encoder gives for other photos of the motif: descriptors, or codes, (V, dim), V ≥ 1.

    Returns:
        (N, h, w) in [0, 1], rows from the top, to be stretched over the photos. Zeros for photos of one colour and
        where nothing matches; (N, 1, 1) zeros for a trunk that gives no map.

    Raises:
        ValueError: no views, or views of another length.
    """
    if views.ndim != 2 or not len(views) or views.shape[1] != encoder.dim:
        raise ValueError(f"a heat map needs views (V, {encoder.dim}), not {tuple(views.shape)}")
    with torch.inference_mode(mode=False), torch.no_grad():
        motif = F.normalize(views, dim=1).mean(dim=0)
        features = encoder.trunk(torch.cat([photos, photos.flip(-1)]))
        if _last(features).ndim != 4:
            return torch.zeros(len(photos), 1, 1)
        colours = photos.mean(dim=(2, 3), keepdim=True).expand_as(photos).contiguous()
        shown = _last(features) - _last(encoder.trunk(colours)).repeat(2, 1, 1, 1)
        weights = _weights(encoder, features, shown, motif)
        heat = (weights * shown).sum(dim=1).clamp(min=0).nan_to_num(0, 0, 0)
        straight, mirrored = heat.chunk(2)
        both = (straight + mirrored.flip(-1)) / 2
        largest = float(both.max())
        return both / largest if largest > _NOTHING else torch.zeros_like(both)


def _last(features: Features) -> Tensor:
    return features if isinstance(features, Tensor) else features[-1]


def _weights(encoder: Encoder, features: Features, shown: Tensor, motif: Tensor) -> Tensor:
    """α (N, C, 1, 1), with `shown` for A − B."""
    last = _last(features)
    total = torch.zeros_like(last[:, :, :1, :1])
    for step in range(_STEPS):
        point = last - (1 - (step + 0.5) / _STEPS) * shown
        with torch.enable_grad():
            point.requires_grad_()
            given: Features = point if isinstance(features, Tensor) else (*features[:-1], point)
            cosine = F.normalize(encoder.head(given), dim=1) @ motif
            score = cosine.clamp(min=0).square().sum() / 2
            (gradient,) = torch.autograd.grad(score, point)
        total += gradient.mean(dim=(2, 3), keepdim=True)
    return total / _STEPS
