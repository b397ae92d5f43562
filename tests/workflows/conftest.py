"""Tiny encoders in place of the bundled ones, and photos that the tests make themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from recessive.encoders import (
    BundledEncoder,
    Encoder,
    EncoderError,
    hash_network,
    make_backbone,
    make_hash_network,
    save_checkpoint,
)
from recessive.options import ProtectOptions
from recessive.protection.method import GradientFree, Method, check, descend, target_outputs
from recessive.protection.methods import METHODS
from recessive.protection.optimise import Minimised
from recessive.protection.steps import MomentumSign
from recessive.workflows import Protector, protect_photos

STORED = 400
CARD = {"figures": {"encoders": [{"name": "tiny-gem", "map_instances": 0.5, "map_scenes": 0.25}]}}
LISTED = {
    "tiny-gem": BundledEncoder("tiny-gem", "tiny", "descriptor", 16, True, 0.4, CARD),
    "tiny-hash": BundledEncoder("tiny-hash", "tiny", "logits", 32, True, 8.0, CARD),
    "other-gem": BundledEncoder("other-gem", "other", "descriptor", 16, False, 0.4, CARD),
}


class _Details(nn.Module):
    """What 16×16 pixels have beyond 8×8, so that small changes of a smooth photo turn it into another one."""

    def forward(self, photos):
        small = F.interpolate(photos, (16, 16), mode="bilinear", antialias=True)
        smooth = F.interpolate(F.avg_pool2d(small, 2), scale_factor=2)
        return (small - smooth).flatten(1)


class _Projection(nn.Module):
    """A random linear map; to unit length for a descriptor."""

    def __init__(self, entry, seed):
        super().__init__()
        self.normalised = entry.outputs == "descriptor"
        self.register_buffer("weights", torch.randn(entry.dim, 768, generator=torch.Generator().manual_seed(seed)))

    def forward(self, features):
        outputs = features @ self.weights.T
        return F.normalize(outputs, dim=1) if self.normalised else outputs


_TRUNKS = {"tiny": _Details(), "other": _Details()}
_ENCODERS = {
    name: Encoder(name, _TRUNKS[entry.network], _Projection(entry, seed), entry.dim, entry.outputs).eval()
    for seed, (name, entry) in enumerate(LISTED.items())
}


def _load(name):
    if name not in _ENCODERS:
        raise EncoderError(f"no encoder is called {name!r}; there are {', '.join(LISTED)}")
    return _ENCODERS[name]


def _stored(seed):
    def items(name):
        entry = LISTED[name]
        drawn = torch.randn(STORED, entry.dim, generator=torch.Generator().manual_seed(seed))
        return F.normalize(drawn, dim=1) if entry.outputs == "descriptor" else drawn.sign()

    return items


@pytest.fixture
def tiny_encoders(monkeypatch):
    """Two encoders that are seen, a descriptor and a code, and one that is not; by name."""
    replacements = {
        "bundled_encoders": lambda: LISTED,
        "load_encoder": _load,
        "owners_sample": _stored(100),
        "reference_gallery": _stored(200),
    }
    for module in ("encoders", "searchers.bundled"):
        for name in vars(import_module(f"recessive.{module}")).keys() & replacements:
            monkeypatch.setattr(import_module(f"recessive.{module}"), name, replacements[name])
    return _ENCODERS


@pytest.fixture
def reference():
    """The reference gallery of a tiny encoder: (S, D)."""
    return _stored(200)


@pytest.fixture
def committed_checkpoint(tmp_path, monkeypatch):
    """A hash network in place of those that ship with the package; its name."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    monkeypatch.setattr(hash_network, "CHECKPOINTS", folder)
    network = make_hash_network("any", make_backbone("small-plain"), 12)
    save_checkpoint(folder / "hashnet-12.safetensors", network, {"backbone": "small-plain"})
    return "hashnet-12"


@pytest.fixture
def scene():
    """Makes smooth colours without contrast: levels (height, width, 3)."""

    def make(height=48, width=64, seed=0):
        y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        phases = np.random.default_rng(seed).uniform(0, 6, 6)
        waves = [np.sin(5 * x + phases[i]) + np.cos(4 * y + phases[i + 3]) for i in range(3)]
        return np.round(128 + 30 * np.stack(waves, axis=-1)).astype(np.uint8)

    return make


@pytest.fixture
def texture():
    """Makes blobs of strong contrast, which have local features: levels (height, width, 3)."""

    def make(height=48, width=64, seed=0):
        blobs = np.random.default_rng(seed).integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC))

    return make


