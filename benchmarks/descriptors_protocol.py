"""The protocol of `descriptors.py`: descriptors that search, and methods that protect photos in worker processes."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from recessive.balls import LInf
from recessive.encoders import bundled_encoders, encoder_from_weights, load_encoder, owners_sample
from recessive.galleries import DenseGallery
from recessive.galleries.thresholds import best_f1, cosine_candidates
from recessive.photos import read_photo
from recessive.protection.methods import METHODS, Run, Surrogate
from recessive.protection.obfuscation import draw_normal, noise_of_ssim
from recessive.quality import ssim
from recessive.searchers import EncoderSettings, load_describer
from recessive.transforms import BitDepth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from recessive.galleries import Gallery

DESCRIPTORS = ("bovw", "bovw-he", "cedd", "gist", "gem")
FAMILIES = {"local": ("bovw", "bovw-he"), "global": ("cedd", "gist"), "neural": ("gem",)}
METHOD_NAMES = ("none", "noise", "pire", "rmd", "rmd+ls", "fmd", "ls+fmd", "rdg", "joint")
WITNESS = "depthwise-gem"  # a network that no method knows
TEACHER = "weights/mobilenetv2_100-imagenet.safetensors"
SAMPLE = 600  # training photos in the owner's sample for gem


class Sight:
    """A descriptor under a name: what a photo gives, and the gallery that searches for it."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.empty: Callable[[], Gallery[Any]]
        self.items: Callable[[Tensor], Any]
        if name == "gem":
            encoder = encoder_from_weights(root / TEACHER)
            self.items = lambda photo: encoder(photo[None])
            self.empty = partial(DenseGallery, encoder.dim)
        else:
            described = load_describer(EncoderSettings(name))
            self.items, self.empty = described.items, described.gallery


def gem_sample(root: Path, files: list[Path]) -> tuple[Tensor, float]:
    """The GeM descriptors of training photos, as the owner's sample, and the threshold of their best F1 by class."""
    encoder = encoder_from_weights(root / TEACHER)
    with torch.no_grad():
        sample = torch.cat([encoder(read_photo(file).pixels[None]) for file in files])
    names = sorted({file.parent.name for file in files})
    labels = torch.tensor([names.index(file.parent.name) for file in files])
    same = labels[:, None] == labels
    return sample, best_f1(1 - sample @ sample.T, same, cosine_candidates()).threshold


class Worker:
    """Protects photos; there is one per process.

    Args:
        gem: the network of the searcher, which PIRE and joint work against.
        pire_steps: T, the number of steps of PIRE.
    """

    def __init__(self, gem: Surrogate, pire_steps: int) -> None:
        self._gem = gem
        self._pire_steps = pire_steps
        listed = bundled_encoders()
        self._bundled = [
            Surrogate(load_encoder(name), owners_sample(name), entry.threshold)
            for name, entry in listed.items()
            if entry.seen
        ]

    def protect(self, method: str, photo: Tensor, pire: Tensor | None) -> tuple[Tensor, float]:
        """Protect a photo (3, H, W), and return it on the 8-bit grid with the seconds that it took.

        Noise has the same SSIM as `pire`, the photo that PIRE protected.
        """
        start = time.perf_counter()
        if method == "none":
            return photo, 0.0
        if method == "noise":
            if pire is None:
                raise ValueError("noise needs the photo that pire protected")
            target = float(ssim(pire[None], photo[None]))
            return noise_of_ssim(photo, draw_normal(photo[None], [0])[0], target), time.perf_counter() - start
        chosen = METHODS[method]
        surrogates = {"pire": [self._gem], "joint": [*self._bundled, self._gem]}.get(method, [])
        steps = self._pire_steps if method == "pire" else chosen.steps
        run = Run(LInf(chosen.budget), steps, [0], saving=BitDepth(8))
        return chosen(photo[None], surrogates, run).photos[0], time.perf_counter() - start


_WORKER: list[Worker] = []


def begin(root: Path, sample: Tensor, threshold: float, pire_steps: int) -> None:
    """Make the worker of this process, with its own network and one thread."""
    torch.set_num_threads(1)
    _WORKER.append(Worker(Surrogate(encoder_from_weights(root / TEACHER), sample, threshold), pire_steps))


def protect(method: str, photo: Tensor, pire: Tensor | None) -> tuple[Tensor, float]:
    """Protect a photo with the worker of this process, see `Worker.protect`."""
    with torch.enable_grad():
        return _WORKER[0].protect(method, photo, pire)
