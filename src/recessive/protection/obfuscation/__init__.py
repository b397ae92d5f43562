"""Obfuscations: what people did before there were gradients, one file each kind; no encoder is asked."""

from __future__ import annotations

from recessive.protection.method import Method
from recessive.protection.obfuscation.blur import Blurring
from recessive.protection.obfuscation.brightness import DARKENING, Brightness
from recessive.protection.obfuscation.gaussian_noise import GaussianNoise
from recessive.protection.obfuscation.gaussian_noise_ssim import GaussianNoiseSSIM
from recessive.protection.obfuscation.mosaic import Mosaic
from recessive.protection.obfuscation.occlusion import OCCLUSION_WHITE, Occlusion
from recessive.protection.obfuscation.scrambling import Scrambling
from recessive.protection.obfuscation.transparency import Transparency
from recessive.protection.obfuscation.uniform_noise import UniformNoise

OBFUSCATIONS: tuple[Method, ...] = (
    Mosaic(),
    Brightness(),
    Transparency(),
    UniformNoise(),
    GaussianNoise(),
    GaussianNoiseSSIM(),
    Blurring(),
    DARKENING,
    Occlusion(),
    OCCLUSION_WHITE,
    Scrambling(),
)

__all__ = [
    "OBFUSCATIONS",
    "Blurring",
    "Brightness",
    "GaussianNoise",
    "GaussianNoiseSSIM",
    "Mosaic",
    "Occlusion",
    "Scrambling",
    "Transparency",
    "UniformNoise",
]
