"""CWDM: its family, its constants, and where it leads photos."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn

from recessive.balls import LInf
from recessive.codes import hamming, sign
from recessive.encoders import Encoder
from recessive.protection.method import MethodError, Run, Surrogate, defaults
from recessive.protection.methods.cwdm import CWDM, CWDM_FAMILY, CWDM_SIGN, CWDM_STRAIGHT_THROUGH
from recessive.protection.objectives.clusters import Exponential, Quadratic, Tanh, fit_curves, k_means
from recessive.protection.steps import SGD, MomentumSign, Sign

FAMILY = {method.name: method for method in CWDM_FAMILY}
BITS = 24


def dense_codes(places=4, members=12, seed=0):
    """Codes of a few dense places."""
    generator = torch.Generator().manual_seed(seed)
    middles = sign(torch.randn(places, BITS, generator=generator))
    codes = middles.repeat_interleave(members, 0)
    for number, code in enumerate(codes):
        code[torch.randperm(BITS, generator=generator)[: number % 2]] *= -1
    return codes


@pytest.fixture
def surrogate(surrogates):
    """With an owner's sample that has clusters."""
    return replace(surrogates["logits"], sample=dense_codes(), labels=None)


@pytest.fixture
def objective_of(surrogate, draw_photos, monkeypatch):
    """What a method hands to the loop."""

    def find(method, sample=None):
        given = []

        def spy(photos, surrogates, objectives, run, **rest):
            given.extend([objectives[0], rest])
            return descend(photos, surrogates, objectives, run, **rest)

        module = sys.modules[CWDM.__module__]
        descend = module.descend
        monkeypatch.setattr(module, "descend", spy)
        own = surrogate if sample is None else replace(surrogate, sample=sample)
        method(draw_photos(1, 24, 24, 0), [own], Run(LInf(8), 1, [0]))
        monkeypatch.setattr(module, "descend", descend)
        return given

    return find


def test_the_family_is_the_product_of_its_choices():
    expected = {
        f"cwdm{clustering}{curve}{squared}{centres}"
        for clustering, curve, squared, centres in product(
            ("", "-dbscan"), ("", "-tanh", "-exponential"), ("", "-squared"), ("", "-signed")
        )
    }
    assert len(CWDM_FAMILY) == len(FAMILY) == 27
    assert set(FAMILY) == expected | {"cwdm-sign", "cwdm-straight-through", "cwdm-straight-through-signed"}
    assert len({(m.clustering, m.curve, m.squared, m.centres) for m in CWDM_FAMILY}) == 24
    assert len({m.summary for m in CWDM_FAMILY}) == 27


@pytest.mark.parametrize("name", FAMILY)
def test_a_name_says_what_a_method_is_made_of(name, objective_of):
    method = FAMILY[name]
    assert (method.clustering == "dbscan") == ("-dbscan" in name)
    assert method.squared == ("-squared" in name)
    assert (method.centres == "signed") == name.endswith("-signed")
    curve = next((kind for kind in ("tanh", "exponential") if f"-{kind}" in name), "quadratic")
    assert method.curve == curve
    objective, rest = objective_of(replace(method, clusters=5))  # fits of curves take their time
    assert isinstance(objective.curves, {"quadratic": Quadratic, "tanh": Tanh, "exponential": Exponential}[curve])
    assert objective.squared == method.squared
    assert objective.relaxation == method.relaxation
    assert bool((objective.centres.abs() == 1).all()) == (method.centres == "signed")
    assert len(objective.centres) == (4 if method.clustering == "dbscan" else 5)
    assert rest["step"] == method.step


@pytest.mark.parametrize("name", FAMILY)
def test_what_is_told_of_a_method_is_true_of_it(name):
    method = FAMILY[name]
    if name == "cwdm-sign":
        assert "as cwdm" in method.departures
        return
    told = method.departures
    assert ("F_i is squared" in told) == method.squared
    assert ("F_i is not squared" in told) != method.squared
    assert ("DBSCAN" in told) == ("drops the last one" in told) == (method.clustering == "dbscan")
    assert ("signs of the means" in told) == (method.centres == "signed")
    assert ("passes straight through the sign" in told) == (method.relaxation == "straight-through")
    assert (method.relaxation == "straight-through") == ("straight-through" in name)
    assert "a ball of 8/255" in told
    assert method.budget == 8
    assert (f"{method.curve} curves" in told) == (method.curve != "quadratic")
    if name != "cwdm" and "straight-through" not in name:
        assert ("DBSCAN" in method.summary) == (method.clustering == "dbscan")
        assert ("squared" in method.summary) == method.squared
        assert ("codes" in method.summary) == (method.centres == "signed")
        assert (method.curve in method.summary) == (method.curve != "quadratic")


