"""What an encoder looks at and what a search returns, by hand and against a search that holds everything."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recessive.codes import sign
from recessive.encoders import Encoder, load_encoder
from recessive.exposure import FIRST_RESULTS, audit
from recessive.exposure.heat_map import heat_maps
from recessive.galleries import DenseGallery, HammingGallery
from recessive.reports.insight import explain
from recessive.searchers import Searcher, searchers

DIM = 48


class Seen(nn.Module):
    """16 values of a photo of any size, and their places."""

    def forward(self, photos):
        return F.interpolate(photos, (4, 4), mode="bilinear", antialias=True) - 0.5


class Turned(nn.Module):
    """A random rotation of the values; of unit length for a descriptor."""

    def __init__(self, outputs):
        super().__init__()
        random = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(5))
        self.register_buffer("weights", torch.linalg.qr(random).Q)
        self.unit = outputs == "descriptor"

    def forward(self, features):
        outputs = features.flatten(1) @ self.weights
        return F.normalize(outputs, dim=1) if self.unit else outputs


@pytest.fixture
def searcher():
    """Makes a searcher whose gallery holds what the encoder gives for random photos, and these items."""

    def make(outputs="descriptor", name="turned", *, seen=True, photos=60, items=None):
        encoder = Encoder(name, Seen(), Turned(outputs), DIM, outputs)
        gallery = DenseGallery(DIM) if outputs == "descriptor" else HammingGallery(DIM)
        if photos:
            gallery.add(item(encoder, torch.rand(photos, 3, 4, 4, generator=torch.Generator().manual_seed(7))))
        if items is not None:
            gallery.add(items)
        return Searcher(encoder, gallery, 0.1, seen)

    return make


def item(encoder, photos):
    outputs = encoder(photos)
    return sign(outputs) if encoder.outputs == "logits" else outputs


def photos(noise=0.6, height=40, width=60):
    """A photo, and another one near it; both with 8 bits."""
    generator = torch.Generator().manual_seed(1)
    small = torch.rand(2, 3, 6, 6, generator=generator)
    original, other = F.interpolate(small, (height, width), mode="bilinear")
    return [(photo * 255).round() / 255 for photo in (original, (1 - noise) * original + noise * other)]


def part(photo, result):
    """The pixels that a result tells of."""
    left, top, wide, tall = result.box
    _, height, width = photo.shape
    columns = slice(round(left * width), round((left + wide) * width))
    found = photo[:, round(top * height) : round((top + tall) * height), columns]
    return found.flip(-1) if result.mirrored else found


def brute_force(searcher, original, upload, boxes):
    """Everything in one gallery, the upload first and then the parts: equal distances are in that order."""
    encoder = searcher.encoder
    everything = DenseGallery(DIM) if encoder.outputs == "descriptor" else HammingGallery(DIM)
    everything.add(item(encoder, upload[None]))
    for box in boxes:
        everything.add(item(encoder, part(original, box)[None]))
    everything.add(item(encoder, torch.rand(60, 3, 4, 4, generator=torch.Generator().manual_seed(7))))
    return everything.search(item(encoder, original[None]), len(everything))


class Box:
    def __init__(self, box, *, mirrored=False):
        self.box, self.mirrored = box, mirrored


BOXES = [
    Box((0.0, 0.0, 1.0, 1.0), mirrored=True),
    *(Box((0.4 * left, 0.4 * top, 0.6, 0.6)) for top in (0, 0.5, 1) for left in (0, 0.5, 1)),
]


@pytest.mark.parametrize("outputs", ["descriptor", "logits"])
@pytest.mark.parametrize("noise", [0.2, 0.6, 0.9])
def test_results_and_ranks_are_those_of_one_search_in_everything(searcher, outputs, noise):
    judge = searcher(outputs)
    original, protected = photos(noise)
    found = explain(original, protected, [judge]).search
    assert found.photos == 60 + 10 + 1
    for upload, rank, results in (
        (original, found.rank_before, found.before),
        (protected, found.rank_after, found.after),
    ):
        hits = brute_force(judge, original, upload, BOXES)
        places = hits.indices[0].tolist()
        assert rank == places.index(0) + 1
        assert [result.rank for result in results] == list(range(1, FIRST_RESULTS + 1))
        assert [result.kind for result in results] == [
            "photo" if place == 0 else "part" if place <= 10 else "other" for place in places[:FIRST_RESULTS]
        ]
        far = hits.distances[0, :FIRST_RESULTS].tolist()
        assert [result.distance for result in results] == pytest.approx(far, abs=1e-5)
        for result, place in zip(results, places, strict=False):
            if result.kind == "part":
                assert result.box == pytest.approx(BOXES[place - 1].box)
                assert result.mirrored == BOXES[place - 1].mirrored
            else:
                assert (result.box, result.mirrored) == (None, False)
    assert (found.rank_before, found.before[0].kind, found.before[0].distance) == (1, "photo", 0.0)


def test_what_is_hidden_is_not_among_the_results(searcher):
    original, _ = photos()
    found = explain(original, 1 - original, [searcher()]).search  # the opposite of its descriptor
    assert found.rank_after == found.photos
    assert "photo" not in {result.kind for result in found.after}
    assert len(found.after) == FIRST_RESULTS
    # What was searched else is the same.
    assert [result.distance for result in found.before[1:]] == [result.distance for result in found.after[:-1]]


def test_the_rank_is_that_of_the_audit_and_the_parts_that_are_nearer(searcher):
    original, protected = photos(0.9)
    judge = searcher()
    (entry,) = audit(original, protected, [judge]).encoders
    query = item(judge.encoder, original[None])
    parts = torch.cat([item(judge.encoder, part(original, box)[None]) for box in BOXES])
    nearer = int((judge.gallery.between(query.expand(10, -1), parts) < entry.distance_after).sum())
    assert nearer > 0
    assert explain(original, protected, [judge]).search.rank_after == entry.rank_after + nearer


@pytest.mark.parametrize("outputs", ["descriptor", "logits"])
def test_ties_go_against_the_owner(searcher, outputs):
    original, protected = photos(0.6)
    encoder = searcher(outputs).encoder
    copies = item(encoder, protected[None]).repeat(30, 1)
    found = explain(original, protected, [searcher(outputs, items=copies)]).search
    assert found.rank_after == explain(original, protected, [searcher(outputs)]).search.rank_after
    same = explain(original, original, [searcher(outputs, items=item(encoder, original[None]).repeat(30, 1))]).search
    assert (same.rank_before, same.rank_after) == (1, 1)
    assert same.after[0].kind == "photo"
    assert [result.kind for result in same.after[1:]] == ["other"] * 9


def test_the_gallery_stays_as_it_is(searcher):
    judge = searcher()
    query = torch.eye(DIM)[:1]
    before = judge.gallery.search(query, 100)
    explain(*photos(), [judge])
    after = judge.gallery.search(query, 100)
    assert len(judge.gallery) == 60
    assert torch.equal(before.distances, after.distances)


def test_a_small_gallery(searcher):
    found = explain(*photos(), [searcher(photos=0)]).search
    assert found.photos == 11
    assert {result.kind for result in found.before} == {"photo", "part"}


class Colours:
    """A searcher without a network."""

    name = "colours"

    def items(self, photo):  # noqa: ARG002
        raise AssertionError("has no gradient to look at")


def test_who_is_asked(searcher):
    sight = Searcher(Colours(), DenseGallery(3), 0.1, seen=True)
    seen_code, unseen_code = searcher("logits", "seen-hash"), searcher("logits", "other-hash", seen=False)
    seen, unseen = searcher("descriptor", "seen-gem"), searcher("descriptor", "other-gem", seen=False)
    second = searcher("descriptor", "second-gem")
    for asked, expected in (
        ([sight, seen_code, unseen, seen, second], "seen-gem"),
        ([sight, unseen_code, seen_code, unseen], "other-gem"),
        ([sight, unseen_code, seen_code], "other-hash"),
    ):
        assert explain(*photos(), asked).encoder == expected
    with pytest.raises(ValueError, match="a searcher with a network"):
        explain(*photos(), [sight])


def test_the_heat_is_that_of_both_against_the_views(searcher):
    judge = searcher()
    original, protected = photos()
    views = torch.cat([item(judge.encoder, part(original, box)[None]) for box in BOXES])
    before, after = heat_maps(judge.encoder, torch.stack([original, protected]), views)
    heat = explain(original, protected, [judge]).heat
    torch.testing.assert_close(torch.tensor(heat.before), before, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.tensor(heat.after), after, atol=1e-4, rtol=0)
    assert max(value for rows in (heat.before, heat.after) for row in rows for value in row) == 1


def test_it_is_plain_json(searcher):
    values = asdict(explain(*photos(), [searcher()]))
    loaded = json.loads(json.dumps(values, allow_nan=False))
    assert loaded.keys() == {"encoder", "heat", "search"}
    assert loaded["heat"].keys() == {"before", "after"}
    assert loaded["search"].keys() == {"photos", "rank_before", "rank_after", "before", "after"}
    assert loaded["search"]["before"][0] == {
        "rank": 1, "kind": "photo", "box": None, "mirrored": False, "distance": 0.0,
    }  # fmt: skip
    boxes = [result["box"] for result in loaded["search"]["before"] if result["kind"] == "part"]
    assert all(len(box) == 4 and box[0] + box[2] <= 1 and box[1] + box[3] <= 1 for box in boxes)


def test_the_bundled_encoders():
    judges = searchers(["conv-hash", "conv-gem", "depthwise-gem", "cedd"], ["conv-gem", "conv-hash"])
    original, protected = photos(0.9, 96, 128)
    found = explain(original, protected, judges)
    assert found.encoder == "conv-gem"
    assert (len(found.heat.before), len(found.heat.before[0])) == (10, 10)
    assert found.search.photos == len(judges[1].gallery) + 11
    assert found.search.rank_before == 1 < found.search.rank_after
    assert load_encoder("conv-gem").training is False


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 300), (700, 20)])
def test_photos_of_any_size(searcher, size):
    original, protected = photos(0.5, *size)
    assert explain(original, protected, [searcher()]).search.rank_before == 1


def test_a_photo_before_and_after_has_one_size(searcher):
    with pytest.raises(ValueError, match="the photos differ in size"):
        explain(torch.zeros(3, 8, 8), torch.zeros(3, 8, 9), [searcher()])
