"""The same outputs on another device, in another layout, and nearly so in half the precision."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from recessive.encoders import Encoder, HashLayer, Trunk, accelerate, encode

PHOTOS = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Seen(nn.Module):
    """What type its input has, told on the way."""

    def __init__(self):
        super().__init__()
        self.types = []

    def forward(self, features):
        self.types.append(features.dtype)
        return features


class Levels(nn.Module):
    """Two feature maps."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, photos):
        features = self.body(photos)
        return features, features.mean(dim=(2, 3), keepdim=True)


class Last(nn.Module):
    def forward(self, features):
        return features[-1].flatten(1)


def two_encoders():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        seen = Seen()
        trunk = Trunk(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), seen), 16)
        pair = [Encoder(name, trunk, HashLayer(8, 12), 12, "logits").eval() for name in ("one", "two")]
    return [encoder.requires_grad_(False) for encoder in pair], seen


def test_channels_last_gives_the_same_and_the_originals_stay():
    encoders, _ = two_encoders()
    before = encode(encoders, PHOTOS)
    copies = accelerate(encoders)
    for mine, theirs in zip(encode(copies, PHOTOS), before, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    assert copies[0].trunk is copies[1].trunk
    assert copies[0].trunk is not encoders[0].trunk
    assert copies[0].trunk.backbone[2].weight.is_contiguous(memory_format=torch.channels_last)
    assert encoders[0].trunk.backbone[2].weight.is_contiguous()
    assert [encoder.name for encoder in copies] == ["one", "two"]


def test_bfloat16_is_inside_alone_and_gradients_point_the_same_way():
    encoders, _ = two_encoders()
    copies = accelerate(encoders, precision="bfloat16")
    assert copies[0].trunk is copies[1].trunk
    gradients = []
    for some in (encoders, copies):
        photos = PHOTOS.clone().requires_grad_()
        outputs = encode(some, photos)
        assert all(each.dtype == torch.float32 for each in outputs)
        (gradient,) = torch.autograd.grad(sum(each.square().sum() for each in outputs), photos)
        gradients.append(gradient)
    assert gradients[1].dtype == torch.float32
    assert cosine_similarity(*(each.flatten(1) for each in gradients)).min() > 0.99
    (seen,) = [module for module in copies[0].modules() if isinstance(module, Seen)]
    assert set(seen.types) == {torch.bfloat16}


def test_several_feature_maps_stay_several():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = Encoder("levels", Levels(nn.Conv2d(3, 4, 3)), Last(), 4, "descriptor").eval()
    (fast,) = accelerate([encoder], precision="bfloat16")
    features = fast.trunk(PHOTOS)
    assert [part.dtype for part in features] == [torch.float32] * 2
    torch.testing.assert_close(fast(PHOTOS), encoder(PHOTOS), rtol=0.05, atol=0.02)