def test_published_constants():
    shown = defaults(CWDM())
    assert CWDM() == FAMILY["cwdm"]
    assert (shown["budget"], shown["steps"], shown["clusters"], shown["eps"]) == (8.0, 100, 20, 2.5)
    assert CWDM().step == SGD(0.1 * 50_000, momentum=0.9)
    assert FAMILY["cwdm-squared"].step == SGD(0.1 * 50_000 * 20, momentum=0.9)
    assert CWDM_SIGN.step == MomentumSign(1.0)
    assert CWDM().relaxation == "tanh"
    assert (CWDM_STRAIGHT_THROUGH.relaxation, CWDM_STRAIGHT_THROUGH.step) == ("straight-through", CWDM().step)


def test_clusters_and_eps_are_used(objective_of):
    assert len(objective_of(replace(CWDM(), clusters=3))[0].centres) == 3
    far = torch.cat([dense_codes(), dense_codes(seed=9)])
    dbscan = FAMILY["cwdm-dbscan"]
    assert len(objective_of(dbscan, far)[0].centres) == 8
    assert len(objective_of(replace(dbscan, eps=2 * BITS**0.5), far)[0].centres) == 1  # as far as codes can be


def test_all_dbscan_clusters_count_and_noise_does_not(objective_of):
    codes = dense_codes(places=3)
    lonely = sign(torch.randn(9, BITS, generator=torch.Generator().manual_seed(5)))
    objective, _ = objective_of(FAMILY["cwdm-dbscan"], torch.cat([lonely, codes]))
    means = torch.stack([codes[12 * place : 12 * place + 12].mean(0) for place in range(3)])
    distances = torch.cdist(means, objective.centres)
    assert objective.centres.shape == (3, BITS)
    assert (distances.min(1).values < 1e-5).all()


def test_without_any_cluster_it_is_said_what_to_change(surrogate, draw_photos):
    scattered = sign(torch.randn(30, BITS, generator=torch.Generator().manual_seed(6)))
    lacking = replace(surrogate, sample=scattered)
    with pytest.raises(MethodError, match=r"cwdm-dbscan finds no cluster among the 30 codes of tiny-hash: raise eps"):
        FAMILY["cwdm-dbscan"](draw_photos(1, 24, 24, 0), [lacking], Run(LInf(8), 1, [0]))


class Linear(nn.Module):
    """Photos of one row of bits to logits: gain · (mean over colours − ½)."""

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, photos):
        return self.gain * (photos.mean(1).flatten(1) - 0.5)


def linear_encoder(gain):
    return Encoder("linear", nn.Identity(), Linear(gain), BITS, "logits")


def grey_photo(offsets):
    """½ + offsets (BITS,) in all colours, on the grid."""
    return (0.5 + offsets.view(1, 1, 1, BITS).expand(1, 3, 1, BITS)).mul(255).round().div(255)


@pytest.mark.parametrize(
    "method",
    [
        *(FAMILY[name] for name in ("cwdm", "cwdm-sign", "cwdm-dbscan", "cwdm-signed", "cwdm-straight-through")),
        # of tanh(logits) these are flat here, far from all codes
        *(replace(FAMILY[name], relaxation="straight-through") for name in ("cwdm-exponential", "cwdm-tanh")),
    ],
    ids=lambda method: method.name,
)
def test_with_a_linear_encoder_a_photo_leaves_its_dense_place(method):
    """Logits of ±0.32, within the ±0.5 that a ball of 8/255 moves them: any code can be reached."""
    sample, encoder = dense_codes(), linear_encoder(16)
    photos = grey_photo(0.02 * sample[0])
    assert torch.equal(sign(encoder(photos)), sample[:1])
    found = method(photos, [Surrogate(encoder, sample)], Run(LInf(8), 60, [0])).photos
    before, after = ((hamming(sign(encoder(each)), sample) <= 5).sum().item() for each in (photos, found))
    assert before == 12
    assert after == 0


@pytest.mark.parametrize("relaxation", ["straight-through", "tanh"])
@pytest.mark.parametrize("squared", [False, True])
def test_squaring_stops_a_photo_at_the_first_root_instead_of_the_vertex(squared, relaxation):
    """One dense place and a linear encoder, whose bits flip one after the other: nothing else holds the photo."""
    sample, encoder = dense_codes(places=1, members=40), linear_encoder(4)
    objective = fit_curves(sample, k_means(sample, 1), relaxation=relaxation)
    square, linear, constant = objective.curves.parameters[0].tolist()
    vertex = -linear / (2 * square)
    root = vertex - (vertex**2 - constant / square) ** 0.5
    assert 0 < root < vertex - 4 < BITS - 4
    photos = grey_photo(torch.linspace(0.02, 0.12, BITS) * sample[0])
    method = replace(CWDM(), clusters=1, squared=squared, relaxation=relaxation, step=Sign(0.5))
    found = method(photos, [Surrogate(encoder, sample)], Run(LInf(60), 200, [0])).photos
    away = objective.distances(encoder(found)).item()
    assert away == pytest.approx(root if squared else vertex, abs=1.5)
