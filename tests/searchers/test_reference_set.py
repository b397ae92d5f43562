"""The reference set, and what is found on it."""

import os
from pathlib import Path

import pytest
import torch

from recessive.encoders import load_encoder
from recessive.searchers import find, find_threshold, reference_items, reference_photos
from recessive.searchers.reference_set import views


def test_the_set_is_the_same_each_time_and_has_no_picture_twice():
    photos = reference_photos()
    assert photos.shape == (200, 3, 160, 160)
    assert float(photos.min()) >= 0
    assert float(photos.max()) <= 1
    reference_photos.cache_clear()
    assert torch.equal(reference_photos(), photos)
    assert len(photos.flatten(1).unique(dim=0)) == 200


def test_views_show_the_same_motif_otherwise():
    photo = reference_photos()[3]
    for view in views(photo):
        assert view.shape[0] == 3
        assert min(view.shape[1:]) >= 64
        assert 0 <= float(view.min()) <= float(view.max()) <= 1


def test_sample_and_gallery_share_nothing():
    made = reference_items(find("conv-hash").describer())
    sample, gallery = made.sample(), made.gallery()
    assert sample.shape == gallery.shape == (100, 64)
    assert set(sample.unique().tolist()) == {-1.0, 1.0}


def test_a_threshold_finds_other_views_and_few_other_pictures():
    describer, photos = find("conv-gem").describer(), reference_photos()[:48]
    threshold = find_threshold(describer, photos)
    encoder = load_encoder("conv-gem")
    with torch.no_grad():
        items = encoder(photos)
        mirrored = 1 - (items * encoder(photos.flip(-1))).sum(1)
        others = 1 - items @ items.T + 2 * torch.eye(48)
    assert float((mirrored <= threshold).float().mean()) > 0.9
    assert float((others <= threshold).float().mean()) < 0.1


def test_what_is_found_is_kept_by_digest(monkeypatch, tmp_path):
    monkeypatch.setenv("RECESSIVE_CACHE", str(tmp_path))
    describer = find("conv-gem").describer()
    first = reference_items(describer)
    (kept,) = tmp_path.iterdir()
    assert describer.digest[:32] in kept.name
    monkeypatch.setattr("recessive.searchers.reference_set.find_threshold", lambda *_: pytest.fail("it is kept"))
    again = reference_items(describer)
    assert torch.equal(first.items, again.items)
    assert first.threshold == again.threshold


def test_a_cache_that_cannot_be_used_costs_time_only(monkeypatch, tmp_path):
    monkeypatch.setenv("RECESSIVE_CACHE", str(tmp_path / "file" / "deeper"))
    (tmp_path / "file").touch()
    describer = find("cedd").describer()
    assert len(reference_items(describer).items) == 200
    monkeypatch.setenv("RECESSIVE_CACHE", str(tmp_path / "damaged"))
    reference_items(describer)
    (kept,) = Path(os.environ["RECESSIVE_CACHE"]).iterdir()
    kept.write_bytes(b"no index")
    assert len(reference_items(describer).items) == 200
