"""Heat maps: where in a photo an encoder finds what other photos of the same motif show, too.

Sources: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", 2017,
Eq. 1 and 2; Sattarzadeh et al., "Integrated Grad-CAM: sensitivity-aware visual explanation of deep convolutional
networks via integrated gradient-based scoring", 2021, for the path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from recessive.encoders import Encoder
    from recessive.encoders.encoder import Features

_STEPS = 4  # of the path; with 8 the maps are the same to the eye


def heat_maps(encoder: Encoder, photos: Tensor, views: Tensor) -> Tensor:
    """Grad-CAM of how well photos match views of a motif, at the last map of the trunk.

        s = ½ max(0, cos(h(A), v))²,  v = mean_i views_i / ‖views_i‖₂
        Ā_c = mean_{xy} A_cxy,  A(t) = Ā + t (A − Ā)
        α_c = mean_{t xy} ∂s/∂A_cxy at A(t),  L_xy = max(0, Σ_c α_c (A_cxy − Ā_c)),

    the mean of L for the photo and, turned back, for its mirror image; then divided by the largest value of all the
    photos, so that a photo that the encoder recognises less is darker.

    At the photo itself (α of Grad-CAM) the gradient of a cosine has no part along the descriptor: what makes the photo
    what it is does not count, and maps of the bundled transformers are often empty. On the way from the same features
    without their places it does. The square makes a place count by how much it adds to a match that there is: after
    protection the cosine's own map is about as bright as before, though nothing matches. Views of the motif, not the
    photo itself, whose cosine is 1 whatever is in it. Similarity to the gallery's photos taken off the score made the
    maps worse. With 40 photos of products, greying out the three tenths of largest L takes 0.086 of the mean cosine to
    other photos of the same product by `conv-gem`; plain Grad-CAM 0.061, the middle of the photo 0.090, any place
    0.022.

    Args:
        encoder: h is its head; other maps of its trunk than the last stay as they are.
        photos: of one size, (N, 3, H, W) in [0, 1], such as a photo before and after.
        views: what the encoder gives for other photos of the motif: descriptors, or codes, (V, dim), V ≥ 1.

    Returns:
        (N, h, w) in [0, 1], rows from the top, to be stretched over the photos. Zeros where nothing matches or all
        places are alike, and (N, 1, 1) for a trunk that gives no map.

    Raises:
        ValueError: no views, or views of another length.
    """
    if views.ndim != 2 or not len(views) or views.shape[1] != encoder.dim:
        raise ValueError(f"a heat map needs views (V, {encoder.dim}), not {tuple(views.shape)}")
    motif = F.normalize(views, dim=1).mean(dim=0)
    with torch.inference_mode(mode=False):
        with torch.no_grad():
            features = encoder.trunk(torch.cat([photos, photos.flip(-1)]))
        maps = _last(features)
        if maps.ndim != 4:
            return torch.zeros(len(photos), 1, 1)
        weights = _weights(encoder, features, motif)
    with torch.no_grad():
        heat = (weights * _placed(maps)).sum(dim=1).clamp(min=0).nan_to_num(0, 0, 0)
        straight, mirrored = heat.chunk(2)
        both = (straight + mirrored.flip(-1)) / 2
        return both / both.max().clamp(min=torch.finfo(both.dtype).tiny)


def _last(features: Features) -> Tensor:
    return features if isinstance(features, torch.Tensor) else features[-1]


def _placed(maps: Tensor) -> Tensor:
    """A − Ā: what depends on the place."""
    return maps - maps.mean(dim=(2, 3), keepdim=True)


def _weights(encoder: Encoder, features: Features, motif: Tensor) -> Tensor:
    """α (N, C, 1, 1): gradients of the score of each photo, over all places and along the path."""
    maps = _last(features)
    placed = _placed(maps)
    total = torch.zeros_like(maps[:, :, :1, :1])
    for step in range(_STEPS):
        point = maps - (1 - (step + 0.5) / _STEPS) * placed
        with torch.enable_grad():
            point.requires_grad_()
            given: Features = point if isinstance(features, torch.Tensor) else (*features[:-1], point)
            cosine = F.normalize(encoder.head(given), dim=1) @ motif
            score = cosine.clamp(min=0).square().sum() / 2
        (gradient,) = torch.autograd.grad(score, point)
        total += gradient.mean(dim=(2, 3), keepdim=True)
    return total / _STEPS