@pytest.fixture
def photo(tmp_path, scene):
    """Makes a photo file in the folder `in`, with what Pillow takes to save one; gives its path."""

    def make(name="a.png", levels=None, **options):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = levels if isinstance(levels, Image.Image) else Image.fromarray(scene() if levels is None else levels)
        image.save(path, **options)
        return path

    return make


@pytest.fixture
def broken(tmp_path):
    """A photo that is cut short."""
    path = tmp_path / "in" / "broken.jpg"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return path


@pytest.fixture
def protect(tmp_path):
    """Protects photos into the folder `out`: a list of reports and failures."""

    def run(*paths, out=tmp_path / "out", overwrite=False, **settings):
        protector = Protector(ProtectOptions(**{"steps": 4, **settings}))
        return list(protect_photos(paths, out, protector, overwrite=overwrite))

    return run


class Still:
    """A method that leaves photos alone and remembers how it was called."""

    name, summary, paper, departures = "still", "leaves photos alone", "none", "none"
    accepts, needs = frozenset({"descriptor", "logits"}), frozenset({"gradients"})
    budget, steps, against = 8.0, 1, ()

    def __init__(self):
        self.runs, self.surrogates, self.sizes = [], [], []

    def __call__(self, photos, surrogates, run):
        check(self, photos, surrogates, run)
        self.runs.append(run)
        self.surrogates.append(surrogates)
        self.sizes.append(tuple(photos.shape))
        return replace(Minimised.before(photos), steps=torch.ones(1, dtype=torch.int64))


@pytest.fixture
def still(monkeypatch):
    """`still`; give its `needs` another value to make it another kind of method."""
    method = Still()
    monkeypatch.setitem(METHODS, "still", method)
    return method


@dataclass(frozen=True)
class Mosaic(GradientFree):
    """A method without gradients: each 8×8 pixels become their mean."""

    name: str = "tiles"
    summary: str = "each 8×8 pixels become their mean"
    paper: str = "none"
    departures: str = "none"

    def change(self, photos, seeds):  # noqa: ARG002
        return F.interpolate(F.avg_pool2d(photos, 8), photos.shape[-2:])


@pytest.fixture
def tiles(monkeypatch):
    method = Mosaic()
    monkeypatch.setitem(METHODS, "tiles", method)
    return method


class Breaking(Still):
    """A method whose gradient is not finite for dark photos."""

    name = "breaking"

    def __call__(self, photos, surrogates, run):
        found = super().__call__(photos, surrogates, run)
        return replace(found, broken=photos.mean(dim=(1, 2, 3)) < 0.25)


@pytest.fixture
def breaking(monkeypatch):
    method = Breaking()
    monkeypatch.setitem(METHODS, "breaking", method)
    return method


@dataclass(frozen=True)
class Towards(Method):
    """A targeted method that works: the target's outputs, by gradient steps."""

    name: str = "tma"
    summary: str = "takes on the outputs of the target"
    paper: str = "none"
    departures: str = "none"
    needs: frozenset = frozenset({"gradients", "target"})
    budget: float = 255.0
    steps: int = 30

    def protect(self, photos, surrogates, run):
        wanted = [torch.stack([rows[0] for rows in target_outputs(s, run, photos.device)]) for s in surrogates]
        objectives = [DescriptorNear(F.normalize(rows, dim=1)) for rows in wanted]
        return descend(photos, surrogates, objectives, run, step=MomentumSign(2.0), keep_best=True)


@dataclass(frozen=True)
class DescriptorNear:
    """1 − cos(outputs, wanted)."""

    wanted: torch.Tensor

    def __call__(self, outputs, progress):  # noqa: ARG002
        return 1 - (F.normalize(outputs, dim=1) * self.wanted).sum(1)

    def score(self, outputs):
        return self(outputs, 1.0).detach()

    def of(self, rows):
        return DescriptorNear(self.wanted[rows])


@pytest.fixture
def towards(monkeypatch):
    """In place of `tma`."""
    method = Towards()
    monkeypatch.setitem(METHODS, "tma", method)
    return method


@pytest.fixture
def album(photo, scene):
    """A sample of the owner's: three photos of each of the classes beach and city."""
    for seed in range(6):
        path = photo(f"album/{'beach' if seed < 3 else 'city'}/{seed}.png", scene(seed=seed + 20))
    return path.parents[1]
